package grant_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/grant"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/oidc"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

const issuer = "https://accounts.example.com"

// op is a provider that gives each refresh token once, and ends everything when one is used twice. It is a transport, so it runs in the
// time of a synctest bubble.
type op struct {
	mu      sync.Mutex
	refresh string // the one that counts; "": none does
	given   int
	revoked []string // tokens that it was told to revoke
	life    int      // seconds that an access token is good for
	slow    time.Duration
	away    bool
	status  int    // of the answers to token requests; 0: what is right
	code    string // of the error
	hook    func() // called while a token is asked for
	plain   bool   // it has no revocation endpoint
	deaf    bool   // its revocation endpoint fails
	told    int    // how often it was told to revoke something while deaf
}

func newOP() *op { return &op{refresh: "secret-refresh-0", life: 3600} }

func (o *op) RoundTrip(r *http.Request) (*http.Response, error) {
	text := []byte{}
	if r.Body != nil {
		text, _ = io.ReadAll(r.Body)
	}
	o.mu.Lock()
	away, slow, hook := o.away, o.slow, o.hook
	o.mu.Unlock()
	if away {
		return nil, errors.New("connection refused")
	}
	if r.URL.Path == "/token" {
		time.Sleep(slow)
		if hook != nil {
			hook()
		}
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	o.answer(w, r, string(text))
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

func (o *op) answer(w *httptest.ResponseRecorder, r *http.Request, body string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	write := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	form := httptest.NewRequest("POST", "/", strings.NewReader(body))
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_ = form.ParseForm()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
			"jwks_uri": issuer + "/keys", "revocation_endpoint": issuer + "/revoke",
		}
		if o.plain {
			delete(m, "revocation_endpoint")
		}
		write(m)
	case "/token":
		if o.status != 0 {
			w.WriteHeader(o.status)
			write(map[string]any{"error": o.code})
			return
		}
		if token := form.PostForm.Get("refresh_token"); token == "" || token != o.refresh {
			o.refresh = "" // used twice
			w.WriteHeader(400)
			write(map[string]any{"error": "invalid_grant"})
			return
		}
		o.given++
		o.refresh = fmt.Sprint("secret-refresh-", o.given)
		write(map[string]any{"access_token": fmt.Sprint("secret-access-", o.given), "refresh_token": o.refresh, "token_type": "Bearer", "expires_in": o.life})
	case "/revoke":
		if o.deaf {
			o.told++
			w.WriteHeader(503)
			return
		}
		o.revoked = append(o.revoked, form.PostForm.Get("token"))
	default:
		w.WriteHeader(404)
	}
}

func (o *op) change(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

func (o *op) renewals() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.given
}

func (o *op) revocations() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.revoked)
}

