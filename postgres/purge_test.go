package postgres_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// TestAPurgeDeletesNoMoreThanItsLimit under any plan of the server: a plan that runs a subquery again for each row finds
// other rows each time, since locked ones are skipped.
func TestAPurgeDeletesNoMoreThanItsLimit(t *testing.T) {
	url := pgserver.Test(t)
	name := url[strings.LastIndexByte(url, '/')+1:]
	for _, plan := range []string{"enable_hashjoin", "enable_mergejoin", "enable_hashagg", "enable_material", "enable_sort", "enable_memoize"} {
		sql(t, url, `ALTER DATABASE `+name+` SET `+plan+` = off`)
	}
	db := open(t, url)
	for n := range 5 {
		r := ticket(n)
		r.Expires = 2
		must(t, db.Sessions.Create(t.Context(), r))
	}
	for left := 5; left > 0; left-- {
		if n, err := db.Sessions.DeleteExpired(t.Context(), 10, 1); err != nil || n != 1 {
			t.Fatalf("DeleteExpired of at most one: %d, %v, with %d left", n, err, left)
		}
	}
}
