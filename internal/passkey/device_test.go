package passkey_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/store"
)

const (
	rpID   = "app.example.com"
	origin = "https://app.example.com"
	pages  = "https://www.example.com" // another origin that is trusted
)

// site is a relying party with one user, ada.
type site struct {
	*passkey.Service
	db store.Set
}

var ada = passkey.User{ID: "1", Name: "ada", DisplayName: "Ada Lovelace"}

func newSite(t testing.TB) site { return siteOf(t, memory.New().Set, "key") }

func siteOf(t testing.TB, db store.Set, keys ...string) site {
	t.Helper()
	s, err := passkey.New(passkey.Config{
		RPID: rpID, Name: rpID, Origins: []string{origin, pages}, Factors: db.Factors, Signins: db.Signins,
		Keys: func() (all [][]byte) {
			for _, key := range keys {
				all = append(all, []byte(key))
			}
			return all
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return site{s, db}
}

// add registers what a device has made, and stores it.
func (s site) add(t testing.TB, d *device, kind factor.Kind) *factor.Factor {
	t.Helper()
	f, err := s.Register(t.Context(), ada.ID, kind, "session", d.creation(s.creationChallenge(t, kind)).creationJSON(d))
	if err != nil {
		t.Fatal(err)
	}
	f.ID, f.State = fmt.Sprintf("%x", f.Credential[:8]), factor.Active
	if err := s.db.Factors.Add(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	p, err := s.db.Factors.Load(t.Context(), ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	d.handle = p.Handle
	return f
}

func (s site) creationChallenge(t testing.TB, kind factor.Kind) string {
	t.Helper()
	options, err := s.CreationOptions(t.Context(), ada, kind, "session")
	if err != nil {
		t.Fatal(err)
	}
	return options.Response.Challenge.String()
}

// challenge returns a challenge for a sign-in, or for another ceremony of ada.
func (s site) challenge(t testing.TB, c passkey.Ceremony) string {
	t.Helper()
	options, err := s.RequestOptions()
	if c.Purpose != passkey.SignIn {
		options, err = s.RequestOptionsFor(t.Context(), c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return options.Response.Challenge.String()
}

var signIn = passkey.Ceremony{Purpose: passkey.SignIn, User: ada.ID, Verify: true}

// check verifies an answer as the routes do.
func (s site) check(t testing.TB, c passkey.Ceremony, credential []byte) (*passkey.Proof, error) {
	a, err := passkey.ParseAssertion(credential)
	if err != nil {
		return nil, err
	}
	if c.Purpose == passkey.SignIn {
		if c.User, err = s.Owner(t.Context(), a); err != nil {
			return nil, err
		}
	}
	return s.Check(t.Context(), a, c)
}

// device is an authenticator whose every byte a test can change. It makes no attestation.
type device struct {
	virtualwebauthn.Credential
	handle []byte
	flags  byte // those of a passkey that isn't synchronized: UP, UV
}

const (
	up, uv, be, bs, at, ed byte = 1, 1 << 2, 1 << 3, 1 << 4, 1 << 6, 1 << 7
)

func newDevice() *device {
	return &device{Credential: newCredential(virtualwebauthn.KeyTypeEC2), flags: up | uv}
}

// newCredential returns a credential whose key is encoded as RFC 9053 asks for. virtualwebauthn leaves out the leading zeros of a
// coordinate, so one of 128 keys is too short.
func newCredential(kind virtualwebauthn.KeyType) virtualwebauthn.Credential {
	for {
		c := virtualwebauthn.NewCredential(kind)
		if kind != virtualwebauthn.KeyTypeEC2 || len(c.Key.AttestationData()) == 77 {
			return c
		}
	}
}

// answer is what a browser sends.
type answer struct {
	clientData map[string]any
	rawClient  []byte // instead of clientData
	rpID       string
	flags      byte
	counter    uint32
	id         []byte // in the JSON
	attested   []byte // in the authenticator data of a creation
	key        []byte // the COSE key of a creation
	handle     []byte
	extra      []byte // after the authenticator data
	signature  []byte // instead of the right one
	kind       string
	object     []byte // instead of the attestation object
}

func (d *device) answer(typ, challenge string) *answer {
	return &answer{
		clientData: map[string]any{"type": typ, "challenge": challenge, "origin": origin, "crossOrigin": false},
		rpID:       rpID, flags: d.flags, counter: d.Counter, id: d.ID, handle: d.handle, kind: "public-key",
	}
}

func (d *device) assertion(challenge string) *answer { return d.answer("webauthn.get", challenge) }

func (d *device) creation(challenge string) *answer {
	a := d.answer("webauthn.create", challenge)
	a.flags |= at
	a.attested, a.key = d.ID, d.Key.AttestationData()
	return a
}

func (a *answer) client() []byte {
	if a.rawClient != nil {
		return a.rawClient
	}
	text, err := json.Marshal(a.clientData)
	if err != nil {
		panic(err)
	}
	return text
}

func (a *answer) authData() []byte {
	hash := sha256.Sum256([]byte(a.rpID))
	data := append(hash[:], a.flags)
	data = binary.BigEndian.AppendUint32(data, a.counter)
	if a.flags&at != 0 {
		data = append(data, make([]byte, 16)...) // AAGUID
		data = binary.BigEndian.AppendUint16(data, uint16(len(a.attested)))
		data = append(append(data, a.attested...), a.key...)
	}
	return append(data, a.extra...)
}

func (a *answer) assertionJSON(d *device) []byte {
	signature := a.signature
	if signature == nil {
		client := sha256.Sum256(a.client())
		digest := sha256.Sum256(append(a.authData(), client[:]...))
		var err error
		if signature, err = d.Key.Sign(digest[:]); err != nil {
			panic(err)
		}
	}
	response := map[string]string{
		"clientDataJSON": b64(a.client()), "authenticatorData": b64(a.authData()), "signature": b64(signature),
	}
	if a.handle != nil {
		response["userHandle"] = b64(a.handle)
	}
	return a.json(response)
}

func (a *answer) creationJSON(*device) []byte {
	object := a.object
	if object == nil {
		object = attestation("none", a.authData())
	}
	return a.json(map[string]string{"clientDataJSON": b64(a.client()), "attestationObject": b64(object)})
}

func (a *answer) json(response map[string]string) []byte {
	text, err := json.Marshal(map[string]any{
		"type": a.kind, "id": b64(a.id), "rawId": b64(a.id), "response": response, "clientExtensionResults": map[string]any{},
	})
	if err != nil {
		panic(err)
	}
	return text
}

// attestation is {"fmt": format, "attStmt": {}, "authData": data} in CBOR.
func attestation(format string, data []byte) []byte {
	cbor := []byte("\xa3\x63fmt")
	cbor = append(append(cbor, 0x60|byte(len(format))), format...)
	cbor = append(cbor, "\x67attStmt\xa0\x68authData\x59"...)
	return append(binary.BigEndian.AppendUint16(cbor, uint16(len(data))), data...)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }
