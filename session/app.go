package session

import (
	"crypto/sha256"
	"net/http"
	"strings"
)

// AppHeader is where a program that is no browser carries its ticket, both ways: in requests, and in the answers that
// issue or rotate it (django-allauth's name).
const AppHeader = "X-Session-Token"

// appHeaderKey is how net/http spells it.
var appHeaderKey = http.CanonicalHeaderKey(AppHeader)

// appTickets are the tickets of programs: a prefix by which scanners for leaked secrets know them, and 256 random bits.
// The prefix goes into the hash, so that neither kind of ticket is worth anything in the other's place.
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

// fromApp reports whether a request is judged by the header alone, whatever cookies it has.
func (m *Manager) fromApp(r *http.Request) bool {
	return m.AppTokens && len(r.Header[appHeaderKey]) > 0
}

// appTicket returns the session that the header names. Two headers name none.
func appTicket(r *http.Request) (ID, bool) {
	values := r.Header[appHeaderKey]
	if len(values) != 1 {
		return ID{}, false
	}
	return appTickets{}.ID(values[0])
}

// issue hands the ticket to whoever asked: as a cookie, or to a program in the header.
func (m *Manager) issue(w http.ResponseWriter, r *http.Request, ticket string, app, browser bool) {
	if !app {
		m.notifyCookieChange(r)
		m.setCookie(w, ticket, browser)
		return
	}
	w.Header().Set(AppHeader, ticket)
	w.Header().Set("Cache-Control", "no-store")
}
