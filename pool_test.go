package cloakroom_test

import (
	"database/sql"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// lent returns a program's own pool until the test ends.
func lent(t *testing.T, database string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// TestAProgramBringsItsOwnPool: its tables are beside ours and refer to users; what one node ends no other honours, and a node
// that comes by an address is one of them.
func TestAProgramBringsItsOwnPool(t *testing.T) {
	t.Attr("threat", "X01")
	database := pgserver.Test(t)
	pool := lent(t, database)
	execute := func(statement string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	execute(`CREATE TABLE users (patient text)`) // of the program
	web := httptest.NewUnstartedServer(nil)
	t.Cleanup(web.Close)
	key := filepath.Join(t.TempDir(), "secret.key")
	metrics := map[*cloakroom.Server]*prometheus.Registry{}
	node := func(c cloakroom.Config) *cloakroom.Server {
		t.Helper()
		registry := prometheus.NewRegistry()
		c.Metrics = registry
		c.URL, c.Data, c.KeyFile, c.Log = "http://"+web.Listener.Addr().String(), t.TempDir(), key, slog.New(slog.DiscardHandler)
		srv, err := cloakroom.New(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := srv.Close(); err != nil {
				t.Error(err)
			}
		})
		run(t, srv)
		metrics[srv] = registry
		return srv
	}
	first := node(cloakroom.Config{Pool: pool})
	others := []*cloakroom.Server{
		node(cloakroom.Config{Pool: lent(t, database)}),
		node(cloakroom.Config{Pool: lent(t, database), Feed: database}),
		node(cloakroom.Config{DB: database + "?search_path=cloakroom"}),
	}
	ada, err := first.Accounts.Create(t.Context(), account.NewUser{Username: "ada", Password: goodPassword})
	if err != nil {
		t.Fatal(err)
	}
	execute(`CREATE TABLE orders (user_id BIGINT NOT NULL REFERENCES cloakroom.users (id) ON DELETE CASCADE)`)
	execute(`INSERT INTO orders VALUES ($1::text::bigint)`, ada.ID)

	web.Config.Handler = first.Handler(nil)
	web.Start()
	b := newBrowser(t, web.URL)
	b.signIn()
	base, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	cookies := b.Jar.Cookies(base) // the sign-out takes them from the browser
	me := func(at *cloakroom.Server, want int) {
		t.Helper()
		r := httptest.NewRequest("GET", web.URL+"/api/me", nil)
		for _, cookie := range cookies {
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		at.Handler(nil).ServeHTTP(w, r)
		if w.Code != want {
			text, _ := io.ReadAll(w.Body)
			t.Errorf("GET /api/me: %d %s, want %d", w.Code, text, want)
		}
	}
	for _, other := range others {
		memory := func() float64 { return counted(t, metrics[other], "cloakroom_checks_total", "source")["memory"] }
		for began := time.Now(); memory() == 0; me(other, 200) { // until it answers from memory
			if time.Since(began) > time.Minute {
				t.Fatal("a node doesn't answer from memory")
			}
		}
	}
	if r := b.send("POST", "/api/auth/logout", struct{}{}); r.StatusCode != 200 {
		t.Errorf("sign-out: %d", r.StatusCode)
	}
	for _, other := range others {
		me(other, 401)
	}
	if err := others[0].Accounts.Delete(t.Context(), ada.ID); err != nil {
		t.Fatal(err)
	}
	n := -1
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM orders`).Scan(&n); err != nil || n != 0 {
		t.Errorf("after the deletion of their user there are %d orders, %v", n, err)
	}
}

// TestAProgramBringsItsOwnFile of SQLite: its tables refer to users, and its commits end no session and keep none.
func TestAProgramBringsItsOwnFile(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "shop.db")+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	execute := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	execute(`CREATE TABLE users (patient text)`) // of the program
	srv, web := assembled(t, cloakroom.Config{SQLite: db})
	run(t, srv)
	web.Config.Handler = srv.Handler(nil)
	web.Start()
	execute(`CREATE TABLE orders (user_id INTEGER NOT NULL REFERENCES cloakroom_users (id) ON DELETE CASCADE)`)
	execute(`INSERT INTO orders SELECT id FROM cloakroom_users WHERE username = 'ada'`)
	b := newBrowser(t, web.URL)
	b.signIn()
	for range 3 {
		if r := b.send("GET", "/api/me", nil); r.StatusCode != 200 {
			t.Errorf("signed in: %d", r.StatusCode)
		}
		execute(`INSERT INTO users VALUES ('x')`)
	}
	if err := srv.Accounts.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if r := b.send("GET", "/api/me", nil); r.StatusCode != 401 {
		t.Errorf("after the deletion: %d", r.StatusCode)
	}
	n := -1
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM orders`).Scan(&n); err != nil || n != 0 {
		t.Errorf("after the deletion of their user there are %d orders, %v", n, err)
	}
}

// TestAPoolIsTheOnlyDatabaseOfAConfig, and a schema is that of a pool.
func TestAPoolIsTheOnlyDatabaseOfAConfig(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), "postgres://ann:hunter2@127.0.0.1:1/app")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	file, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stores := memory.New().Set
	for name, c := range map[string]struct {
		config cloakroom.Config
		want   string
	}{
		"a pool and a DB":          {cloakroom.Config{Pool: pool, DB: "sqlite:x.db"}, "Config.Pool replaces DB"},
		"a pool and stores":        {cloakroom.Config{Pool: pool, Stores: &stores}, "Config.Stores replaces"},
		"a pool and a file":        {cloakroom.Config{Pool: pool, SQLite: file}, "Config.Pool replaces"},
		"a file and a DB":          {cloakroom.Config{SQLite: file, DB: "sqlite:x.db"}, "Config.SQLite replaces"},
		"a file in memory":         {cloakroom.Config{SQLite: file}, "must be a file"},
		"a schema without a pool":  {cloakroom.Config{Schema: "shop"}, "search_path"},
		"a name that is no schema": {cloakroom.Config{Pool: pool, Schema: "Shop"}, "no name of a schema"},
		"a server that is away":    {cloakroom.Config{Pool: pool}, "open postgres://ann@127.0.0.1:1/app, schema cloakroom"},
	} {
		c.config.Data = filepath.Join(t.TempDir(), "data")
		s, err := cloakroom.New(t.Context(), c.config)
		if err == nil {
			s.Close()
			t.Errorf("%s is accepted", name)
		} else if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if d, err := (cloakroom.Config{Pool: pool}).Database(); err != nil || d.String() != "postgres://ann@127.0.0.1:1/app, schema cloakroom" {
		t.Errorf("the database is %v, %v", d, err)
	}
}
