package cloakroom

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/session"
)

// ErrNoFactor says that a user has no factor with this ID.
var ErrNoFactor = errors.New("the user has no such factor")

// Factors returns what the user with this ID has besides a password.
func (s *Server) Factors(ctx context.Context, id string) (*factor.Profile, error) {
	if s.factors == nil {
		return &factor.Profile{}, nil
	}
	return s.factors.Profile(ctx, id)
}

// FactorCensus counts what an operator should know about the second factors of an installation. The zero value is that of one
// where all is well.
type FactorCensus struct {
	StaffWithout int // active staff and superusers whose sign-ins by password demand no second factor that they have

	Foreign int      // passkeys and security keys that were made for another domain than the server's, and so work nowhere here
	Domains []string // the domains that they were made for, sorted
}

// CountFactors reads all staff and all passkeys and security keys.
func (s *Server) CountFactors(ctx context.Context) (FactorCensus, error) {
	var found FactorCensus
	if s.factors == nil {
		return found, nil
	}
	if err := s.countStaff(ctx, &found); err != nil {
		return found, err
	}
	for _, kind := range []factor.Kind{factor.Passkey, factor.SecurityKey} {
		if err := s.countForeign(ctx, kind, &found); err != nil {
			return found, err
		}
	}
	slices.Sort(found.Domains)
	return found, nil
}

const censusPage = 500

func (s *Server) countStaff(ctx context.Context, found *FactorCensus) error {
	for after := ""; ; {
		users, err := s.Accounts.Store.List(ctx, account.Query{After: after, Limit: censusPage})
		if err != nil || len(users) == 0 {
			return err
		}
		after = users[len(users)-1].ID
		for _, u := range users {
			if !u.IsActive || !u.IsStaff && !u.IsSuperuser || !u.HasPassword() {
				continue
			}
			demanded, err := s.steps.Demands(ctx, u.ID)
			if err != nil {
				return err
			}
			if !demanded {
				found.StaffWithout++
			}
		}
	}
}

func (s *Server) countForeign(ctx context.Context, kind factor.Kind, found *FactorCensus) error {
	for after := ""; ; {
		keys, err := s.storage.Factors.List(ctx, kind, after, censusPage)
		if err != nil || len(keys) == 0 {
			return err
		}
		after = keys[len(keys)-1].ID
		for _, f := range keys {
			if f.RPID == s.passkeyDomain {
				continue
			}
			found.Foreign++
			if !slices.Contains(found.Domains, f.RPID) {
				found.Domains = append(found.Domains, f.RPID)
			}
		}
	}
}

// RemoveFactor removes a factor of a user, also one that the user must have, and ends all sessions and tokens of the user. With the
// last factor the recovery codes go. [ErrNoFactor].
func (s *Server) RemoveFactor(ctx context.Context, u *account.User, id string) error {
	p, err := s.Factors(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, f := range p.Factors {
		if f.ID != id {
			continue
		}
		removed, _, err := s.factors.Remove(ctx, u, id, true, s.endForFactors)
		if removed == nil {
			return err
		}
		s.Audit.Record(ctx, audit.SecondFactorKinds.Removed, append(admin.AboutUser(u), slog.String("kind", string(f.Kind)), slog.String("factor", id))...)
		s.tell(ctx, u, letters.FactorRemoved)
		return errors.Join(err, s.Auth.DeleteRevoked(session.WithReason(ctx, endreason.Administrator), u.ID, nil))
	}
	return ErrNoFactor
}

// RemoveFactors removes all factors and recovery codes of a user, and ends all sessions and tokens of the user.
func (s *Server) RemoveFactors(ctx context.Context, u *account.User) error {
	removed, err := s.administration().RemoveFactors(ctx, u)
	if removed {
		s.tell(ctx, u, letters.FactorRemoved)
	}
	if err != nil {
		return err
	}
	return s.Auth.DeleteRevoked(session.WithReason(ctx, endreason.Administrator), u.ID, nil)
}

// PasswordOptions is a password that an operator gives a user.
type PasswordOptions struct {
	Password    string
	KeepFactors bool // authenticator apps, passkeys, security keys, recovery codes and links to other providers stay
}

// SetPassword gives a user another password, which ends all sessions and tokens of the user. It removes everything else that the account
// can be entered with, unless it is to be kept: someone else may have added it. The user is told by mail. Errors: [account.ErrNotFound],
// *[account.InvalidError] with the field password. After another error the password may be the new one already; call it again.
func (s *Server) SetPassword(ctx context.Context, u *account.User, n PasswordOptions) error {
	removed, err := s.administration().SetPassword(ctx, u, admin.PasswordOptions{
		Password: n.Password, KeepFactors: n.KeepFactors, Changed: func() { s.tell(ctx, u, letters.PasswordChanged) },
	})
	if removed {
		s.tell(ctx, u, letters.FactorRemoved)
	}
	if err != nil {
		return err
	}
	return s.Auth.DeleteRevoked(session.WithReason(ctx, endreason.PasswordChanged), u.ID, nil)
}

// DeleteUser deletes a user with everything that belongs to the account, and ends all sessions and tokens of the user. Once the account is
// gone it returns nil: if a store fails then, something is left that opens nothing, and the log says so.
func (s *Server) DeleteUser(ctx context.Context, u *account.User) error {
	deleted, err := s.administration().DeleteUser(ctx, u)
	if !deleted || err == nil {
		return err
	}
	s.Log.LogAttrs(ctx, slog.LevelError, "something of a deleted account is left", slog.String("user", u.ID), slog.Any("error", err))
	return nil
}

// WriteUserData writes all that is kept about a user, as the JSON object that users get when they take their data along
// (docs/personal-data.md). After an error what it has written is incomplete.
func (s *Server) WriteUserData(ctx context.Context, w io.Writer, u *account.User) error {
	return s.api.WriteData(ctx, w, u)
}

// endForFactors ends everything of a user before a factor is gone.
func (s *Server) endForFactors(ctx context.Context, u *account.User) (*account.User, error) {
	if s.storage.django == nil {
		return s.Accounts.RevokeAllIfUnchanged(ctx, u.ID, u.Epoch)
	}
	if err := s.steps.EndPending(ctx, u.ID); err != nil { // the epoch is Django's, and can't be moved
		return nil, err
	}
	return u, s.Auth.DeleteRevoked(session.WithReason(ctx, endreason.Administrator), u.ID, nil)
}
