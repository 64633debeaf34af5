package passkey_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/internal/passkey/passkeytest"
)

// TestEachStepOfARegistration violates each step of WebAuthn Level 3, 7.1, "Registering a New Credential", alone.
func TestEachStepOfARegistration(t *testing.T) {
	t.Attr("threat", "N01")
	for name, c := range map[string]struct {
		violate func(*passkeytest.Answer)
		why     string // a part of the reason; "": it is malformed
	}{
		"the client data is not UTF-8":     {func(a *passkeytest.Answer) { a.RawClient = []byte("{\"type\":\"\xff\"") }, ""},
		"the client data is not JSON":      {func(a *passkeytest.Answer) { a.RawClient = []byte("webauthn.create") }, ""},
		"the type is that of an assertion": {func(a *passkeytest.Answer) { a.ClientData["type"] = "webauthn.get" }, "ceremony type"},
		"the type is missing":              {func(a *passkeytest.Answer) { delete(a.ClientData, "type") }, "ceremony type"},
		"the challenge is another":         {func(a *passkeytest.Answer) { a.ClientData["challenge"] = passkeytest.B64(make([]byte, 72)) }, "made for something else"},
		"the challenge is missing":         {func(a *passkeytest.Answer) { delete(a.ClientData, "challenge") }, "not one of ours"},
		"the origin is a foreign one":      {func(a *passkeytest.Answer) { a.ClientData["origin"] = "https://evil.test" }, "origin"},
		"the origin is a sibling":          {func(a *passkeytest.Answer) { a.ClientData["origin"] = "https://blog.example.com" }, "origin"},
		"the origin has another scheme":    {func(a *passkeytest.Answer) { a.ClientData["origin"] = "http://app.example.com" }, "origin"},
		"the origin has another port":      {func(a *passkeytest.Answer) { a.ClientData["origin"] = origin + ":8443" }, "origin"},
		"the origin is an app":             {func(a *passkeytest.Answer) { a.ClientData["origin"] = "android:apk-key-hash:abc" }, "origin"},
		"a frame of another site":          {func(a *passkeytest.Answer) { a.ClientData["crossOrigin"] = true }, "cross origin"},
		"a frame in a page that is named":  {func(a *passkeytest.Answer) { a.ClientData["crossOrigin"], a.ClientData["topOrigin"] = true, origin }, "cross origin"},
		"a top page without a frame":       {func(a *passkeytest.Answer) { a.ClientData["topOrigin"] = "https://evil.test" }, "topOrigin"},
		"the relying party is a sibling":   {func(a *passkeytest.Answer) { a.RPID = "www.example.com" }, "RP Hash"},
		"the relying party is the domain":  {func(a *passkeytest.Answer) { a.RPID = "example.com" }, "RP Hash"},
		"the user was not present":         {func(a *passkeytest.Answer) { a.Flags &^= passkeytest.UP }, "presence"},
		"the user was not verified":        {func(a *passkeytest.Answer) { a.Flags &^= passkeytest.UV }, "verification"},
		"copied, and can't be copied":      {func(a *passkeytest.Answer) { a.Flags |= passkeytest.BS }, "Backup"},
		"an algorithm that was not offered": {func(a *passkeytest.Answer) {
			a.Key = bytes.Replace(a.Key, []byte{0x03, 0x26}, []byte{0x03, 0x38, 0x22}, 1)
		}, ""},
		"no attested credential": {func(a *passkeytest.Answer) { a.Flags &^= passkeytest.AT }, ""},
		"a coordinate that is too short": {func(a *passkeytest.Answer) {
			a.Key = append(append([]byte{}, a.Key[:8]...), append([]byte{0x58, 31}, a.Key[11:]...)...)
		}, "public key"},
		"no public key":                      {func(a *passkeytest.Answer) { a.Key = nil }, ""},
		"bytes after the key":                {func(a *passkeytest.Answer) { a.Extra = []byte{0} }, ""},
		"the flag of extensions without any": {func(a *passkeytest.Answer) { a.Flags |= passkeytest.ED }, ""},
		"an unknown attestation format":      {func(a *passkeytest.Answer) { a.Object = passkeytest.Attestation("nonsense", a.AuthData()) }, "attestation"},
		"an attestation without a signature": {func(a *passkeytest.Answer) { a.Object = passkeytest.Attestation("packed", a.AuthData()) }, "alg"},
		"an attestation that is no CBOR":     {func(a *passkeytest.Answer) { a.Object = []byte("none") }, ""},
		"an ID of 1,024 bytes":               {func(a *passkeytest.Answer) { a.ID = bytes.Repeat([]byte{1}, 1024); a.Attested = a.ID }, ""},
		"another ID than the attested one":   {func(a *passkeytest.Answer) { a.ID = bytes.Repeat([]byte{1}, 32) }, "credential id"},
		"no ID":                              {func(a *passkeytest.Answer) { a.ID = nil }, ""},
		"another type of credential":         {func(a *passkeytest.Answer) { a.Type = "password" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := newSite(t), newDevice()
			register := func(challenge string, violate func(*passkeytest.Answer)) (*factor.Factor, error) {
				a := d.Creation(challenge)
				violate(a)
				return s.Register(t.Context(), ada.ID, factor.Passkey, "session", a.JSON())
			}
			challenge := s.creationChallenge(t, factor.Passkey)
			f, err := register(challenge, c.violate)
			switch {
			case err == nil:
				t.Fatalf("registered %+v", f)
			case c.why == "" && !errors.Is(err, passkey.ErrMalformed) && !errors.Is(err, passkey.ErrRefused):
				t.Errorf("error %v", err)
			case c.why != "" && (!errors.Is(err, passkey.ErrRefused) || !contains(err, c.why)):
				t.Errorf("error %v; want %q", err, c.why)
			}
			// What proves nothing spends nothing, and it was the violation alone that was refused.
			if _, err := register(challenge, func(*passkeytest.Answer) {}); err != nil {
				t.Errorf("without the violation: %v", err)
			}
		})
	}
}

