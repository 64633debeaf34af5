package sqlite_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/cloakroom-auth/cloakroom/sealed"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// A copy of the files, -wal and -shm included, gives access to nothing: they hold no ticket, neither as text nor as bytes.
func TestTheFilesHoldNoTicket(t *testing.T) {
	t.Attr("threat", "A12")
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	m := &session.Manager{Store: open(t, path).Sessions}
	for range 50 {
		w := httptest.NewRecorder()
		s, err := m.SignIn(w, httptest.NewRequest("POST", "https://example.org/", nil), session.SignIn{User: "1"})
		if err != nil {
			t.Fatal(err)
		}
		ticket := []byte(w.Result().Cookies()[0].Value)
		secret, err := base64.RawURLEncoding.DecodeString(string(ticket))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, name := range []string{path, path + "-wal", path + "-shm"} {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(content, ticket) || bytes.Contains(content, secret) {
				t.Fatalf("%s holds a ticket", name)
			}
			found = found || bytes.Contains(content, []byte(s.ID))
		}
		if !found {
			t.Fatal("the files don't even hold the session")
		}
	}
}

// The keys of counters contain what clients type. No key names anything but a counter.
func TestCountersSessionsAndSecretsShareNoNames(t *testing.T) {
	t.Attr("threat", "A10")
	db := open(t, filepath.Join(t.TempDir(), "cloakroom.db"))
	r := ticket(1)
	if err := db.Sessions.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := db.Sealed.PutSealed(t.Context(), []sealed.Secret{{Name: "key", Box: []byte("box")}}); err != nil {
		t.Fatal(err)
	}
	keys := []string{string(r.ID[:]), r.PublicID, r.User, "key", "sessions", fmt.Sprintf("%x", r.ID)}
	set := func(c []throttle.Counter) error {
		for i := range c {
			if c[i] != (throttle.Counter{}) {
				t.Errorf("the counter of %q is %+v", keys[i], c[i])
			}
			c[i] = throttle.Counter{Tries: 1, Ends: 5}
		}
		return nil
	}
	if err := db.Throttles.Update(t.Context(), keys, set); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Throttles.DeleteExpired(t.Context(), 1<<60, 100); err != nil || n != len(keys) {
		t.Fatalf("%d counters were forgotten (%v)", n, err)
	}
	if got, err := db.Sessions.Load(t.Context(), r.ID); err != nil || got.Version != r.Version {
		t.Errorf("the session is %+v (%v)", got, err)
	}
	if all, err := db.Sealed.Sealed(t.Context()); err != nil || len(all) != 1 || string(all[0].Box) != "box" {
		t.Errorf("the secrets are %v (%v)", all, err)
	}
}

func TestACounterOutlivesAFloodAndARestart(t *testing.T) {
	t.Attr("threat", "F7")
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	victim := throttle.Counter{Tries: 9, Since: 1, Until: 2, Level: 3, Ends: 4}
	flood := func(db *sqlite.DB, prefix string) error {
		for batch := range 20 {
			var keys []string
			for n := range 1_000 {
				keys = append(keys, fmt.Sprint(prefix, batch, ".", n))
			}
			err := db.Throttles.Update(t.Context(), keys, func(c []throttle.Counter) error {
				for i := range c {
					c[i] = throttle.Counter{Tries: 1, Ends: 1 << 40}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	db := open(t, path)
	set := func(c []throttle.Counter) error { c[0] = victim; return nil }
	if err := errors.Join(db.Throttles.Update(t.Context(), []string{"victim"}, set), flood(db, "a"), db.Close()); err != nil {
		t.Fatal(err)
	}
	db = open(t, path)
	if err := flood(db, "b"); err != nil {
		t.Fatal(err)
	}
	look := func(c []throttle.Counter) error {
		if c[0] != victim {
			t.Errorf("the counter is %+v, want %+v", c[0], victim)
		}
		return nil
	}
	if err := db.Throttles.Update(t.Context(), []string{"victim"}, look); err != nil {
		t.Fatal(err)
	}
}
