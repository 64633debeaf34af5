package django_test

import (
	"context"
	"crypto/sha512"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/token"
)

// formats returns hashes of good in every format that Django has had, made by Django where it can make them. Expensive ones
// have the cost of a real site and take as long to verify; the others differ from them in the parameters alone.
func formats(t testing.TB, site *djangoserver.Site, expensive bool) []string {
	type cost map[string]int
	all := []string{sha1Hash(good), "sha1$$" + hexSum("sha1", good), hexSum("md5", good), "md5$$" + hexSum("md5", good)}
	if expensive {
		all = append(all, scryptHash(t, good, 1<<14), "argon2$argon2i"+argon2iHash(good, 102400), argon2idHash(good))
	} else {
		all = append(all, scryptHash(t, good, 1<<10), "argon2$argon2i"+argon2iHash(good, 512))
	}
	for _, h := range []struct {
		hasher           string
		cheap, expensive cost
	}{
		{"pbkdf2_sha256", cost{"iterations": 1000}, cost{"iterations": 1_000_000}},
		{"pbkdf2_sha1", cost{"iterations": 1000}, cost{}},
		{"argon2", cost{"time_cost": 2, "memory_cost": 512, "parallelism": 2}, cost{}},
		{"bcrypt_sha256", cost{"rounds": 4}, cost{}}, {"bcrypt", cost{"rounds": 4}, cost{}}, {"md5", cost{}, cost{}},
	} {
		given := h.cheap
		if expensive {
			given = h.expensive
		}
		var encoded string
		site.Run(t, "make", map[string]any{"password": good, "salt": "", "hasher": h.hasher, "cost": given}, &encoded)
		all = append(all, encoded)
	}
	return all
}

// hashes are the hashes of the crowd: an expensive one of each format, and cheap ones, repeated.
type hashes struct{ expensive, cheap []string }

func (h hashes) of(n int) string {
	if n < len(h.expensive) {
		return h.expensive[n]
	}
	return h.cheap[n%len(h.cheap)]
}

func (h hashes) all(crowd int) (all []string) {
	for n := range crowd {
		all = append(all, h.of(n))
	}
	return all
}

// crowd is how many users move, and how many in one step: fewer, with the same hashes, except in a long run.
func crowd() (users, page int) {
	if os.Getenv("CLOAKROOM_LONG") != "" {
		return 10_000, 200
	}
	return 400, 40
}

// target starts a Cloakroom with its own database.
func target(t testing.TB, db string) *cloakroom.Server {
	t.Helper()
	return targetIn(t, db, t.TempDir())
}

