// Package device binds sessions to the browser in which they began, by Device Bound Session Credentials (W3C Editor's Draft of
// 2026-02-17). Such a browser makes a key that can't leave the device, and renews with it a cookie that lives for minutes; the
// session counts only with that cookie beside its ticket. So a ticket that was copied opens nothing, and a copied pair of
// cookies nothing after some minutes.
//
//   - [Service.Offer] adds the offer to the answer that sets the session cookie. Other browsers ignore it.
//   - [Service.Register] takes the browser's key. Until the cookie has come back once, the session counts without it, because
//     the answer may have been lost, and another registration replaces this one.
//   - [Service.Prove] checks the cookie with each request.
//   - [Service.Refresh] makes the next cookie for a proof with the key.
//
// The state of a binding is a part of the record of its session, so whatever ends the session ends the binding in the same step.
package device

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

const (
	// CookieName is the name of the bound cookie. Chromium accepts no name with the prefix __Host-Http- for a bound cookie; of
	// the names that it does accept, those with __Host- are the ones that no other host can set.
	CookieName = "__Host-bound"

	// ProofLifetime is for how long a browser that a session is bound to has proven itself.
	ProofLifetime = 10 * time.Minute

	// RegisterPath and RefreshPath are where browsers send their proofs.
	RegisterPath = "/api/auth/device/register"
	RefreshPath  = "/api/auth/device/refresh"

	// cookieMargin is how much earlier a browser drops the cookie than the server stops to accept it: a request may be under way,
	// and the clock of another node may be ahead.
	cookieMargin = 30 * time.Second

	// offerLife is how long an offer can be taken.
	offerLife = 2 * time.Minute

	// challengeLife is how long a challenge can be answered. A browser keeps the challenge until it needs it, which is within
	// ProofLifetime while the session is in use. After a longer pause it gets a new one, so that a proof made in advance and carried
	// away is soon worth nothing.
	challengeLife = 20 * time.Minute

	// repeatLife is how long a proof that was taken may be sent again, for the same cookie. A browser repeats a proof whose
	// answer it hasn't got.
	repeatLife = time.Minute
)

var (
	// ErrRefused means that a proof proves nothing. The text of the error says why, for the log.
	ErrRefused = errors.New("the proof was refused")

	// ErrBound means that the session is bound already. Someone else may have tried to bind it to their own key.
	ErrBound = errors.New("the session is bound to another key")

	// ErrRepeated means that a registration that was taken has come a second time, and the session is bound by it.
	ErrRepeated = errors.New("the registration was taken before")
)

// Service binds sessions. All fields are required whose comment doesn't say what the zero value means. It is safe for concurrent
// use.
type Service struct {
	Sessions   *session.Manager
	Keys       func() [][]byte // of cookies and offers, at least one: the first makes them, and all verify them
	URL        string          // the public address, without a path
	SameSite   http.SameSite   // of the session cookie; 0: Lax
	Initiators []string        // hosts of other origins whose pages use the session; none: only those of URL do

	verified [4096]atomic.Pointer[verified] // by a hash of the session's public ID
}

// Grant is what a browser gets for a proof.
type Grant struct {
	Cookie    *http.Cookie
	Challenge string // for the next proof
}

// Register binds a live session to the key in a proof, the header Secure-Session-Response of a request. The caller must have checked
// the ticket of the session. [ErrRefused], [ErrBound], [ErrRepeated], [session.ErrEnded]; other errors are outages.
func (s *Service) Register(ctx context.Context, id, header string) (Grant, error) {
	p, refused := s.registration(id, header)
	var taken *binding
	now := time.Now().Unix()
	err := s.Sessions.ChangeBinding(ctx, id, func(r *session.Record) error {
		before, err := decode(r.Binding)
		switch {
		case err != nil:
			return err
		case r.Bound && refused == nil && before.takenFrom(p):
			return ErrRepeated
		case r.Bound:
			return ErrBound
		case refused != nil:
			return refused
		case before.takenFrom(p):
			taken = before
			return nil
		case before != nil && before.Offer == p.challenge:
			return refusal("its challenge has registered another key")
		}
		taken = newBinding(p, now)
		r.Binding = taken.encode()
		return nil
	})
	if err != nil {
		return Grant{}, err
	}
	return s.grant(id, taken, now), nil
}

// registration verifies the proof of a registration: it is signed by the key that it carries, for an offer of this session.
func (s *Service) registration(id, header string) (*proof, error) {
	p, err := parse(header, s.URL+RegisterPath)
	if err != nil {
		return nil, err
	}
	if p.key == nil {
		return nil, refusal("it carries no key")
	}
	if err := p.verify(p.key); err != nil {
		return nil, err
	}
	return p, s.checkOffer(id, p.challenge, time.Now())
}

// ChallengeError asks the browser for a proof of a challenge.
type ChallengeError struct {
	Challenge string
	User      string // of the session
	Why       error  // why a proof was refused; nil: there was none, or it was of an earlier challenge
}

func (e *ChallengeError) Error() string { return "a proof is needed" }
func (e *ChallengeError) Unwrap() error { return e.Why }

// Refresh returns the next cookie of the session with this public ID for a proof; header is as for [Service.Register], and "" if the
// request has none. Only the key that was registered counts. A proof that was taken less than a minute ago gets the same
// cookie again. *[ChallengeError]; [session.ErrEnded] if there is no such live session, or it isn't bound; other errors are outages.
func (s *Service) Refresh(ctx context.Context, id, header string) (Grant, error) {
	var granted *binding
	var refused error
	var user string
	now := time.Now().Unix()
	err := s.Sessions.ChangeBinding(ctx, id, func(r *session.Record) error {
		b, err := decode(r.Binding)
		if err != nil {
			return err
		}
		if b == nil {
			return session.ErrEnded
		}
		granted, user = b, r.User
		if refused = b.take(header, s.URL+RefreshPath, now); refused == nil || b.askAnew(now) {
			r.Binding = b.encode()
		}
		return nil
	})
	if err != nil {
		return Grant{}, err
	}
	if errors.Is(refused, errStale) {
		refused = nil
	} else if refused == nil {
		return s.grant(id, granted, now), nil
	}
	return Grant{}, &ChallengeError{granted.Challenge, user, refused}
}

func (s *Service) grant(id string, b *binding, now int64) Grant {
	return Grant{s.cookie(id, b, now), b.Challenge}
}
