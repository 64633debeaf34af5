package httpapi_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/events"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/grant"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

type stores = store.Set

func inMemory(t *testing.T) stores { return memoryStores(t) }

func inSQLite(t *testing.T) stores { return sqliteStores(t) }

func memoryStores(testing.TB) stores {
	db := memory.New()
	return db.Set
}

func sqliteStores(t testing.TB) stores {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db.Set
}

// onEachStore runs a test with each store that needs no server, in parallel.
func onEachStore(t *testing.T, test func(t *testing.T, open func(*testing.T) stores)) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, inMemory)
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, inSQLite)
	})
}

// behindACacheToo runs a test with each of these stores, and with each behind the cache that servers have by default.
func behindACacheToo(t *testing.T, test func(t *testing.T, open func(*testing.T) stores)) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		t.Run("plain", func(t *testing.T) { test(t, open) })
		t.Run("behind a cache", func(t *testing.T) {
			test(t, func(t *testing.T) stores { return cached(t, open(t), feed.NewLocal()) })
		})
	})
}

// cached returns stores behind the cache of a node.
func cached(t *testing.T, set stores, hub feed.Feed) stores {
	t.Helper()
	cache := nearcache.New(nearcache.Config{Feed: hub})
	set.Sessions, set.Accounts, set.Tokens = cache.Sessions(set.Sessions), cache.Accounts(set.Accounts), cache.Tokens(set.Tokens)
	inBackground(t, cache.Run)
	must(t, cache.Reach(t.Context()))
	return set
}

// options configure the server under test.
type options struct {
	stores    func(*testing.T) stores // nil: inMemory
	tls       bool                    // https, with a certificate that clients of the harness trust
	url       string                  // the public URL; "": the address that the server listens on
	text      bool                    // log lines of text instead of JSON
	origins   []string
	strict    bool
	appTokens bool
	basic     bool // each route accepts HTTP Basic
	trusted   []string
	hsts      string
	pages     httpapi.Pages
	next      http.Handler
	audit     audit.Store // nil: that of stores
	change    func(*httpapi.API)
	mail      *postbox
	providers *providers // where people can sign in besides; nil: the usual ones
	costly    bool       // a password is hashed with as much work as in production
}

// server is the API on a port of this machine.
type server struct {
	*httptest.Server
	t      *testing.T
	api    *httpapi.API
	stores stores
	public string      // the configured public URL
	log    *safeBuffer // the log, with the debug level
	secret secrets
	box    *postbox // of options
}

// start serves the API on a free port of this machine until the test ends.
func start(t *testing.T, o options) *server {
	t.Helper()
	if o.stores == nil {
		o.stores = inMemory
	}
	s := &server{t: t, stores: o.stores(t), log: &safeBuffer{}, box: o.mail}
	var handler http.Handler
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.watchHeaders(handler, w, r)
	}))
	s.Config.MaxHeaderBytes = 64 << 10
	s.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(s.log, nil), slog.LevelWarn)
	if o.tls {
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.searchLog)
	t.Cleanup(s.searchStores)
	t.Cleanup(s.searchAudit)
	t.Cleanup(s.Close)
	s.public = cmp.Or(o.url, s.URL)
	if o.providers != nil {
		o.providers.gives = s.secret.key
	}
	s.api = assemble(t, s.stores, s.public, o, s.log)
	if o.change != nil {
		o.change(s.api)
	}
	handler = s.api.Handler(o.next)
	return s
}

