package passkey_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/internal/passkey/passkeytest"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/store"
)

const (
	rpID   = "app.example.com"
	origin = "https://app.example.com"
	pages  = "https://www.example.com" // another origin that is trusted
)

// site is a relying party with one user, ada.
type site struct {
	*passkey.Service
	db store.Set
}

var ada = passkey.User{ID: "1", Name: "ada", DisplayName: "Ada Lovelace"}

func newSite(t testing.TB) site { return siteOf(t, memory.New().Set, "key") }

func siteOf(t testing.TB, db store.Set, keys ...string) site {
	t.Helper()
	s, err := passkey.New(passkey.Config{
		RPID: rpID, Name: rpID, Origins: []string{origin, pages}, Factors: db.Factors, Signins: db.Signins,
		Keys: func() (all [][]byte) {
			for _, key := range keys {
				all = append(all, []byte(key))
			}
			return all
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return site{s, db}
}

// add registers what a device has made, and stores it.
func (s site) add(t testing.TB, d *passkeytest.Device, kind factor.Kind) *factor.Factor {
	t.Helper()
	f, err := s.Register(t.Context(), ada.ID, kind, "session", d.Creation(s.creationChallenge(t, kind)).JSON())
	if err != nil {
		t.Fatal(err)
	}
	f.ID, f.State = fmt.Sprintf("%x", f.Credential[:8]), factor.Active
	if err := s.db.Factors.Add(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	p, err := s.db.Factors.Load(t.Context(), ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	d.Handle = p.Handle
	return f
}

func (s site) creationChallenge(t testing.TB, kind factor.Kind) string {
	t.Helper()
	options, err := s.CreationOptions(t.Context(), ada, kind, "session")
	if err != nil {
		t.Fatal(err)
	}
	return options.Response.Challenge.String()
}

// challenge returns a challenge for a sign-in, or for another ceremony of ada.
func (s site) challenge(t testing.TB, c passkey.Ceremony) string {
	t.Helper()
	options, err := s.RequestOptions()
	if c.Purpose != passkey.SignIn {
		options, err = s.RequestOptionsFor(t.Context(), c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return options.Response.Challenge.String()
}

var signIn = passkey.Ceremony{Purpose: passkey.SignIn, User: ada.ID, Verify: true}

// check verifies an answer as the routes do.
func (s site) check(t testing.TB, c passkey.Ceremony, credential []byte) (*passkey.Proof, error) {
	a, err := passkey.ParseAssertion(credential)
	if err != nil {
		return nil, err
	}
	if c.Purpose == passkey.SignIn {
		if c.User, err = s.Owner(t.Context(), a); err != nil {
			return nil, err
		}
	}
	return s.Check(t.Context(), a, c)
}

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

func newDevice() *passkeytest.Device { return passkeytest.New(rpID, origin) }
