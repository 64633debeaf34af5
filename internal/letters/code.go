package letters

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/netip"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// A mailed code has eight digits, which anyone could try out who had a plain hash of it. So what is stored of it is made with a key of
// the server, and is bound to its purpose and to its holder: the pending sign-in or the session that has asked. A code that is typed
// anywhere else is wrong.

// Purpose says what a mailed code is for. It is the kind of the message as well.
type Purpose string

// The purposes of mailed codes.
const (
	ToSignIn Purpose = "code"       // the first step of a sign-in
	ToEnrol  Purpose = "code_enrol" // before a first second factor is set up, after another first step
	ToReauth Purpose = "code_again" // of a user who is signed in and has nothing else to show
)

const (
	codeLife   = 10 * time.Minute
	codeDigits = 8
)

// ErrWrongCode says that a mailed code is not right: it is another one, was used, has expired, or is about an account or an address that
// has changed since.
var ErrWrongCode = errors.New("the mailed code is not right")

// SignsInByCode reports whether people can sign in with a mailed code alone.
func (s *Service) SignsInByCode() bool { return s.Available() && s.SignInCodes }

// AdmitCode counts a code to sign in that is asked for to an address. It reports false if the address has had enough messages.
// *[throttle.QuotaError] if too many came from this network, or altogether. The account isn't looked up, as for [Service.Forgot].
func (s *Service) AdmitCode(ctx context.Context, address string, from netip.Addr) (bool, error) {
	return s.admit(ctx, address, from)
}

// SendSignInCode sends a code to an address, with which the holder can sign in to the account that has the address and has proven it. What
// it does is the same for every address.
func (s *Service) SendSignInCode(ctx context.Context, address, holder string, about About) error {
	r := s.request(string(ToSignIn), address, about)
	r.Data = map[string]string{"holder": holder}
	return s.Outbox.Put(ctx, r, codeLife)
}

// SendCode sends a code to the proven address of a user who is known to the holder. It does nothing for users without one.
// *[throttle.QuotaError] if the user has asked too often.
func (s *Service) SendCode(ctx context.Context, p Purpose, u *account.User, holder string, about About) error {
	if !u.HasProvenEmail() {
		return nil
	}
	if err := s.Guard.Spend(ctx, quotas(quotaUser, u.ID)...); err != nil {
		return err
	}
	r := s.request(string(p), u.Email, about)
	r.User, r.Data = u.ID, map[string]string{"holder": holder, "epoch": u.Epoch}
	return s.Outbox.Put(ctx, r, codeLife)
}

// writeCode writes to the account of a request for a code, and stores what is known of the code; nil if there is no such account, it is
// disabled, or it has changed.
func (s *Service) writeCode(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	u, err := s.codeUser(ctx, r)
	if err != nil || u == nil {
		return nil, err
	}
	r.User, r.To = u.ID, u.Email
	s.speakTo(u, r)
	values := map[string]string{"name": harmless(u.Username)}
	if !u.HasProvenEmail() { // the account can be a stranger's, who has entered the address
		values["link"] = base + "/signin"
		return s.message(r, "code_unproven", base, values), nil
	}
	if withheldFrom(u, r.Kind) {
		return s.message(r, "code_withheld", base, values), nil
	}
	code, err := newCode()
	if err != nil {
		return nil, err
	}
	secret := codeSecret(s.CodeKeys()[0], r.Kind, r.Data["holder"], code)
	expires := time.Unix(r.Created, 0).Add(codeLife)
	if err := s.putSecret(ctx, r.Kind, secret, u.ID, u.Epoch, u.Email, expires); err != nil {
		return nil, err
	}
	s.Audit.Record(ctx, audit.TokenKinds.Created, slog.String("kind", r.Kind), slog.String("user", u.ID), slog.String("method", "mail"))
	values["code"] = code[:codeDigits/2] + " " + code[codeDigits/2:]
	return s.message(r, r.Kind, base, values), nil
}

// withheldFrom reports whether an administrator has left an account without a password, by making it so or by declaring it compromised, so
// that mail must not open it: its mailbox may be a stranger's. Codes of the other purposes come after another way in.
func withheldFrom(u *account.User, kind string) bool {
	return Purpose(kind) == ToSignIn && !u.HasPassword() && u.PasswordWithheld
}

// codeUser returns the account that a request for a code is about; nil: none.
func (s *Service) codeUser(ctx context.Context, r *outbox.Request) (u *account.User, err error) {
	if Purpose(r.Kind) == ToSignIn {
		u, err = orNone(s.Accounts.Store.Find(ctx, account.CanonicalLogin(r.To)))
	} else {
		u, err = orNone(s.Accounts.Store.Load(ctx, r.User))
	}
	if err != nil || u == nil {
		return nil, err
	}
	if !u.IsActive || account.CanonicalLogin(u.Email) != account.CanonicalLogin(r.To) || r.User != "" && u.Epoch != r.Data["epoch"] {
		return nil, nil
	}
	return u, nil
}

// UseCode returns the account that a code was mailed to for this purpose and holder, and uses the code up: of several calls at the same
// time one succeeds. The account is as it was when the code was mailed, but for what doesn't end sign-ins. [ErrWrongCode]. The caller
// counts the tries before.
func (s *Service) UseCode(ctx context.Context, p Purpose, holder, code string) (*account.User, error) {
	for _, key := range s.CodeKeys() {
		u, err := s.useSecret(ctx, string(p), codeSecret(key, string(p), holder, code))
		if !errors.Is(err, ErrWrongCode) {
			return u, err
		}
	}
	return nil, ErrWrongCode
}

func (s *Service) useSecret(ctx context.Context, kind, secret string) (*account.User, error) {
	found, address, err := s.findSecret(ctx, kind, secret)
	if errors.Is(err, ErrLink) {
		return nil, ErrWrongCode
	}
	if err != nil {
		return nil, err
	}
	u, err := s.Accounts.Store.Load(ctx, found.User)
	if errors.Is(err, account.ErrNotFound) {
		return nil, ErrWrongCode
	}
	if err != nil {
		return nil, err
	}
	if !u.IsActive || u.Epoch != found.Epoch || u.Email != address || !u.HasProvenEmail() || withheldFrom(u, kind) {
		return nil, ErrWrongCode
	}
	err = s.Secrets.SpendSecret(ctx, found.Hash)
	if errors.Is(err, mail.ErrNotFound) { // another call was quicker
		err = ErrWrongCode
	}
	return u, err
}

// ParseCode returns the digits of a code as a person has typed it, with blanks or hyphens or without; false if it is none.
func ParseCode(typed string) (string, bool) {
	if len(typed) > 4*codeDigits {
		return "", false
	}
	code := strings.NewReplacer(" ", "", "-", "", "\u00a0", "", "\t", "").Replace(typed)
	digits := strings.Trim(code, "0123456789") == ""
	return code, digits && len(code) == codeDigits
}

func newCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1e8))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%0*d", codeDigits, n), nil
}

// codeSecret returns what is stored of a code, as if it were the secret of a link. Without the key it can't be computed from the code.
func codeSecret(key []byte, kind, holder, code string) string {
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{kind, holder, code} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
