//go:build !unix

package postgres

import "github.com/jackc/pgx/v5/stdlib"

// reuse leaves it to the driver, which asks the server after each pause of a second.
func reuse() []stdlib.OptionOpenDB { return nil }
