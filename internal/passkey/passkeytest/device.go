// Package passkeytest is an authenticator for tests, of which a test can change every byte.
package passkeytest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"

	"github.com/descope/virtualwebauthn"
)

// Device is an authenticator with one credential, in a browser at Origin. It makes no attestation.
type Device struct {
	virtualwebauthn.Credential
	RPID, Origin string
	Handle       []byte // the user handle; set it after the registration
	Flags        byte   // at first those of a passkey that isn't synchronized: UP, UV
}

// The flags of authenticator data (WebAuthn Level 3, section 6.1).
const (
	UP, UV, BE, BS, AT, ED byte = 1, 1 << 2, 1 << 3, 1 << 4, 1 << 6, 1 << 7
)

// New returns a device.
func New(rpID, origin string) *Device {
	return &Device{Credential: NewCredential(virtualwebauthn.KeyTypeEC2), RPID: rpID, Origin: origin, Flags: UP | UV}
}

// NewCredential returns a credential whose key is encoded as RFC 9053 asks for. virtualwebauthn leaves out the leading zeros of a
// coordinate, so one of 128 keys is too short.
func NewCredential(kind virtualwebauthn.KeyType) virtualwebauthn.Credential {
	for {
		c := virtualwebauthn.NewCredential(kind)
		if kind != virtualwebauthn.KeyTypeEC2 || len(c.Key.AttestationData()) == 77 {
			return c
		}
	}
}

// Answer is what a browser sends. A test may change all of it.
type Answer struct {
	ClientData map[string]any
	RawClient  []byte // instead of ClientData
	RPID       string
	Flags      byte
	Counter    uint32
	ID         []byte // in the JSON
	Attested   []byte // in the authenticator data of a creation
	Key        []byte // the COSE key of a creation
	Handle     []byte
	Extra      []byte // after the authenticator data
	Signature  []byte // instead of the right one
	Type       string
	Object     []byte // instead of the attestation object
}

func (d *Device) answer(typ, challenge string) *Answer {
	return &Answer{
		ClientData: map[string]any{"type": typ, "challenge": challenge, "origin": d.Origin, "crossOrigin": false},
		RPID:       d.RPID, Flags: d.Flags, Counter: d.Counter, ID: d.ID, Handle: d.Handle, Type: "public-key",
	}
}

// Assertion answers request options.
func (d *Device) Assertion(challenge string) *Answer { return d.answer("webauthn.get", challenge) }

// Creation answers creation options.
func (d *Device) Creation(challenge string) *Answer {
	a := d.answer("webauthn.create", challenge)
	a.Flags |= AT
	a.Attested, a.Key = d.ID, d.Key.AttestationData()
	return a
}

// Client returns the client data.
func (a *Answer) Client() []byte {
	if a.RawClient != nil {
		return a.RawClient
	}
	text, err := json.Marshal(a.ClientData)
	if err != nil {
		panic(err)
	}
	return text
}

// AuthData returns the authenticator data.
func (a *Answer) AuthData() []byte {
	hash := sha256.Sum256([]byte(a.RPID))
	data := append(hash[:], a.Flags)
	data = binary.BigEndian.AppendUint32(data, a.Counter)
	if a.Flags&AT != 0 {
		data = append(data, make([]byte, 16)...) // AAGUID
		data = binary.BigEndian.AppendUint16(data, uint16(len(a.Attested)))
		data = append(append(data, a.Attested...), a.Key...)
	}
	return append(data, a.Extra...)
}

// Sign returns the JSON of an assertion, signed by d.
func (a *Answer) Sign(d *Device) []byte {
	signature := a.Signature
	if signature == nil {
		client := sha256.Sum256(a.Client())
		digest := sha256.Sum256(append(a.AuthData(), client[:]...))
		var err error
		if signature, err = d.Key.Sign(digest[:]); err != nil {
			panic(err)
		}
	}
	response := map[string]string{
		"clientDataJSON": B64(a.Client()), "authenticatorData": B64(a.AuthData()), "signature": B64(signature),
	}
	if a.Handle != nil {
		response["userHandle"] = B64(a.Handle)
	}
	return a.json(response)
}

// JSON returns the JSON of a creation.
func (a *Answer) JSON() []byte {
	object := a.Object
	if object == nil {
		object = Attestation("none", a.AuthData())
	}
	return a.json(map[string]string{"clientDataJSON": B64(a.Client()), "attestationObject": B64(object)})
}

func (a *Answer) json(response map[string]string) []byte {
	text, err := json.Marshal(map[string]any{
		"type": a.Type, "id": B64(a.ID), "rawId": B64(a.ID), "response": response, "clientExtensionResults": map[string]any{},
	})
	if err != nil {
		panic(err)
	}
	return text
}

// Attestation is {"fmt": format, "attStmt": {}, "authData": data} in CBOR.
func Attestation(format string, data []byte) []byte {
	cbor := []byte("\xa3\x63fmt")
	cbor = append(append(cbor, 0x60|byte(len(format))), format...)
	cbor = append(cbor, "\x67attStmt\xa0\x68authData\x59"...)
	return append(binary.BigEndian.AppendUint16(cbor, uint16(len(data))), data...)
}

// B64 returns the base64url encoding.
func B64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