// world is a database with a session that was begun at a provider, and the processes that use it.
type world struct {
	t       *testing.T
	op      *op
	set     store.Set
	plan    *storetest.FaultPlan
	ring    *keyring.Ring
	log     *lockedBuffer
	manager *session.Manager
	reasons []string // for which sessions have ended
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newWorld(t *testing.T, o *op) *world {
	t.Helper()
	ring, err := keyring.Create(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	plan := &storetest.FaultPlan{}
	w := &world{t: t, op: o, plan: plan, set: storetest.Faulty(memory.New().Set, plan), ring: ring, log: &lockedBuffer{}}
	w.manager = &session.Manager{Store: w.set.Sessions, OnEnd: func(e session.EndEvent) { w.reasons = append(w.reasons, e.Reason) }}
	t.Cleanup(func() {
		if text := w.log.String(); strings.Contains(text, "secret-") {
			t.Errorf("the log has a token:\n%s", text)
		}
	})
	return w
}

// node is one process.
func (w *world) node() *grant.Service {
	return &grant.Service{
		Store: w.set.Grants, Sessions: w.manager, Keys: keyring.NewDataKeys(w.ring, w.set.Sealed), Providers: []*oidc.Provider{w.provider("example")},
		Audit: &audit.Log{Store: w.set.Audit}, Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
}

func (w *world) provider(name string) *oidc.Provider {
	w.t.Helper()
	s, err := oidc.ParseSettings(name, []byte(`{"issuer":"`+issuer+`","client_id":"cloakroom","client_secret":"secret-of-client","keep_tokens":true}`))
	if err != nil {
		w.t.Fatal(err)
	}
	return oidc.New(s, "https://app.example.com/api/auth/oidc/"+name+"/callback", w.op)
}

// begin makes a session.
func (w *world) begin(id string) *session.Session {
	w.t.Helper()
	now := time.Now().Unix()
	r := &session.Record{
		ID: session.ID{byte(len(id)), id[0]}, PublicID: id, User: "ada", Created: now, Seen: now, Idle: 1 << 30, Deadline: now + 1<<30, Expires: now + 1<<30,
	}
	must(w.t, w.set.Sessions.Create(w.t.Context(), r))
	return w.find(id)
}

func (w *world) find(id string) *session.Session {
	w.t.Helper()
	s, err := w.manager.Find(w.t.Context(), id)
	must(w.t, err)
	return s
}

// keep gives the session tokens that are good for so many seconds.
func (w *world) keep(s *grant.Service, id string, life int64) {
	w.t.Helper()
	must(w.t, s.Keep(w.t.Context(), id, "ada", w.provider("example"), &oidc.Tokens{
		Access: "secret-access-0", Refresh: "secret-refresh-0", Expires: time.Now().Unix() + life,
	}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// gets ends the test unless the session has this token.
func gets(t testing.TB, s *grant.Service, of *session.Session, token string) {
	t.Helper()
	value, err := s.Header(t.Context(), of, "example")
	if err != nil || len(value) != 1 || value[0] != "Bearer "+token {
		t.Fatalf("Header = %q, %v; want Bearer %s", value, err, token)
	}
}

func fails(t testing.TB, s *grant.Service, of *session.Session, want error) {
	t.Helper()
	if value, err := s.Header(t.Context(), of, "example"); !errors.Is(err, want) || value != nil {
		t.Fatalf("Header = %q, %v; want %v", value, err, want)
	}
}

// run runs the upkeep of a node until the test ends.
func run(t *testing.T, s *grant.Service) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestManyRequestsWithAnExpiredTokenCauseOneRenewal: over all nodes, for as long as a renewal takes. The provider ends everything if a
// refresh token is used twice.
func TestManyRequestsWithAnExpiredTokenCauseOneRenewal(t *testing.T) {
	t.Attr("threat", "O13")
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprint(nodes, " nodes"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOP()
				o.slow = 3 * time.Second
				w := newWorld(t, o)
				var all []*grant.Service
				for range nodes {
					all = append(all, w.node())
				}
				s := w.begin("one")
				w.keep(all[0], "one", 5)
				gets(t, all[0], s, "secret-access-0")
				time.Sleep(4 * time.Second)
				var group sync.WaitGroup
				for i := range 20 {
					group.Go(func() {
						value, err := all[i%nodes].Header(t.Context(), s, "example")
						if err != nil || value[0] != "Bearer secret-access-1" {
							t.Errorf("request %d: %q, %v", i, value, err)
						}
					})
				}
				group.Wait()
				if n := o.renewals(); n != 1 || o.refresh != "secret-refresh-1" {
					t.Errorf("renewed %d times, want once; the provider now knows %q, want no token used twice", n, o.refresh)
				}
				if value := all[0].Ready(s, "example"); len(value) != 1 || value[0] != "Bearer secret-access-1" {
					t.Errorf("Ready = %q", value)
				}
			})
		})
	}
}

// TestATokenInMemoryCostsNoStatement, nor an allocation.
func TestATokenInMemoryCostsNoStatement(t *testing.T) {
	w := newWorld(t, newOP())
	n, s := w.node(), w.begin("one")
	w.keep(n, "one", 3600)
	gets(t, n, s, "secret-access-0")
	w.plan.Before = func(name string) error { return fmt.Errorf("%s was called", name) }
	gets(t, n, s, "secret-access-0")
	if got := testing.AllocsPerRun(100, func() { n.Ready(s, "example") }); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
	if value := n.Ready(s, "other"); value != nil {
		t.Errorf("another provider's: %q", value)
	}
}

// TestOnlyARefusalEndsTheSession: of the token, not of the client, and no outage.
func TestOnlyARefusalEndsTheSession(t *testing.T) {
	t.Attr("threat", "O14")
	for name, c := range map[string]struct {
		status int
		code   string
		want   error
	}{
		"the token is refused":  {400, "invalid_grant", session.ErrEnded},
		"the client is refused": {401, "invalid_client", oidc.ErrUnavailable},
		"an outage":             {500, "server_error", oidc.ErrUnavailable},
		"too many requests":     {429, "slow_down", oidc.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOP()
				o.status, o.code = c.status, c.code
				w := newWorld(t, o)
				n, s := w.node(), w.begin("one")
				w.keep(n, "one", 5)
				time.Sleep(6 * time.Second)
				fails(t, n, s, c.want)
				_, err := w.manager.Find(t.Context(), "one")
				if ended := errors.Is(err, session.ErrEnded); ended != (c.want == session.ErrEnded) {
					t.Fatalf("the session: %v", err)
				}
				if c.want == session.ErrEnded {
					if !slices.Equal(w.reasons, []string{grant.ProviderEnded}) {
						t.Errorf("the session ended for %q", w.reasons)
					}
					fails(t, n, s, grant.ErrNone)
					return
				}
				o.change(func() { o.status = 0 })
				time.Sleep(2 * time.Second)
				gets(t, n, s, "secret-access-1") // no lease is left
			})
		})
	}
}

