package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/faultproxy"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

// spoilt opens an empty database through a network that the test disturbs. url leads to it directly.
func spoilt(t *testing.T) (db *postgres.DB, net *faultproxy.Proxy, url string) {
	t.Helper()
	url = pgserver.Test(t)
	net, err := faultproxy.New(pgserver.Shared(t).Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { net.Close() })
	return open(t, through(net.Addr, url)), net, url
}

// ticketID returns the n-th ID.
func ticketID(n int) session.ID {
	return session.ID{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), 1}
}

// ticket returns the n-th session.
func ticket(n int) *session.Record {
	return &session.Record{
		ID: ticketID(n), PublicID: fmt.Sprint("p", n), User: fmt.Sprint("u", n), Seen: 1, Expires: 1 << 40,
		Values: []byte(strings.Repeat(strconv.Itoa(n)+",", n%500)),
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestAnAbandonedPostgresCallLeavesItsAnswerToNoOtherCall abandons calls at any moment on a slow network, and checks that
// each answer belongs to its question.
func TestAnAbandonedPostgresCallLeavesItsAnswerToNoOtherCall(t *testing.T) {
	t.Attr("threat", "J2")
	db, net, _ := spoilt(t)
	q := &questions{t: t, db: db, users: map[int]string{}}
	for n := range q.many() {
		must(t, db.Sessions.Create(t.Context(), ticket(n)))
		must(t, db.Throttles.Update(t.Context(), []string{fmt.Sprint(n)}, func(c []throttle.Counter) error { c[0].Tries = n + 1; return nil }))
		u := &account.User{Username: fmt.Sprint("user", n)}
		must(t, db.Accounts.Create(t.Context(), u))
		q.users[n] = u.ID
	}
	rounds := 150
	if os.Getenv("CLOAKROOM_LONG") != "" {
		rounds *= 170 // a million calls
	}
	net.Delay(time.Millisecond)
	patience := time.Now().Add(5 * time.Minute) // on a busy machine most calls are abandoned
	var group sync.WaitGroup
	for range 40 {
		group.Go(func() {
			for asked := 0; asked < rounds || q.few() && time.Now().Before(patience); asked++ {
				q.ask(rand.IntN(q.many()))
			}
		})
	}
	group.Wait()
	t.Logf("%d answers, %d given up", q.answered.Load(), q.givenUp.Load())
	if q.few() {
		t.Error("there was nothing to mix up")
	}
}

// questions are calls of stores whose answers contain the question.
type questions struct {
	t     *testing.T
	db    *postgres.DB
	users map[int]string // their IDs

	answered, givenUp atomic.Int64
}

func (q *questions) many() int { return 100 }

// few reports whether too few calls were answered for a mix-up to show.
func (q *questions) few() bool { return q.answered.Load() < 200 || q.givenUp.Load() < 200 }

// ask makes one call, and abandons it at any moment.
func (q *questions) ask(n int) {
	ctx, cancel := context.WithTimeout(q.t.Context(), rand.N(60*time.Millisecond))
	defer cancel()
	if rand.IntN(2) == 0 {
		time.AfterFunc(rand.N(40*time.Millisecond), cancel)
	}
	right, err := q.about(ctx, n)
	switch {
	case err == nil && !right:
		q.t.Errorf("a question about %d has another's answer", n)
	case errors.Is(err, session.ErrNotFound) || errors.Is(err, account.ErrNotFound):
		q.t.Errorf("%d is not found", n)
	case err == nil:
		q.answered.Add(1)
	default:
		q.givenUp.Add(1)
	}
}

func (q *questions) about(ctx context.Context, n int) (right bool, err error) {
	switch rand.IntN(5) {
	case 0:
		tries := 0
		err = q.db.Throttles.Update(ctx, []string{fmt.Sprint(n)}, func(c []throttle.Counter) error { tries = c[0].Tries; return nil })
		return tries == n+1, err
	case 1:
		list, err := q.db.Sessions.List(ctx, session.Query{PublicID: fmt.Sprint("p", n)})
		return len(list) == 1 && list[0].ID == ticketID(n), err
	case 2:
		u, err := q.db.Accounts.Find(ctx, fmt.Sprint("user", n))
		return err == nil && u.ID == q.users[n], err
	case 3:
		u, err := q.db.Accounts.Load(ctx, q.users[n])
		return err == nil && u.Username == fmt.Sprint("user", n), err
	}
	r, err := q.db.Sessions.Load(ctx, ticketID(n))
	return err == nil && r.ID == ticketID(n) && r.PublicID == fmt.Sprint("p", n) && string(r.Values) == string(ticket(n).Values), err
}

// TestCallsEndByTheirContext: on a network that delivers nothing, each call ends when its context does.
func TestCallsEndByTheirContext(t *testing.T) {
	db, net, _ := spoilt(t)
	must(t, db.Sessions.Create(t.Context(), ticket(1)))
	net.Freeze()
	for name, call := range map[string]func(ctx context.Context) error{
		"Load":   func(ctx context.Context) error { _, err := db.Sessions.Load(ctx, ticketID(1)); return err },
		"List":   func(ctx context.Context) error { _, err := db.Sessions.List(ctx, session.Query{}); return err },
		"Create": func(ctx context.Context) error { return db.Sessions.Create(ctx, ticket(2)) },
		"Delete": func(ctx context.Context) error { return db.Sessions.Delete(ctx, ticketID(1)) },
		"Touch": func(ctx context.Context) error {
			return db.Sessions.Touch(ctx, []session.LastUse{{ID: ticketID(1), At: 2, Expires: 3}})
		},
		"Update": func(ctx context.Context) error {
			return db.Throttles.Update(ctx, []string{"a"}, func([]throttle.Counter) error { return nil })
		},
		"Ping": db.Ping,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		err := call(ctx)
		cancel()
		if err == nil || errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s on a dead network: %v", name, err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s took %v, and its context 300 ms", name, took)
		}
	}
	net.Thaw()
	if _, err := db.Sessions.Load(t.Context(), ticketID(1)); err != nil {
		t.Errorf("on a network that is well again: %v", err)
	}
}