func targetIn(t testing.TB, db, data string) *cloakroom.Server {
	t.Helper()
	s, err := cloakroom.New(t.Context(), cloakroom.Config{DB: db, Data: data, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ran, s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// imports runs an import, which is interrupted after so many pages; 0: it isn't interrupted.
func imports(t testing.TB, s *cloakroom.Server, from *django.DB, pages int, dry bool) (*django.ImportReport, error) {
	t.Helper()
	i, err := s.DjangoImport(from)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, page := crowd()
	i.SetPage(page)
	i.DryRun = dry
	n := 0
	i.Progress = func(int, int) {
		if n++; n == pages {
			cancel()
		}
	}
	return i.Run(ctx)
}

func imported(t testing.TB, s *cloakroom.Server, from *django.DB) *django.ImportReport {
	t.Helper()
	r, err := imports(t, s, from, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// contents returns everything that an import has written, without what is random.
func contents(t testing.TB, driver, address string) string {
	t.Helper()
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return dump(t, db, `SELECT id, username, email, first_name, last_name, password, is_active, is_staff, is_superuser, date_joined, last_login FROM users ORDER BY id`) +
		dump(t, db, `SELECT m.user_id, g.name FROM members m JOIN groups g ON g.id = m.group_id ORDER BY 1, 2`) +
		dump(t, db, `SELECT user_id, permission FROM user_permissions ORDER BY 1, 2`) +
		dump(t, db, `SELECT g.name, p.permission FROM group_permissions p JOIN groups g ON g.id = p.group_id ORDER BY 1, 2`) +
		dump(t, db, `SELECT id, kind, created, expires FROM tokens ORDER BY id`) +
		dump(t, db, `SELECT source, source_id, user_id FROM imports ORDER BY 1, 2`)
}

func TestManyUsersMoveOver(t *testing.T) {
	t.Parallel()
	crowd, _ := crowd()
	source := sqliteAddress(t)
	site := djangoserver.New(t, djangoserver.Config{Database: source, Keys: keys})
	site.Start(t)
	hashes := hashes{formats(t, site, true), formats(t, site, false)}
	site.Run(t, "crowd", map[string]any{"passwords": hashes.all(crowd)}, nil)
	site.Run(t, "group", map[string]any{"name": "editors", "labels": []string{"auth.view_user", "auth.change_user"}}, nil)
	for _, n := range []int{0, 7, 321} {
		site.Run(t, "join", map[string]any{"name": fmt.Sprint("user", n), "group": "editors"}, nil)
		site.Run(t, "grant", map[string]any{"name": fmt.Sprint("user", n), "label": "auth.add_group"}, nil)
	}
	site.Run(t, "add", map[string]any{"name": "crypted", "password": good, "email": "user1@example.com"}, nil)
	site.Run(t, "set_hash", map[string]any{"name": "crypted", "encoded": "crypt$$ab1aXxxxxxxxx"}, nil)
	site.Run(t, "add", map[string]any{"name": "USER7", "password": good}, nil)
	var drf string
	site.Run(t, "token", map[string]any{"name": "user7"}, &drf)
	knox := strings.Repeat("9f4b", 16)
	knoxTable(t, source, "user7", knox)
	from := opened(t, django.Config{Database: source, UsersOnly: true})
	for name, db := range map[string]func(t testing.TB) (address, driver, path string){"sqlite": ownSQLite, "postgres": ownPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, driver, path := db(t)
			s := target(t, address)
			dry, err := imports(t, s, from, 0, true)
			if err != nil || dry.Created != crowd+1 || dry.Tokens != 2 || dry.Groups != 1 {
				t.Fatalf("dry run: %+v, %v", dry, err)
			}
			if users, err := s.Accounts.Store.List(t.Context(), account.Query{}); err != nil || len(users) != 0 {
				t.Fatalf("a dry run has made %d users, %v", len(users), err)
			}
			// Interrupt it several times, at different pages.
			for n := range 5 {
				if _, err := imports(t, s, from, 1+rand.IntN(8), false); err == nil {
					t.Fatalf("run %d was not interrupted", n)
				}
			}
			r := imported(t, s, from)
			if r.Users != crowd+2 || len(r.Problems) != 3 || r.OtherID != 0 {
				t.Errorf("%+v", r)
			}
			all := fmt.Sprint(r.Problems)
			for _, want := range []string{"USER7 not copied", "crypted copied without the address user1@example.com", "crypted the password hash can't be verified (crypt)"} {
				if !strings.Contains(all, want) {
					t.Errorf("the report doesn't say %q: %s", want, all)
				}
			}
			interrupted := contents(t, driver, path)
			if again := imported(t, s, from); again.Created+again.Changed+again.Tokens+again.Groups != 0 || again.Unchanged != crowd+1 {
				t.Errorf("the second import: %+v", again)
			}
			if contents(t, driver, path) != interrupted {
				t.Error("a second import has changed something")
			}
			address, driver, path = db(t)
			imported(t, target(t, address), from)
			if contents(t, driver, path) != interrupted {
				t.Error("an import that was interrupted ends otherwise than one that wasn't")
			}
			t.Run("everybody signs in", func(t *testing.T) {
				everybodySignsIn(t, s, hashes, os.Getenv("CLOAKROOM_LONG") != "" && name == "sqlite")
			})
			t.Run("tokens go on working", func(t *testing.T) { tokensWork(t, s, drf, knox) })
		})
	}
}

func ownSQLite(t testing.TB) (address, driver, path string) {
	path = filepath.Join(t.TempDir(), "own.db")
	return "sqlite:" + path, "sqlite", path
}

func ownPostgres(t testing.TB) (address, driver, path string) {
	address = pgserver.Test(t)
	return address, "pgx", address
}

// everybodySignsIn checks that each hash was copied unchanged, and signs in one user of each format, or all users. The
// server rehashes the passwords of the first ones only, since doing it for ten thousand would take as long as all the rest.
func everybodySignsIn(t *testing.T, s *cloakroom.Server, hashes hashes, really bool) {
	all, err := s.Accounts.Store.List(t.Context(), account.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var expensive, first, others []*account.User
	seen := map[string]bool{}
	for _, u := range all {
		var n int
		if _, err := fmt.Sscanf(u.Username, "user%d", &n); err != nil {
			continue
		}
		if u.Password != hashes.of(n) {
			t.Fatalf("the hash of %s is %s", u.Username, u.Password)
		}
		switch {
		case n < len(hashes.expensive):
			expensive = append(expensive, u)
		case !seen[u.Password]:
			first = append(first, u)
		case really:
			others = append(others, u)
		}
		seen[u.Password] = true
	}
	if want := len(hashes.expensive) + len(hashes.cheap); len(seen) < want-5 { // five have no parameters, and are the same
		t.Errorf("%d kinds of hashes, want %d", len(seen), want)
	}
	// Use every processor, and don't make a cheap hash take as long as an expensive one.
	s.Accounts.Hasher.Wait, s.Accounts.Hasher.Workers, s.Accounts.Hasher.MinimumCost = time.Minute, runtime.GOMAXPROCS(0), pbkdf2(good, 1000)
	for _, u := range expensive { // not over HTTP, where an answer may take no longer than a few seconds, on whatever machine
		if _, err := s.Accounts.Authenticate(t.Context(), account.Attempt{Login: u.Username, Password: good, Address: home}); err != nil {
			t.Errorf("%s with %s: %v", u.Username, u.Password, err)
		}
	}
	signInAll(t, s, first)
	for _, u := range append(expensive, first...) {
		now, err := s.Accounts.Store.Load(t.Context(), u.ID)
		verified, wrong := s.Accounts.Hasher.Verify(t.Context(), u.Password, good)
		kept := !verified.Outdated && now.Password == u.Password // Django's argon2id with a tag of 32 bytes is as good as ours
		if err := errors.Join(err, wrong); err != nil || !kept && !strings.HasPrefix(now.Password, "$argon2id$") {
			t.Errorf("after a sign-in the hash of %s is %s, %v", u.Username, now.Password, err)
		}
	}
	s.Accounts.HashTemplate = func(_ context.Context, u *account.User) (string, error) { return u.Password, nil }
	signInAll(t, s, others)
	u, err := s.Accounts.Lookup(t.Context(), "user7")
	if err != nil || fmt.Sprint(u.Groups, u.UserPermissions, u.Permissions) != "[editors] [auth.add_group] [auth.add_group auth.change_user auth.view_user]" {
		t.Errorf("%+v, %v", u, err)
	}
}

// signInAll signs in all of them over HTTP, a few at a time.
func signInAll(t *testing.T, s *cloakroom.Server, all []*account.User) {
	web := s.Handler(http.NotFoundHandler())
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	var signIns sync.WaitGroup
	for _, u := range all {
		turn <- struct{}{}
		signIns.Go(func() {
			signsInWith(t, web, u)
			<-turn
		})
	}
	signIns.Wait()
}

// signsInWith checks that the user can sign in with the old password.
func signsInWith(t *testing.T, web http.Handler, u *account.User) {
	signInBefore(t, web, u, time.Now().Add(2*time.Minute))
}

func signInBefore(t *testing.T, web http.Handler, u *account.User, deadline time.Time) {
	body := strings.NewReader(fmt.Sprintf(`{"username":%q,"password":%q}`, u.Username, good))
	r := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost:8000/api/auth/login", body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	web.ServeHTTP(w, r)
	if w.Code == http.StatusServiceUnavailable && time.Now().Before(deadline) { // the machine is busy
		signInBefore(t, web, u, deadline)
		return
	}
	var out struct{ ID json.Number }
	if err := json.Unmarshal(w.Body.Bytes(), &out); w.Code != http.StatusOK || err != nil || out.ID.String() != u.ID || w.Header().Get("Set-Cookie") == "" {
		t.Errorf("%s with %s: %d %s", u.Username, u.Password, w.Code, w.Body)
	}
}

func tokensWork(t *testing.T, s *cloakroom.Server, texts ...string) {
	for _, text := range texts {
		found, err := s.Tokens.Check(t.Context(), text, token.DRF, token.Knox)
		if err != nil {
			t.Fatal(err)
		}
		u, err := s.Accounts.Store.Load(t.Context(), found.User)
		if err != nil || u.Username != "user7" || u.Epoch != found.Epoch {
			t.Errorf("%s is of %+v, %v", text, u, err)
		}
	}
}

// knoxTable creates knox's table, for which Debian has no package, with a valid token and an expired one.
func knoxTable(t testing.TB, database, user, text string) {
	t.Helper()
	p := &pair{config: cloakroom.Config{DB: "django+" + database}}
	db := p.raw(t)
	for _, statement := range []string{
		`CREATE TABLE knox_authtoken (digest varchar(128) NOT NULL PRIMARY KEY, created ` + timeType(database) + ` NOT NULL,
			user_id integer NOT NULL REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED, expiry ` + timeType(database) + ` NULL, token_key varchar(25) NOT NULL)`,
		fmt.Sprintf(`INSERT INTO knox_authtoken SELECT '%s', '2026-01-02 03:04:05.678', id, NULL, '%s' FROM auth_user WHERE username = '%s'`,
			knoxDigest(text), text[:15], user),
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func timeType(database string) string {
	if strings.HasPrefix(database, "sqlite:") {
		return "datetime"
	}
	return "timestamptz"
}

func knoxDigest(text string) string {
	sum := sha512.Sum512([]byte(text))
	return hex.EncodeToString(sum[:])
}

// The next import copies what has changed in Django since the last one.
func TestAnImportFollowsDjango(t *testing.T) {
	t.Parallel()
	source := sqliteAddress(t)
	site := djangoserver.New(t, djangoserver.Config{Database: source, Keys: keys})
	site.Start(t)
	for _, name := range []string{"ann", "bob", "cy"} {
		site.Run(t, "add", map[string]any{"name": name, "password": good}, nil)
	}
	from := opened(t, django.Config{Database: source, UsersOnly: true})
	s := target(t, "")
	own, err := s.Accounts.Create(t.Context(), account.NewUser{Username: "admin", Password: better, IsSuperuser: true})
	if err != nil {
		t.Fatal(err)
	}
	r := imported(t, s, from)
	if r.Created != 3 || r.OtherID != 1 || own.ID != "1" { // ann was the first, too
		t.Fatalf("%+v", r)
	}
	signIn := func(name, password string) *account.User {
		u, err := s.Accounts.Authenticate(t.Context(), account.Attempt{Login: name, Password: password, Address: home})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return u
	}
	ann, bob, cy := signIn("ann", good), signIn("bob", good), signIn("cy", good)
	if bob.ID != "2" || cy.ID != "3" || ann.ID != "4" {
		t.Errorf("IDs are %s, %s, %s", ann.ID, bob.ID, cy.ID)
	}
	rehashed, err := s.Accounts.Store.Load(t.Context(), ann.ID)
	if err != nil || !strings.HasPrefix(rehashed.Password, "$argon2id$") {
		t.Fatalf("ann's hash is %s, %v", rehashed.Password, err)
	}
	site.Run(t, "set_password", map[string]any{"name": "bob", "password": better}, nil)
	site.Run(t, "set_active", map[string]any{"name": "cy", "active": false}, nil)
	site.Run(t, "grant", map[string]any{"name": "ann", "label": "auth.view_user"}, nil)
	if r := imported(t, s, from); r.Changed != 3 || r.Created+r.Unchanged != 0 {
		t.Fatalf("%+v", r)
	}
	after := signIn("ann", good)
	if after.Epoch != ann.Epoch || after.Password != rehashed.Password || len(after.UserPermissions) != 1 {
		t.Errorf("ann was %+v and is %+v", ann, after)
	}
	if u := signIn("bob", better); u.Epoch == bob.Epoch {
		t.Error("bob's sessions outlive the new password")
	}
	u, err := s.Accounts.Store.Load(t.Context(), cy.ID)
	if err != nil || u.IsActive || u.Epoch == cy.Epoch {
		t.Errorf("cy is %+v, %v", u, err)
	}
	if r := imported(t, s, from); r.Changed+r.Created != 0 {
		t.Errorf("the third import: %+v", r)
	}
}

func TestUsersWithUUIDsAreGivenNumbers(t *testing.T) {
	t.Parallel()
	source := sqliteAddress(t)
	site := djangoserver.New(t, djangoserver.Config{Database: source, Keys: keys, UserModel: people.name})
	site.Start(t)
	for n := range 3 {
		site.Run(t, "add", map[string]any{"name": fmt.Sprintf("p%d@example.com", n), "password": good}, nil)
	}
	from := opened(t, django.Config{Database: source, UsersOnly: true, UserTable: "people_person", UserKey: "uid", UserLogin: "email"})
	s := target(t, "")
	if r := imported(t, s, from); r.Created != 3 || r.OtherID != 3 || len(r.Problems) != 0 {
		t.Fatalf("%+v", r)
	}
	if r := imported(t, s, from); r.Unchanged != 3 {
		t.Errorf("%+v", r)
	}
	u, err := s.Accounts.Authenticate(t.Context(), account.Attempt{Login: "p1@example.com", Password: good, Address: home})
	if err != nil || u.Email != "p1@example.com" {
		t.Errorf("%+v, %v", u, err)
	}
}