// TestACredentialBelongsToOneUser is the last step of a registration: the store refuses the second one.
func TestACredentialBelongsToOneUser(t *testing.T) {
	t.Attr("threat", "N01")
	s, d := newSite(t), newDevice()
	first := s.add(t, d, factor.Passkey)
	options := must(s.CreationOptions(t.Context(), passkey.User{ID: "2", Name: "eve"}, factor.Passkey, "session"))
	second, err := s.Register(t.Context(), "2", factor.Passkey, "session", d.Creation(options.Response.Challenge.String()).JSON())
	if err != nil {
		t.Fatal(err)
	}
	second.ID = "second"
	if err := s.db.Factors.Add(t.Context(), second); !errors.Is(err, factor.ErrExists) {
		t.Errorf("added: %v", err)
	}
	if f := must(s.db.Factors.FindCredential(t.Context(), first.Credential)); f.User != ada.ID {
		t.Errorf("the credential is now of %s", f.User)
	}
}

// TestEachStepOfAnAssertion violates each step of WebAuthn Level 3, 7.2, "Verifying an Authentication Assertion", alone.
func TestEachStepOfAnAssertion(t *testing.T) {
	t.Attr("threat", "N02")
	other := newDevice()
	for name, c := range map[string]struct {
		violate func(*passkeytest.Answer)
		why     string // a part of the reason; "": it is malformed
	}{
		"another credential":              {func(a *passkeytest.Answer) { a.ID = other.ID }, "no user has"},
		"no user handle":                  {func(a *passkeytest.Answer) { a.Handle = nil }, "user handle"},
		"the handle of another user":      {func(a *passkeytest.Answer) { a.Handle = bytes.Repeat([]byte{2}, 32) }, "another user's"},
		"a handle of elsewhere":           {func(a *passkeytest.Answer) { a.Handle = bytes.Repeat([]byte{3}, 32) }, "wasn't given out"},
		"the client data is not UTF-8":    {func(a *passkeytest.Answer) { a.RawClient = []byte("{\"type\":\"\xff\"") }, ""},
		"the client data is not JSON":     {func(a *passkeytest.Answer) { a.RawClient = []byte("webauthn.get") }, ""},
		"the type is that of a creation":  {func(a *passkeytest.Answer) { a.ClientData["type"] = "webauthn.create" }, "ceremony type"},
		"the challenge is another":        {func(a *passkeytest.Answer) { a.ClientData["challenge"] = passkeytest.B64(make([]byte, 72)) }, "made for something else"},
		"the challenge is missing":        {func(a *passkeytest.Answer) { delete(a.ClientData, "challenge") }, "not one of ours"},
		"the origin is a foreign one":     {func(a *passkeytest.Answer) { a.ClientData["origin"] = "https://evil.test" }, "origin"},
		"the origin is a sibling":         {func(a *passkeytest.Answer) { a.ClientData["origin"] = "https://blog.example.com" }, "origin"},
		"the origin is null":              {func(a *passkeytest.Answer) { a.ClientData["origin"] = "null" }, "origin"},
		"a frame of another site":         {func(a *passkeytest.Answer) { a.ClientData["crossOrigin"] = true }, "cross origin"},
		"a frame in a page that is named": {func(a *passkeytest.Answer) { a.ClientData["crossOrigin"], a.ClientData["topOrigin"] = true, origin }, "cross origin"},
		"a top page without a frame":      {func(a *passkeytest.Answer) { a.ClientData["topOrigin"] = origin }, "topOrigin"},
		"the relying party is a sibling":  {func(a *passkeytest.Answer) { a.RPID = "www.example.com" }, "RP Hash"},
		"the relying party is the domain": {func(a *passkeytest.Answer) { a.RPID = "example.com" }, "RP Hash"},
		"the user was not present":        {func(a *passkeytest.Answer) { a.Flags &^= passkeytest.UP }, "presence"},
		"the user was not verified":       {func(a *passkeytest.Answer) { a.Flags &^= passkeytest.UV }, "verification"},
		"copied, and can't be copied":     {func(a *passkeytest.Answer) { a.Flags |= passkeytest.BS }, "Backup"},
		"bytes after the data":            {func(a *passkeytest.Answer) { a.Extra = []byte{0} }, ""},
		"an extension that is no CBOR":    {func(a *passkeytest.Answer) { a.Flags |= passkeytest.ED; a.Extra = []byte{0xff} }, ""},
		"no signature":                    {func(a *passkeytest.Answer) { a.Signature = []byte{} }, "signature"},
		"a signature of something else":   {func(a *passkeytest.Answer) { a.Signature = must(other.Key.Sign(make([]byte, 32))) }, "signature"},
		"another type of credential":      {func(a *passkeytest.Answer) { a.Type = "password" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := newSite(t), newDevice()
			s.add(t, d, factor.Passkey)
			if _, err := s.db.Factors.AddHandle(t.Context(), "2", bytes.Repeat([]byte{2}, 32)); err != nil {
				t.Fatal(err)
			}
			challenge := s.challenge(t, signIn)
			a := d.Assertion(challenge)
			c.violate(a)
			proof, err := s.check(t, signIn, a.Sign(d))
			switch {
			case err == nil:
				t.Fatalf("accepted %+v", proof)
			case c.why == "" && !errors.Is(err, passkey.ErrMalformed):
				t.Errorf("error %v", err)
			case c.why != "" && !contains(err, c.why):
				t.Errorf("error %v; want %q", err, c.why)
			}
			if f := must(s.db.Factors.FindCredential(t.Context(), d.ID)); f.Used != 0 {
				t.Error("the refused use was recorded")
			}
			if _, err := s.check(t, signIn, d.Assertion(challenge).Sign(d)); err != nil {
				t.Errorf("without the violation: %v", err)
			}
		})
	}
}

