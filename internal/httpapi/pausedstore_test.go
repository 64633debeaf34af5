package httpapi_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/sealed"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// pause stops the first call to the named method after it was armed, until it is opened.
type pause struct {
	place           string
	armed           atomic.Bool
	reached, opened chan struct{}
}

func newPause(place string) *pause {
	return &pause{place: place, reached: make(chan struct{}), opened: make(chan struct{})}
}

func (p *pause) at(place string) {
	if place == p.place && p.armed.CompareAndSwap(true, false) {
		close(p.reached)
		<-p.opened
	}
}

type pausedAccounts struct {
	account.Store
	*pause
}

func (s pausedAccounts) Transact(ctx context.Context, do func(account.Tx) error) error {
	s.at("a step on the accounts begins")
	return s.Store.Transact(ctx, do)
}

type pausedTokens struct {
	token.Store
	*pause
}

func (s pausedTokens) Create(ctx context.Context, r *token.Record, limit token.Limit) error {
	if r.Kind != token.UsedJTI {
		s.at("creating a token")
	}
	return s.Store.Create(ctx, r, limit)
}

type pausedSessions struct {
	session.Store
	*pause
}

func (s pausedSessions) Create(ctx context.Context, r *session.Record) error {
	s.at("creating a session")
	return s.Store.Create(ctx, r)
}

type pausedKeys struct {
	sealed.Store
	*pause
}

func (s pausedKeys) Sealed(ctx context.Context) ([]sealed.Secret, error) {
	if !isBesides(ctx) {
		s.at("loading the key to sign with")
	}
	return s.Store.Sealed(ctx)
}

type pausedAudit struct {
	audit.Store
	*pause
}

func (s pausedAudit) Append(ctx context.Context, events []*audit.Event) error {
	if slices.ContainsFunc(events, func(e *audit.Event) bool { return e.Outcome == audit.Attempt }) {
		s.at("recording an act")
	}
	return s.Store.Append(ctx, events)
}

// TestASessionThatEndsDuringAWriteGetsNoCredential pauses a request between its last authorization and the write, or while a
// password is hashed or the act is recorded, and ends the caller's credential meanwhile. The request is refused, and what it
// created is deleted.
func TestASessionThatEndsDuringAWriteGetsNoCredential(t *testing.T) {
	t.Attr("threat", "W02")
	const user = "POST /api/auth/admin/users"
	withPassword := says(map[string]any{"username": "made", "password": goodPassword})
	for _, row := range []struct {
		route, place string
		body         func(*scenario) any // nil: that of heldRoutes
	}{
		{"POST /api/auth/tokens", "creating a token", nil},
		{"POST /api/auth/knox/login", "creating a token", nil},
		{"POST /api/auth/jwt/mint", "loading the key to sign with", nil},
		{"POST /api/auth/jwt/exchange", "creating a session", nil},
		{user, "a step on the accounts begins", nil},
		{user + "/{id}/reset", "a step on the accounts begins", nil},
		{user, "hashing", withPassword},
		{user + "/{id}/password", "hashing", nil},
		{"POST /api/auth/password/change", "hashing", nil},
		{user, "recording an act", nil},
		{user + "/{id}/password", "recording an act", nil},
		{user + "/{id}/compromised", "recording an act", nil},
		{user + "/{id}/disable", "recording an act", nil},
		{user + "/disable", "recording an act", nil},
		{"PATCH /api/auth/admin/users/{id}", "recording an act", nil},
		{"DELETE /api/auth/admin/users/{id}", "recording an act", nil},
		{"DELETE /api/auth/admin/groups/{name}", "recording an act", nil},
	} {
		line := heldRoutes[row.route]
		for _, ending := range credentialKinds[line.by].ends {
			if row.place == "recording an act" && ending != "signed out" {
				continue // the others are recorded themselves, and would wait for the same log
			}
			onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
				p := newPause(row.place)
				s := start(t, options{stores: func(t *testing.T) stores {
					st := open(t)
					return stores{
						Sessions: pausedSessions{st.Sessions, p}, Accounts: pausedAccounts{st.Accounts, p}, Tokens: pausedTokens{st.Tokens, p},
						Throttles: st.Throttles, Sealed: pausedKeys{st.Sealed, p}, Audit: pausedAudit{st.Audit, p},
					}
				}})
				s.api.Accounts.HashTemplate = func(context.Context, *account.User) (string, error) {
					p.at("hashing")
					return "pbkdf2_sha256$1000$saltsaltsaltsaltsaltsa$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", nil // a cheap hash
				}
				x := &scenario{s: s, root: s.as(s.superuser("root")), actor: s.superuser("ada"), subject: s.user("bob"), group: "group"}
				s.group(x.group)
				x.ticket = s.as(x.actor).ticket()
				method, path, _ := strings.Cut(row.route, " ")
				if line.with != nil {
					for _, value := range line.with(t, x) {
						path = strings.Replace(path, segment.FindString(path), value, 1)
					}
				}
				header, body := credentialKinds[line.by].header(t, x), any(struct{}{})
				if make := row.body; make != nil {
					body = make(x)
				} else if line.body != nil {
					body = line.body(x)
				}
				name := fmt.Sprintf("%s, %s while %s", row.route, ending, row.place)
				p.armed.Store(true)
				late := make(chan *answer)
				go func() { late <- s.program().send(method, path, body, header...) }()
				select {
				case <-p.reached:
				case r := <-late:
					t.Fatalf("%s: the request wasn't paused: got %d %s", name, r.StatusCode, r.body)
				}
				whileHeld[ending](t, x)
				before, sessions := stored(t, s.stores), len(s.records(x.actor.ID))
				close(p.opened)
				r := <-late
				if r.StatusCode != 401 && r.StatusCode != 403 {
					t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
				}
				if len(r.Cookies()) > 0 {
					t.Errorf("%s: the response sets %v", name, r.Cookies())
				}
				after := stored(t, s.stores)
				if strings.HasSuffix(row.route, "reset") || strings.HasSuffix(row.route, "exchange") {
					after = before // the secret was never sent, and the mark of the exchanged token may stay
				}
				if after != before {
					t.Errorf("%s: the refused request changed the stores from\n%s\nto\n%s", name, before, after)
				}
				if n := len(s.records(x.actor.ID)); n != sessions {
					t.Errorf("%s: %d sessions, not %d", name, n, sessions)
				}
			})
		}
	}
}
