package django_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/django"
)

// A session from before a change of the key is rewritten when it is read, and Django may save it between the reading and the
// writing.
func TestARenewalUndoesNoWriteByDjango(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		name, id := p.user(t)
		var encoded string
		p.site.Run(t, "encoded", map[string]any{"name": name}, &encoded)
		database := strings.TrimPrefix(p.config.DB, "django+")
		sessions := opened(t, django.Config{Database: database, Keys: django.Keys{"new", secret}, SessionEngine: "db"}).Sessions()
		db := p.raw(t)
		data := func(n int) string {
			text, err := keys.Sign(fmt.Sprintf(`{"_auth_user_id":%q,"_auth_user_backend":"b","_auth_user_hash":%q,"n":%d}`,
				id, django.AuthHash(secret, encoded), n), signedAt)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		for round := range 150 {
			key := fmt.Sprintf("%032d", round)
			if _, err := db.ExecContext(t.Context(), `INSERT INTO django_session VALUES ($1, $2, '2100-01-02 03:04:05')`, key, data(0)); err != nil {
				t.Fatal(err)
			}
			var both sync.WaitGroup
			begin := make(chan struct{})
			wanted, _ := ticket(key)
			both.Go(func() {
				<-begin
				if _, err := sessions.Load(t.Context(), wanted); err != nil {
					t.Error(err)
				}
			})
			both.Go(func() {
				<-begin
				if _, err := db.ExecContext(t.Context(), `UPDATE django_session SET session_data = $1 WHERE session_key = $2`, data(1), key); err != nil {
					t.Error(err)
				}
			})
			close(begin)
			both.Wait()
			if r, err := sessions.Load(t.Context(), wanted); err != nil || string(r.Values) != `{"n":1}` || r.Epoch != django.AuthHash("new", encoded) {
				t.Fatalf("round %d: what Django has saved is lost: %s, %v", round, r.Values, err)
			}
		}
	})
}

// Most users of some sites have no password.
func TestTheNewestPasswordIsFoundBehindManyUsersWithoutOne(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		p.user(t)
		var passwords []string
		for n := range 50 {
			passwords = append(passwords, fmt.Sprint("!", n))
		}
		p.site.Run(t, "crowd", map[string]any{"passwords": passwords}, nil)
		p.execute(t, `UPDATE auth_user SET password = '' WHERE username = 'user49'`)
		like, err := opened(t, django.Config{Database: strings.TrimPrefix(p.config.DB, "django+"), Keys: keys, SessionEngine: "db"}).UsualHash(t.Context())
		if err != nil || !strings.HasPrefix(like, "pbkdf2_sha256$20000$") {
			t.Errorf("a new user's hash is like %s, %v", like, err)
		}
	})
}
