package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"time"

	"github.com/cloakroom-auth/cloakroom/throttle"
)

// resetLife is how long a reset secret is valid.
const resetLife = time.Hour

// ErrDisabled says that the user is disabled and can't sign in with any password.
var ErrDisabled = errors.New("the user is disabled")

// ResetSecret returns a secret of 130 random bits and its expiry. The user's password can be reset with it once, within an
// hour. It replaces earlier ones, and becomes invalid if the user's epoch changes or the user is given a right. Only its
// hash is stored. [ErrNotFound], [ErrDisabled].
func (s *Service) ResetSecret(ctx context.Context, id string) (secret string, expires time.Time, err error) {
	return s.newResetSecret(ctx, id, func(a act) error {
		u, err := a.subject(id)
		if err == nil && !u.IsActive {
			err = ErrDisabled
		}
		return err
	})
}

// ResetSecretIfUnchanged is ResetSecret for a user who is still as the caller has read it, before: [ErrEpochChanged] if the user has
// another epoch or address by now, or has a password now and had none, or the reverse. Nothing has changed then.
func (s *Service) ResetSecretIfUnchanged(ctx context.Context, before *User) (secret string, expires time.Time, err error) {
	return s.newResetSecret(ctx, before.ID, func(a act) error {
		u, err := a.subject(before.ID)
		switch {
		case err != nil:
			return err
		case !u.IsActive:
			return ErrDisabled
		case u.Epoch != before.Epoch || u.Email != before.Email || u.EmailProven != before.EmailProven ||
			u.HasPassword() != before.HasPassword() || u.PasswordWithheld != before.PasswordWithheld:
			return ErrEpochChanged
		}
		return nil
	})
}

// DeclareCompromised takes everything from the account that anyone can sign in with: its password, sessions, tokens,
// remembered devices and earlier reset secrets. In the same step it makes a reset secret like that of [Service.ResetSecret],
// which is then the only way in. A disabled user stays disabled; the secret works once the user is enabled. An actor can't do
// this to their own account, since it would end the session that learns the secret. Links that were mailed for a change of the address
// are void as well, even those to former addresses. [ErrNotFound]. Beside an error there is a secret only if the account was taken back and some
// mailed links may be left: then call it again.
func (s *Service) DeclareCompromised(ctx context.Context, id string) (secret string, expires time.Time, err error) {
	err = s.transact(ctx, func(a act) error { // before any link ends
		_, err := a.other(id)
		return err
	})
	if err != nil {
		return "", time.Time{}, err
	}
	if err := s.endMailed(ctx, id); err != nil {
		return "", time.Time{}, err
	}
	secret, expires, err = s.newResetSecret(ctx, id, func(a act) error {
		u, err := a.other(id)
		if err != nil {
			return err
		}
		return a.removeWaysIn(u, true, newEpoch())
	})
	if err != nil {
		return "", time.Time{}, err
	}
	s.changed(id)
	return secret, expires, s.endMailed(ctx, id)
}

// removeWaysIn writes the user back without a password, and at an epoch under which no session, token, remembered device or
// reset secret exists. What else an account can be entered with is removed here as well. withheld: mail gives the user no password.
func (a act) removeWaysIn(u *User, withheld bool, epoch string) error {
	u.Password, u.PasswordWithheld, u.Epoch = unusable(), withheld, epoch
	return a.Change(u)
}

// newResetSecret makes a reset secret for a user in the step in which prepare has prepared, or refused, it.
func (s *Service) newResetSecret(ctx context.Context, id string, prepare func(act) error) (secret string, expires time.Time, err error) {
	secret, expires = rand.Text(), time.Now().Add(resetLife).Truncate(time.Second)
	err = s.transact(ctx, func(a act) error {
		if err := prepare(a); err != nil {
			return err
		}
		return a.SetReset(id, sha256.Sum256([]byte(secret)), expires.Unix())
	})
	if err != nil {
		return "", time.Time{}, err
	}
	return secret, expires.UTC(), nil
}

// enable makes a user active, at a new epoch, and writes the user back. The reset secret of an account without a password stays
// valid: [Service.DeclareCompromised] makes one for a disabled user as well.
func (a act) enable(u *User) error {
	u.IsActive, u.Epoch = true, newEpoch()
	if u.HasPassword() {
		return a.Change(u)
	}
	secretHash, expires, err := a.Reset(u.ID, time.Now().Unix())
	if errors.Is(err, SpentErrors.Reset) {
		return a.Change(u)
	}
	if err != nil {
		return err
	}
	if err := a.Change(u); err != nil {
		return err
	}
	return a.SetReset(u.ID, secretHash, expires)
}

