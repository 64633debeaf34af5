package session

import (
	"crypto/sha256"
	"net/http"
	"strings"
)

// appHeader carries the ticket of a program that is not a browser: in its requests, and in the answers that issue or rotate
// the ticket. The name is django-allauth's.
const appHeader = "X-Session-Token"

// appTickets are the tickets of programs: a prefix by which scanners for leaked secrets know them, and 256 random bits. The
// prefix is part of what is hashed, so neither kind of ticket is accepted in place of the other.
type appTickets struct{}

const appPrefix = "cloak_app_"

func (appTickets) New() string { return appPrefix + randomTickets{}.New() }

func (appTickets) ID(ticket string) (ID, bool) {
	rest, ok := strings.CutPrefix(ticket, appPrefix)
	if !ok {
		return ID{}, false
	}
	if _, ok = (randomTickets{}).ID(rest); !ok {
		return ID{}, false
	}
	return sha256.Sum256([]byte(ticket)), true
}

// UsesTokenHeader reports whether only the header X-Session-Token decides who r is from, so that its cookies don't count. The header
// counts only with AppTokens.
func (m *Manager) UsesTokenHeader(r *http.Request) bool {
	return m.AppTokens && len(r.Header[appHeader]) > 0
}

// appTicket returns the session that the header names. A request with two of these headers names none.
func appTicket(r *http.Request) (ID, bool) {
	values := r.Header[appHeader]
	if len(values) != 1 {
		return ID{}, false
	}
	return appTickets{}.ID(values[0])
}

// issue sends the ticket in the answer: to a program in the header, else as a cookie.
func (m *Manager) issue(w http.ResponseWriter, r *http.Request, ticket string, app bool, record *Record) {
	if !app {
		m.notifyCookieChange(r)
		m.setCookie(w, ticket, record.Browser)
		if m.Device != nil && !record.Bound {
			m.Device.Offer(w.Header(), record)
		}
		return
	}
	w.Header().Set(appHeader, ticket)
	w.Header().Set("Cache-Control", "no-store")
}
