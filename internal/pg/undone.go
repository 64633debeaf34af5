package pg

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Undone reports whether PostgreSQL has rolled back what may succeed if it is repeated: a serialization failure, or one of two transactions
// that waited for each other. The other may be another program's, whose order of locks isn't ours.
func Undone(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}