// ResetPassword sets a new password for the user of the reset secret, ends all of the user's sessions and tokens, and uses
// up the secret. [SpentErrors].Reset, *[throttle.Error], *[InvalidError] with the field new_password, which doesn't use up the
// secret.
//
// Nothing is hashed without a valid secret. Wrong secrets are counted by address.
func (s *Service) ResetPassword(ctx context.Context, secret, new string, from netip.Addr) (*User, error) {
	return s.ResetMailedPassword(ctx, secret, "", new, from)
}

// ResetMailedPassword is ResetPassword for a secret that was mailed to an address. It is valid while the account has this address, compared
// in the step that sets the password: a link in the mailbox of a former address must not open the account. An empty address is that of a
// secret that was not mailed.
func (s *Service) ResetMailedPassword(ctx context.Context, secret, address, new string, from netip.Addr) (*User, error) {
	hash := sha256.Sum256([]byte(secret))
	find, spend := s.store().FindReset, s.store().SpendReset
	if s.Resets != nil {
		if id, ok := s.Resets.ParseReset(secret); ok {
			find, spend = s.sharedReset(id, secret)
		}
	}
	elsewhere := func(u *User) bool { return address != "" && u.Email != address }
	u, err := s.resets(ctx, hash, from, func(ctx context.Context, hash [32]byte, now int64) (*User, error) {
		u, err := find(ctx, hash, now)
		if err == nil && elsewhere(u) {
			err = SpentErrors.Reset
		}
		return u, err
	})
	if err != nil {
		return nil, err
	}
	encoded, err := s.newHash(ctx, u, "new_password", new)
	if err != nil {
		return nil, err
	}
	u, err = spend(ctx, hash, time.Now().Unix(), func(c *User) error {
		if !c.IsActive || elsewhere(c) {
			return SpentErrors.Reset
		}
		c.Password, c.PasswordWithheld, c.Epoch = encoded, false, newEpoch()
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.changed(u.ID)
	return u, nil
}

// ExternalResetLinks are the reset links of another program, which shares the accounts. Each program accepts the links of the other.
type ExternalResetLinks interface {
	// FindAddress returns users whose address may be this one, in any spelling, at most as many as limit. The caller compares.
	FindAddress(ctx context.Context, address string, limit int) ([]*User, error)

	// NewReset returns what the end of a link says of a user and the time. The link ends when it is too old by the rules of the program, or
	// the password, the address or the last sign-in of the user changes. It isn't stored.
	NewReset(u *User, at time.Time) string

	// ParseReset returns the ID of the user that such a text is about; false if it has another form. It checks nothing.
	ParseReset(text string) (id string, ok bool)

	// ValidReset reports whether a text is genuine, and good for this user at a time.
	ValidReset(u *User, text string, now time.Time) bool
}

// sharedReset returns what finds and changes the user of a text of [ExternalResetLinks], as the store does for our own secrets. The new password
// makes the text invalid.
func (s *Service) sharedReset(id, text string) (
	find func(context.Context, [32]byte, int64) (*User, error),
	spend func(context.Context, [32]byte, int64, func(*User) error) (*User, error),
) {
	spent := func(u *User, err error) (*User, error) {
		if errors.Is(err, ErrNotFound) {
			err = SpentErrors.Reset
		}
		return u, err
	}
	check := func(u *User, now int64) error {
		if !s.Resets.ValidReset(u, text, time.Unix(now, 0)) {
			return SpentErrors.Reset
		}
		return nil
	}
	find = func(ctx context.Context, _ [32]byte, now int64) (*User, error) {
		u, err := spent(s.store().Load(ctx, id))
		if err != nil {
			return nil, err
		}
		return u, check(u, now)
	}
	spend = func(ctx context.Context, _ [32]byte, now int64, change func(*User) error) (*User, error) {
		return spent(s.store().Change(ctx, id, func(u *User) error {
			if err := check(u, now); err != nil {
				return err
			}
			return change(u)
		}))
	}
	return find, spend
}

// resets returns the user whose reset secret has this hash.
func (s *Service) resets(
	ctx context.Context, hash [32]byte, from netip.Addr, find func(context.Context, [32]byte, int64) (*User, error),
) (u *User, err error) {
	try, err := s.Guard.Reserve(ctx, throttle.Attempt{Account: "reset:" + hex.EncodeToString(hash[:8]), Address: from})
	if err != nil {
		return nil, err
	}
	defer try.Undo(ctx)
	u, err = find(ctx, hash, time.Now().Unix())
	if err == nil && !u.IsActive {
		err = SpentErrors.Reset
	}
	if errors.Is(err, SpentErrors.Reset) {
		_ = try.Failed(ctx) // Failed always returns nil
		return nil, SpentErrors.Reset
	}
	if err != nil {
		return nil, err
	}
	if err := try.Undo(ctx); err != nil {
		return nil, err
	}
	return u, nil
}
