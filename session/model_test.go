package session_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// The model of one user's sessions. A ticket is identified by its number; a session keeps its number when its ticket is
// rotated. A ticket is accepted while it is held and its session has the present epoch.
type (
	ticket struct{ session, number int }
	held   struct {
		ticket
		epoch int
	}
	rail struct {
		epoch int
		held  []held
	}
)

func (c rail) with(h held) rail {
	return rail{c.epoch, append(slices.Clone(c.held), h)}
}

func (c rail) without(gone func(held) bool) rail {
	return rail{c.epoch, slices.DeleteFunc(slices.Clone(c.held), gone)}
}

func (c rail) find(t ticket) (held, bool) {
	i := slices.IndexFunc(c.held, func(h held) bool { return h.ticket == t })
	if i < 0 {
		return held{}, false
	}
	return c.held[i], true
}

func (c rail) passes(t ticket) bool {
	h, ok := c.find(t)
	return ok && h.epoch == c.epoch
}

// end returns the state after the end of the session that a ticket names or named, whatever its ticket is now.
func (c rail) end(t ticket) rail {
	return c.without(func(h held) bool { return h.session == t.session })
}

// call is a call of one client; answer is its result.
type call struct {
	op       string // "sign in", "check", "rotate", "sign out", "end all" or "new epoch"
	old, new ticket
	epoch    int // that the client has read, or sets
}

type answer struct {
	outcome string // "done", "ended", or "unknown": an error, after which anything may have happened
	number  int
}

// next returns the states that may follow a call with this answer; none if the answer can't be right.
func (c rail) next(in call, out answer) []rail {
	if out.outcome == "unknown" {
		all := []rail{c}
		for _, possible := range []string{"done", "ended"} {
			all = append(all, c.next(in, answer{possible, -1})...)
		}
		return all
	}
	done := out.outcome == "done"
	switch in.op {
	case "check":
		if c.passes(in.old) == done {
			return []rail{c}
		}
	case "sign in": // in the place of the session that it came with
		return []rail{c.end(in.old).with(held{in.new, in.epoch})}
	case "rotate":
		if !done && !c.passes(in.old) {
			return []rail{c}
		}
		if done && c.passes(in.old) {
			return []rail{c.without(func(h held) bool { return h.ticket == in.old }).with(held{in.new, in.epoch})}
		}
	case "sign out":
		return []rail{c.end(in.old)}
	case "end all":
		if out.number < 0 || out.number == len(c.held) {
			return []rail{{epoch: c.epoch}}
		}
	case "new epoch":
		return []rail{{in.epoch, c.held}}
	}
	return nil
}

// The states are compared as text.
func (c rail) String() string {
	slices.SortFunc(c.held, func(a, b held) int { return a.number - b.number })
	var b strings.Builder
	fmt.Fprintf(&b, "%d", c.epoch)
	for _, h := range c.held {
		fmt.Fprintf(&b, " %d %d %d", h.session, h.number, h.epoch)
	}
	return b.String()
}

func parse(text string) (c rail) {
	fields := strings.Fields(text)
	n := make([]int, len(fields))
	for i, f := range fields {
		fmt.Sscan(f, &n[i])
	}
	c.epoch = n[0]
	for i := 1; i < len(n); i += 3 {
		c.held = append(c.held, held{ticket{n[i], n[i+1]}, n[i+2]})
	}
	return c
}

var model = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{rail{}.String()} },
	Step: func(state, input, output any) (states []any) {
		for _, next := range parse(state.(string)).next(input.(call), output.(answer)) {
			states = append(states, next.String())
		}
		return states
	},
}).ToModel()
