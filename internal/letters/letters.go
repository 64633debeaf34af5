// Package letters writes the messages that users get.
//
// A request only says which message is wanted. It is written when it is sent, so that the request does the same for every
// address, known or not.
package letters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/internal/texts"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// Service writes messages and puts them into the outbox. Set the fields before first use; it is then safe for concurrent use. A nil
// Service, and one whose Outbox is nil, sends nothing.
type Service struct {
	Outbox   *outbox.Service
	Secrets  mail.Store // has the secrets of links
	Texts    *texts.Catalogue
	Name     string                                // of the product; "": the host of the public address
	URL      func(context.Context) (string, error) // the public address, which links begin with
	Accounts *account.Service
	Guard    *throttle.Guard
	SignUps  SignUps
	PerHour  int // how many messages the mail server takes in an hour; strangers cause at most half as many

	SignInCodes bool            // people can sign in with a code that is mailed
	CodeKeys    func() [][]byte // with which codes are stored, the current one first

	Audit *audit.Log
	Log   *slog.Logger
}

// About says who caused a message: the client's address, and its headers User-Agent and Accept-Language.
type About struct{ Address, Agent, AcceptLanguage string }

// Notice is a message that says what has happened to an account, and asks for nothing.
type Notice string

// The notices.
const (
	PasswordChanged  Notice = "password_changed"
	ProviderLinked   Notice = "provider_linked"
	ProviderUnlinked Notice = "provider_unlinked"
	NewDevice        Notice = "new_device"   // a sign-in from a browser that isn't a known device
	FactorAdded      Notice = "factor_added" // an authenticator app, a passkey or a security key
	FactorRemoved    Notice = "factor_removed"
	RecoveryUsed     Notice = "recovery_used"    // a recovery code
	RecoveryRenewed  Notice = "recovery_renewed" // all recovery codes
	DeviceRefused    Notice = "device_refused"   // a session that is bound to a browser was to be bound to another key
	CodesGuessed     Notice = "codes_guessed"    // the second factor was wrong until no try was left, after a right password
)

// notices are all notices, and how many of a kind a user gets in a day, because strangers can cause them; 0: any number.
var notices = map[Notice]int{
	PasswordChanged: 0, ProviderLinked: 0, ProviderUnlinked: 0, NewDevice: perDay, FactorAdded: 0, FactorRemoved: 0, RecoveryUsed: 0,
	RecoveryRenewed: 0, CodesGuessed: perDay, DeviceRefused: perDay,
}

// noticeLife is how long a notice is worth sending.
const noticeLife = 24 * time.Hour

// Available reports whether mail can be sent.
func (s *Service) Available() bool { return s != nil && s.Outbox != nil }

// Notify tells a user what has happened. It does nothing for users without an address, and for those who were told often enough today.
func (s *Service) Notify(ctx context.Context, u *account.User, n Notice, about About) error {
	if !s.Available() || u.Email == "" {
		return nil
	}
	if most := notices[n]; most > 0 {
		err := s.Guard.Spend(ctx, throttle.Quota{Kind: "mail-notice-" + string(n), Of: u.ID, Most: most, Within: 24 * time.Hour})
		if _, full := errors.AsType[*throttle.QuotaError](err); full {
			return nil
		}
		if err != nil {
			return err
		}
	}
	r := s.requestFor(u, string(n), u.Email, about)
	r.User, r.Data = u.ID, map[string]string{"name": u.Username}
	return s.Outbox.Put(ctx, r, noticeLife)
}

func (s *Service) request(kind, to string, about About) outbox.Request {
	return outbox.Request{Kind: kind, To: to, Language: s.Texts.Match(about.AcceptLanguage), Address: about.Address, Agent: about.Agent}
}

// requestFor is request for a message to a user.
func (s *Service) requestFor(u *account.User, kind, to string, about About) outbox.Request {
	r := s.request(kind, to, about)
	s.speakTo(u, &r)
	return r
}

// speakTo has a message written in the language of the user who gets it, also if someone else has caused it. Users who have none get that
// of the client which has caused it.
func (s *Service) speakTo(u *account.User, r *outbox.Request) {
	if u.Language != "" {
		r.Language = s.Texts.Match(u.Language)
	}
}

// Write writes the message that a request asks for. It is the outbox's [outbox.Writer].
func (s *Service) Write(ctx context.Context, r *outbox.Request) (*mail.Message, error) {
	base, err := s.URL(ctx)
	if err != nil {
		return nil, err
	}
	if _, ok := notices[Notice(r.Kind)]; ok {
		return s.message(r, r.Kind, base, map[string]string{"name": harmless(r.Data["name"]), "link": base + "/auth/account"}), nil
	}
	switch r.Kind {
	case verify:
		return s.writeVerify(ctx, r, base)
	case forgot:
		return s.writeForgot(ctx, r, base)
	case change:
		return s.writeChange(ctx, r, base)
	case changed:
		return s.writeChanged(ctx, r, base)
	case moved:
		return s.writeMoved(ctx, r, base)
	case deleted:
		return s.writeDeleted(ctx, r, base)
	case signUp:
		return s.writeSignUp(ctx, r, base)
	case invitation:
		return s.writeInvitation(ctx, r, base)
	case string(ToSignIn), string(ToEnrol), string(ToReauth):
		return s.writeCode(ctx, r, base)
	}
	return nil, fmt.Errorf("no message is of the kind %q", r.Kind)
}

// message composes the message, with the values that every message has besides the given ones.
func (s *Service) message(r *outbox.Request, kind, base string, values map[string]string) *mail.Message {
	values["host"] = cmp.Or(s.Name, host(base))
	values["when"] = date(s.Texts, r.Language, time.Unix(r.Created, 0))
	values["browser"] = browserText(s.Texts, r.Language, r.Agent)
	values["address"] = cmp.Or(r.Address, s.Texts.Text(r.Language, "mail.address_unknown", nil))
	m := &mail.Message{Kind: kind, User: r.User, To: r.To}
	m.Subject, m.Text, m.HTML = compose(s.Texts, r.Language, kind, values)
	return m
}

// Test returns a message that says that mail arrives.
func (s *Service) Test(ctx context.Context, to string) (*mail.Message, error) {
	base, err := s.URL(ctx)
	if err != nil {
		return nil, err
	}
	if to == "" {
		return nil, errors.New("name an address")
	}
	return s.message(&outbox.Request{Kind: "test", To: to, Language: texts.Default}, "test", base, map[string]string{}), nil
}