// TestNoCallFailsWhenIdleConnectionsHaveEnded: between two requests the server has ended every connection or was restarted,
// or a firewall has forgotten them. The next call connects again and succeeds.
func TestNoCallFailsWhenIdleConnectionsHaveEnded(t *testing.T) {
	t.Parallel() // it mostly waits
	db, net, url := spoilt(t)
	must(t, db.Sessions.Create(t.Context(), ticket(1)))
	made := 1
	for name, end := range map[string]func(){
		"terminated": func() { terminate(t, url, "true") },
		"reset":      net.Cut,
		"forgotten":  func() { net.Lose(); time.Sleep(1100 * time.Millisecond) },
	} {
		for range 2 {
			warm(t, db)
			end()
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			if _, err := db.Sessions.Load(ctx, ticketID(1)); err != nil {
				t.Fatalf("%s: load: %v", name, err)
			}
			warm(t, db)
			end()
			made++
			if err := db.Sessions.Create(ctx, ticket(made)); err != nil {
				t.Errorf("%s: create: %v", name, err)
			}
			if name == "forgotten" {
				break // the server needs a moment
			}
		}
	}
}

// TestAConnectionThatEndedWhileIdleIsNotUsed, not even for a statement that can't be repeated.
func TestAConnectionThatEndedWhileIdleIsNotUsed(t *testing.T) {
	url := pgserver.Test(t)
	db := open(t, url)
	pool := db.Pool()
	pool.SetMaxOpenConns(1)
	for quick, tries := 0, 0; quick < 3 && tries < 20; tries++ {
		if _, err := pool.ExecContext(t.Context(), `SELECT 1`); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		terminate(t, url, "true")
		if _, err := pool.ExecContext(t.Context(), `CREATE TABLE IF NOT EXISTS once (n int)`); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) < 900*time.Millisecond { // after that time the connection is checked before it is used
			quick++
		}
	}
}

