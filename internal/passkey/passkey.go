// Package passkey makes and verifies passkeys and security keys by WebAuthn Level 3, with go-webauthn. The library checks an
// answer of an authenticator against a challenge; this package adds what it leaves to its caller: challenges that expire and
// count once, credentials that belong to one user, and what a changed or copied authenticator gives away.
//
// Nothing is stored before something has been proven. A challenge carries what is needed to recognise it, see challenge.go.
package passkey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/signin"
)

const (
	// Lifetime is how long a challenge can be answered.
	Lifetime = 5 * time.Minute

	// MaxCredential is the length in bytes from which on an answer is refused unread. With an attestation, which isn't asked
	// for, an answer has some kilobytes.
	MaxCredential = 32 << 10
)

var (
	// ErrMalformed means that an answer isn't what a browser makes of a credential.
	ErrMalformed = errors.New("not a credential as browsers encode it")

	// ErrRefused means that an answer proves nothing. The text of the error says why, for the log.
	ErrRefused = errors.New("the passkey was refused")

	// ErrUnknown means that no user has the credential, though its user handle was given out here. The browser should forget
	// the credential.
	ErrUnknown = errors.New("no user has this passkey")

	// ErrChanged means that a credential which could not be copied to other devices when it was registered now can, or the
	// reverse (WebAuthn 7.2, step 19). It may be another credential, and must be registered anew.
	ErrChanged = errors.New("the passkey isn't the one that was registered")
)

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// Config is what a Service needs.
type Config struct {
	RPID    string          // the relying party's ID, see [Domain]
	Name    string          // what authenticators call the relying party
	Origins []string        // of the pages that may use passkeys: all that the server trusts
	Keys    func() [][]byte // of challenges, at least one: the first makes them, and all verify them
	Factors factor.Store
	Signins signin.Store // keeps marks of challenges that have been answered
}

// Service makes options for browsers and verifies their answers. It is safe for concurrent use. Errors without a name are
// those of the stores.
type Service struct {
	Config
	party *webauthn.WebAuthn
}

