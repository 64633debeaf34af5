package storetest_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/sealed"
	"github.com/cloakroom-auth/cloakroom/store"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

func fresh(*testing.T) store.Set {
	return memory.New().Set
}

func TestStoresWithoutFaultsKeepAllPromises(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Stores {
		return storetest.Stores{Set: storetest.Faulty(fresh(t), &storetest.FaultPlan{})}
	})
}

// everyCall makes every call of every store once, after those that give it something to do.
func everyCall(ctx context.Context, s store.Set) (errs []error) {
	note := func(err error) { errs = append(errs, err) }
	r := &session.Record{ID: session.ID{1}, PublicID: "p", User: "u", Expires: 10}
	note(s.Sessions.Create(ctx, r))
	_, err := s.Sessions.Load(ctx, r.ID)
	note(err)
	next := *r
	note(s.Sessions.Replace(ctx, r, &next))
	note(s.Sessions.Touch(ctx, []session.LastUse{{ID: r.ID, At: 1, Expires: 11}}))
	_, err = s.Sessions.List(ctx, session.Query{})
	note(err)
	note(s.Sessions.Delete(ctx, r.ID))
	_, err = s.Sessions.DeleteUser(ctx, "u", session.ID{})
	note(err)
	_, err = s.Sessions.DeleteExpired(ctx, 1, 1)
	note(err)

	note(s.Accounts.SetSetup(ctx, [32]byte{1}, 10))
	first := &account.User{Username: "first"}
	note(s.Accounts.CreateFirst(ctx, first, [32]byte{1}, 1))
	u := &account.User{Username: "second"}
	note(s.Accounts.Create(ctx, u))
	_, err = s.Accounts.Load(ctx, u.ID)
	note(err)
	_, err = s.Accounts.Find(ctx, "second")
	note(err)
	_, err = s.Accounts.Change(ctx, u.ID, func(*account.User) error { return nil })
	note(err)
	_, err = s.Accounts.List(ctx, account.Query{})
	note(err)
	note(s.Accounts.Delete(ctx, u.ID))
	note(s.Accounts.SetGroup(ctx, account.Group{Name: "g"}))
	_, err = s.Accounts.Groups(ctx)
	note(err)
	note(s.Accounts.DeleteGroup(ctx, "g"))

	k := &token.Record{ID: token.ID{1}, PublicID: "k", User: "u", Kind: token.DRF}
	note(s.Tokens.Create(ctx, k, token.Limit{}))
	_, err = s.Tokens.Load(ctx, k.ID)
	note(err)
	changed := *k
	note(s.Tokens.Replace(ctx, k, &changed))
	note(s.Tokens.Touch(ctx, []token.LastUse{{ID: k.ID, At: 1}}))
	_, err = s.Tokens.List(ctx, token.Query{})
	note(err)
	note(s.Tokens.Delete(ctx, k.ID))
	_, err = s.Tokens.DeleteUser(ctx, "u")
	note(err)
	_, err = s.Tokens.DeleteExpired(ctx, 1, 1)
	note(err)

	note(s.Throttles.Update(ctx, []string{"k"}, func(c []throttle.Counter) error { c[0].Tries++; return nil }))
	_, err = s.Throttles.DeleteExpired(ctx, 1, 1)
	note(err)

	note(s.Sealed.PutSealed(ctx, []sealed.Secret{{Name: "a"}}))
	_, err = s.Sealed.AddSealed(ctx, sealed.Secret{Name: "b"})
	note(err)
	_, err = s.Sealed.Sealed(ctx)
	note(err)
	note(s.Sealed.ReplaceAllSealed(ctx, nil))
	return errs
}

func TestEveryCallCanFail(t *testing.T) {
	plan := &storetest.FaultPlan{}
	total := len(everyCall(t.Context(), storetest.Faulty(fresh(t), plan)))
	if len(plan.Calls()) != total {
		t.Fatalf("counted %d calls of %d: %q", len(plan.Calls()), total, plan.Calls())
	}
	for n := 1; n <= total; n++ {
		for _, after := range []bool{false, true} {
			plan := &storetest.FaultPlan{Call: n, After: after}
			errs := everyCall(t.Context(), storetest.Faulty(fresh(t), plan))
			if !errors.Is(errs[n-1], storetest.ErrFault) {
				t.Errorf("call %d, %s, returned %v", n, plan.Calls()[n-1], errs[n-1])
			}
			for i, err := range errs {
				if i != n-1 && errors.Is(err, storetest.ErrFault) {
					t.Errorf("call %d failed in place of %d", i+1, n)
				}
			}
		}
	}
}

func TestFaultBeforeDoesNothingAndFaultAfterDoesItAll(t *testing.T) {
	for _, after := range []bool{false, true} {
		stores := fresh(t)
		faulty := storetest.Faulty(stores, &storetest.FaultPlan{Call: 1, After: after})
		r := &session.Record{ID: session.ID{1}, PublicID: "p"}
		if err := faulty.Sessions.Create(t.Context(), r); !errors.Is(err, storetest.ErrFault) {
			t.Fatal(err)
		}
		if r.Version != "" {
			t.Error("the caller was told the version")
		}
		if _, err := stores.Sessions.Load(t.Context(), r.ID); (err == nil) != after {
			t.Errorf("after %t: Load returns %v", after, err)
		}
	}
}

func TestOutageLasts(t *testing.T) {
	down := errors.New("down")
	errs := everyCall(t.Context(), storetest.Faulty(fresh(t), &storetest.FaultPlan{Call: 3, Rest: true, Err: down}))
	for i, err := range errs {
		if errors.Is(err, down) != (i >= 2) {
			t.Errorf("call %d returned %v", i+1, err)
		}
	}
}

func TestOneOfManyParallelCallsFails(t *testing.T) {
	faulty := storetest.Faulty(fresh(t), &storetest.FaultPlan{Call: 20})
	var failed atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := faulty.Sessions.Load(t.Context(), session.ID{}); errors.Is(err, storetest.ErrFault) {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	if failed.Load() != 1 {
		t.Errorf("%d calls failed", failed.Load())
	}
}

func TestStoreThatIsMissingStaysMissing(t *testing.T) {
	faulty := storetest.Faulty(store.Set{}, &storetest.FaultPlan{})
	if faulty.Sessions != nil || faulty.Accounts != nil || faulty.Tokens != nil || faulty.Throttles != nil || faulty.Sealed != nil {
		t.Errorf("%+v", faulty)
	}
}
