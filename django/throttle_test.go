package django_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// Django takes "Ann" and "ann" for two names. After ten failures, the responses to another spelling must not reveal whether
// a user exists.
func TestGuessesRevealNoDjangoUser(t *testing.T) {
	t.Parallel()
	t.Attr("threat", "G05")
	for database, address := range map[string]string{"sqlite": "sqlite:" + t.TempDir() + "/db.sqlite3", "postgres": pgserver.Test(t)} {
		t.Run(database, func(t *testing.T) {
			p := newPair(t, address, nil)
			name, _ := p.user(t)
			b := p.person(t)
			guesses := func(name string) (answers []int) {
				for _, typed := range []string{
					name, name, name, name, name, name, name, name, name, name,
					strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], " " + name, name,
				} {
					answers = append(answers, b.signIn("Cloakroom", typed, "wrong"))
				}
				return answers
			}
			known, unknown := guesses(name), guesses("no-"+name)
			for i := range known {
				want := 401
				if i >= 10 {
					want = 429
				}
				if known[i] != want || unknown[i] != want {
					t.Errorf("guess %d: %d for a user's name, %d for another", i+1, known[i], unknown[i])
				}
			}
		})
	}
}
