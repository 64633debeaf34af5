package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/events"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// patience is how long the tests wait for something that should happen at once.
const patience = 2 * time.Minute

// stream is an open event stream.
type stream struct {
	t        *testing.T
	response *http.Response
	events   chan string // "name data"; closed at the end of the stream
}

// listen opens an event stream, or returns the refusal.
func (c *client) listen(header ...string) (*stream, *answer) {
	c.s.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c.s.t.Cleanup(stop)
	r, err := http.NewRequestWithContext(ctx, "GET", c.s.URL+"/api/auth/events", nil)
	if err != nil {
		c.s.t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	response, err := c.Do(r)
	if err != nil {
		c.s.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		b, err := io.ReadAll(response.Body)
		if err != nil {
			c.s.t.Fatal(err)
		}
		a := &answer{response, b}
		described(c.s.t, r, a)
		return nil, a
	}
	st := &stream{c.s.t, response, make(chan string, 100)}
	go st.read()
	return st, nil
}

// listens opens an event stream.
func (c *client) listens() *stream {
	c.s.t.Helper()
	st, refusal := c.listen()
	if refusal != nil {
		c.s.t.Fatalf("got %d %s", refusal.StatusCode, refusal.body)
	}
	return st
}

func (st *stream) read() {
	defer close(st.events)
	lines := bufio.NewScanner(st.response.Body)
	name := ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "data":
			st.events <- name + " " + value
		}
	}
}

// next returns the next event, or "" at the end of the stream.
func (st *stream) next() string {
	st.t.Helper()
	select {
	case e := <-st.events:
		return e
	case <-time.After(patience):
		st.t.Fatal("no event came")
		return ""
	}
}

// ends fails the test unless the stream sends the reason for its end, and ends.
func (st *stream) ends(about, reason string) {
	st.t.Helper()
	if got, want := st.next(), fmt.Sprintf(`session.ended {"reason":%q}`, reason); got != want {
		st.t.Errorf("%s: the stream sent %q, want %q", about, got, want)
	} else if more := st.next(); more != "" {
		st.t.Errorf("%s: after its end the stream sent %q", about, more)
	}
}

// quiet fails the test if the stream sends an event.
func (st *stream) quiet(about string) {
	st.t.Helper()
	select {
	case e := <-st.events:
		st.t.Errorf("%s: the stream sent %q", about, e)
	case <-time.After(1200 * time.Millisecond): // the Hub checks twice in this time, and once more after a change of the account
	}
}

func (st *stream) close() { st.response.Body.Close() }

// sessionEndings end sessions of a user who is signed in as victim, and as other from another device.
var sessionEndings = []struct {
	name, reason string
	act          func(s *server, u *account.User, victim, other *client) error
}{
	{"sign-out in another tab", "signed_out", func(_ *server, _ *account.User, victim, _ *client) error {
		return status(victim.send("POST", "/api/auth/logout", nil))
	}},
	{"sign-in over it", "signed_in_again", func(_ *server, _ *account.User, victim, _ *client) error {
		return status(victim.login("ada", goodPassword))
	}},
	{"ended from another device", "ended_elsewhere", func(s *server, u *account.User, victim, other *client) error {
		return status(other.send("DELETE", "/api/auth/sessions/"+victim.sessionID(), nil))
	}},
	{"all others ended", "ended_elsewhere", func(_ *server, _ *account.User, _, other *client) error {
		return status(other.send("DELETE", "/api/auth/sessions", nil))
	}},
	{"password changed", "password_changed", func(_ *server, _ *account.User, _, other *client) error {
		return status(other.send("POST", "/api/auth/password/change", changing(goodPassword, newPassword)))
	}},
	{"a factor added", "account_changed", func(_ *server, _ *account.User, _, other *client) error {
		other.enrol()
		return nil
	}},
	{"a factor added at another node", "account_changed", func(s *server, u *account.User, _, _ *client) error {
		_, err := s.api.Accounts.RenewEpoch(s.t.Context(), u.ID, u.Epoch)
		return err
	}},
	{"the address changed at another node", "account_changed", func(s *server, u *account.User, _, _ *client) error {
		_, err := s.api.Accounts.ChangeEmail(s.t.Context(), u, "new@example.com")
		return err
	}},
	{"a factor removed by the operator", "administrator", func(s *server, u *account.User, _, _ *client) error {
		_, err := s.api.Accounts.RevokeAllIfUnchanged(s.t.Context(), u.ID, u.Epoch)
		return err
	}},
	{"compromised, at another node", "administrator", func(s *server, u *account.User, _, _ *client) error {
		_, _, err := s.api.Accounts.DeclareCompromised(s.t.Context(), u.ID)
		return err
	}},
	{"one sign-in too many", "replaced", func(s *server, _ *account.User, _, other *client) error {
		s.api.Sessions.MaxSessions = 2
		return status(s.client().login("ada", goodPassword))
	}},
	{"password set by an administrator", "password_changed", func(s *server, u *account.User, _, _ *client) error {
		return s.api.Accounts.SetPassword(s.t.Context(), u.ID, newPassword)
	}},
	{"disabled", "disabled", func(s *server, u *account.User, _, _ *client) error {
		return s.api.Accounts.SetActive(s.t.Context(), u.ID, false)
	}},
	{"disabled among many", "disabled", func(s *server, u *account.User, _, _ *client) error {
		_, err := s.api.Accounts.DisableAll(s.t.Context(), []string{"77", u.ID})
		return err
	}},
	{"deleted", "deleted", func(s *server, u *account.User, _, _ *client) error {
		return s.api.Accounts.Delete(s.t.Context(), u.ID)
	}},
	{"everything ended", "administrator", func(s *server, u *account.User, _, _ *client) error {
		return s.api.Accounts.RevokeAll(s.t.Context(), u.ID)
	}},
	{"revoked for a reason", "administrator", func(s *server, u *account.User, victim, _ *client) error {
		return s.api.Sessions.Revoke(session.WithReason(s.t.Context(), "administrator"), "", victim.sessionID())
	}},
	{"gone from the store", "ended_elsewhere", func(s *server, u *account.User, victim, _ *client) error {
		return s.remove(u.ID, victim.sessionID())
	}},
}

