package django_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// opened opens Django's database for the length of the test.
func opened(t testing.TB, c django.Config) *django.DB {
	t.Helper()
	db, err := django.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// each runs a test on each kind of database, in parallel. address creates an empty database that Django has not migrated
// yet.
func each(t *testing.T, test func(t *testing.T, address func(t testing.TB) string)) {
	t.Parallel()
	for kind, address := range map[string]func(t testing.TB) string{"sqlite": sqliteAddress, "postgres": postgresAddress} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, address)
		})
	}
}

func postgresAddress(t testing.TB) string { return pgserver.Test(t) }

func sqliteAddress(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "db.sqlite3")
}

// TestSessions runs storetest on Django's sessions.
func TestSessions(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		database := address(t)
		djangoserver.New(t, djangoserver.Config{Database: database, Keys: keys})
		empty := &pair{config: cloakroom.Config{DB: "django+" + database}}
		storetest.Sessions(t, func(t *testing.T) session.Store {
			if _, err := empty.raw(t).ExecContext(t.Context(), `DELETE FROM django_session`); err != nil {
				t.Fatal(err)
			}
			return &anyRecords{Store: opened(t, django.Config{Database: database, Keys: keys}).Sessions()}
		})
	})
}

// anyRecords stores records of any kind in Django's sessions, whose keys are letters and digits, whose values are JSON, and
// which have a user. It also checks that public IDs are unique, which the store takes for granted since they are random.
type anyRecords struct {
	session.Store
	mu    sync.Mutex
	names sync.Map // IDs by keys
}

func (a *anyRecords) key(id session.ID) session.ID {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	var key session.ID
	for i, b := range sha256.Sum256(id[:]) {
		key[i] = alphabet[int(b)%len(alphabet)]
	}
	a.names.Store(key, id)
	return key
}

// wrapped is what the values of a record hold if a program's values may be any bytes.
type wrapped struct {
	Values  []byte
	Expires int64 // beyond the year 9999 Django has no time
}

const endOfTime = 253402300799

func (a *anyRecords) in(r *session.Record) *session.Record {
	next := *r
	next.ID, next.User = a.key(r.ID), "u"+hex.EncodeToString([]byte(r.User))
	for _, text := range []*string{&next.Epoch, &next.IP} {
		*text = hex.EncodeToString([]byte(*text))
	}
	for _, text := range []*session.Interned{&next.Method, &next.Methods, &next.Agent} {
		*text = session.Intern(hex.EncodeToString([]byte(text.String())))
	}
	next.Expires = min(r.Expires, endOfTime)
	if len(r.Values) > 0 || r.Expires > endOfTime {
		text, err := json.Marshal(wrapped{r.Values, r.Expires})
		if err != nil {
			panic(err)
		}
		next.Values = text
	}
	return &next
}

func unhex(text string) string {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (a *anyRecords) out(r *session.Record) *session.Record {
	id, ok := a.names.Load(r.ID)
	if !ok {
		panic("a key that this test did not make")
	}
	r.ID, r.User = id.(session.ID), unhex(r.User[1:])
	for _, text := range []*string{&r.Epoch, &r.IP} {
		*text = unhex(*text)
	}
	for _, text := range []*session.Interned{&r.Method, &r.Methods, &r.Agent} {
		*text = session.Intern(unhex(text.String()))
	}
	if len(r.Values) > 0 {
		var w wrapped
		if err := json.Unmarshal(r.Values, &w); err != nil {
			panic(err)
		}
		r.Values = w.Values
		if r.Expires == endOfTime {
			r.Expires = w.Expires
		}
	}
	return r
}

// taken reports whether another session has the public ID.
func (a *anyRecords) taken(ctx context.Context, r *session.Record, mine session.ID) (bool, error) {
	found, err := a.Store.List(ctx, session.Query{PublicID: r.PublicID})
	return len(found) > 0 && found[0].ID != a.key(mine), err
}

func (a *anyRecords) Create(ctx context.Context, r *session.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if taken, err := a.taken(ctx, r, r.ID); taken || err != nil {
		if err == nil {
			err = session.ErrExists
		}
		return err
	}
	in := a.in(r)
	err := a.Store.Create(ctx, in)
	if err == nil {
		r.Version = in.Version
	}
	return err
}

func (a *anyRecords) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	r, err := a.Store.Load(ctx, a.key(id))
	if err != nil {
		return nil, err
	}
	return a.out(r), nil
}

func (a *anyRecords) Replace(ctx context.Context, old, new *session.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, err := a.Store.Load(ctx, a.key(old.ID))
	if err != nil {
		return err
	}
	if taken, err := a.taken(ctx, new, old.ID); now.Version == old.Version && (taken || err != nil) {
		if err == nil {
			err = session.ErrExists
		}
		return err
	}
	in := a.in(new)
	if err = a.Store.Replace(ctx, a.in(old), in); err == nil {
		new.Version = in.Version
	}
	return err
}

func (a *anyRecords) Touch(ctx context.Context, uses []session.LastUse) error {
	var next []session.LastUse
	for _, use := range uses {
		use.ID = a.key(use.ID)
		next = append(next, use)
	}
	return a.Store.Touch(ctx, next)
}

func (a *anyRecords) Delete(ctx context.Context, id session.ID) error {
	return a.Store.Delete(ctx, a.key(id))
}

func (a *anyRecords) Remove(ctx context.Context, id session.ID) (removed bool, err error) {
	return removal.Remove(ctx, a.Store, a.key(id))
}

func (a *anyRecords) DeleteUser(ctx context.Context, user string, except session.ID) (int, error) {
	if except != (session.ID{}) {
		except = a.key(except)
	}
	return a.Store.DeleteUser(ctx, "u"+hex.EncodeToString([]byte(user)), except)
}

func (a *anyRecords) List(ctx context.Context, q session.Query) ([]*session.Record, error) {
	if q.User != "" {
		q.User = "u" + hex.EncodeToString([]byte(q.User))
	}
	if q.FormerID != (session.ID{}) {
		q.FormerID = a.key(q.FormerID)
	}
	found, err := a.Store.List(ctx, q)
	for i, r := range found {
		found[i] = a.out(r)
	}
	return found, err
}

// sqliteSite returns the address of a database that Django has migrated.
func sqliteSite(t testing.TB) string {
	address := sqliteAddress(t)
	djangoserver.New(t, djangoserver.Config{Database: address, Keys: keys})
	return address
}
