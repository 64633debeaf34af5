//go:build !unix

package pgdial

import "github.com/jackc/pgx/v5/stdlib"

// reuse asks the server after each pause whether a connection is still one.
func reuse() []stdlib.OptionOpenDB {
	return []stdlib.OptionOpenDB{stdlib.OptionShouldPing(unanswered)}
}