// warm opens several connections.
func warm(t *testing.T, db *postgres.DB) {
	t.Helper()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := db.Sessions.List(t.Context(), session.Query{}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// terminate ends the connections to a database for which the condition holds, except its own.
func terminate(t testing.TB, url, condition string) {
	t.Helper()
	sql(t, url, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND `+condition)
}

// blocked runs a call that waits for a lock, and cuts its connection meanwhile. release releases the calls that still wait.
func blocked(t *testing.T, url string, call func() error) (err error) {
	t.Helper()
	done := make(chan error, 1)
	release := hold(t, url)
	go func() { done <- call() }()
	eventually(t, "the call waits for the lock", func() bool { return waiting(t, url) > 0 })
	terminate(t, url, "wait_event_type = 'Lock'")
	select {
	case err = <-done:
		release()
	case <-time.After(300 * time.Millisecond): // the call is repeated
		release()
		err = <-done
	}
	return err
}

// TestAWriteWithUnknownOutcomeIsAnError: if the connection is lost, it is unknown whether a session was created, so it is
// not created a second time. Writes that may be done twice are repeated.
func TestAWriteWithUnknownOutcomeIsAnError(t *testing.T) {
	url := pgserver.Test(t)
	db := open(t, url)
	must(t, db.Sessions.Create(t.Context(), ticket(1)))
	err := blocked(t, url, func() error { return db.Sessions.Create(t.Context(), ticket(2)) })
	if err == nil || errors.Is(err, session.ErrExists) {
		t.Errorf("Create, whose connection was lost: %v", err)
	}
	err = blocked(t, url, func() error { _, err := db.Sessions.Load(t.Context(), ticketID(1)); return err })
	if err != nil {
		t.Errorf("Load, whose connection was lost: %v", err)
	}
	if err := blocked(t, url, func() error { return db.Sessions.Delete(t.Context(), ticketID(1)) }); err != nil {
		t.Errorf("Delete, whose connection was lost: %v", err)
	}
	if _, err := db.Sessions.Load(t.Context(), ticketID(1)); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("after Delete: %v", err)
	}
	u := &account.User{Username: "ann"}
	must(t, db.Accounts.Create(t.Context(), u))
	err = blocked(t, url, func() error {
		_, err := db.Accounts.Change(t.Context(), u.ID, func(u *account.User) error { u.LastName = "Lee"; return nil })
		return err
	})
	if err != nil {
		t.Errorf("Change, whose connection was lost before the commit: %v", err)
	}
}

// TestADeadlockIsRetried: the database rolls back one of two transactions that wait for each other. No caller gets an error.
func TestADeadlockIsRetried(t *testing.T) {
	url := pgserver.Test(t)
	sql(t, url, `ALTER DATABASE `+url[strings.LastIndexByte(url, '/')+1:]+` SET deadlock_timeout = '1500ms'`)
	db := open(t, url)
	must(t, db.Accounts.SetGroup(t.Context(), account.Group{Name: "staff", Permissions: []string{"app.see"}}))

	other := connect(t, url)
	exec := func(statement string) {
		t.Helper()
		if _, err := other.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(`SET deadlock_timeout = '1h'; BEGIN; DELETE FROM group_permissions`)
	done := make(chan error, 1)
	go func() {
		done <- db.Accounts.SetGroup(t.Context(), account.Group{Name: "staff", Permissions: []string{"app.do"}})
	}()
	eventually(t, "the call waits", func() bool { return waiting(t, url) > 0 })
	exec(`UPDATE groups SET name = name`) // returns when the call has ended
	exec(`COMMIT`)
	if err := <-done; err != nil {
		t.Error(err)
	}
	groups, err := db.Accounts.Groups(t.Context())
	if err != nil || len(groups) != 1 || len(groups[0].Permissions) != 1 || groups[0].Permissions[0] != "app.do" {
		t.Errorf("afterwards: %+v, %v", groups, err)
	}
	if n := count(t, url, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`); n < 1 {
		// PostgreSQL publishes the numbers a little late.
		eventually(t, "a deadlock", func() bool {
			return count(t, url, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`) > 0
		})
	}
}

// TestTheEndOfTokensWaitsForTheirUses: uses are written in the order of IDs. An end of a user's tokens in another order could wait for a use
// that waits for it.
func TestTheEndOfTokensWaitsForTheirUses(t *testing.T) {
	url := pgserver.Test(t)
	db := open(t, url)
	ids := []string{`'\x01'`, `'\x02'`}
	for _, n := range []byte{2, 1} { // the greater ID is the first row of the table, and the older one
		must(t, db.Tokens.Create(t.Context(), &token.Record{
			ID: token.ID{n}, PublicID: strconv.Itoa(int(n)), User: "7", Kind: token.Personal, Created: 10 - int64(n),
		}, token.Limit{}))
	}
	other := connect(t, url)
	use := func(id string) {
		t.Helper()
		if _, err := other.Exec(t.Context(), `UPDATE tokens SET used = 1 WHERE substring(id FROM 1 FOR 1) = `+id+`::bytea`); err != nil {
			t.Fatal(err)
		}
	}
	_, err := other.Exec(t.Context(), `SET deadlock_timeout = '1h'; BEGIN`)
	must(t, err)
	use(ids[0])
	ended := make(chan error, 1)
	go func() {
		n, err := db.Tokens.DeleteUser(t.Context(), "7")
		if err == nil && n != 2 {
			err = fmt.Errorf("%d tokens were ended", n)
		}
		ended <- err
	}()
	eventually(t, "the call waits", func() bool { return waiting(t, url) > 0 })
	use(ids[1])
	_, err = other.Exec(t.Context(), `COMMIT`)
	must(t, err)
	must(t, <-ended)
}
