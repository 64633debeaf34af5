package server_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/anishathalye/porcupine"
)

// The model of one user. A session keeps its number when its ticket is replaced; only the last ticket of a session is
// accepted. Passwords are numbered too.
type truth struct {
	password int
	sessions map[int]int // the ticket of each live session; unheard if no answer contained it
}

const unheard = -1

// ticket is one ticket and the session that it belongs to.
type ticket struct{ session, number int }

// effect is a part of a request that takes place at one moment. Most requests have two: the check of the ticket, and then a
// change; effects of other requests may come in between.
type effect struct {
	user  string
	kind  kind
	with  ticket // the ticket of the request
	next  ticket // the ticket of the answer
	typed int    // the password
	fresh int    // the new one
	other int    // the session that is to end
}

type kind string

const (
	passed      kind = "the ticket passes"
	refusedDead kind = "the ticket doesn't pass"
	began       kind = "sign in"
	wrong       kind = "the password is wrong"
	renewed     kind = "another ticket"
	left        kind = "sign out"
	mayLeave    kind = "sign out, perhaps"
	mayRenew    kind = "another ticket, perhaps"
	endedOthers kind = "end the other sessions"
	mayEnd      kind = "end the other sessions, perhaps"
	endedOne    kind = "end a session"
	mayEndOne   kind = "end a session, perhaps"
	foundNone   kind = "no such session"
	changed     kind = "change the password"
	changedOut  kind = "change the password, and be signed out"
	mayChange   kind = "change the password, perhaps"
)

// then returns the states that may follow an effect; none if it can't have happened.
func (w truth) then(d effect) []truth {
	passes := w.sessions[d.with.session] == d.with.number // no ticket is 0
	right := w.password == d.typed
	switch d.kind {
	case passed:
		return w.provided(passes)
	case refusedDead:
		return w.provided(!passes)
	case wrong:
		return w.provided(!right)
	case foundNone:
		return w.provided(w.sessions[d.other] == 0)
	case began:
		return w.holding(d.next).provided(right)
	case renewed:
		return w.holding(d.next).provided(right && passes)
	case mayRenew:
		return append(w.provided(true), w.holding(ticket{d.with.session, unheard}).provided(passes)...)
	case left:
		return w.without(d.with.session).provided(true) // under whatever ticket it is by now
	case mayLeave:
		return append(w.provided(true), w.without(d.with.session))
	case endedOthers:
		return w.only(d.with).provided(true)
	case mayEnd:
		return append(w.provided(true), w.only(d.with))
	case endedOne:
		return w.without(d.other).provided(true)
	case mayEndOne:
		return append(w.provided(true), w.without(d.other))
	case changed:
		return truth{d.fresh, map[int]int{d.next.session: d.next.number}}.provided(right && passes)
	case changedOut:
		return truth{password: d.fresh}.provided(right)
	case mayChange:
		return append(w.provided(true), truth{password: d.fresh}.provided(right)...)
	}
	panic("no such effect: " + d.kind)
}

func (w truth) provided(it bool) []truth {
	if it {
		return []truth{w}
	}
	return nil
}

func (w truth) holding(t ticket) truth {
	sessions := maps.Clone(w.sessions)
	if sessions == nil {
		sessions = map[int]int{}
	}
	sessions[t.session] = t.number
	return truth{w.password, sessions}
}

func (w truth) without(session int) truth {
	sessions := maps.Clone(w.sessions)
	delete(sessions, session)
	return truth{w.password, sessions}
}

// only is the truth when all but this very ticket has ended.
func (w truth) only(t ticket) truth {
	if w.sessions[t.session] == t.number {
		return truth{w.password, map[int]int{t.session: t.number}}
	}
	return truth{password: w.password}
}

// String is how the checker compares truths.
func (w truth) String() string {
	var b strings.Builder
	fmt.Fprint(&b, w.password)
	for _, session := range slices.Sorted(maps.Keys(w.sessions)) {
		fmt.Fprintf(&b, " %d:%d", session, w.sessions[session])
	}
	return b.String()
}

func parseTruth(text string) truth {
	fields := strings.Fields(text)
	w := truth{sessions: map[int]int{}}
	w.password, _ = strconv.Atoi(fields[0])
	for _, field := range fields[1:] {
		var session, number int
		fmt.Sscanf(field, "%d:%d", &session, &number)
		w.sessions[session] = number
	}
	return w
}

var model = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byUser := map[string][]porcupine.Operation{}
		for _, op := range history {
			user := op.Input.(effect).user
			byUser[user] = append(byUser[user], op)
		}
		return slices.Collect(maps.Values(byUser))
	},
	Init: func() []any { return []any{truth{}.String()} },
	Step: func(state, input, _ any) (states []any) {
		for _, next := range parseTruth(state.(string)).then(input.(effect)) {
			states = append(states, next.String())
		}
		return states
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
	DescribeState:     func(state any) string { return state.(string) },
}).ToModel()
