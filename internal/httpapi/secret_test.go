package httpapi_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// TestTheDatabaseHoldsNoCredential: no file of the database has a ticket or a token of any kind, or the bytes that it encodes.
func TestTheDatabaseHoldsNoCredential(t *testing.T) {
	t.Attr("threat", "S09")
	t.Attr("threat", "A12")
	dir := t.TempDir()
	s := start(t, options{appTokens: true, stores: func(t *testing.T) stores {
		db, err := sqlite.Open(t.Context(), filepath.Join(dir, "test.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db.Set
	}})
	u := s.user("ada")
	c := s.signedIn("ada")
	secrets := [][]byte{[]byte(c.ticket()), []byte(c.cookie("csrftoken")), []byte(c.cookie("cloakroom_device")), []byte(goodPassword)}
	c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword})
	raw, err := base64.RawURLEncoding.DecodeString(c.ticket())
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, []byte(c.ticket()), raw)
	for _, how := range credentials {
		how.make(s, u)("GET", "/api/me", nil)
	}
	c.send("POST", "/api/auth/jwt/exchange", nil, "Authorization: Bearer "+s.jwtPair("ada").Access)
	if n := len(s.secret.opens); n < len(credentials) {
		t.Fatalf("only %d secrets were issued", n)
	}
	for secret := range s.secret.opens {
		secrets = append(secrets, forms(secret)...)
	}
	if err := s.api.Audit.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	found, told := false, false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(text, []byte(s.records(u.ID)[0].PublicID))
		told = told || bytes.Contains(text, []byte("authn_token_created"))
		for _, secret := range secrets {
			if bytes.Contains(text, secret) {
				t.Errorf("%s holds %q", file, secret)
			}
		}
	}
	if !told {
		t.Error("no file has the audit log, so nothing was searched")
	}
	if !found {
		t.Error("no file has the session, so nothing was searched")
	}
}

// TestWithoutRandomnessSignInFails, instead of issuing a predictable ticket.
func TestWithoutRandomnessSignInFails(t *testing.T) {
	t.Attr("threat", "A13")
	s := start(t, options{})
	u := s.user("ada")
	c := s.client()
	healthy := rand.Reader
	rand.Reader = dry{healthy}
	r := c.login("ada", goodPassword)
	rand.Reader = healthy
	if !isProblem(r, 500, "server_error") || len(r.Cookies()) > 0 {
		t.Errorf("got %d %s %v", r.StatusCode, r.body, r.Cookies())
	}
	if n := len(s.records(u.ID)); n != 0 {
		t.Errorf("there are %d sessions", n)
	}
	if !s.logged(`"msg":"sys_crash"`, "no randomness") {
		t.Error("the failure was not logged")
	}
	if r := c.login("ada", goodPassword); r.StatusCode != 200 {
		t.Errorf("afterwards: got %d %s", r.StatusCode, r.body)
	}
}

// dry is a source of randomness that fails to read 32 bytes, the size of a ticket.
type dry struct{ io.Reader }

func (d dry) Read(b []byte) (int, error) {
	if len(b) == 32 {
		return 0, io.ErrUnexpectedEOF
	}
	return d.Reader.Read(b)
}

// TestNoPredictableTicketIsASession: no constant, no ticket of zeros, no public ID and no hash is a valid ticket.
func TestNoPredictableTicketIsASession(t *testing.T) {
	t.Attr("threat", "S03")
	t.Attr("threat", "S04")
	s := start(t, options{})
	u := s.user("ada")
	c := s.signedIn("ada")
	record := s.records(u.ID)[0]
	encode := base64.RawURLEncoding.EncodeToString
	for name, guess := range map[string]string{
		"zeros": strings.Repeat("A", 43), "the hash": encode(record.ID[:]), "the public ID": record.PublicID, "the epoch": u.Epoch,
		"the public ID, filled up": (record.PublicID + strings.Repeat("A", 43))[:43], "the csrftoken": c.cookie("csrftoken"),
		"the device": c.cookie("cloakroom_device"), "the user": u.ID,
	} {
		if r := s.client().send("GET", "/api/me", nil, "Cookie: sessionid="+guess); isSignedIn(r) {
			t.Errorf("%s is a session", name)
		}
	}
	if id := c.ticket(); strings.Contains(id, session.CookieName) || strings.Contains(id, u.Username) {
		t.Errorf("the ticket contains the name of the cookie or the user: %q", id)
	}
}