// assemble builds the API by hand, because cloakroom.New calls the stores itself, which plans of faults count, and keeps to itself what tests
// replace: pages, providers and their transport, the passkeys' domain, and what writes mail.
func assemble(t testing.TB, st stores, base string, o options, log io.Writer) *httpapi.API {
	t.Helper()
	ring, err := keyring.Create(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	guard, err := csrf.New(csrf.Config{URL: base, Origins: o.origins, Strict: o.strict, Keys: func() [][]byte { return ring.Derive("csrf") }})
	if err != nil {
		t.Fatal(err)
	}
	trust, err := reqinfo.ParseProxies(o.trusted)
	if err != nil {
		t.Fatal(err)
	}
	var lines slog.Handler = slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
	if o.text {
		lines = slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	logger := slog.New(reqinfo.LogHandler(lines))
	auditLog := &audit.Log{Store: st.Audit, Text: logger}
	if o.audit != nil {
		auditLog.Store = o.audit
	}
	inBackground(t, auditLog.Run)
	sessions := &session.Manager{
		Store: st.Sessions, InsecureHTTP: !o.tls, AppTokens: o.appTokens, Audit: auditLog, Log: logger, Passive: httpapi.Passive,
	}
	accounts := &account.Service{
		Store: st.Accounts, Unsupported: st.Unsupported(), Hasher: &password.Hasher{}, Guard: &throttle.Guard{Store: st.Throttles},
	}
	if !o.costly {
		accounts.Hasher.MinimumCost = goodHash()
		accounts.HashTemplate = func(context.Context, *account.User) (string, error) { return goodHash(), nil }
	}
	steps := &secondstep.Service{Factors: st.Factors, Signins: st.Signins, Accounts: st.Accounts, Links: st.Links, Log: logger}
	tokens := &token.Service{Store: st.Tokens, Audit: auditLog, Log: logger}
	jwts := &jwt.Service{
		Keys: &jwt.Keys{Ring: ring, Store: st.Sealed}, Store: st.Tokens, Accounts: auth.Epochs(st.Accounts), Sessions: sessions,
		Issuer: base, Audiences: []string{"reports", "billing"}, Audit: auditLog,
	}
	api := &httpapi.API{}
	of := auth.Config{Sessions: sessions, Accounts: st.Accounts, Tokens: tokens, JWTs: jwts, SecondStep: steps.Demands}
	if o.basic {
		of.Basic = api.VerifyBasic
	}
	who := auth.New(of)
	hub := &events.Hub{Auth: who, Log: logger}
	sessions.OnEnd, accounts.OnChange = hub.SessionsEnded, hub.Wake
	inBackground(t, hub.Run)
	keys, err := passkey.New(passkey.Config{
		RPID: passkeyDomain, Name: passkeyDomain, Origins: append([]string{base}, o.origins...),
		Keys: func() [][]byte { return ring.Derive("passkey") }, Factors: st.Factors, Signins: st.Signins,
	})
	if err != nil {
		t.Fatal(err)
	}
	var factors *authenticator.Service
	if st.Factors != nil {
		factors = &authenticator.Service{
			Factors: st.Factors, Steps: steps, Keys: keyring.NewDataKeys(ring, st.Sealed), Guard: accounts.Guard, Issuer: "app.example.com",
			Tags: func() [][]byte { return ring.Derive("enrolment") }, Log: logger,
		}
	}
	at := cmp.Or(o.providers, newProviders())
	all := at.providers(t, base)
	var grants *grant.Service
	if st.Grants != nil {
		grants = &grant.Service{
			Store: st.Grants, Sessions: sessions, Keys: keyring.NewDataKeys(ring, st.Sealed), Providers: all, Audit: auditLog, Log: logger,
		}
	}
	*api = httpapi.API{
		Grants:  grants,
		Texts:   catalogue(),
		Letters: o.mail.serve(t, st, ring, base, accounts, auditLog, logger),
		Steps:   steps, Factors: factors, Passkeys: keys, RelatedOrigins: []string{base},
		Links: st.Links, Sealer: keyring.NewDataKeys(ring, st.Sealed), Providers: all,
		Sessions: sessions, Accounts: accounts, Tokens: tokens, JWT: jwts, Auth: who, CSRF: guard, Client: trust, Keys: ring, Live: hub, Audit: auditLog, Pages: o.pages,
		URL:     base,
		Healthy: func(ctx context.Context) error { _, err := st.Sealed.Sealed(ctx); return err },
		Secure:  o.tls, HSTS: o.hsts, Log: logger,
	}
	return api
}

// passkeyDomain is the relying party's ID. Browsers would refuse it at the address of the harness, which is an IP address.
const passkeyDomain = "localhost"

// inBackground runs a function until the test ends.
func inBackground(t testing.TB, run func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// goodPassword satisfies the policy.
const goodPassword = "correct horse battery staple"

// user creates an account with goodPassword.
func (s *server) user(name string) *account.User {
	s.t.Helper()
	u := &account.User{
		Username: name, Email: name + "@example.com", Password: goodHash(), IsActive: true,
		DateJoined: time.Now().Unix(), Epoch: rand.Text(),
	}
	if err := s.stores.Accounts.Create(s.t.Context(), u); err != nil {
		s.t.Fatal(err)
	}
	s.secret.add(u.Password, u.Epoch)
	return u
}

// cheapHash is the example of the hashes that the tests make: with a hundredth of the memory and half of the passes.
const cheapHash = "argon2$argon2id$v=19$m=192,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$6mXDq5U8xk8C1bZ5oXkEBw0jSTCFDsa1TQyg5pWqV2o"

// goodHash is a hash of goodPassword that takes little time to verify. Package password tests what a hash costs, and
// TestRefusalsCostTheSame that each refusal costs as much.
var goodHash = sync.OnceValue(func() string {
	hash, err := (&password.Hasher{}).HashByTemplate(context.Background(), cheapHash, goodPassword)
	if err != nil {
		panic(err)
	}
	return hash
})