// TestAProviderThatIsAwayIsNotWaitedForEachTime: a token that is about to end is used until it does.
func TestAProviderThatIsAwayIsNotWaitedForEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOP()
		w := newWorld(t, o)
		n, s := w.node(), w.begin("one")
		w.keep(n, "one", 100)
		time.Sleep(80 * time.Second) // it counts as ended at 75
		o.change(func() { o.away = true })
		gets(t, n, s, "secret-access-0")
		time.Sleep(21 * time.Second)
		fails(t, n, s, oidc.ErrUnavailable)
		o.change(func() { o.away = false })
		fails(t, n, s, oidc.ErrUnavailable) // it isn't asked for a second
		time.Sleep(time.Second)
		gets(t, n, s, "secret-access-1")
	})
}

// TestALeaseThatIsLeftBehindIsTakenOver, as after a crash in the middle of a renewal.
func TestALeaseThatIsLeftBehindIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newOP())
		n, s := w.node(), w.begin("one")
		w.keep(n, "one", 5)
		time.Sleep(5 * time.Second)
		g, err := w.set.Grants.Get(t.Context(), "one")
		must(t, err)
		leased := *g
		leased.Version, leased.Lease = 2, time.Now().Unix()+10
		must(t, w.set.Grants.Swap(t.Context(), g, &leased))
		began := time.Now()
		gets(t, n, s, "secret-access-1")
		if took := time.Since(began); took < 10*time.Second {
			t.Errorf("taken after %v, want after the lease", took)
		}
	})
}

// TestARenewalIsFinishedAlthoughItsRequestIsGone, because the refresh token has been used.
func TestARenewalIsFinishedAlthoughItsRequestIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOP()
		o.slow = 3 * time.Second
		w := newWorld(t, o)
		n, s := w.node(), w.begin("one")
		w.keep(n, "one", 5)
		time.Sleep(5 * time.Second)
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if _, err := n.Header(ctx, s, "example"); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		gets(t, w.node(), s, "secret-access-1")
		if o.renewals() != 1 {
			t.Errorf("renewed %d times", o.renewals())
		}
	})
}

