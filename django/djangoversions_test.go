package django_test

import (
	"os"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
)

// eachWith runs a test with each of these versions of Django, on each kind of database.
func eachWith(t *testing.T, all []djangoserver.Django, test func(t *testing.T, p *pair)) {
	for _, d := range all {
		t.Run("Django "+d.Version, func(t *testing.T) {
			each(t, func(t *testing.T, address func(t testing.TB) string) {
				test(t, newPair(t, address(t), func(c *djangoserver.Config, _ *cloakroom.Config) { c.Django = d }))
			})
		})
	}
}

// This is the matrix with the newest Django; in a long run, with all versions.
func TestEachSideSeesWhatTheOtherDoesWithNewerDjangos(t *testing.T) {
	t.Attr("threat", "B7")
	t.Parallel()
	all := djangoserver.Newer(t)
	if os.Getenv("CLOAKROOM_LONG") == "" {
		all = all[len(all)-1:]
	}
	eachWith(t, all, func(t *testing.T, p *pair) { p.agreesInEachCell(t) })
}
