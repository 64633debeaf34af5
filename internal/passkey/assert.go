package passkey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/signin"
)

// Assertion is an answer to request options. Nothing about it has been verified yet.
type Assertion struct {
	parsed *protocol.ParsedCredentialAssertionData
}

// ParseAssertion reads the JSON of a credential, as PublicKeyCredential.toJSON makes it. ErrMalformed.
func ParseAssertion(credential []byte) (*Assertion, error) {
	if len(credential) > MaxCredential {
		return nil, ErrMalformed
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(credential)
	if err != nil {
		return nil, malformed(err)
	}
	return &Assertion{parsed}, nil
}

// Owner returns the user whose handle a has. Read the user's account next, and call Check then. ErrRefused.
func (s *Service) Owner(ctx context.Context, a *Assertion) (user string, err error) {
	handle := a.parsed.Response.UserHandle
	if len(handle) == 0 {
		return "", refused("no user handle")
	}
	user, err = s.Factors.FindHandle(ctx, handle)
	if errors.Is(err, factor.ErrNotFound) {
		return "", refused("a user handle that wasn't given out here")
	}
	return user, err
}

// Proof is what an assertion has shown.
type Proof struct {
	Factor      *factor.Factor
	Verified    bool // the authenticator has verified its user, so it is two factors in one
	Methods     []signin.Method
	CounterFell bool // the signature counter hasn't risen: perhaps there is a copy of the authenticator.
}

// Check verifies an assertion of c.User (WebAuthn 7.2), and records the use. For SignIn, c.User is the Owner of a, and only a
// passkey counts. The caller must have read the user's account before, because a change of the factors moves its epoch
// afterwards. ErrRefused, ErrUnknown, ErrChanged.
func (s *Service) Check(ctx context.Context, a *Assertion, c Ceremony) (*Proof, error) {
	made := c
	if c.Purpose == SignIn {
		made.User = "" // was not known when the challenge was made
	}
	m, err := s.openChallenge(a.parsed.Response.CollectedClientData.Challenge, made)
	if err != nil {
		return nil, err
	}
	profile, err := s.Factors.Load(ctx, c.User)
	if err != nil {
		return nil, err
	}
	f, err := s.find(ctx, profile, a)
	if err != nil {
		return nil, err
	}
	if c.Purpose == SignIn && f.Kind != factor.Passkey {
		return nil, refused("a security key is a second factor only")
	}
	verified, fell, err := s.verify(profile, f, a, c.Verify)
	if err != nil {
		return nil, err
	}
	if err := s.spend(ctx, m); err != nil {
		return nil, err
	}
	return s.use(ctx, f, verified, a.flags(), fell)
}

// find returns the factor with the credential of a.
func (s *Service) find(ctx context.Context, profile *factor.Profile, a *Assertion) (*factor.Factor, error) {
	for _, f := range profile.Factors {
		switch {
		case !bytes.Equal(f.Credential, a.parsed.RawID):
		case s.usable(f):
			return f, nil
		case f.RPID != s.RPID:
			return nil, refused("it was registered for %s", f.RPID)
		default:
			return nil, refused("it is being added or removed")
		}
	}
	if len(profile.Handle) == 0 || !bytes.Equal(profile.Handle, a.parsed.Response.UserHandle) {
		return nil, refused("another user's")
	}
	_, err := s.Factors.FindCredential(ctx, a.parsed.RawID)
	if errors.Is(err, factor.ErrNotFound) {
		return nil, ErrUnknown
	}
	if err == nil {
		err = refused("another user's")
	}
	return nil, err
}

// verify returns the record of the credential as it is after the assertion. The library refuses a change of the flag BE before
// it can be told from other errors, so it gets the flag that the assertion has, and the two are compared once the signature is
// known to be right.
func (s *Service) verify(profile *factor.Profile, f *factor.Factor, a *Assertion, verify bool) (record *webauthn.Credential, fell bool, err error) {
	stored, err := recordOf(f)
	if err != nil {
		return nil, false, err
	}
	eligible, warned := stored.Flags.BackupEligible, stored.Authenticator.CloneWarning
	stored.Flags.BackupEligible, stored.Authenticator.CloneWarning = a.flags().HasBackupEligible(), false
	session := webauthn.SessionData{
		Challenge: a.parsed.Response.CollectedClientData.Challenge, RelyingPartyID: s.RPID, UserID: profile.Handle,
		AllowedCredentialIDs: [][]byte{f.Credential},
	}
	if verify {
		session.UserVerification = protocol.VerificationRequired
	}
	record, err = s.party.ValidateLogin(party{handle: profile.Handle, credentials: []webauthn.Credential{stored}}, session, a.parsed)
	if err != nil {
		return nil, false, refusal(err)
	}
	if record.Flags.BackupEligible != eligible {
		return nil, false, ErrChanged
	}
	fell = record.Authenticator.CloneWarning
	record.Authenticator.CloneWarning = fell || warned
	return record, fell, nil
}

// use records the use of a factor.
func (s *Service) use(ctx context.Context, f *factor.Factor, record *webauthn.Credential, flags protocol.AuthenticatorFlags, fell bool) (*Proof, error) {
	data, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	err = s.Factors.Use(ctx, f.ID, factor.LastUse{At: time.Now().Unix(), Counter: int64(record.Authenticator.SignCount), Data: data})
	if errors.Is(err, factor.ErrNotFound) {
		return nil, refused("it was removed meanwhile")
	}
	if err != nil {
		return nil, err
	}
	return &Proof{Factor: f, Verified: flags.HasUserVerified(), Methods: words(flags.HasBackupEligible(), flags.HasUserVerified()), CounterFell: fell}, nil
}

// Shown returns the words for what the registration of a factor has shown.
func Shown(f *factor.Factor) []signin.Method {
	record, err := recordOf(f)
	if err != nil {
		return nil
	}
	return words(record.Flags.BackupEligible, record.Flags.UserVerified)
}

func (a *Assertion) flags() protocol.AuthenticatorFlags {
	return a.parsed.Response.AuthenticatorData.Flags
}

// words are those of RFC 8176 for what an authenticator has shown.
func words(synced, verified bool) []signin.Method {
	words := []signin.Method{signin.HardwareKey}
	if synced {
		words[0] = signin.SyncedKey
	}
	if verified {
		words = append(words, signin.UserPresent, signin.MultiFactor)
	}
	return words
}
