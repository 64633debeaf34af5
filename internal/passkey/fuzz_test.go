package passkey_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/internal/passkey/passkeytest"
)

// The fuzz targets give the service answers of strangers. Each must end in one of the errors that a route knows how to answer,
// or be one that a device could have made.

func known(err error) bool {
	for _, e := range []error{passkey.ErrMalformed, passkey.ErrRefused, passkey.ErrUnknown, passkey.ErrChanged} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// FuzzAssertion: nothing is accepted, since another key has signed the answers.
func FuzzAssertion(f *testing.F) {
	s, d, thief := newSite(f), newDevice(), newDevice()
	s.add(f, d, factor.Passkey)
	f.Add(d.Assertion(s.challenge(f, signIn)).Sign(thief))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"","signature":""}}`))
	f.Fuzz(func(t *testing.T, credential []byte) {
		if proof, err := s.check(t, signIn, credential); err == nil || !known(err) {
			t.Errorf("proof %+v, error %v", proof, err)
		}
	})
}

// FuzzClientData: of all client data, in an answer that is signed with the right key, only ours counts.
func FuzzClientData(f *testing.F) {
	s, d := newSite(f), newDevice()
	s.add(f, d, factor.Passkey)
	good := d.Assertion(s.challenge(f, signIn)).Client()
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("false"), []byte("true"), 1))
	f.Add(bytes.Replace(good, []byte("webauthn.get"), []byte("webauthn.create"), 1))
	f.Add([]byte(`{"type":"webauthn.get","challenge":null,"origin":1}`))
	f.Fuzz(func(t *testing.T, client []byte) {
		a := d.Assertion("")
		a.RawClient = client
		_, err := s.check(t, signIn, a.Sign(d))
		if err != nil && !known(err) {
			t.Errorf("unknown error %v", err)
		}
		if err == nil && !(bytes.Contains(client, []byte("webauthn.get")) && bytes.Contains(client, []byte("example.com"))) {
			t.Errorf("accepted %q", client)
		}
	})
}

// FuzzAttestationObject: what is accepted has the ID that the browser names, and can be used.
func FuzzAttestationObject(f *testing.F) {
	d := newDevice()
	f.Add(passkeytest.Attestation("none", d.Creation("").AuthData()))
	f.Add(passkeytest.Attestation("packed", d.Creation("").AuthData()))
	f.Add(passkeytest.Attestation("tpm", d.Creation("").AuthData()))
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, object []byte) {
		s := newSite(t)
		a := d.Creation(s.creationChallenge(t, factor.Passkey))
		a.Object = object
		got, err := s.Register(t.Context(), ada.ID, factor.Passkey, "session", a.JSON())
		if err != nil {
			if !known(err) {
				t.Errorf("unknown error %v", err)
			}
			return
		}
		if !bytes.Equal(got.Credential, d.ID) {
			t.Errorf("registered %x", got.Credential)
		}
		got.ID, got.State = "f", factor.Active
		if err := s.db.Factors.Add(t.Context(), got); err != nil {
			t.Fatal(err)
		}
		if options, err := s.RequestOptionsFor(t.Context(), signIn); err != nil || options == nil {
			t.Errorf("unusable: %v", err)
		}
	})
}
