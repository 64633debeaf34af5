package authenticator

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/totp"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

var (
	// ErrNotACode says that a text is neither of the form of an app's code nor of that of a recovery code. It counts as no try.
	ErrNotACode = errors.New("the text has not the form of a code")

	// ErrKeyLost says that no code of the user's authenticator app can be checked any more, since the server's key was lost.
	ErrKeyLost = errors.New("the secret of the authenticator app can't be opened")
)

// Attempt is one check of a code.
type Attempt struct {
	Code    string     // as it was typed
	Address netip.Addr // the client's
	Device  string     // if the user has signed in from it before; else ""
}

// Verified is what a right code has proven.
type Verified struct {
	Method signin.Method
	Left   int // how many recovery codes are left; only after one was used
}

// Verify checks a code of an authenticator app, or a recovery code: six digits are the former, anything else is the latter. A right
// code counts once. All codes of a user share one count of failures. [ErrNotACode], [ErrWrongCode], [ErrKeyLost], *[throttle.Error].
func (s *Service) Verify(ctx context.Context, user string, a Attempt) (v Verified, err error) {
	app := isAppCode(compact(a.Code))
	hash, recovery := ReadRecoveryCode(a.Code)
	if !app && !recovery {
		return v, ErrNotACode
	}
	try, err := s.Guard.Reserve(ctx, throttle.Attempt{Account: "factor:" + user, Address: a.Address, Device: a.Device})
	if err != nil {
		return v, err
	}
	defer try.Undo(ctx)
	if app {
		v.Method, err = signin.OneTimeCode, s.useAppCode(ctx, user, compact(a.Code))
	} else {
		v.Method = signin.RecoveryCode
		v.Left, err = s.Factors.SpendRecoveryCode(ctx, user, hash)
	}
	if errors.Is(err, factor.ErrUsed) {
		err = ErrWrongCode
	}
	if errors.Is(err, ErrWrongCode) {
		_ = try.Failed(ctx) // Failed always returns nil
	}
	if err != nil {
		return Verified{}, err
	}
	return v, try.Succeeded(ctx)
}

// useAppCode uses up a code of the user's authenticator app.
func (s *Service) useAppCode(ctx context.Context, user, code string) error {
	p, err := s.Profile(ctx, user)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(p.Factors, func(f *factor.Factor) bool { return f.Kind == factor.TOTP })
	if i < 0 {
		return ErrWrongCode
	}
	f := p.Factors[i]
	secret, err := s.open(ctx, f)
	if isLost(err) {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "secret of an authenticator app can't be opened", slog.String("user", user), slog.Any("error", err))
		return ErrKeyLost
	}
	if err != nil {
		return err
	}
	now := time.Now()
	step, ok := totp.Match(secret, code, now)
	if !ok {
		return ErrWrongCode
	}
	err = s.Factors.Use(ctx, f.ID, factor.LastUse{At: now.Unix(), Counter: step, Once: true})
	if errors.Is(err, factor.ErrNotFound) {
		return ErrWrongCode // it was removed meanwhile
	}
	return err
}

// compact drops the blanks and hyphens with which codes are written.
func compact(typed string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n\u00a0\u2009\u202f-", r) {
			return -1
		}
		return r
	}, typed)
}

func isAppCode(code string) bool {
	return len(code) == totp.Digits && strings.Trim(code, "0123456789") == ""
}