// TestTokensThatCannotBeUsed: of another session, of another provider, without a session, or past their time.
func TestTokensThatCannotBeUsed(t *testing.T) {
	t.Attr("threat", "O12")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newOP())
		n, s := w.node(), w.begin("one")
		fails(t, n, s, grant.ErrNone)
		w.keep(n, "one", 3600)
		if value, err := n.Header(t.Context(), s, "other"); !errors.Is(err, grant.ErrNone) {
			t.Errorf("of another provider: %q, %v", value, err)
		}
		other := w.node()
		other.Providers = []*oidc.Provider{w.provider("renamed")}
		fails(t, other, s, grant.ErrNone)

		g, err := w.set.Grants.Get(t.Context(), "one")
		must(t, err)
		thief := w.begin("thief")
		g.Session = "thief"
		must(t, w.set.Grants.Put(t.Context(), g))
		fails(t, n, thief, grant.ErrNone) // sealed for another session

		short := w.begin("short")
		must(t, n.Keep(t.Context(), "short", "ada", w.provider("example"), &oidc.Tokens{Access: "secret-access-0", Expires: time.Now().Unix() + 60}))
		gets(t, n, short, "secret-access-0")
		time.Sleep(time.Minute)
		fails(t, n, short, grant.ErrNone)

		endless := w.begin("endless")
		must(t, n.Keep(t.Context(), "endless", "ada", w.provider("example"), &oidc.Tokens{Access: "secret-access-0"}))
		time.Sleep(24 * time.Hour)
		gets(t, n, endless, "secret-access-0")
	})
}

// TestTokensThatNoKeyOpensAreReadOnce, and logged once, until they are looked at again.
func TestTokensThatNoKeyOpensAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newOP())
		n, s := w.node(), w.begin("one")
		w.keep(n, "one", 86400)
		right, err := w.set.Grants.Get(t.Context(), "one")
		must(t, err)
		wrong := *right
		wrong.Version, wrong.Box = 2, bytes.Clone(right.Box)
		wrong.Box[0] ^= 1 // the ID of a data key that isn't there
		must(t, w.set.Grants.Swap(t.Context(), right, &wrong))
		reads := 0
		w.plan.Before = func(name string) error {
			if name == "grant.Get" {
				reads++
			}
			return nil
		}
		for range 5 {
			fails(t, n, s, grant.ErrNone)
		}
		if logged := strings.Count(w.log.String(), "can't be opened"); reads != 1 || logged != 1 {
			t.Errorf("read %d times and logged %d times, want once", reads, logged)
		}
		if value := n.Ready(s, ""); value != nil {
			t.Errorf("Ready = %q", value)
		}
		again := *right
		again.Version = 3
		must(t, w.set.Grants.Swap(t.Context(), &wrong, &again)) // the key is back
		time.Sleep(11 * time.Minute)
		gets(t, n, s, "secret-access-0")
	})
}

// TestTokensOfAnUnlinkedAccountAreGoneOnEveryNode once the session has its new ticket.
func TestTokensOfAnUnlinkedAccountAreGoneOnEveryNode(t *testing.T) {
	t.Attr("threat", "O12")
	w := newWorld(t, newOP())
	here, there, s := w.node(), w.node(), w.begin("one")
	w.keep(here, "one", 3600)
	gets(t, here, s, "secret-access-0")
	gets(t, there, s, "secret-access-0")
	must(t, here.End(t.Context(), "one"))
	all, err := w.set.Sessions.List(t.Context(), session.Query{PublicID: "one"})
	must(t, err)
	rotated := *all[0]
	rotated.ID = session.ID{99}
	must(t, w.set.Sessions.Replace(t.Context(), all[0], &rotated))
	for _, n := range []*grant.Service{here, there} {
		fails(t, n, w.find("one"), grant.ErrNone)
	}
}

// TestAPendingSignInKeepsItsTokensForItsSession alone.
func TestAPendingSignInKeepsItsTokensForItsSession(t *testing.T) {
	t.Attr("threat", "O12")
	synctest.Test(t, func(t *testing.T) {
		o := newOP()
		w := newWorld(t, o)
		n := w.node()
		tokens := &oidc.Tokens{Access: "secret-access-0", Refresh: "secret-refresh-0", Expires: time.Now().Unix() + 86400}
		for _, id := range []string{"completed", "left"} {
			must(t, n.KeepPending(t.Context(), id, "ada", time.Now().Unix()+600, w.provider("example"), tokens))
		}
		fails(t, n, w.begin("left"), grant.ErrNone) // a session of that name has none
		s := w.begin("session")
		must(t, n.MovePending(t.Context(), "completed", "further", time.Now().Unix()+600))
		must(t, n.Move(t.Context(), "completed", "session")) // there are none
		fails(t, n, s, grant.ErrNone)
		must(t, n.Move(t.Context(), "further", "session"))
		must(t, n.Move(t.Context(), "further", "session")) // again
		gets(t, n, s, "secret-access-0")
		run(t, n)
		time.Sleep(12 * time.Minute)
		synctest.Wait()
		if got := o.revocations(); !slices.Equal(got, []string{"secret-refresh-0", "secret-access-0"}) {
			t.Errorf("revoked %q, want those of the sign-in that was left", got)
		}
		gets(t, n, s, "secret-access-0")
	})
}