func status(r *answer) error {
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("got %d %s", r.StatusCode, r.body)
	}
	return nil
}

// sessionID returns the public ID of the client's session.
func (c *client) sessionID() string {
	c.s.t.Helper()
	var out struct {
		Sessions []struct {
			ID      string
			Current bool
		}
	}
	if r := c.send("GET", "/api/auth/sessions?slide=false", nil); json.Unmarshal(r.body, &out) != nil {
		c.s.t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	for _, one := range out.Sessions {
		if one.Current {
			return one.ID
		}
	}
	c.s.t.Fatal("no current session")
	return ""
}

// remove deletes a session from the store like another process.
func (s *server) remove(user, id string) error {
	for _, r := range s.records(user) {
		if r.PublicID == id {
			return s.stores.Sessions.Delete(s.t.Context(), r.ID)
		}
	}
	return fmt.Errorf("no session %q", id)
}

// TestAStreamEndsWithItsSessionAndSendsTheReason, whatever ends it. The other device's stream sends nothing if its session goes
// on.
func TestAStreamEndsWithItsSessionAndSendsTheReason(t *testing.T) {
	t.Attr("threat", "B10")
	for _, act := range sessionEndings {
		t.Run(act.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, options{})
			u := s.user("ada")
			victim := s.as(u)
			s.change(u.ID, func(r *session.Record) { r.Created-- }) // the oldest
			other := s.as(u)
			told, spared := victim.listens(), other.listens()
			if err := act.act(s, u, victim, other); err != nil {
				t.Fatal(err)
			}
			told.ends(act.name, act.reason)
			if other.send("GET", "/api/me?slide=false", nil).StatusCode == http.StatusOK {
				spared.quiet(act.name)
			} else {
				spared.ends(act.name, act.reason)
			}
			if _, refusal := victim.listen(); refusal != nil && refusal.code() != "session_ended" && refusal.code() != "not_authenticated" {
				t.Errorf("a new stream: got %d %s", refusal.StatusCode, refusal.body)
			}
		})
	}
}

// TestAStreamOutlivesTheRotationOfItsTicket, because the session is the same.
func TestAStreamOutlivesTheRotationOfItsTicket(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	st := c.listens()
	again := c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword})
	change := c.send("POST", "/api/auth/password/change", changing(goodPassword, newPassword))
	if again.StatusCode != 200 || change.StatusCode != 200 {
		t.Fatalf("got %d %s, %d %s", again.StatusCode, again.body, change.StatusCode, change.body)
	}
	st.quiet("after a re-authentication and a password change")
	if err := s.remove(u.ID, c.sessionID()); err != nil {
		t.Fatal(err)
	}
	st.ends("the end of the session as it is now", "ended_elsewhere")
}