// New returns an error if the library doesn't accept the relying party.
func New(c Config) (*Service, error) {
	timeout := webauthn.TimeoutConfig{Timeout: Lifetime, TimeoutUVD: Lifetime}
	party, err := webauthn.New(&webauthn.Config{
		RPID: c.RPID, RPDisplayName: c.Name, RPOrigins: c.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		Timeouts:              webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
		// Password managers report extensions that weren't asked for. Nothing is made of them.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	return &Service{c, party}, err
}

// User is a user as authenticators show them.
type User struct {
	ID          string
	Name        string // the username
	DisplayName string
}

// RequestOptions are the options of navigator.credentials.get, and CreationOptions those of navigator.credentials.create. Their
// JSON has no null, which browsers would take for a text or refuse.
type (
	RequestOptions  = protocol.CredentialAssertion
	CreationOptions = protocol.CredentialCreation
)

// RequestOptions returns the options of navigator.credentials.get for a sign-in by passkey alone, of a user who isn't known
// yet. Nothing is read or written.
func (s *Service) RequestOptions() (*RequestOptions, error) {
	return s.request(Ceremony{Purpose: SignIn, Verify: true}, nil)
}

// RequestOptionsFor returns the options for a user who is known. Without a credential that could be used it returns nil.
func (s *Service) RequestOptionsFor(ctx context.Context, c Ceremony) (*RequestOptions, error) {
	profile, err := s.Factors.Load(ctx, c.User)
	if err != nil {
		return nil, err
	}
	own, err := s.records(profile)
	if err != nil || len(own) == 0 {
		return nil, err
	}
	return s.request(c, descriptors(own))
}

func (s *Service) request(c Ceremony, allowed []protocol.CredentialDescriptor) (*RequestOptions, error) {
	verification := protocol.VerificationPreferred
	if c.Verify {
		verification = protocol.VerificationRequired
	}
	options, _, err := s.party.BeginDiscoverableLogin(webauthn.WithChallenge(s.newChallenge(c)),
		webauthn.WithUserVerification(verification), webauthn.WithAllowedCredentials(allowed))
	return options, err
}

// CreationOptions returns the options of navigator.credentials.create for a user who adds a passkey or a security key. The
// credentials that the user has are excluded: an authenticator would overwrite its own otherwise. [factor.ErrTooManyKeys].
func (s *Service) CreationOptions(ctx context.Context, u User, kind factor.Kind, bound string) (*CreationOptions, error) {
	profile, err := s.Factors.Load(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	if len(profile.Keys()) >= factor.MaxKeys {
		return nil, factor.ErrTooManyKeys
	}
	own, err := s.records(profile)
	if err != nil {
		return nil, err
	}
	handle, err := s.handle(ctx, u.ID, profile)
	if err != nil {
		return nil, err
	}
	return s.creation(u, kind, handle, own, s.newChallenge(adding(u.ID, kind, bound)))
}

// FirstOptions returns the options of navigator.credentials.create for a person whose account is made with the passkey. Nothing is read or
// written. u.ID is ignored.
func (s *Service) FirstOptions(u User, bound string) (*CreationOptions, error) {
	challenge := s.newChallenge(adding("", factor.Passkey, bound))
	return s.creation(u, factor.Passkey, firstHandle(challenge), nil, challenge)
}

// firstHandle returns the user handle of an account that isn't made yet. Each ceremony has its own: a second one for the same account must
// not overwrite the passkey of the first in the authenticator. The challenge, which is random, brings it back with the answer.
func firstHandle(challenge []byte) []byte {
	handle := sha256.Sum256(append([]byte("cloakroom user handle\x00"), challenge...))
	return handle[:]
}

func (s *Service) creation(u User, kind factor.Kind, handle []byte, own []webauthn.Credential, challenge []byte) (*CreationOptions, error) {
	options, _, err := s.party.BeginRegistration(party{handle: handle, name: u.Name, displayName: u.DisplayName},
		webauthn.WithAuthenticatorSelection(selection(kind)),
		webauthn.WithExclusions(descriptors(own)),
		webauthn.WithCredentialParameters(webauthn.CredentialParametersRecommendedL3()))
	if err != nil {
		return nil, err
	}
	options.Response.Challenge = challenge
	return options, nil
}

// selection says what an authenticator must do. A passkey is found by the browser without a username, and verifies its user. A
// security key is only asked to be there.
func selection(kind factor.Kind) protocol.AuthenticatorSelection {
	if kind == factor.Passkey {
		return protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		}
	}
	return protocol.AuthenticatorSelection{
		ResidentKey: protocol.ResidentKeyRequirementDiscouraged, UserVerification: protocol.VerificationDiscouraged,
	}
}

// Register verifies a new credential (WebAuthn 7.1). It returns the factor without ID, Name, State and Epoch, and stores
// nothing but a mark of the challenge; that no other user has the credential is checked where the factor is added.
// ErrMalformed, ErrRefused.
func (s *Service) Register(ctx context.Context, user string, kind factor.Kind, bound string, credential []byte) (*factor.Factor, error) {
	parsed, err := parseCreation(credential)
	if err != nil {
		return nil, err
	}
	return s.register(ctx, user, kind, bound, parsed)
}

// RegisterFirst is Register for [Service.FirstOptions]. It also returns the user handle.
func (s *Service) RegisterFirst(ctx context.Context, bound string, credential []byte) (f *factor.Factor, handle []byte, err error) {
	parsed, err := parseCreation(credential)
	if err != nil {
		return nil, nil, err
	}
	if f, err = s.register(ctx, "", factor.Passkey, bound, parsed); err != nil {
		return nil, nil, err
	}
	challenge, err := base64.RawURLEncoding.DecodeString(parsed.Response.CollectedClientData.Challenge)
	return f, firstHandle(challenge), err
}

func parseCreation(credential []byte) (*protocol.ParsedCredentialCreationData, error) {
	if len(credential) > MaxCredential {
		return nil, ErrMalformed
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(credential)
	if err != nil {
		return nil, malformed(err)
	}
	return parsed, nil
}

func (s *Service) register(ctx context.Context, user string, kind factor.Kind, bound string, parsed *protocol.ParsedCredentialCreationData) (*factor.Factor, error) {
	challenge := parsed.Response.CollectedClientData.Challenge
	mark, err := s.openChallenge(challenge, adding(user, kind, bound))
	if err != nil {
		return nil, err
	}
	record, err := s.party.CreateCredential(party{}, webauthn.SessionData{
		Challenge: challenge, RelyingPartyID: s.RPID, UserVerification: selection(kind).UserVerification,
		CredParams: webauthn.CredentialParametersRecommendedL3(),
	}, parsed)
	if err != nil {
		return nil, refusal(err)
	}
	if _, err := webauthncose.ParsePublicKey(record.PublicKey); err != nil {
		return nil, refused("unusable public key: %v", err) // the library reads it at the first use only
	}
	if err := s.spend(ctx, mark); err != nil {
		return nil, err
	}
	data, err := json.Marshal(record)
	return &factor.Factor{
		User: user, Kind: kind, Created: time.Now().Unix(), Counter: int64(record.Authenticator.SignCount),
		Credential: record.ID, RPID: s.RPID, Data: data,
	}, err
}

// handle returns the user handle. It is random, because authenticators show it to anyone who asks for the credentials of this
// relying party (WebAuthn 14.6.1).
func (s *Service) handle(ctx context.Context, user string, profile *factor.Profile) ([]byte, error) {
	if profile.Handle != nil {
		return profile.Handle, nil
	}
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	return s.Factors.AddHandle(ctx, user, fresh)
}

// records returns the credentials of a user that can be used with this relying party.
func (s *Service) records(profile *factor.Profile) (all []webauthn.Credential, err error) {
	for _, f := range profile.Factors {
		if !s.usable(f) {
			continue
		}
		record, err := recordOf(f)
		if err != nil {
			return nil, err
		}
		all = append(all, record)
	}
	return all, nil
}

func (s *Service) usable(f *factor.Factor) bool {
	return f.Credential != nil && f.RPID == s.RPID && f.State == factor.Active
}

// recordOf returns what the library needs of a factor: all that it gave, flags included.
func recordOf(f *factor.Factor) (record webauthn.Credential, err error) {
	if err := json.Unmarshal(f.Data, &record); err != nil {
		return record, fmt.Errorf("read factor %s: %w", f.ID, err)
	}
	record.Authenticator.SignCount = uint32(f.Counter)
	return record, nil
}

func descriptors(records []webauthn.Credential) []protocol.CredentialDescriptor {
	all := make([]protocol.CredentialDescriptor, len(records))
	for i, record := range records {
		all[i] = record.Descriptor()
	}
	return all
}

// party implements the User of the library.
type party struct {
	handle            []byte
	name, displayName string
	credentials       []webauthn.Credential
}

func (p party) WebAuthnID() []byte                         { return p.handle }
func (p party) WebAuthnName() string                       { return p.name }
func (p party) WebAuthnDisplayName() string                { return p.displayName }
func (p party) WebAuthnCredentials() []webauthn.Credential { return p.credentials }

func malformed(err error) error { return fmt.Errorf("%w: %s", ErrMalformed, details(err)) }

func refusal(err error) error { return refused("%s", details(err)) }

// details returns what the library says about an error.
func details(err error) string {
	if e, ok := errors.AsType[*protocol.Error](err); ok {
		return e.Details + " " + e.DevInfo
	}
	return err.Error()
}