// TestTokensAreRevokedWhenTheirSessionEnds: at once if it ends in this process, within seconds if a command has ended it, and else within
// minutes.
func TestTokensAreRevokedWhenTheirSessionEnds(t *testing.T) {
	t.Attr("threat", "O15")
	for name, c := range map[string]struct {
		here, command bool
		within        time.Duration
	}{
		"here": {here: true, within: time.Second}, "by a command": {command: true, within: 11 * time.Second},
		"in another process": {within: 11 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOP()
				w := newWorld(t, o)
				n := w.node()
				if c.here {
					w.manager.OnEnd = n.Ended
				}
				s, kept := w.begin("one"), w.begin("kept")
				w.keep(n, "one", 86400)
				w.keep(n, "kept", 86400)
				gets(t, n, s, "secret-access-0")
				run(t, n)
				run(t, w.node())
				time.Sleep(time.Minute)
				command := w.node()
				command.Providers = nil // a command has none
				if c.command {
					w.manager.OnEnd = command.Ended
				}
				must(t, w.manager.Revoke(t.Context(), "ada", "one"))
				must(t, command.Flush(t.Context()))
				time.Sleep(c.within)
				synctest.Wait()
				if got := o.revocations(); !slices.Equal(got, []string{"secret-refresh-0", "secret-access-0"}) {
					t.Fatalf("revoked %q", got)
				}
				if _, err := w.set.Grants.Get(t.Context(), "one"); !errors.Is(err, federation.ErrNoGrant) {
					t.Errorf("the grant: %v, want it deleted", err)
				}
				gets(t, n, kept, "secret-access-0")
			})
		})
	}
}

