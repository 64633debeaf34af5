package httpapi_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/internal/testhook"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/store"
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
	stores     func(*testing.T) stores // nil: inMemory
	tls        bool                    // https, with a certificate that clients of the harness trust
	url        string                  // the public URL; "": the address that the server listens on
	text       bool                    // log lines of text instead of JSON
	origins    []string
	strict     bool
	appTokens  bool
	basic      bool // each route accepts HTTP Basic
	trusted    []string
	subDomains bool // HSTS is for subdomains too
	next       http.Handler
	audit      audit.Store // nil: that of stores
	change     func(*httpapi.API)
	mail       *postbox
	idle       bool       // no background work is done, so that the test can replace stores, and count all writes
	providers  *providers // where people can sign in besides; nil: the usual ones
	costly     bool       // a password is hashed with as much work as in production
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

// start serves a server of cloakroom.New on a free port of this machine until the test ends.
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
	t.Cleanup(s.searchLog)
	t.Cleanup(s.searchStores)
	t.Cleanup(s.searchAudit)
	s.public = cmp.Or(o.url, o.scheme()+"://localhost:"+port(s.Listener))
	if o.providers != nil {
		o.providers.gives = s.secret.key
	}
	whole, api := build(t, s.stores, s.public, o, s.log)
	s.api, handler = api, whole.Handler(o.next)
	if o.tls {
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Start()
	}
	s.dialsListener()
	if o.idle || o.mail != nil && o.mail.idle {
		closes(t, whole)
	} else {
		run(t, whole)
	}
	t.Cleanup(func() {
		whole.Drain()
		s.Close()
	})
	return s
}

func (o options) scheme() string {
	if o.tls {
		return "https"
	}
	return "http"
}

func port(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// dialsListener makes the clients of the server connect to it whatever the host of a URL is, and URL the public one.
func (s *server) dialsListener() {
	s.URL = s.public
	transport := s.Server.Client().Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
	}
	if transport.TLSClientConfig != nil {
		transport.TLSClientConfig.ServerName = "example.com" // a name in the certificate of httptest
	}
}

// run does the background work of a server until the test ends, and closes it then.
func run(t testing.TB, whole *cloakroom.Server) {
	closes(t, whole)
	ctx, stop := context.WithCancel(besides(context.Background()))
	done := make(chan error, 1)
	go func() { done <- whole.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// closes closes a server when the test ends.
func closes(t testing.TB, whole *cloakroom.Server) {
	t.Cleanup(func() {
		if err := whole.Close(); err != nil {
			t.Log(err) // of a store that the test has made fail
		}
	})
}

// build returns a server of cloakroom.New, and its API. Its passwords are hashed with little work, and its providers are those of the test.
func build(t testing.TB, st stores, base string, o options, log io.Writer) (whole *cloakroom.Server, api *httpapi.API) {
	t.Helper()
	var lines slog.Handler = slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
	if o.text {
		lines = slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	c := cloakroom.Config{
		URL: base, Origins: o.origins, StrictCSRF: o.strict, AppTokens: o.appTokens, Basic: o.basic, TrustedProxies: o.trusted,
		Audiences: []string{"reports", "billing"}, HSTSSubDomains: o.subDomains, Stores: &st, Data: dataDir(), Log: slog.New(lines),
		Ping: func(ctx context.Context) error { _, err := st.Sealed.Sealed(ctx); return err },
	}
	if o.audit != nil {
		st.Audit = o.audit
	}
	if strings.Contains(base, "://"+passkeyDomain+":") {
		c.PasskeyDomain = passkeyDomain
	}
	o.mail.configure(&c)
	at := cmp.Or(o.providers, newProviders()).providers(t, base)
	whole, err := cloakroom.New(testhook.WithAPI(besides(context.Background()), func(a *httpapi.API) {
		api = a
		if !o.costly {
			a.Accounts.Hasher.MinimumCost = goodHash()
			a.Accounts.HashTemplate = func(context.Context, *account.User) (string, error) { return goodHash(), nil }
		}
		a.Providers = at
		if a.Grants != nil {
			a.Grants.Providers = at
		}
		if o.change != nil {
			o.change(a)
		}
	}), c)
	if err != nil {
		t.Fatal(err)
	}
	return whole, api
}

// dataDir is where all servers keep the secret, so that those that share stores share it too.
var dataDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "httpapi")
	if err != nil {
		panic(err)
	}
	return dir
})

type besidesKey struct{}

// besides marks the context of what a server does as it starts, and in the background.
func besides(ctx context.Context) context.Context { return context.WithValue(ctx, besidesKey{}, true) }

func isBesides(ctx context.Context) bool { return ctx.Value(besidesKey{}) != nil }

// passkeyDomain is the relying party's ID.
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
