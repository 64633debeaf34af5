package cloakroom

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/sealed"
	"github.com/cloakroom-auth/cloakroom/session"
)

// SetupLink returns a one-time link, valid for 30 minutes, on which the first administrator is made; "" if there is a user
// already, or if Django makes users. Earlier links become invalid.
func (s *Server) SetupLink(ctx context.Context) (string, error) {
	if s.storage.django != nil {
		return "", nil
	}
	needed, err := s.Accounts.NeedsSetup(ctx)
	if err != nil || !needed {
		return "", err
	}
	base, err := s.PublicURL(ctx)
	if err != nil {
		return "", err
	}
	secret, err := s.Accounts.SetupSecret(ctx)
	if err != nil {
		return "", err
	}
	s.Audit.Record(ctx, audit.TokenKinds.Created, slog.String("kind", "setup"))
	return base + "/auth/setup#" + secret, nil
}

// ResetLink returns a one-time link on which the user with this ID sets a new password, and when it expires, an hour from now.
// Earlier links of the user become invalid. Errors: [account.ErrNotFound], [account.ErrDisabled].
func (s *Server) ResetLink(ctx context.Context, id string) (link string, expires time.Time, err error) {
	return s.link(ctx, id, s.administration().ResetLink)
}

// CompromiseOptions says what stays of an account that is declared compromised.
type CompromiseOptions struct {
	KeepFactors bool // authenticator apps, passkeys, security keys, recovery codes and links to other providers
}

// DeclareCompromised takes the account of the user with this ID away from everyone who can get into it: all sessions and
// tokens of the user end, and the password, earlier links and all factors no longer count. It returns a link like that of
// [Server.ResetLink], which is then the only way in; if factors are kept, a passkey is another. A disabled user stays disabled,
// and the link works once the user is enabled. After an error, call it again. Errors: [account.ErrNotFound].
func (s *Server) DeclareCompromised(ctx context.Context, id string, c CompromiseOptions) (link string, expires time.Time, err error) {
	return s.link(ctx, id, func(ctx context.Context, u *account.User) (admin.Link, error) {
		return s.administration().DeclareCompromised(ctx, u, admin.Compromised(c))
	})
}

func (s *Server) link(
	ctx context.Context, id string, make func(context.Context, *account.User) (admin.Link, error),
) (link string, expires time.Time, err error) {
	u, err := s.Accounts.Store.Load(ctx, id)
	if err != nil {
		return "", time.Time{}, err
	}
	made, err := make(ctx, u)
	return made.URL, made.Expires, err
}

// administration returns the service that changes users. It allows everything.
func (s *Server) administration() *admin.Service {
	return &admin.Service{Accounts: s.Accounts, Audit: s.Audit, Invitations: s, Mail: mailed{s}, URL: s.PublicURL, SecondStep: s.steps, Links: s.storage.Links, CleanUp: func(ctx context.Context, reason string, users ...string) {
		if err := s.Auth.DeleteRevokedOf(session.WithReason(ctx, reason), users); err != nil {
			s.Log.LogAttrs(ctx, slog.LevelWarn, "dead sessions not removed", slog.Any("error", err))
		}
	}}
}

// urlName, signupName and mailName are the sealed rows that PublishURL writes.
const (
	urlName    = "url"
	signupName = "signup" // Config.Signup; no row: "closed"
	mailName   = "mail"   // whether the server sends mail: mailSent; no row: it doesn't
	mailSent   = "sent"
	mailNone   = "none"
)

// PublicURL returns the address that links begin with: Config.URL, else that of the server that ran last on this database, else
// the default.
func (s *Server) PublicURL(ctx context.Context) (string, error) {
	if s.urlGiven {
		return s.url, nil
	}
	url, err := s.published(ctx, urlName)
	if err != nil || url == "" {
		return s.url, err
	}
	return url, nil
}

// published returns what PublishURL has written under a name; "" if no server has run yet.
func (s *Server) published(ctx context.Context, name string) (string, error) {
	all, err := s.storage.Sealed.Sealed(ctx)
	if err != nil {
		return "", fmt.Errorf("read the server's %s: %w", name, err)
	}
	for _, secret := range all {
		if secret.Name != name {
			continue
		}
		plain, err := s.keys.Open(secret)
		if errors.Is(err, keyring.ErrWrongSecret) {
			return "", nil
		}
		return string(plain), err
	}
	return "", nil
}

// PublishURL stores the public URL, Config.Signup and whether this server sends mail in the database, for commands beside this server. Run
// does it as well; a program calls it to be sure that it is done.
func (s *Server) PublishURL(ctx context.Context) error {
	if err := s.publish(ctx, urlName, s.url, ""); err != nil {
		return err
	}
	if err := s.publish(ctx, signupName, cmp.Or(s.signup, signupClosed), signupClosed); err != nil {
		return err
	}
	mail := mailNone
	if s.sender != nil && s.storage.Mail != nil {
		mail = mailSent
	}
	return s.publish(ctx, mailName, mail, mailNone)
}

// publish stores a value under a name, unless it is there; no row stands for the value unset.
func (s *Server) publish(ctx context.Context, name, value, unset string) error {
	published, err := s.published(ctx, name)
	if err != nil || cmp.Or(published, unset) == value {
		return err
	}
	if err := s.storage.Sealed.PutSealed(ctx, []sealed.Secret{s.keys.Seal(name, []byte(value))}); err != nil {
		return fmt.Errorf("store the server's %s: %w", name, err)
	}
	return nil
}
