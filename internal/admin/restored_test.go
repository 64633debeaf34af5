package admin_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/sealed"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

// TestEachStoreIsDecidedAbout fails when a store is added: say in restored.go what becomes of its rows.
func TestEachStoreIsDecidedAbout(t *testing.T) {
	t.Attr("threat", "S16")
	for field := range reflect.TypeFor[store.Set]().Fields() {
		if !admin.DecidesAbout(field.Name) {
			t.Errorf("after a restore nothing is done about store.Set.%s", field.Name)
		}
	}
}

const users = 3

var waiting = signin.ID(sha256.Sum256([]byte("waiting")))

var setup, reset = sha256.Sum256([]byte("setup")), sha256.Sum256([]byte("reset"))

// fill puts rows of every kind into empty stores, and returns how many of each there are to end.
func fill(t *testing.T, s store.Set, sessions int) (filled admin.Ended) {
	t.Helper()
	ctx := t.Context()
	must(t, s.Accounts.SetSetup(ctx, setup, 1<<40))
	filled.Links++
	for n := range users {
		u := &account.User{Username: fmt.Sprintf("user%d", n), Epoch: "from the backup", IsActive: true, Password: "hash"}
		must(t, s.Accounts.Create(ctx, u))
		filled.Accounts++
		for range sessions {
			filled.Sessions++
			must(t, s.Sessions.Create(ctx, &session.Record{
				ID: sum("session", filled.Sessions), PublicID: fmt.Sprintf("s%d", filled.Sessions), User: u.ID, Epoch: u.Epoch,
				Method: session.Intern("password"), Created: 1000, Seen: 1000, Idle: 1 << 30, Deadline: 1 << 40, Expires: 1 << 40,
			}))
		}
		for _, kind := range []token.Kind{token.DRF, token.Knox, token.Personal, token.Refresh, token.UsedJTI} {
			filled.Tokens++
			must(t, s.Tokens.Create(ctx, &token.Record{
				ID: sum("token", filled.Tokens), PublicID: fmt.Sprintf("t%d", filled.Tokens), User: u.ID, Epoch: u.Epoch, Kind: kind, Created: 1000,
				Expires: int64(filled.Tokens % 2 << 40),
			}, token.Limit{}))
		}
	}
	must(t, s.Signins.Create(ctx, &signin.Pending{ID: waiting, Kind: signin.SecondStep, Proof: signin.Proof{User: ids(t, s)[0]}, Created: 1000, Expires: 1 << 40}, 5))
	must(t, s.Signins.MarkSpent(ctx, sum("mark", 1), 1<<40))
	filled.Signins += 2
	must(t, s.Links.Add(ctx, &federation.Link{ID: "link", User: ids(t, s)[0], Issuer: "https://a.example", Subject: "one"}))
	must(t, s.Links.AddOrigin(ctx, &federation.SessionOrigin{Session: "s1", User: ids(t, s)[0], Issuer: "https://a.example", Subject: "one", Expires: 1 << 40}))
	_, err := s.Links.Note(ctx, &federation.Logout{Issuer: "https://a.example", Subject: "one", At: 1000, Expires: 1 << 40})
	must(t, err)
	must(t, s.Mail.Put(ctx, &mail.Queued{ID: "m", Body: []byte("sealed"), Due: 1 << 40, Expires: 1 << 40}))
	filled.Mail++
	must(t, s.Mail.PutSecret(ctx, &mail.LinkSecret{Hash: sum("secret", 1), Expires: 1 << 40}))
	must(t, s.Mail.PutInvitation(ctx, &mail.Invitation{ID: "invitation", Login: "x@example.com", Hash: sum("invitation", 1), Expires: 1 << 40}))
	filled.Links += 2
	must(t, s.Factors.SetRecoveryCodes(ctx, ids(t, s)[0], [][32]byte{{1}}))
	must(t, s.Accounts.SetReset(ctx, ids(t, s)[0], reset, 1<<40))
	filled.Links++
	// A session of a user that the backup doesn't have, as Redis may have one.
	filled.Sessions++
	must(t, s.Sessions.Create(ctx, &session.Record{
		ID: sum("session", 0), PublicID: "stranger", User: "1000", Epoch: "later", Method: session.Intern("password"), Created: 1000, Seen: 1000, Idle: 1 << 30,
		Deadline: 1 << 40, Expires: 1 << 40,
	}))
	must(t, s.Throttles.Update(ctx, []string{"key"}, func(c []throttle.Counter) error { c[0].Tries, c[0].Ends = 3, 1<<40; return nil }))
	must(t, s.Sealed.PutSealed(ctx, []sealed.Secret{{Name: "key", Box: []byte("box")}}))
	must(t, s.Audit.Append(ctx, []*audit.Event{{At: 1000, Name: "authn_login_success", Outcome: audit.Success}}))
	return filled
}

