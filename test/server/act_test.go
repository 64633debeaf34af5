package server_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/anishathalye/porcupine"
)

// act is one request of a client, and its outcome.
type act struct {
	w      *world
	p      *person
	client int

	v             *visitor
	with          known
	typed         int
	called, ended int64
	answer        answer
	err           error
}

// do performs one act. It returns false if no answer came.
func (a *act) do() bool {
	var there bool
	a.with, there = a.p.pick()
	switch n := rand.IntN(200); { // what takes long is done often, or something else would always come in between
	case !there || n < 10:
		a.signIn()
	case n < 20:
		a.renew()
	case n < 24:
		a.signOut()
	case n < 27:
		a.endOthers()
	case n < 30:
		a.endOne()
	case n < 36:
		a.changePassword()
	default:
		a.check()
	}
	return a.err == nil
}

// ask sends the request and records the times.
func (a *act) ask(request func(*visitor) (answer, error)) int {
	a.v = a.w.s.visitor()
	if a.with.cookie != "" {
		a.v = a.w.s.holding(a.with.cookie)
	}
	a.called = time.Since(a.w.began).Nanoseconds()
	a.answer, a.err = request(a.v)
	a.ended = time.Since(a.w.began).Nanoseconds()
	switch {
	case a.err != nil, a.answer.status == http.StatusServiceUnavailable && a.answer.code() != "busy":
		a.ended = math.MaxInt64
		return unknown
	}
	return a.answer.status
}

// askInTurn repeats a request while the pool for passwords is full: a refusal changes nothing.
func (a *act) askInTurn(request func(*visitor) (answer, error)) int {
	return a.ask(func(v *visitor) (answer, error) {
		return persist(func() (answer, error) { return request(v) })
	})
}

// unknown is the status of an answer that didn't come or leaves the outcome open.
const unknown = 0

// note records what happened between the call and the answer.
func (a *act) note(k kind, more effect) {
	more.kind, more.user, more.with, more.typed = k, a.p.name, a.with.ticket, a.typed
	op := porcupine.Operation{ClientId: a.client, Input: more, Call: a.called, Return: a.ended}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.history = append(a.w.history, op)
	a.w.counts[k]++
}

func (a *act) unexpected() {
	if a.answer.status != http.StatusTooManyRequests && a.answer.code() != "busy" {
		a.w.s.t.Errorf("%s is told %s", a.p.name, a.answer)
	}
}

func (a *act) check() {
	switch a.ask((*visitor).me) {
	case http.StatusOK:
		a.note(passed, effect{})
	case http.StatusUnauthorized:
		a.dead()
	case unknown:
	default:
		a.unexpected()
	}
}

// dead records that the ticket was refused. Half of those are checked again later.
func (a *act) dead() {
	a.note(refusedDead, effect{})
	if rand.IntN(2) == 0 {
		a.p.forget(a.with)
	}
}

func (a *act) signIn() {
	a.with = known{}
	password := a.password()
	switch a.askInTurn(func(v *visitor) (answer, error) { return v.signIn(a.p.name, password) }) {
	case http.StatusOK:
		n := a.number()
		a.note(began, effect{next: ticket{n, n}})
		a.with = known{ticket{n, n}, a.v.ticket(), ""}
		a.list()
	case http.StatusUnauthorized:
		a.note(wrong, effect{})
		a.p.doubt(a.typed)
	case unknown: // a session whose ticket no client has
	default:
		a.unexpected()
	}
}

// list finds the public ID of the new session, and gives its ticket to the other clients.
func (a *act) list() {
	var list struct {
		Sessions []struct {
			ID      string
			Current bool
		}
	}
	switch a.ask(func(v *visitor) (answer, error) { return v.get("/api/auth/sessions") }) {
	case http.StatusOK:
		a.note(passed, effect{})
		if err := json.Unmarshal(a.answer.body, &list); err != nil {
			a.w.s.t.Error(err)
		}
	case http.StatusUnauthorized:
		a.dead()
	}
	for _, one := range list.Sessions {
		if one.Current {
			a.with.id = one.ID
		}
	}
	a.p.know(a.with)
}

func (a *act) renew() {
	password := a.password()
	switch a.askInTurn(func(v *visitor) (answer, error) { return v.reauthenticate(password) }) {
	case http.StatusOK:
		a.note(passed, effect{})
		next := ticket{a.with.session, a.number()}
		a.note(renewed, effect{next: next})
		a.p.know(known{next, a.v.ticket(), a.with.id})
	case http.StatusUnauthorized:
		a.dead()
	case http.StatusBadRequest:
		a.note(passed, effect{})
		a.note(wrong, effect{})
		a.p.doubt(a.typed)
	case unknown:
		a.note(mayRenew, effect{})
	default:
		a.unexpected()
	}
}

func (a *act) signOut() {
	switch a.ask((*visitor).signOut) {
	case http.StatusOK:
		a.note(left, effect{})
		a.check()
	case unknown:
		a.note(mayLeave, effect{})
	default:
		a.unexpected()
	}
}

func (a *act) endOthers() {
	switch a.ask(func(v *visitor) (answer, error) { return v.send("DELETE", "/api/auth/sessions", nil) }) {
	case http.StatusOK:
		a.note(passed, effect{})
		a.note(endedOthers, effect{})
		for _, other := range a.p.last() {
			a.with = other
			a.check()
		}
	case http.StatusUnauthorized:
		a.dead()
	case unknown:
		a.note(mayEnd, effect{})
	default:
		a.unexpected()
	}
}

func (a *act) endOne() {
	other, there := a.p.pick()
	if !there || other.id == "" || other.session == a.with.session {
		a.check()
		return
	}
	that := effect{other: other.session}
	switch a.ask(func(v *visitor) (answer, error) { return v.send("DELETE", "/api/auth/sessions/"+other.id, nil) }) {
	case http.StatusOK:
		a.note(passed, effect{})
		a.note(endedOne, that)
		a.with = other
		a.check()
	case http.StatusNotFound:
		a.note(passed, effect{})
		a.note(foundNone, that)
	case http.StatusUnauthorized:
		a.dead()
	case unknown:
		a.note(mayEndOne, that)
	default:
		a.unexpected()
	}
}

func (a *act) changePassword() {
	password := a.password()
	fresh, next := a.p.invent()
	change := effect{fresh: fresh}
	switch a.askInTurn(func(v *visitor) (answer, error) { return v.changePassword(password, next) }) {
	case http.StatusOK:
		a.note(passed, effect{})
		a.p.believe(fresh)
		if a.v.ticket() == a.with.cookie { // another client had ended the session
			a.note(changedOut, change)
			return
		}
		change.next = ticket{a.with.session, a.number()}
		a.note(changed, change)
		a.p.know(known{change.next, a.v.ticket(), a.with.id})
	case http.StatusUnauthorized:
		a.dead()
	case http.StatusBadRequest:
		a.note(passed, effect{})
		a.note(wrong, effect{})
		a.p.doubt(a.typed)
	case unknown:
		a.note(mayChange, change)
	default:
		a.unexpected()
	}
}

func (a *act) number() int { return int(a.w.numbers.Add(1)) }

// password returns the password that should be right, and records that it is used.
func (a *act) password() string {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	a.typed = a.p.current
	return a.p.passwords[a.typed]
}