// TestChangesByAnotherProcessAreSent: the other process shares only the database file with this one.
func TestChangesByAnotherProcessAreSent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	open := func() *sqlite.DB {
		db, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	ours, theirs := open(), open()
	s := start(t, options{
		stores: func(*testing.T) stores {
			return ours.Set
		},
		change: func(a *httpapi.API) { a.Live.Version = ours.DataVersion },
	})
	ada, bob := s.user("ada"), s.user("bob")
	a, b := s.as(ada).listens(), s.as(bob).listens()
	time.Sleep(time.Second) // until the events of our own changes have been sent
	var took []time.Duration
	began := time.Now()
	_, err := theirs.Accounts.Change(t.Context(), bob.ID, func(u *account.User) error { u.UserPermissions = []string{"blog.add_post"}; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := b.next(); got != "permissions.changed {}" {
		t.Errorf("after a change of rights by another process the stream sent %q", got)
	}
	took = append(took, time.Since(began))
	began = time.Now()
	if _, err := theirs.Sessions.DeleteUser(t.Context(), ada.ID, session.ID{}); err != nil {
		t.Fatal(err)
	}
	a.ends("deleted by another process", "ended_elsewhere")
	took = append(took, time.Since(began))
	t.Logf("noticed after %v", took)
	if slices.Max(took) > 8*time.Second { // the Hub checks all pages every 15 seconds anyway
		t.Error("the event came too late")
	}
	b.quiet("the other user's stream")
}

func TestChangesOfRightsAreSent(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	u := s.user("ada")
	st := s.as(u).listens()
	edit := func(change func(*account.User)) {
		t.Helper()
		if _, err := s.api.Accounts.Edit(t.Context(), u.ID, func(u *account.User) error { change(u); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		name   string
		change func(*account.User)
	}{
		{"permissions", func(u *account.User) { u.UserPermissions = []string{"blog.add_post"} }},
		{"staff", func(u *account.User) { u.IsStaff = true }}, // must come before superuser, which implies it
		{"superuser", func(u *account.User) { u.IsSuperuser = true }},
		{"name", func(u *account.User) { u.FirstName = "Ada" }},
	} {
		edit(row.change)
		if got := st.next(); got != "permissions.changed {}" {
			t.Errorf("after a change of the %s the stream sent %q, want permissions.changed", row.name, got)
		}
	}
	edit(func(*account.User) {})
	st.quiet("nothing has changed")
}

// TestAStreamWarnsBeforeTheSessionEnds: the warning comes a minute before the end, and once more if the session was used after
// it. The end comes on the second.
func TestAStreamWarnsBeforeTheSessionEnds(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	end := time.Now().Unix() + 3
	s.change(u.ID, func(r *session.Record) { r.Expires = end })
	st := c.listens()
	if got, want := st.next(), fmt.Sprintf(`session.expiring {"expires_at":%q}`, time.Unix(end, 0).UTC().Format(time.RFC3339)); got != want {
		t.Errorf("the stream sent %q, want %q", got, want)
	}
	st.ends("the end", "expired")
	if late := time.Since(time.Unix(end, 0)); late < 0 || late > patience {
		t.Errorf("the end came %v late", late)
	}

	c = s.as(u)
	s.change(u.ID, func(r *session.Record) { r.Expires = time.Now().Unix() + 20; r.Seen -= 120 })
	st = c.listens()
	st.next()
	c.send("GET", "/api/me", nil) // two weeks more
	st.quiet("after a use")
}

func TestAStreamDoesNotExtendItsSession(t *testing.T) {
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	s.change(u.ID, func(r *session.Record) { r.Seen -= 3600; r.Expires -= 3600 })
	before := s.records(u.ID)[0]
	for _, path := range []string{"/api/auth/events", "/api/auth/events/"} {
		if r := c.send("GET", path, nil); r.StatusCode != 200 {
			t.Fatalf("got %d %s", r.StatusCode, r.body)
		}
	}
	s.usesWritten()
	if after := s.records(u.ID)[0]; after.Seen != before.Seen || after.Expires != before.Expires {
		t.Errorf("the stream counts as a use: seen %d and expires %d, before %d and %d", after.Seen, after.Expires, before.Seen, before.Expires)
	}
}

// TestOnlyTrustedOriginsMayOpenAStream: a page of another origin couldn't read a stream, but an open one uses resources.
func TestOnlyTrustedOriginsMayOpenAStream(t *testing.T) {
	t.Attr("threat", "F05")
	s := start(t, options{origins: []string{"http://127.0.0.1:3000"}})
	u := s.user("ada")
	c := s.as(u)
	for _, row := range []struct {
		header []string
		want   int
	}{
		{nil, 200},
		{[]string{"Origin: " + s.URL}, 200},
		{[]string{"Origin: http://127.0.0.1:3000", "Sec-Fetch-Site: same-site"}, 200},
		{[]string{"Sec-Fetch-Site: same-origin"}, 200},
		{[]string{"Origin: https://evil.example"}, 403},
		{[]string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, 403},
		{[]string{"Origin: http://127.0.0.1:3001", "Sec-Fetch-Site: same-site"}, 403},
		{[]string{"Origin: null"}, 403},
		{[]string{"Sec-Fetch-Site: cross-site"}, 403},
		{[]string{"Sec-Fetch-Site: same-site"}, 403},
	} {
		st, refusal := c.listen(row.header...)
		switch {
		case st != nil:
			if row.want != 200 {
				t.Errorf("%q: got a stream, want %d", row.header, row.want)
			}
			st.close()
		case refusal.StatusCode != row.want || refusal.code() != "csrf_failed":
			t.Errorf("%q: got %d %s", row.header, refusal.StatusCode, refusal.body)
		}
	}
}

func TestTheNinthStreamOfASessionIsRefused(t *testing.T) {
	s := start(t, options{})
	u := s.user("ada")
	c, other := s.as(u), s.as(u)
	var open []*stream
	for range events.MaxPerSession {
		open = append(open, c.listens())
	}
	_, refusal := c.listen()
	if refusal == nil || !isProblem(refusal, 429, "too_many_streams") || refusal.Header.Get("Retry-After") == "" {
		t.Fatalf("the ninth stream: got %+v", refusal)
	}
	other.listens() // the limit is for each session
	open[3].close()
	s.waitFor("the place of a page that has gone", func() bool {
		st, _ := c.listen()
		return st != nil
	})
}

// waitFor waits until holds returns true.
func (s *server) waitFor(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	s.t.Fatalf("did not happen: %s", what)
}

// TestStreamsOverHTTP2: they share their connection with other requests.
func TestStreamsOverHTTP2(t *testing.T) {
	s := start(t, options{tls: true})
	s.user("ada")
	c := s.signedIn("ada")
	st := c.listens()
	if st.response.ProtoMajor != 2 {
		t.Fatalf("the protocol is %s, want HTTP/2", st.response.Proto)
	}
	if r := c.send("POST", "/api/auth/logout", nil); r.StatusCode != 200 {
		t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	st.ends("sign-out", "signed_out")
	st = s.signedIn("ada").listens()
	st.close()
	s.waitFor("the page to be gone", func() bool { return s.api.Live.Len() == 0 })
}

// TestStreamsEndWhenTheServerStops, without an event, because the session goes on.
func TestStreamsEndWhenTheServerStops(t *testing.T) {
	for _, tls := range []bool{false, true} {
		s := start(t, options{tls: tls})
		c := s.as(s.user("ada"))
		st := c.listens()
		s.api.Drain()
		if got := st.next(); got != "" {
			t.Errorf("the stream sent %q, want its end", got)
		}
		if _, refusal := c.listen(); refusal == nil || !isProblem(refusal, 503, "stopping") {
			t.Errorf("a new stream: got %+v", refusal)
		}
		if r := c.send("GET", "/api/me", nil); r.StatusCode != 200 {
			t.Errorf("the session: got %d %s", r.StatusCode, r.body)
		}
	}
}

// TestAnOutageKeepsStreamsOpen: a stream stays open during an outage and sends nothing. After the outage it sends what happened.
func TestAnOutageKeepsStreamsOpen(t *testing.T) {
	t.Parallel()
	store := &breaking{}
	s := start(t, options{stores: func(t *testing.T) stores {
		st := inMemory(t)
		store.Store, st.Sessions = st.Sessions, store
		return st
	}})
	u := s.user("ada")
	st := s.as(u).listens()
	store.broken.Store(true)
	st.quiet("an outage")
	if err := s.api.Accounts.SetActive(t.Context(), u.ID, false); err != nil {
		t.Fatal(err)
	}
	st.quiet("the session ended during the outage")
	store.broken.Store(false)
	st.ends("after the outage", "disabled")
	if n := strings.Count(s.log.String(), "open pages not checked"); n != 1 {
		t.Errorf("the log has %d lines about one outage, want 1", n)
	}
}

// breaking is a session store whose reads can be made to fail.
type breaking struct {
	session.Store
	broken atomic.Bool
}

func (b *breaking) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	if b.broken.Load() {
		return nil, errors.New("out")
	}
	return b.Store.Load(ctx, id)
}

// TestATokenHasNoStream, since a stream is for a session.
func TestATokenHasNoStream(t *testing.T) {
	s := start(t, options{})
	u := s.user("ada")
	text, _, err := s.api.Auth.NewPersonalToken(t.Context(), u, auth.PersonalTokenOptions{Name: "script", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, refusal := s.program().listen("Authorization: Bearer " + text); refusal == nil || !isProblem(refusal, 403, "session_required") {
		t.Errorf("got %+v", refusal)
	}
}