// ended ends the test unless nothing from the backup counts, and everything else is as it was.
func ended(t *testing.T, s store.Set) {
	t.Helper()
	ctx := t.Context()
	if left, err := s.Sessions.List(ctx, session.Query{}); err != nil || len(left) > 0 {
		t.Fatalf("%d sessions are left, %v", len(left), err)
	}
	if left, err := s.Tokens.List(ctx, token.Query{}); err != nil || len(left) > 0 {
		t.Fatalf("%d tokens are left, %v", len(left), err)
	}
	if _, err := s.Accounts.FindReset(ctx, reset, 1000); !errors.Is(err, account.SpentErrors.Reset) {
		t.Fatalf("the reset link: %v", err)
	}
	if _, err := s.Signins.Load(ctx, waiting); !errors.Is(err, signin.ErrNotFound) {
		t.Fatalf("the pending sign-in: %v", err)
	}
	if left, err := s.Mail.List(ctx, "", 1); err != nil || len(left) > 0 {
		t.Fatalf("%d messages still wait, %v", len(left), err)
	}
	if all, err := s.Links.Origins(ctx, "https://a.example", "one", ""); err != nil || len(all) != 0 {
		t.Fatalf("%d origins are left, %v", len(all), err)
	}
	if all, err := s.Links.List(ctx, ids(t, s)[0]); err != nil || len(all) != 1 {
		t.Fatalf("%d links are left, %v; want the one", len(all), err)
	}
	if _, err := s.Mail.FindSecret(ctx, sum("secret", 1)); !errors.Is(err, mail.ErrNotFound) {
		t.Fatalf("the mailed link: %v", err)
	}
	if _, err := s.Mail.FindInvitation(ctx, sum("invitation", 1)); !errors.Is(err, mail.ErrNotFound) {
		t.Fatalf("the invitation: %v", err)
	}
	if p, err := s.Factors.Load(ctx, ids(t, s)[0]); err != nil || p.RecoveryCodes != 1 {
		t.Fatalf("the factors are %+v, %v; want them as they were", p, err)
	}
	epochs := map[string]bool{"from the backup": true, "": true}
	for _, id := range ids(t, s) {
		u, err := s.Accounts.Load(ctx, id)
		must(t, err)
		if epochs[u.Epoch] || !u.IsActive || u.Password != "hash" {
			t.Fatalf("a user is %+v", u)
		}
		epochs[u.Epoch] = true
		must(t, s.Accounts.Delete(ctx, id))
	}
	if len(epochs) != users+2 {
		t.Fatalf("the epochs are %v", epochs)
	}
	if err := s.Accounts.CreateFirst(ctx, &account.User{Username: "first"}, setup, 1000); !errors.Is(err, account.SpentErrors.Setup) {
		t.Fatalf("the set-up link: %v", err)
	}
	must(t, s.Throttles.Update(ctx, []string{"key"}, func(c []throttle.Counter) error {
		if c[0].Tries != 3 {
			t.Errorf("the counter of failures is %+v", c[0])
		}
		return nil
	}))
	if rows, err := s.Sealed.Sealed(ctx); err != nil || len(rows) != 1 || string(rows[0].Box) != "box" {
		t.Fatalf("the sealed rows are %v, %v", rows, err)
	}
	if events, err := s.Audit.List(ctx, audit.Query{}); err != nil || len(events) != 1 {
		t.Fatalf("the audit log has %v, %v", events, err)
	}
}

