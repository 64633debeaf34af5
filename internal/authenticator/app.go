package authenticator

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/totp"
)

// An authenticator app is enrolled in two steps: the user gets a secret, and shows a code of it. In between nothing is stored. What
// the client brings back is the secret, which it has anyway, with a tag (HMAC) that binds it to the user, to the epoch, to the
// session or pending sign-in that asked, and to an expiry.

// enrolmentFor is how long an enrolment can be confirmed.
const enrolmentFor = 15 * time.Minute

var (
	// ErrEnrolmentEnded says that the enrolment is too old, or was begun by another user, in another session, or before
	// everything was ended.
	ErrEnrolmentEnded = errors.New("the enrolment of the authenticator app has ended")

	// ErrWrongCode says that a code is not right, or has been used before.
	ErrWrongCode = errors.New("the code is not right")
)

// Enrolment is what a user needs to set up an authenticator app.
type Enrolment struct {
	ID     string // for ConfirmApp
	Secret string // to be typed into the app
	URI    string // to be shown as a QR code
}

// BeginApp makes a secret for an authenticator app. Holder names the session or the pending sign-in in which the user asks.
// [ErrExists].
func (s *Service) BeginApp(ctx context.Context, u *account.User, holder string) (*Enrolment, error) {
	p, err := s.Profile(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	if err := fits(p, &factor.Factor{Kind: factor.TOTP}); err != nil {
		return nil, err
	}
	secret := totp.NewSecret()
	body := binary.BigEndian.AppendUint64(secret, uint64(time.Now().Add(enrolmentFor).Unix()))
	made := keyring.Tag(s.Tags()[0], enrolmentParts(u, holder, body)...)
	return &Enrolment{
		ID:     base64.RawURLEncoding.EncodeToString(append(body, made...)),
		Secret: totp.Text(secret[:secretSize]), URI: totp.URI(s.Issuer, u.Username, secret[:secretSize]),
	}, nil
}

const (
	secretSize = 20
	bodySize   = secretSize + 8
)

// enrolmentParts returns what the tag of an enrolment covers.
func enrolmentParts(u *account.User, holder string, body []byte) []string {
	return []string{"app", u.ID, u.Epoch, holder, string(body)}
}

// readEnrolment returns the secret of an enrolment. [ErrEnrolmentEnded].
func (s *Service) readEnrolment(u *account.User, holder, id string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil || len(raw) != bodySize+keyring.TagSize {
		return nil, ErrEnrolmentEnded
	}
	body := raw[:bodySize]
	if !keyring.TagFits(raw[bodySize:], s.Tags(), enrolmentParts(u, holder, body)...) || time.Now().Unix() >= int64(binary.BigEndian.Uint64(body[secretSize:])) {
		return nil, ErrEnrolmentEnded
	}
	return body[:secretSize], nil
}

// ConfirmApp adds the authenticator app of an enrolment if the code is one of it; the code then counts as used. Otherwise it is
// [ErrWrongCode], or [ErrEnrolmentEnded]. See [Service.Add] for what it ends, and for further errors.
func (s *Service) ConfirmApp(ctx context.Context, u *account.User, holder, id, code, name string, end End) (*factor.Factor, *Change, error) {
	secret, err := s.readEnrolment(u, holder, id)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	step, ok := totp.Match(secret, compact(code), now)
	if !ok {
		return nil, nil, ErrWrongCode
	}
	f := &factor.Factor{ID: NewID(), User: u.ID, Kind: factor.TOTP, Name: name, Used: now.Unix(), Counter: step}
	if f.Data, err = s.Keys.Seal(ctx, sealedAs, rowOf(f), secret); err != nil {
		return nil, nil, err
	}
	c, err := s.Add(ctx, u, f, end)
	if errors.Is(err, factor.ErrExists) { // another call was quicker
		err = ErrExists
	}
	if err != nil {
		return nil, nil, err
	}
	return f, c, nil
}

// sealedAs is the purpose for which secrets of authenticator apps are sealed.
const sealedAs = "factors.data"

// rowOf is what a sealed secret is bound to besides its purpose: the ID of the factor, and the user. No ID contains the bar.
func rowOf(f *factor.Factor) string { return f.ID + "|" + f.User }

// open returns the secret of an authenticator app.
func (s *Service) open(ctx context.Context, f *factor.Factor) ([]byte, error) {
	return s.Keys.Open(ctx, sealedAs, rowOf(f), f.Data)
}

// isLost reports whether a secret can't be opened, since the key that it was sealed under is lost.
func isLost(err error) bool {
	return errors.Is(err, keyring.ErrUnknownDataKey) || errors.Is(err, keyring.ErrWrongSecret)
}
