package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/cloakroom-auth/cloakroom/internal/hooked"
	"github.com/cloakroom-auth/cloakroom/store"
)

// ErrFault is the error of a call that a [FaultPlan] makes fail, unless the plan has another.
var ErrFault = errors.New("the store failed because a test asked for it")

// FaultPlan says which call to the stores of [Faulty] fails, and how. The zero FaultPlan makes no call fail, and counts the calls. Its
// fields must not change once a store uses it; otherwise it is safe for concurrent use.
//
// To test a handler for every single fault:
//
//	for n := 1; ; n++ {
//		plan := &storetest.FaultPlan{Call: n}
//		stores := storetest.Faulty(fresh(t), plan)
//		// … set up with other stores, call the handler with these, check its answer and the stored state …
//		if len(plan.Calls()) < n {
//			break // the handler makes fewer calls
//		}
//	}
type FaultPlan struct {
	Call  int   // the number of the call that fails, counted from 1 over all stores; 0: none
	Rest  bool  // all later calls fail too: an outage
	After bool  // the call is done and then reported as failed, so the caller can't know the outcome
	Err   error // what it returns; nil: ErrFault

	// Before is called before each call, with its name, which may wait in it until a test lets it go on. If it returns an error, the
	// call fails with it, and is not done. Nil: no call waits.
	Before func(call string) error

	mu    sync.Mutex
	calls []string
}

// Calls returns the calls so far, failed ones too, in the order in which they began: "session.Load", "throttle.Update" ….
func (p *FaultPlan) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// fails counts a call and reports whether it must fail.
func (p *FaultPlan) fails(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, name)
	n := len(p.calls)
	return p.Call > 0 && (n == p.Call || n > p.Call && p.Rest)
}

// Faulty returns stores that pass every call on to the given ones, except the calls that the plan makes fail: these return
// an error and no value, and set nothing in the caller's records, whether they were done or not. A store that is nil stays
// nil.
func Faulty(s store.Set, p *FaultPlan) store.Set { return hooked.Stores(s, p.CarryOut) }

// CarryOut counts the named call, and makes it, which do does, unless it must fail. The stores of [Faulty] call it; a program that has
// other stores, or counts some of the calls only, calls it in its own.
func (p *FaultPlan) CarryOut(_ context.Context, call string, do func() error) error {
	if p.Before != nil {
		if err := p.Before(call); err != nil {
			return err
		}
	}
	if !p.fails(call) {
		return do()
	}
	if p.After {
		_ = do() // the caller doesn't get its result
	}
	return cmp.Or(p.Err, ErrFault)
}
