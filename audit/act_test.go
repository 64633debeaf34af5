package audit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// outcomes returns name and outcome of the events in the store, the earliest first.
func (j *journal) outcomes() (all []string) {
	for _, e := range j.events(audit.Query{}) {
		all = append(all, e.Name+" "+e.Outcome)
	}
	slices.Reverse(all)
	return all
}

// TestAnActIsInTheStoreBeforeItIsCarriedOut checks that the attempt is stored before the act, and its outcome after it.
func TestAnActIsInTheStoreBeforeItIsCarriedOut(t *testing.T) {
	t.Attr("threat", "L01")
	failed := errors.New("failed")
	for _, row := range []struct {
		name string
		do   func(ctx context.Context, j *journal) error
		err  error
		want []string
	}{
		{"nothing is recorded", func(context.Context, *journal) error { return nil }, nil, []string{"authz_admin success"}},
		{"a success is recorded", func(ctx context.Context, j *journal) error {
			j.Record(ctx, audit.UserKinds.Deleted, slog.String("user", "7"))
			return nil
		}, nil, []string{"user_deleted success"}},
		{"it fails", func(context.Context, *journal) error { return failed }, failed, []string{"authz_admin failure"}},
		{"it fails halfway", func(ctx context.Context, j *journal) error {
			j.Record(ctx, audit.SessionKinds.Expired, slog.String("user", "7"))
			return failed
		}, failed, []string{"session_expired success", "authz_admin failure"}},
		{"a refusal is recorded", func(ctx context.Context, j *journal) error {
			j.Record(ctx, audit.AuthzKinds.Fail, slog.String("user", "7"))
			return nil
		}, nil, []string{"authz_fail failure", "authz_admin success"}},
		{"all are refused", func(ctx context.Context, j *journal) error {
			j.Refuse(ctx, slog.String("user", "7"))
			return nil
		}, nil, []string{"authz_admin failure", "authz_admin failure"}},
		{"one is refused, and another isn't", func(ctx context.Context, j *journal) error {
			j.Refuse(ctx, slog.String("user", "7"))
			j.Record(ctx, audit.UserKinds.Archived, slog.String("user", "7"))
			return nil
		}, nil, []string{"authz_admin failure", "user_archived success"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			j := newJournal(t)
			ctx := audit.WithActor(reqinfo.New(t.Context(), netip.MustParseAddr("192.0.2.1"), ""), "1")
			about := []slog.Attr{slog.String("user", "7"), slog.String("path", "/x")}
			err := j.Act(ctx, about, func(ctx context.Context) error {
				if got := j.outcomes(); !slices.Equal(got, []string{"authz_admin attempt"}) {
					t.Errorf("the store has %q when the act begins, want only the attempt", got)
				}
				return row.do(ctx, j)
			})
			if !errors.Is(err, row.err) {
				t.Errorf("Act returned %v, want %v", err, row.err)
			}
			if got, want := j.outcomes(), append([]string{"authz_admin attempt"}, row.want...); !slices.Equal(got, want) {
				t.Errorf("the store has %q, want %q", got, want)
			}
			for _, e := range j.events(audit.Query{}) {
				if e.Actor != "1" || e.Subject != "7" || e.Request != reqinfo.ID(ctx) {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

// TestNoActWithoutItsRecord checks that an act whose attempt can't be stored isn't carried out, and that the attempt is
// stored as failed once the store works.
func TestNoActWithoutItsRecord(t *testing.T) {
	t.Attr("threat", "L04")
	j := newJournal(t)
	j.out.Store(true)
	err := j.Act(audit.WithActor(t.Context(), "1"), nil, func(context.Context) error {
		t.Error("the act was carried out")
		return nil
	})
	if err == nil {
		t.Error("Act returned nil")
	}
	j.out.Store(false)
	j.flush()
	if got := j.outcomes(); !slices.Equal(got, []string{"authz_admin attempt", "authz_admin failure"}) {
		t.Errorf("the store has %q", got)
	}
}

// TestAStoreThatHangsHoldsNoAct for longer than one write may take, even if many administrators wait.
func TestAStoreThatHangsHoldsNoAct(t *testing.T) {
	t.Attr("threat", "L05")
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t)
		j.Store = hanging{j.Store}
		began := time.Now()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				err := j.Act(audit.WithActor(t.Context(), "1"), nil, func(context.Context) error {
					t.Error("the act was carried out")
					return nil
				})
				if err == nil {
					t.Error("Act returned nil")
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("the last was answered after %v", took)
		}
	})
}

// hanging is a store whose writes end only with their contexts.
type hanging struct{ audit.Store }

func (hanging) Append(ctx context.Context, _ []*audit.Event) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestAnActThatIsDoneIsNotUndoneByAnOutage checks that the attempt is in the store, and that the outcome stays queued during
// the outage.
func TestAnActThatIsDoneIsNotUndoneByAnOutage(t *testing.T) {
	j := newJournal(t)
	err := j.Act(audit.WithActor(t.Context(), "1"), nil, func(context.Context) error {
		j.out.Store(true)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got := j.outcomes(); !slices.Equal(got, []string{"authz_admin attempt"}) {
		t.Errorf("during the outage the store has %q", got)
	}
	j.out.Store(false)
	j.flush()
	if got := j.outcomes(); !slices.Equal(got, []string{"authz_admin attempt", "authz_admin success"}) {
		t.Errorf("the store has %q", got)
	}
}

// TestNoFloodKeepsAnActFromItsRecord, not even of an act on the administrator's own account.
func TestNoFloodKeepsAnActFromItsRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t)
		j.out.Store(true)
		for i := range 6000 {
			j.Record(t.Context(), audit.SessionKinds.Created, slog.String("user", fmt.Sprint(i)))
			j.Record(t.Context(), audit.SessionKinds.Renewed, slog.String("user", fmt.Sprint(i)))
		}
		j.out.Store(false)
		about := []slog.Attr{slog.String("user", "1")}
		if err := j.Act(audit.WithActor(t.Context(), "1"), about, func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if n := len(j.events(audit.Query{Name: "authz_admin"})); n != 2 {
			t.Errorf("the store has %d events of the act, want 2", n)
		}
		time.Sleep(time.Second)
	})
}

// TestTheActorIsRecorded checks that it is the actor of the context; without one, within a request, the user that a success
// or a denied permission is about; and otherwise empty.
func TestTheActorIsRecorded(t *testing.T) {
	j := newJournal(t)
	request := reqinfo.New(t.Context(), netip.MustParseAddr("192.0.2.1"), "")
	for _, row := range []struct {
		ctx  context.Context
		kind audit.Kind
		want string
	}{
		{request, audit.SessionKinds.Created, "7"},
		{request, audit.LoginKinds.Fail, ""},
		{request, audit.AuthzKinds.Fail, "7"},
		{audit.WithActor(request, "1"), audit.SessionKinds.Expired, "1"},
		{audit.WithActor(t.Context(), audit.CommandLine), audit.SessionKinds.Expired, "command line"},
		{audit.WithActor(audit.WithActor(t.Context(), audit.CommandLine), ""), audit.SessionKinds.Expired, ""},
		{t.Context(), audit.SessionKinds.Expired, ""},
	} {
		j.Record(row.ctx, row.kind, slog.String("user", "7"))
		j.flush()
		if e := j.events(audit.Query{Limit: 1})[0]; e.Name != row.kind.String() || e.Actor != row.want {
			t.Errorf("%s: the actor is %q, want %q", row.kind, e.Actor, row.want)
		}
	}
}

// TestAPasswordTypedAsANameIsNotKept checks that of a name without an account only two letters are stored.
func TestAPasswordTypedAsANameIsNotKept(t *testing.T) {
	t.Attr("threat", "L03")
	j := newJournal(t)
	j.UserID = func(_ context.Context, login string) string { return map[string]string{"ada": "7"}[login] }
	j.out.Store(true)
	for _, row := range [][2]string{
		{"ada", "ada"}, {"purple canary drinks tea", "pu…"}, {"p", "p…"}, {"é👩x", "é👩…"}, {"…", "…"}, {"xy…", "xy…"},
	} {
		j.Record(t.Context(), audit.LoginKinds.Fail, slog.String("login", row[0]))
		_ = j.Flush(t.Context()) // which puts it back, named
		j.out.Store(false)
		j.flush()
		j.out.Store(true)
		if e := j.events(audit.Query{Limit: 1})[0]; e.Login != row[1] {
			t.Errorf("%q is kept as %q, want %q", row[0], e.Login, row[1])
		}
	}
}
