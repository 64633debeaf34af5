//go:build !unix

package pg

import "github.com/jackc/pgx/v5/stdlib"

// reuse pings the server after a pause, to learn whether the connection still works.
func reuse() []stdlib.OptionOpenDB {
	return []stdlib.OptionOpenDB{stdlib.OptionShouldPing(unanswered)}
}