// TestWhatAnOutageHidesIsLookedAtAgain within seconds of its end.
func TestWhatAnOutageHidesIsLookedAtAgain(t *testing.T) {
	t.Attr("threat", "O15")
	synctest.Test(t, func(t *testing.T) {
		o := newOP()
		w := newWorld(t, o)
		n := w.node()
		w.manager.OnEnd = n.Ended
		w.begin("one")
		w.keep(n, "one", 86400)
		var away atomic.Bool
		w.plan.Before = func(call string) error {
			if away.Load() && strings.HasPrefix(call, "grant.") {
				return errors.New("the store is away")
			}
			return nil
		}
		run(t, n)
		away.Store(true)
		must(t, w.manager.Revoke(t.Context(), "ada", "one"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := o.revocations(); len(got) != 0 {
			t.Fatalf("revoked %q without the store", got)
		}
		away.Store(false)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := o.revocations(); len(got) != 2 {
			t.Errorf("after the outage %q are revoked, want both", got)
		}
	})
}

// brokenFor is a store that can't list the grants of some users.
type brokenFor struct {
	federation.GrantStore
	users  []string
	healed atomic.Bool
	asked  atomic.Int64 // how often it was asked for theirs since
}

func (b *brokenFor) List(ctx context.Context, user, after string, limit int) ([]*federation.Grant, error) {
	if slices.Contains(b.users, user) {
		if !b.healed.Load() {
			return nil, storetest.ErrFault
		}
		b.asked.Add(1)
	}
	return b.GrantStore.List(ctx, user, after, limit)
}

// TestAUserWhoseGrantsCannotBeReadHoldsUpNoOther: those of the others are revoked as fast as ever, whether they were noted or are due, and
// theirs are looked at once that is possible.
func TestAUserWhoseGrantsCannotBeReadHoldsUpNoOther(t *testing.T) {
	t.Attr("threat", "O15")
	synctest.Test(t, func(t *testing.T) {
		o := newOP()
		w := newWorld(t, o)
		n := w.node()
		broken := &brokenFor{GrantStore: w.set.Grants, users: []string{"b", "c", "d", "e"}}
		n.Store = broken
		w.begin("one")
		w.begin("another")
		w.keep(n, "one", 86400)
		w.keep(n, "another", 86400)
		run(t, n)
		for _, user := range broken.users {
			n.Ended(session.EndEvent{User: user})
		}
		time.Sleep(time.Minute)
		w.manager.OnEnd = n.Ended
		must(t, w.manager.Revoke(t.Context(), "ada", "one"))
		time.Sleep(time.Second)
		synctest.Wait()
		if got := o.revocations(); len(got) != 2 {
			t.Fatalf("revoked %q, want both tokens of the noted user", got)
		}
		w.manager.OnEnd = nil // as if another process had ended it
		must(t, w.manager.Revoke(t.Context(), "ada", "another"))
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		if got := o.revocations(); len(got) != 4 {
			t.Errorf("revoked %q, want those of a grant that is due as well", got)
		}
		broken.healed.Store(true)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := broken.asked.Load(); got != int64(len(broken.users)) {
			t.Errorf("afterwards %d users were looked at, want %d, once each", got, len(broken.users))
		}
	})
}

// TestARevocationIsRepeatedUntilTheProviderHasHeardOfIt, and given up after a day.
func TestARevocationIsRepeatedUntilTheProviderHasHeardOfIt(t *testing.T) {
	t.Attr("threat", "O15")
	synctest.Test(t, func(t *testing.T) {
		o := newOP()
		w := newWorld(t, o)
		n := w.node()
		w.manager.OnEnd = n.Ended
		left := func() int {
			all, err := w.set.Grants.List(t.Context(), "", "", 9)
			must(t, err)
			return len(all)
		}
		end := func(id string) {
			w.begin(id)
			w.keep(n, id, 86400)
			o.change(func() { o.away = true })
			must(t, w.manager.Revoke(t.Context(), "ada", id))
			time.Sleep(time.Hour)
			synctest.Wait()
			if left() != 1 || len(o.revocations()) != 0 {
				t.Fatalf("%d grants are left, and %q were revoked", left(), o.revocations())
			}
		}
		run(t, n)
		end("first")
		o.change(func() { o.away = false })
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := o.revocations(); left() != 0 || len(got) != 2 {
			t.Fatalf("%d grants are left, and %q were revoked", left(), got)
		}
		o.change(func() { o.revoked = nil })
		end("second")
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		if left() != 0 || !strings.Contains(w.log.String(), "deleted without being revoked") {
			t.Errorf("%d grants are left; the log:\n%s", left(), w.log)
		}
	})
}

// TestARevocationThatFailsStopsNoRenewal, nor the other way round: they are different endpoints of a provider.
func TestARevocationThatFailsStopsNoRenewal(t *testing.T) {
	t.Attr("threat", "O14")
	synctest.Test(t, func(t *testing.T) {
		o := newOP()
		o.deaf = true
		w := newWorld(t, o)
		n, kept := w.node(), w.begin("kept")
		w.manager.OnEnd = n.Ended
		end := func(id string) { // synctest.Wait doesn't let time pass
			w.begin(id)
			must(t, n.Keep(t.Context(), id, "ada", w.provider("example"), &oidc.Tokens{Access: "secret-access-of-" + id}))
			must(t, w.manager.Revoke(t.Context(), "ada", id))
			synctest.Wait()
		}
		run(t, n)
		synctest.Wait()
		w.keep(n, "kept", 5)
		time.Sleep(6 * time.Second)
		end("first")
		if o.told != 1 {
			t.Fatalf("the provider was told %d times, want once", o.told)
		}
		gets(t, n, kept, "secret-access-1")

		time.Sleep(time.Hour) // the token is over
		o.change(func() { o.status, o.deaf = 500, false })
		fails(t, n, kept, oidc.ErrUnavailable)
		end("second")
		if got := o.revocations(); !slices.Contains(got, "secret-access-of-second") {
			t.Errorf("revoked %q, want that of the session that has just ended", got)
		}
	})
}

// TestDroppedTokensAreRevoked, though nothing is stored about them, and a provider that is away for a moment is told again.
func TestDroppedTokensAreRevoked(t *testing.T) {
	t.Attr("threat", "O15")
	synctest.Test(t, func(t *testing.T) {
		o := newOP()
		o.away = true
		w := newWorld(t, o)
		n := w.node()
		run(t, n)
		drop := func() {
			n.Drop(w.provider("example"), &oidc.Tokens{Access: "secret-access-0", Refresh: "secret-refresh-0"})
			synctest.Wait()
		}
		drop()
		all, err := w.set.Grants.List(t.Context(), "", "", 9)
		if must(t, err); len(all) != 0 {
			t.Errorf("%d grants are stored", len(all))
		}
		time.Sleep(time.Minute)
		o.change(func() { o.away = false })
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := o.revocations(); !slices.Equal(got, []string{"secret-refresh-0", "secret-access-0"}) {
			t.Fatalf("revoked %q", got)
		}
		o.change(func() { o.away = true })
		drop()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := strings.Count(w.log.String(), "tokens without a session not revoked"); n != 1 {
			t.Errorf("given up %d times, want once", n)
		}
		o.change(func() { o.away = false })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := o.revocations(); len(got) != 2 {
			t.Errorf("revoked %q, want nothing more", got)
		}
	})
}

// TestWhatChangesDuringARenewalIsNotLost: a seal under another data key keeps the new tokens, and the end of the session has the new ones
// revoked.
func TestWhatChangesDuringARenewalIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOP()
		w := newWorld(t, o)
		n, s := w.node(), w.begin("one")
		w.keep(n, "one", 5)
		time.Sleep(5 * time.Second)
		o.change(func() {
			o.hook = func() {
				if resealed, err := keyring.NewDataKeys(w.ring, w.set.Sealed).Reseal(context.Background(), grant.Column(w.set.Grants)); err != nil || resealed != 1 {
					t.Errorf("resealed %d, %v", resealed, err)
				}
			}
		})
		gets(t, n, s, "secret-access-1")
		gets(t, w.node(), s, "secret-access-1")

		time.Sleep(time.Hour)
		o.change(func() {
			o.hook = func() {
				if err := n.End(context.Background(), "one"); err != nil {
					t.Error(err)
				}
			}
		})
		fails(t, n, s, grant.ErrNone)
		run(t, n)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := o.revocations(); !slices.Equal(got, []string{"secret-refresh-2", "secret-access-2"}) {
			t.Errorf("revoked %q, want the new ones", got)
		}
	})
}

