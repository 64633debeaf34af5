package account_test

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

const (
	good   = "correct horse battery staple"
	better = "another horse battery staple"
	wrong  = "wrong horse battery staple"
)

var home = netip.MustParseAddr("198.51.100.7")

// cheapHash is the example of the hashes that most tests make: with a hundredth of the memory and half of the passes.
const cheapHash = "argon2$argon2id$v=19$m=192,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$6mXDq5U8xk8C1bZ5oXkEBw0jSTCFDsa1TQyg5pWqV2o"

// goodHash is a hash of good that takes little time to verify.
var goodHash = sync.OnceValue(func() string {
	hash, err := new(password.Hasher).HashByTemplate(context.Background(), cheapHash, good)
	if err != nil {
		panic(err)
	}
	return hash
})

// noRoom refuses every password at once, which shows the calls that would have hashed one.
func noRoom() *password.Hasher { return &password.Hasher{Wait: -1} }

type service struct {
	*account.Service
	t *testing.T
}

// newService returns a service that hashes with little work.
func newService(t *testing.T, s store.Set) service {
	cheap := costlyService(t, s)
	cheap.Hasher.MinimumCost = goodHash()
	cheap.HashTemplate = func(context.Context, *account.User) (string, error) { return goodHash(), nil }
	return cheap
}

// costlyService returns a service that hashes as in production.
func costlyService(t *testing.T, s store.Set) service {
	return service{&account.Service{
		Store: s.Accounts, Hasher: new(password.Hasher), Guard: &throttle.Guard{Store: s.Throttles},
	}, t}
}

func inMemory() store.Set {
	m := memory.New()
	return m.Set
}

func inSQLite(t *testing.T) store.Set {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "cloakroom.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db.Set
}

// each runs a test on each kind of store.
func each(t *testing.T, test func(t *testing.T, stores store.Set)) {
	t.Run("memory", func(t *testing.T) { test(t, inMemory()) })
	t.Run("sqlite", func(t *testing.T) { test(t, inSQLite(t)) })
}

// ann is the user of most tests, with the password good.
func ann() *account.User {
	return &account.User{Username: "ann", Email: "ann@example.org", Password: goodHash(), IsActive: true, Epoch: "the first epoch"}
}

func (s service) enrol(u *account.User) *account.User {
	s.t.Helper()
	if err := s.Store.Create(s.t.Context(), u); err != nil {
		s.t.Fatal(err)
	}
	return s.load(u.ID)
}

func (s service) load(id string) *account.User {
	s.t.Helper()
	u, err := s.Store.Load(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s service) signIn(login, password string) (*account.User, error) {
	return s.Authenticate(s.t.Context(), attempt(login, password))
}

func attempt(login, password string) account.Attempt {
	return account.Attempt{Login: login, Password: password, Address: home}
}

// signsIn checks that the user signs in with the password.
func (s service) signsIn(login, password string) *account.User {
	s.t.Helper()
	u, err := s.signIn(login, password)
	if err != nil {
		s.t.Fatalf("%q can't sign in with %q: %v", login, password, err)
	}
	return u
}

// refused checks that the password is refused.
func (s service) refused(login, password string) {
	s.t.Helper()
	u, err := s.signIn(login, password)
	if err != account.ErrInvalidCredentials || u != nil {
		s.t.Fatalf("%.80q with %.80q: user %v, error %v", login, password, u, err)
	}
}

func throttled(err error) bool {
	_, ok := errors.AsType[*throttle.Error](err)
	return ok
}

func busy(err error) bool {
	_, ok := errors.AsType[*password.BusyError](err)
	return ok
}

// codes returns the wrong fields with the codes of the problems, "field code", sorted.
func codes(t *testing.T, err error) []string {
	t.Helper()
	e, ok := errors.AsType[*account.InvalidError](err)
	if !ok {
		t.Fatalf("error %v, want an InvalidError", err)
	}
	var all []string
	for field, problems := range e.Fields {
		for _, p := range problems {
			all = append(all, field+" "+p.Code)
			if p.Message == "" || !strings.Contains(err.Error(), p.Message) {
				t.Errorf("message %q is not in %q", p.Message, err)
			}
		}
	}
	slices.Sort(all)
	return all
}

func wantCodes(t *testing.T, err error, want ...string) {
	t.Helper()
	if got := codes(t, err); !slices.Equal(got, want) {
		t.Errorf("wrong: %q, want %q", got, want)
	}
}

// between is a store that calls a hook between two calls of the service. Each hook is called once.
type between struct {
	account.Store
	afterFind, beforeChange func()
}

func (b *between) Find(ctx context.Context, key string) (*account.User, error) {
	u, err := b.Store.Find(ctx, key)
	once(&b.afterFind)
	return u, err
}

func (b *between) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	once(&b.beforeChange)
	return b.Store.Change(ctx, id, change)
}

func (b *between) NoteSignIn(ctx context.Context, id string, s account.SignInUpdate) (*account.User, error) {
	once(&b.beforeChange)
	return b.Store.NoteSignIn(ctx, id, s)
}

func once(hook *func()) {
	if f := *hook; f != nil {
		*hook = nil
		f()
	}
}

// with returns the service on a store with these hooks.
func (s service) with(b *between) service {
	b.Store = s.Store
	other := *s.Service
	other.Store = b
	return service{&other, s.t}
}

// must stops the test if a call that only prepares it fails.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
