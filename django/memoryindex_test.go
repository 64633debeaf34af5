package django_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/session"
)

// eachIndexed runs a test on two nodes beside one Django, on each kind of database. A transaction that reads keeps no other from
// writing.
func eachIndexed(t *testing.T, test func(t *testing.T, db, other *django.DB)) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		database := address(t)
		djangoserver.New(t, djangoserver.Config{Database: database, Keys: keys})
		if strings.HasPrefix(database, "sqlite:") {
			(&pair{config: cloakroom.Config{DB: "django+" + database}}).execute(t, `PRAGMA journal_mode = wal`)
		}
		test(t, opened(t, django.Config{Database: database, Keys: keys}), opened(t, django.Config{Database: database, Keys: keys}))
	})
}

func newID() session.ID { return session.ID([]byte(django.SessionKeys{}.New())) }

// begun stores a new session.
func begun(t *testing.T, s session.Store, name string) *session.Record {
	t.Helper()
	r := &session.Record{ID: newID(), PublicID: name, User: "1", Values: []byte(`{}`), Seen: 1 << 30, Idle: 1 << 30, Deadline: 1 << 33, Expires: 1 << 31}
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// rotated gives a session another ticket.
func rotated(ctx context.Context, s session.Store, r *session.Record) (*session.Record, error) {
	now, err := s.Load(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	next := *now
	next.ID = newID()
	return &next, s.Replace(ctx, now, &next)
}

// leadsTo returns an error unless the former ID of a session leads to it.
func leadsTo(ctx context.Context, s session.Store, former, id session.ID) error {
	found, err := s.List(ctx, session.Query{FormerID: former})
	if err == nil && (len(found) != 1 || found[0].ID != id) {
		err = fmt.Errorf("%d sessions found by a former ID", len(found))
	}
	return err
}

// A table may have millions of rows. A sign-out that finds its row reads no other, and one whose session has another key by then finds
// that among all.
func TestASignOutReadsItsRowAlone(t *testing.T) {
	t.Attr("threat", "L07")
	eachIndexed(t, func(t *testing.T, db, other *django.DB) {
		m := &session.Manager{Store: db.Sessions(), Tickets: django.SessionKeys{}}
		signsOut := func(r *session.Record) {
			t.Helper()
			request := httptest.NewRequestWithContext(t.Context(), "POST", "/", nil)
			request.AddCookie(&http.Cookie{Name: session.CookieName, Value: string(r.ID[:])})
			if err := m.SignOut(httptest.NewRecorder(), request); err != nil {
				t.Fatal(err)
			}
		}
		begun(t, other.Sessions(), "stays")
		signsOut(begun(t, other.Sessions(), "ends"))
		if n := db.Indexed(); n != 0 {
			t.Errorf("%d rows were read", n)
		}
		first := begun(t, other.Sessions(), "rotates")
		if _, err := rotated(t.Context(), other.Sessions(), first); err != nil {
			t.Fatal(err)
		}
		signsOut(first)
		left, err := other.Sessions().List(t.Context(), session.Query{})
		if err != nil || len(left) != 1 || left[0].PublicID != "stays" {
			t.Errorf("%d sessions are left, %v", len(left), err)
		}
	})
}

// Browsers bring anonymous sessions of Django's to each sign-in.
func TestASignInOverAnAnonymousSessionReadsNoOther(t *testing.T) {
	t.Attr("threat", "L07")
	eachIndexed(t, func(t *testing.T, db, other *django.DB) {
		stays := begun(t, other.Sessions(), "stays")
		anonymous := begun(t, other.Sessions(), "anonymous")
		if _, err := other.Sessions().DeleteUser(t.Context(), anonymous.User, stays.ID); err != nil {
			t.Fatal(err)
		}
		data, err := keys.Sign(`{"cart":[1]}`, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		if err := other.InsertSession(t.Context(), string(anonymous.ID[:]), data, 1<<31); err != nil {
			t.Fatal(err)
		}
		m := &session.Manager{Store: db.Sessions(), Tickets: django.SessionKeys{}}
		for _, before := range []*session.Record{anonymous, stays} {
			request := httptest.NewRequestWithContext(t.Context(), "POST", "/", nil)
			request.AddCookie(&http.Cookie{Name: session.CookieName, Value: string(before.ID[:])})
			if _, err := m.SignIn(httptest.NewRecorder(), request, session.SignIn{User: "1", Epoch: "e"}); err != nil {
				t.Fatal(err)
			}
			if n := db.Indexed(); n != 0 {
				t.Errorf("%d rows were read", n)
			}
		}
		left, err := other.Sessions().List(t.Context(), session.Query{User: "1"})
		if err != nil || len(left) != 2 {
			t.Errorf("%d sessions, %v", len(left), err)
		}
	})
}

// waits is a context that tells when a call waits for its end.
type waits struct {
	context.Context
	once sync.Once
	told chan struct{}
}

func (w *waits) Done() <-chan struct{} {
	w.once.Do(func() { close(w.told) })
	return w.Context.Done()
}

// calls makes a call, and returns its result once it waits.
func calls(ctx context.Context, do func(ctx context.Context) error) (result chan error) {
	w := &waits{Context: ctx, told: make(chan struct{})}
	result = make(chan error, 1)
	go func() { result <- do(w) }()
	<-w.told
	return result
}

func TestStrangersCannotQueueUpReadingsOfDjangosSessions(t *testing.T) {
	t.Attr("threat", "L07")
	eachIndexed(t, func(t *testing.T, db, other *django.DB) {
		r := begun(t, other.Sessions(), "known")
		if err := leadsTo(t.Context(), db.Sessions(), r.ID, r.ID); err != nil { // reads the row, which is not read again
			t.Fatal(err)
		}
		queries, err := db.CountQueries()
		if err != nil {
			t.Fatal(err)
		}
		release, err := db.HoldReadings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var results []chan error
		for n := range 50 {
			results = append(results, calls(t.Context(), func(ctx context.Context) error {
				if n%2 == 0 {
					found, err := db.Sessions().List(ctx, session.Query{FormerID: newID()})
					if len(found) > 0 {
						err = errors.New("a made-up ticket leads to a session")
					}
					return err
				}
				found, err := db.Superseded(ctx, newID())
				if found {
					err = errors.New("a session has replaced a made-up one")
				}
				return err
			}))
		}
		release()
		for _, result := range results {
			if err := <-result; err != nil {
				t.Error(err)
			}
		}
		if n := queries.Load(); n < 1 || n > 2 {
			t.Errorf("%d queries for 50 calls at the same time", n)
		}
	})
}

// A reading that has begun may be older than the rotation.
func TestARotationIsFoundByACallAfterIt(t *testing.T) {
	t.Attr("threat", "L07")
	eachIndexed(t, func(t *testing.T, db, other *django.DB) {
		r := begun(t, other.Sessions(), "rotated")
		var found chan error
		err := db.InReading(t.Context(), func() {
			next, err := rotated(t.Context(), other.Sessions(), r)
			if err != nil {
				t.Error(err)
				return
			}
			found = calls(t.Context(), func(ctx context.Context) error { return leadsTo(ctx, db.Sessions(), r.ID, next.ID) })
		})
		if err != nil || found == nil {
			t.Fatal(err)
		}
		if err := <-found; err != nil {
			t.Error(err)
		}
		var group sync.WaitGroup
		for n := range 8 {
			node, name := []*django.DB{db, other}[n%2], fmt.Sprint("session ", n)
			r := begun(t, node.Sessions(), name)
			group.Go(func() {
				for range 10 {
					next, err := rotated(t.Context(), node.Sessions(), r)
					if err == nil {
						err = leadsTo(t.Context(), db.Sessions(), r.ID, next.ID)
					}
					if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					if old, err := db.Superseded(t.Context(), r.ID); !old || err != nil {
						t.Errorf("%s is superseded: %t, %v", name, old, err)
					}
					r = next
				}
			})
		}
		group.Wait()
	})
}

func TestACallerWhoGivesUpFailsNoOther(t *testing.T) {
	t.Attr("threat", "L07")
	eachIndexed(t, func(t *testing.T, db, _ *django.DB) {
		r := begun(t, db.Sessions(), "known")
		asks := func(ctx context.Context) chan error {
			return calls(ctx, func(ctx context.Context) error { return leadsTo(ctx, db.Sessions(), r.ID, r.ID) })
		}
		release, err := db.HoldReadings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, giveUp := context.WithCancel(t.Context())
		impatient := []chan error{asks(ctx)}
		until(t, "a reading has begun", func() bool { _, next := db.Readings(); return !next })
		impatient = append(impatient, asks(ctx)) // the first of the next reading
		patient := asks(t.Context())
		giveUp()
		for _, result := range impatient {
			if err := <-result; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		release()
		if err := <-patient; err != nil {
			t.Error(err)
		}

		if release, err = db.HoldReadings(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, giveUp = context.WithCancel(t.Context())
		impatient = []chan error{asks(ctx), asks(ctx), asks(ctx)}
		giveUp()
		for _, result := range impatient {
			<-result
		}
		until(t, "no reading goes on for callers who gave up", func() bool { now, _ := db.Readings(); return !now })
		release()
		if err := <-asks(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