// TestASignatureByAnotherKey is refused, though all the rest is right.
func TestASignatureByAnotherKey(t *testing.T) {
	t.Attr("threat", "N02")
	s, d, thief := newSite(t), newDevice(), newDevice()
	s.add(t, d, factor.Passkey)
	if _, err := s.check(t, signIn, d.Assertion(s.challenge(t, signIn)).Sign(thief)); !contains(err, "signature") {
		t.Errorf("error %v", err)
	}
}

// TestASecondStepAsksForTheUsersOwn: the credential is in the list that was sent, and its handle, if there is one, is the
// user's.
func TestASecondStepAsksForTheUsersOwn(t *testing.T) {
	t.Attr("threat", "N02")
	second := passkey.Ceremony{Purpose: passkey.Second, User: ada.ID, Bound: "pending"}
	s, d := newSite(t), newDevice()
	s.add(t, d, factor.Passkey)
	eves := newDevice()
	options := must(s.CreationOptions(t.Context(), passkey.User{ID: "2", Name: "eve"}, factor.Passkey, "session"))
	f := must(s.Register(t.Context(), "2", factor.Passkey, "session", eves.Creation(options.Response.Challenge.String()).JSON()))
	f.ID = "eve"
	if err := s.db.Factors.Add(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	eves.Handle = options.Response.User.ID.(protocol.URLEncodedBase64)

	for _, handle := range [][]byte{eves.Handle, d.Handle, nil} {
		a := eves.Assertion(s.challenge(t, second))
		a.Handle = handle
		if _, err := s.check(t, second, a.Sign(eves)); !contains(err, "another user's") {
			t.Errorf("eve's passkey for ada's second step: %v", err)
		}
	}
	a := d.Assertion(s.challenge(t, second))
	a.Handle = eves.Handle
	if _, err := s.check(t, second, a.Sign(d)); !contains(err, "User handle") {
		t.Errorf("ada's passkey with eve's handle: %v", err)
	}
	a.Handle = nil
	if _, err := s.check(t, second, a.Sign(d)); err != nil {
		t.Errorf("ada's passkey without a handle: %v", err)
	}
}

func TestBothOriginsMayUsePasskeys(t *testing.T) {
	s, d := newSite(t), newDevice()
	s.add(t, d, factor.Passkey)
	a := d.Assertion(s.challenge(t, signIn))
	a.ClientData["origin"] = pages
	if _, err := s.check(t, signIn, a.Sign(d)); err != nil {
		t.Error(err)
	}
}

// TestUnaskedExtensionsAreIgnored: password managers add some.
func TestUnaskedExtensionsAreIgnored(t *testing.T) {
	s, d := newSite(t), newDevice()
	with := func(credential []byte) []byte {
		return []byte(strings.Replace(string(credential), `"clientExtensionResults":{}`, `"clientExtensionResults":{"credProps":{"rk":true},"other":{}}`, 1))
	}
	if _, err := s.Register(t.Context(), ada.ID, factor.Passkey, "session", with(d.Creation(s.creationChallenge(t, factor.Passkey)).JSON())); err != nil {
		t.Error(err)
	}
}

func TestAnOverlongAnswerIsRefusedUnread(t *testing.T) {
	s := newSite(t)
	long := []byte(strings.Repeat(" ", passkey.MaxCredential) + "{}")
	if _, err := passkey.ParseAssertion(long); !errors.Is(err, passkey.ErrMalformed) {
		t.Errorf("assertion: %v", err)
	}
	if _, err := s.Register(t.Context(), ada.ID, factor.Passkey, "session", long); !errors.Is(err, passkey.ErrMalformed) {
		t.Errorf("registration: %v", err)
	}
}