// TestAStoreThatFailsIsAnOutage, whichever call of a renewal fails, and the next request finds tokens again. What the provider has given
// is written until it is stored.
func TestAStoreThatFailsIsAnOutage(t *testing.T) {
	for _, call := range []string{"grant.Get", "grant.Swap"} {
		for nth := 1; nth <= 2; nth++ {
			t.Run(fmt.Sprint(call, nth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, newOP())
					n, s := w.node(), w.begin("one")
					w.keep(n, "one", 5)
					time.Sleep(5 * time.Second)
					calls := 0
					w.plan.Before = func(name string) error {
						if name == call {
							if calls++; calls == nth {
								return storetest.ErrFault
							}
						}
						return nil
					}
					value, err := n.Header(t.Context(), s, "example")
					if calls < nth {
						return // there is no such call
					}
					if written := call == "grant.Swap" && nth == 2; !written && (!errors.Is(err, storetest.ErrFault) || value != nil) {
						t.Fatalf("Header = %q, %v; want the error of the store", value, err)
					}
					gets(t, n, s, "secret-access-1")
				})
			})
		}
	}
}

// TestAProviderWithoutRevocationIsToldNothing, and the tokens are deleted.
func TestAProviderWithoutRevocationIsToldNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOP()
		o.plain = true
		w := newWorld(t, o)
		n := w.node()
		w.manager.OnEnd = n.Ended
		w.begin("one")
		w.keep(n, "one", 86400)
		run(t, n)
		must(t, w.manager.Revoke(t.Context(), "ada", "one"))
		time.Sleep(time.Second)
		synctest.Wait()
		if _, err := w.set.Grants.Get(t.Context(), "one"); !errors.Is(err, federation.ErrNoGrant) {
			t.Errorf("the grant: %v, want it deleted", err)
		}
	})
}
