package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/cloakroom-auth/cloakroom/session"
)

// slotState is what three session IDs hold: the number of the record that was written there, or 0. Each write has a different
// number, which so stands for the version.
type slotState [3]int

type slotCall struct {
	op         string // "create", "load", "replace" or "delete"
	hanger, to int
	old, new   int // numbers
}

type slotResult struct {
	number int
	err    error
}

// stepSlots reports whether a call can return this in this state, and returns the next state.
func stepSlots(state slotState, call slotCall, got slotResult) (bool, slotState) {
	now, next := state[call.hanger], state
	switch call.op {
	case "load":
		return got.number == now && (now == 0) == errors.Is(got.err, session.ErrNotFound), state
	case "delete":
		next[call.hanger] = 0
		return got.err == nil, next
	case "create":
		if now != 0 {
			return errors.Is(got.err, session.ErrExists), state
		}
		next[call.hanger] = call.new
		return got.err == nil, next
	}
	switch {
	case now == 0:
		return errors.Is(got.err, session.ErrNotFound), state
	case now != call.old:
		return errors.Is(got.err, session.ErrConflict), state
	case call.to != call.hanger && state[call.to] != 0:
		return errors.Is(got.err, session.ErrExists), state
	}
	next[call.hanger] = 0
	next[call.to] = call.new
	return got.err == nil, next
}

var slotModel = porcupine.Model{
	Init: func() any { return slotState{} },
	Step: func(state, input, output any) (bool, any) {
		return stepSlots(state.(slotState), input.(slotCall), output.(slotResult))
	},
}

// checkLinearizability lets clients call the store concurrently for three sessions, and checks that the results are linearizable.
func checkLinearizability(t *testing.T, s session.Store) {
	for round := range 20 {
		ok(t, clearSessions(t, s))
		history := recordHistory(t, s, uint64(round))
		switch porcupine.CheckOperationsTimeout(slotModel, history, 20*time.Second) {
		case porcupine.Illegal:
			t.Fatalf("no order of these calls explains what they returned:%s", describe(history))
		case porcupine.Unknown:
			t.Logf("round %d could not be decided in time", round)
		}
	}
}

func describe(history []porcupine.Operation) string {
	var text strings.Builder
	for _, op := range history {
		fmt.Fprintf(&text, "\nclient %d, %d to %d ns: %+v: %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
	}
	return text.String()
}

func recordHistory(t *testing.T, s session.Store, seed uint64) []porcupine.Operation {
	var history []porcupine.Operation
	var mu sync.Mutex
	var numbers atomic.Int32
	began := time.Now()
	together(6, func(i int) {
		client := slotClient{t: t, store: s, random: rand.New(rand.NewPCG(seed, uint64(i))), numbers: &numbers}
		for range 12 {
			call := client.pick()
			start := time.Since(began)
			result := client.do(call)
			end := time.Since(began)
			mu.Lock()
			history = append(history, porcupine.Operation{
				ClientId: i, Input: call, Output: result, Call: int64(start), Return: int64(end),
			})
			mu.Unlock()
		}
	})
	return history
}

// slotClient makes random calls, and keeps the last record that it has seen of each session.
type slotClient struct {
	t       *testing.T
	store   session.Store
	random  *rand.Rand
	numbers *atomic.Int32
	known   [3]*session.Record
}

func (c *slotClient) pick() slotCall {
	call := slotCall{op: "load", hanger: c.random.IntN(3), new: int(c.numbers.Add(1))}
	call.to = call.hanger
	switch n := c.random.IntN(10); {
	case n < 3:
		call.op = "create"
	case n < 7 && c.known[call.hanger] != nil:
		call.op, call.old = "replace", int(c.known[call.hanger].Created)
		if n < 5 {
			call.to = c.random.IntN(3)
		}
	case n == 7:
		call.op = "delete"
	}
	return call
}

func (c *slotClient) do(call slotCall) (result slotResult) {
	ctx := c.t.Context()
	r := record(call.new, "ann") // with a different public ID
	r.ID, r.Created = id(call.to), int64(call.new)
	switch call.op {
	case "create":
		if result.err = c.store.Create(ctx, r); result.err == nil {
			c.known[call.hanger] = r
		}
	case "load":
		var got *session.Record
		if got, result.err = c.store.Load(ctx, r.ID); result.err == nil {
			result.number, c.known[call.hanger] = int(got.Created), got
		}
	case "replace":
		if result.err = c.store.Replace(ctx, c.known[call.hanger], r); result.err == nil {
			c.known[call.to] = r
		}
	case "delete":
		result.err = c.store.Delete(ctx, r.ID)
	}
	return result
}
