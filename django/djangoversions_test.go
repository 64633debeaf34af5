package django_test

import (
	"os"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
)

// eachNewer runs a test with the newest version of Django on PostgreSQL; in a long run with each version that is newer than the
// installed one, on each kind of database.
func eachNewer(t *testing.T, test func(t *testing.T, p *pair)) {
	t.Parallel()
	every := os.Getenv("CLOAKROOM_LONG") != ""
	all := djangoserver.Newer(t)
	if !every {
		all = all[len(all)-1:]
	}
	for _, d := range all {
		paired := func(t *testing.T, address func(t testing.TB) string) {
			test(t, newPair(t, address(t), func(c *djangoserver.Config, _ *cloakroom.Config) { c.Django = d }))
		}
		t.Run("Django "+d.Version, func(t *testing.T) {
			if every {
				each(t, paired)
				return
			}
			t.Parallel()
			paired(t, postgresAddress)
		})
	}
}

// This is the matrix with newer versions of Django.
func TestEachSideSeesWhatTheOtherDoesWithNewerDjangos(t *testing.T) {
	t.Attr("threat", "B7")
	eachNewer(t, func(t *testing.T, p *pair) { p.agreesInEachCell(t) })
}