func TestNothingOfABackupCounts(t *testing.T) {
	t.Attr("threat", "S16")
	for name, open := range map[string]func(*testing.T) store.Set{
		"memory": func(*testing.T) store.Set { return memory.New().Set }, "sqlite": onSQLite, "postgres": onPostgres, "redis": withRedis,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			want := fill(t, s, 150) // more than are read at a time
			got, err := admin.EndRestored(t.Context(), s, admin.RestoredOptions{})
			if err != nil || got != want {
				t.Errorf("End = %+v, %v; want %+v", got, err, want)
			}
			ended(t, s)
		})
	}
}

// TestEndingMayBeInterruptedAnywhere lets each call to the stores fail, done or not, and all after it, and repeats the whole.
func TestEndingMayBeInterruptedAnywhere(t *testing.T) {
	t.Attr("threat", "S16")
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			s := memory.New().Set
			fill(t, s, 5)
			plan := &storetest.FaultPlan{Call: n, Rest: true, After: after}
			_, err := admin.EndRestored(t.Context(), storetest.Faulty(s, plan), admin.RestoredOptions{})
			if len(plan.Calls()) < n {
				must(t, err)
				break
			}
			if !errors.Is(err, storetest.ErrFault) {
				t.Fatalf("call %d failed, and End returns %v", n, err)
			}
			if _, err := admin.EndRestored(t.Context(), s, admin.RestoredOptions{}); err != nil {
				t.Fatal(err)
			}
			ended(t, s)
		}
	}
}

func TestMailCanBeKept(t *testing.T) {
	s := memory.New().Set
	fill(t, s, 1)
	got, err := admin.EndRestored(t.Context(), s, admin.RestoredOptions{KeepMail: true})
	if left, listed := s.Mail.List(t.Context(), "", 9); err != nil || listed != nil || got.Mail != 0 || len(left) != 1 {
		t.Errorf("End = %+v, %v; %d messages are left, %v", got, err, len(left), listed)
	}
}

// TestEpochsMoveBeforeSessionsGo, so that a session that a sign-in in progress makes later carries an epoch from before.
func TestEpochsMoveBeforeSessionsGo(t *testing.T) {
	t.Attr("threat", "S16")
	s := memory.New().Set
	fill(t, s, 1)
	plan := &storetest.FaultPlan{}
	if _, err := admin.EndRestored(t.Context(), storetest.Faulty(s, plan), admin.RestoredOptions{}); err != nil {
		t.Fatal(err)
	}
	moved := false
	for _, call := range plan.Calls() {
		switch call {
		case "account.Transact":
			moved = true
		case "session.DeleteUser", "token.DeleteUser":
			if !moved {
				t.Fatalf("a sign-in in progress could make a session that counts: %v", plan.Calls())
			}
		}
	}
	if !moved {
		t.Errorf("no epoch moved: %v", plan.Calls())
	}
}

func onSQLite(t *testing.T) store.Set {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "cloakroom.db"))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db.Set
}

func onPostgres(t *testing.T) store.Set {
	db, err := postgres.Open(t.Context(), pgserver.Test(t))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db.Set
}

func withRedis(t *testing.T) store.Set {
	server, err := redisserver.New(context.Background(), t.TempDir())
	must(t, err)
	t.Cleanup(server.Kill)
	db, err := redisdb.Open(t.Context(), server.URL())
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	s := onSQLite(t)
	s.Sessions, s.Throttles = db.Sessions, db.Throttles
	return s
}

func ids(t *testing.T, s store.Set) (all []string) {
	t.Helper()
	found, err := s.Accounts.List(t.Context(), account.Query{})
	must(t, err)
	for _, u := range found {
		all = append(all, u.ID)
	}
	return all
}

func sum(what string, n int) [32]byte { return sha256.Sum256(fmt.Appendf(nil, "%s %d", what, n)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
