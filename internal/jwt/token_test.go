package jwt_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/jwt"
)

func newRecorder() http.ResponseWriter { return httptest.NewRecorder() }
func newRequest() *http.Request        { return httptest.NewRequest("POST", "/", nil) }

// TestTokensAreSimpleJWTs: a token has simplejwt's claims in simplejwt's order, user_id as a string, and then ours.
func TestTokensAreSimpleJWTs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		pair := w.signIn()
		now := time.Now().Unix()
		kid := w.published()[0]["kid"]
		for _, row := range []struct {
			text, header, claims string
			life                 int64
		}{
			{pair.Access, `{"alg":"EdDSA","kid":"` + kid + `","typ":"JWT"}`, "access", 300},
			{pair.Refresh, `{"alg":"EdDSA","kid":"` + kid + `","typ":"refresh+jwt"}`, "refresh", 86400},
		} {
			if got := part(t, row.text, 0); got != row.header {
				t.Errorf("header %s, want %s", got, row.header)
			}
			want := fmt.Sprintf(`^\{"token_type":"%s","exp":%d,"iat":%d,"jti":"[0-9a-f]{32}","user_id":"1",`+
				`"iss":"%s","aud":"%s","sid":"[A-Z2-7]{26}","auth_time":%d\}$`, row.claims, now+row.life, now, publicURL, publicURL, now)
			if got := part(t, row.text, 1); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("claims %s\nwant   %s", got, want)
			}
		}
		s := w.session()
		text, expires, err := w.Mint(t.Context(), jwt.Mint{Session: s, Epoch: "first", AuthenticatedAt: s.CreatedAt, Audience: "reports"})
		if err != nil || !expires.Equal(time.Unix(now+300, 0)) {
			t.Fatal(expires, err)
		}
		want := fmt.Sprintf(`^\{"token_type":"minted","exp":%d,"iat":%d,"jti":"[0-9a-f]{32}","user_id":"1","iss":"%s","sub":"1",`+
			`"aud":"reports","sid":"%s","auth_time":%d,"epoch":"[\w-]{22}"\}$`, now+300, now, publicURL, s.ID, now)
		if got := part(t, text, 1); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("claims %s\nwant   %s", got, want)
		}
		if got := part(t, text, 0); got != `{"alg":"EdDSA","kid":"`+kid+`","typ":"minted+jwt"}` {
			t.Errorf("header %s", got)
		}
	})
}

// TestOthersCanVerifyOurTokens verifies tokens with the published key and the standard library alone.
func TestOthersCanVerifyOurTokens(t *testing.T) {
	for _, algorithm := range []string{jwt.EdDSA, jwt.ES256} {
		w := newWorld(t)
		w.Keys.Algorithm = algorithm
		text := w.mint(w.session(), "reports")
		set := w.published()
		if len(set) != 1 || set[0]["alg"] != algorithm || set[0]["use"] != "sig" || set[0]["kid"] == "" || set[0]["d"] != "" {
			t.Fatalf("%s: the published keys are %v", algorithm, set)
		}
		decode := func(s string) []byte {
			b, err := base64.RawURLEncoding.DecodeString(s)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		signed := text[:strings.LastIndex(text, ".")]
		signature := decode(text[len(signed)+1:])
		right := false
		switch set[0]["kty"] + set[0]["crv"] {
		case "OKPEd25519":
			right = ed25519.Verify(decode(set[0]["x"]), []byte(signed), signature)
		case "ECP-256":
			public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, decode(set[0]["x"])...), decode(set[0]["y"])...))
			if err != nil {
				t.Fatal(err)
			}
			der := derSignature(t, signature)
			digest := sha256.Sum256([]byte(signed))
			right = ecdsa.VerifyASN1(public, digest[:], der)
		}
		if !right {
			t.Errorf("%s: the signature is wrong", algorithm)
		}
	}
}

// TestTheKeyOfRFC8037HasItsThumbprint: appendix A.2 and A.3.
func TestTheKeyOfRFC8037HasItsThumbprint(t *testing.T) {
	w := newWorld(t)
	seed, err := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	if err != nil {
		t.Fatal(err)
	}
	w.seal("jwt 000001", ed25519.NewKeyFromSeed(seed), "EdDSA")
	key := w.published()[0]
	if key["x"] != "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" || key["kid"] != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("the published key is %v", key)
	}
}

// seal stores a key that the test chose.
func (w *world) seal(name string, private any, algorithm string) {
	w.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		w.t.Fatal(err)
	}
	plain, err := json.Marshal(map[string]any{"alg": algorithm, "made": time.Now().Unix(), "pkcs8": der})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.db.Sealed.AddSealed(w.t.Context(), w.ring.Seal(name, plain)); err != nil {
		w.t.Fatal(err)
	}
}

// refused fails the test unless every method refuses the token, with the error want unless that is nil.
func (w *world) refused(what, text string, want error) {
	w.t.Helper()
	ctx := w.t.Context()
	_, authenticated := w.Authenticate(ctx, text)
	_, refreshed := w.Refresh(ctx, text)
	for where, err := range map[string]error{
		"Authenticate": authenticated, "Refresh": refreshed, "Blacklist": w.Blacklist(ctx, text), "Verify": w.Verify(ctx, text, ""),
	} {
		if _, ok := errors.AsType[*jwt.Refusal](err); !ok || want != nil && !errors.Is(err, want) {
			w.t.Errorf("%s: %s returned %v, want %v", what, where, err, want)
		}
	}
}

// TestNoHeaderChoosesTheKeyOrTheAlgorithm: every header other than those that we write is refused, even in a token that is
// signed with our key.
func TestNoHeaderChoosesTheKeyOrTheAlgorithm(t *testing.T) {
	t.Attr("threat", "J01")
	t.Attr("threat", "I1")
	t.Attr("threat", "I2")
	for _, algorithm := range []string{jwt.EdDSA, jwt.ES256} {
		w := newWorld(t)
		w.Keys.Algorithm = algorithm
		pair := w.signIn()
		claims, good := part(t, pair.Access, 1), part(t, pair.Access, 0)
		real := w.signers()[0]
		kid := real.kid
		_, thief, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		stranger := signer{key: thief}
		public, err := x509.MarshalPKIXPublicKey(real.key.Public())
		if err != nil {
			t.Fatal(err)
		}
		if text := real.sign(t, good, claims); w.Verify(t.Context(), text, "") != nil {
			t.Fatalf("%s: the test can't sign: %v", algorithm, w.Verify(t.Context(), text, ""))
		}
		hs256 := func(header string, key []byte) string {
			signed := encode([]byte(header)) + "." + encode([]byte(claims))
			h := hmac.New(sha256.New, key)
			h.Write([]byte(signed))
			return signed + "." + encode(h.Sum(nil))
		}
		own := encode(thief.Public().(ed25519.PublicKey))
		head := func(format string, args ...any) string { return fmt.Sprintf(format, args...) }
		for name, text := range map[string]string{
			"none":                    encode([]byte(head(`{"alg":"none","typ":"JWT"}`))) + "." + encode([]byte(claims)) + ".",
			"none, no dot":            encode([]byte(head(`{"alg":"none","typ":"JWT"}`))) + "." + encode([]byte(claims)),
			"None with kid":           encode([]byte(head(`{"alg":"None","kid":%q,"typ":"JWT"}`, kid))) + "." + encode([]byte(claims)) + ".",
			"nOnE with a signature":   real.sign(t, head(`{"alg":"nOnE","kid":%q,"typ":"JWT"}`, kid), claims),
			"the signature cut off":   pair.Access[:strings.LastIndex(pair.Access, ".")+1],
			"no signature at all":     pair.Access[:strings.LastIndex(pair.Access, ".")],
			"HS256, the public key":   hs256(head(`{"alg":"HS256","kid":%q,"typ":"JWT"}`, kid), public),
			"HS256, the x of the key": hs256(head(`{"alg":"HS256","kid":%q,"typ":"JWT"}`, kid), []byte(w.published()[0]["x"])),
			"HS256, the empty key":    hs256(head(`{"alg":"HS256","kid":%q,"typ":"JWT"}`, kid), nil),
			"HS256 in our header":     hs256(good, public),
			"RS256":                   real.sign(t, head(`{"alg":"RS256","kid":%q,"typ":"JWT"}`, kid), claims),
			"the other algorithm":     real.sign(t, head(`{"alg":%q,"kid":%q,"typ":"JWT"}`, other(algorithm), kid), claims),
			"eddsa":                   real.sign(t, head(`{"alg":%q,"kid":%q,"typ":"JWT"}`, strings.ToLower(algorithm), kid), claims),
			"Ed25519":                 real.sign(t, head(`{"alg":"Ed25519","kid":%q,"typ":"JWT"}`, kid), claims),
			"no alg":                  real.sign(t, head(`{"kid":%q,"typ":"JWT"}`, kid), claims),
			"no kid":                  real.sign(t, head(`{"alg":%q,"typ":"JWT"}`, algorithm), claims),
			"an unknown kid":          real.sign(t, head(`{"alg":%q,"kid":"x","typ":"JWT"}`, algorithm), claims),
			"a kid of a path":         real.sign(t, head(`{"alg":%q,"kid":"../../dev/null","typ":"JWT"}`, algorithm), claims),
			"no typ":                  real.sign(t, head(`{"alg":%q,"kid":%q}`, algorithm, kid), claims),
			"typ of DBSC":             real.sign(t, head(`{"alg":%q,"kid":%q,"typ":"dbsc+jwt"}`, algorithm, kid), claims),
			"typ of a sign-out":       real.sign(t, head(`{"alg":%q,"kid":%q,"typ":"logout+jwt"}`, algorithm, kid), claims),
			"typ in lower case":       real.sign(t, head(`{"alg":%q,"kid":%q,"typ":"jwt"}`, algorithm, kid), claims),
			"jwk":                     stranger.sign(t, head(`{"alg":"EdDSA","jwk":{"crv":"Ed25519","kty":"OKP","x":%q},"typ":"JWT"}`, own), claims),
			"jwk and our kid":         stranger.sign(t, head(`{"alg":"EdDSA","jwk":{"crv":"Ed25519","kty":"OKP","x":%q},"kid":%q,"typ":"JWT"}`, own, kid), claims),
			"jwk, our own key":        real.sign(t, head(`{"alg":%q,"jwk":{},"kid":%q,"typ":"JWT"}`, algorithm, kid), claims),
			"jku":                     real.sign(t, head(`{"alg":%q,"jku":"https://evil.example/jwks.json","kid":%q,"typ":"JWT"}`, algorithm, kid), claims),
			"x5u":                     real.sign(t, head(`{"alg":%q,"kid":%q,"typ":"JWT","x5u":"https://evil.example/"}`, algorithm, kid), claims),
			"x5c":                     real.sign(t, head(`{"alg":%q,"kid":%q,"typ":"JWT","x5c":[]}`, algorithm, kid), claims),
			"crit":                    real.sign(t, head(`{"alg":%q,"crit":["exp"],"exp":1,"kid":%q,"typ":"JWT"}`, algorithm, kid), claims),
			"b64":                     real.sign(t, head(`{"alg":%q,"b64":false,"crit":["b64"],"kid":%q,"typ":"JWT"}`, algorithm, kid), claims),
			"zip":                     real.sign(t, head(`{"alg":%q,"kid":%q,"typ":"JWT","zip":"DEF"}`, algorithm, kid), claims),
			"alg twice":               real.sign(t, head(`{"alg":"none","alg":%q,"kid":%q,"typ":"JWT"}`, algorithm, kid), claims),
			"blanks":                  real.sign(t, head(`{"alg":%q, "kid":%q,"typ":"JWT"}`, algorithm, kid), claims),
			"another order":           real.sign(t, head(`{"kid":%q,"alg":%q,"typ":"JWT"}`, kid, algorithm), claims),
			"a stranger's signature":  stranger.sign(t, good, claims),
			"JWE":                     encode([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AAAA.AAAA.AAAA",
			"JWS in JSON":             `{"payload":"` + encode([]byte(claims)) + `","signatures":[]}`,
		} {
			w.refused(algorithm+": "+name, text, jwt.ErrInvalid)
		}
	}
}

func other(algorithm string) string {
	return without([]string{jwt.EdDSA, jwt.ES256}, algorithm)[0]
}

// TestMalformedSignaturesAreRefused: r and s that are zero, too large, or in DER, and keys of another curve. Some of these
// were accepted by other libraries.
func TestMalformedSignaturesAreRefused(t *testing.T) {
	t.Attr("threat", "I3")
	w := newWorld(t)
	w.Keys.Algorithm = jwt.ES256
	pair := w.signIn()
	signed := pair.Access[:strings.LastIndex(pair.Access, ".")]
	n := elliptic.P256().Params().N.Bytes()
	zero, one, full := make([]byte, 32), append(make([]byte, 31), 1), make([]byte, 32)
	for i := range full {
		full[i] = 0xff
	}
	right, err := base64.RawURLEncoding.DecodeString(pair.Access[len(signed)+1:])
	if err != nil {
		t.Fatal(err)
	}
	join := func(r, s []byte) []byte { return append(append([]byte{}, r...), s...) }
	for name, signature := range map[string][]byte{
		"zeros": join(zero, zero), "r of zero": join(zero, right[32:]), "s of zero": join(right[:32], zero), "the order": join(n, n),
		"r of the order": join(n, right[32:]), "over the order": join(full, full), "ones": join(one, one), "DER": derSignature(t, right),
		"turned around": join(right[32:], right[:32]), "too short": right[:63], "too long": append(right, 0), "empty": nil,
	} {
		w.refused(name, signed+"."+encode(signature), jwt.ErrInvalid)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, algorithm string
		private         any
	}{{"P-384", "ES256", p384}, {"Ed25519 for ES256", "ES256", ed25519.NewKeyFromSeed(zero)}, {"no algorithm", "", ed25519.NewKeyFromSeed(zero)}} {
		w := newWorld(t)
		w.seal("jwt 000001", row.private, row.algorithm)
		if _, err := w.Create(t.Context(), jwt.SignIn{User: "1", Epoch: "first"}); err == nil {
			t.Errorf("%s: the key was used to sign", row.name)
		}
	}
}

// TestMissingAndWrongClaimsAreRefused, with simplejwt's error, in tokens that are signed with our key.
func TestMissingAndWrongClaimsAreRefused(t *testing.T) {
	t.Attr("threat", "J02")
	t.Attr("threat", "I4")
	w := newWorld(t)
	pair := w.signIn()
	key, header, good := w.signers()[0], part(t, pair.Access, 0), part(t, pair.Access, 1)
	now := time.Now().Unix()
	exp := regexp.MustCompile(`"exp":\d+`)
	iat := regexp.MustCompile(`"iat":\d+`)
	change := func(old, new string) string {
		changed := strings.Replace(good, old, new, 1)
		if changed == good {
			t.Fatalf("%q isn't in %s", old, good)
		}
		return changed
	}
	drop := func(name string) string {
		return regexp.MustCompile(`"`+name+`":("[^"]*"|\d+),?`).ReplaceAllString(good, "")
	}
	aud, iss := `"aud":"`+publicURL+`"`, `"iss":"`+publicURL+`"`
	for name, row := range map[string]struct {
		payload string
		want    error
	}{
		"no exp":                  {drop("exp"), jwt.ErrNoExpiry},
		"exp of text":             {exp.ReplaceAllString(good, `"exp":"9999999999"`), jwt.ErrInvalid},
		"exp of a fraction":       {exp.ReplaceAllString(good, `"exp":9999999999.5`), jwt.ErrInvalid},
		"exp in powers":           {exp.ReplaceAllString(good, `"exp":1e10`), jwt.ErrInvalid},
		"exp too large":           {exp.ReplaceAllString(good, `"exp":99999999999999999999`), jwt.ErrInvalid},
		"exp of null":             {exp.ReplaceAllString(good, `"exp":null`), jwt.ErrInvalid},
		"exp negative":            {exp.ReplaceAllString(good, `"exp":-1`), jwt.ErrInvalid},
		"exp of zero":             {exp.ReplaceAllString(good, `"exp":0`), jwt.ErrInvalid},
		"exp in a list":           {exp.ReplaceAllString(good, `"exp":[9999999999]`), jwt.ErrInvalid},
		"exp now":                 {exp.ReplaceAllString(good, fmt.Sprintf(`"exp":%d`, now)), jwt.ErrExpired},
		"exp long ago":            {exp.ReplaceAllString(good, `"exp":1`), jwt.ErrExpired},
		"exp twice":               {change(`{`, `{"exp":9999999999,`), jwt.ErrInvalid},
		"EXP":                     {exp.ReplaceAllString(good, `"EXP":9999999999`), jwt.ErrNoExpiry},
		"no iat":                  {drop("iat"), jwt.ErrInvalid},
		"iat an hour ahead":       {iat.ReplaceAllString(good, fmt.Sprintf(`"iat":%d`, now+3600)), jwt.ErrInvalid},
		"nbf":                     {change(`{`, fmt.Sprintf(`{"nbf":%d,`, now+3600)), jwt.ErrInvalid},
		"no jti":                  {drop("jti"), jwt.ErrNoID},
		"jti empty":               {regexp.MustCompile(`"jti":"[^"]*"`).ReplaceAllString(good, `"jti":""`), jwt.ErrNoID},
		"jti of a number":         {regexp.MustCompile(`"jti":"[^"]*"`).ReplaceAllString(good, `"jti":7`), jwt.ErrInvalid},
		"no token_type":           {drop("token_type"), jwt.ErrNoType},
		"token_type refresh":      {change(`"access"`, `"refresh"`), jwt.ErrWrongType},
		"token_type minted":       {change(`"access"`, `"minted"`), jwt.ErrWrongType},
		"token_type sliding":      {change(`"access"`, `"sliding"`), jwt.ErrWrongType},
		"no user_id":              {drop("user_id"), jwt.ErrNoUser},
		"user_id of a number":     {change(`"user_id":"1"`, `"user_id":1`), jwt.ErrInvalid},
		"user_id in a list":       {change(`"user_id":"1"`, `"user_id":["1"]`), jwt.ErrInvalid},
		"user_id twice":           {change(`"user_id":"1"`, `"user_id":"2","user_id":"1"`), jwt.ErrInvalid},
		"user_id twice, escaped":  {change(`"user_id":"1"`, `"user_id":"1","user\u005fid":"2"`), jwt.ErrInvalid},
		"another's user_id":       {change(`"user_id":"1"`, `"user_id":"2"`), nil},
		"no iss":                  {drop("iss"), jwt.ErrInvalid},
		"another iss":             {change(iss, `"iss":"https://evil.example"`), jwt.ErrInvalid},
		"iss with a slash":        {change(iss, `"iss":"`+publicURL+`/"`), jwt.ErrInvalid},
		"no aud":                  {drop("aud"), jwt.ErrInvalid},
		"aud empty":               {change(aud, `"aud":""`), jwt.ErrInvalid},
		"another aud":             {change(aud, `"aud":"reports"`), jwt.ErrInvalid},
		"aud in a list":           {change(aud, `"aud":["`+publicURL+`"]`), jwt.ErrInvalid},
		"aud in a list of two":    {change(aud, `"aud":["evil","`+publicURL+`"]`), jwt.ErrInvalid},
		"aud in an object":        {change(aud, `"aud":{"a":"`+publicURL+`"}`), jwt.ErrInvalid},
		"aud null":                {change(aud, `"aud":null`), jwt.ErrInvalid},
		"aud in upper case":       {change(aud, `"aud":"`+strings.ToUpper(publicURL)+`"`), jwt.ErrInvalid},
		"no sid":                  {drop("sid"), jwt.ErrInvalid},
		"an unknown sid":          {regexp.MustCompile(`"sid":"[^"]*"`).ReplaceAllString(good, `"sid":"x"`), jwt.ErrEnded},
		"no auth_time":            {strings.Replace(drop("auth_time"), `,}`, `}`, 1), jwt.ErrInvalid},
		"no object":               {`[` + good + `]`, jwt.ErrInvalid},
		"two objects":             {good + good, jwt.ErrInvalid},
		"a bracket too many":      {good + "}", jwt.ErrInvalid},
		"half an object":          {good[:len(good)-1], jwt.ErrInvalid},
		"null":                    {"null", jwt.ErrInvalid},
		"nothing":                 {"", jwt.ErrInvalid},
		"bytes that aren't UTF-8": {"\xff\xfe", jwt.ErrInvalid},
	} {
		text := key.sign(t, header, row.payload)
		if _, err := w.Authenticate(t.Context(), text); row.want == nil && err != jwt.ErrEnded || row.want != nil && !errors.Is(err, row.want) {
			t.Errorf("%s: Authenticate returned %v, want %v (%s)", name, err, row.want, row.payload)
		}
	}
	later := change(`{`, `{"claim of a later version":{"a":[1,2]},`)
	if _, err := w.Authenticate(t.Context(), key.sign(t, header, later)); err != nil {
		t.Errorf("a token with an unknown claim is refused: %v", err)
	}
}

// TestNoKindIsAcceptedAsAnother tries each kind of token in each method.
func TestNoKindIsAcceptedAsAnother(t *testing.T) {
	t.Attr("threat", "I7")
	w := newWorld(t)
	pair := w.signIn()
	minted := w.mint(w.session(), "reports")
	ctx := t.Context()
	authenticate := func(text string) error { _, err := w.Authenticate(ctx, text); return err }
	refresh := func(text string) error { _, err := w.Refresh(ctx, text); return err }
	for _, row := range []struct {
		where string
		err   error
		want  error
	}{
		{"access: Authenticate", authenticate(pair.Access), nil},
		{"refresh: Authenticate", authenticate(pair.Refresh), jwt.ErrWrongType},
		{"minted: Authenticate", authenticate(minted), jwt.ErrInvalid},
		{"access: Refresh", refresh(pair.Access), jwt.ErrWrongType},
		{"minted: Refresh", refresh(minted), jwt.ErrInvalid},
		{"access: Blacklist", w.Blacklist(ctx, pair.Access), jwt.ErrWrongType},
		{"minted: Blacklist", w.Blacklist(ctx, minted), jwt.ErrInvalid},
		{"access: Verify", w.Verify(ctx, pair.Access, ""), nil},
		{"refresh: Verify", w.Verify(ctx, pair.Refresh, ""), nil},
		{"minted: Verify", w.Verify(ctx, minted, ""), jwt.ErrInvalid},
		{"access: Verify for its audience", w.Verify(ctx, pair.Access, publicURL), nil},
		{"access: Verify for another", w.Verify(ctx, pair.Access, "reports"), jwt.ErrInvalid},
		{"minted: Verify for its audience", w.Verify(ctx, minted, "reports"), nil},
		{"minted: Verify for another", w.Verify(ctx, minted, "billing"), jwt.ErrInvalid},
		{"minted: Verify for us", w.Verify(ctx, minted, publicURL), jwt.ErrInvalid},
		{"refresh: Refresh", refresh(pair.Refresh), nil},
	} {
		if !errors.Is(row.err, row.want) {
			t.Errorf("%s: %v, want %v", row.where, row.err, row.want)
		}
	}
	// The header, which is signed, says the kind, so the parts of two tokens can't be combined.
	mixed := strings.Split(pair.Access, ".")[0] + pair.Refresh[strings.Index(pair.Refresh, "."):]
	w.refused("the header of an access token on a refresh token", mixed, jwt.ErrInvalid)
}

// TestOnlyTheExactTextIsAccepted: no prefix, no changed letter, and no other encoding of it.
func TestOnlyTheExactTextIsAccepted(t *testing.T) {
	t.Attr("threat", "A11")
	w := newWorld(t)
	text := w.signIn().Access
	verify := func(text string) error { return w.Verify(t.Context(), text, "") }
	for i := range len(text) {
		for what, changed := range map[string]string{
			"a prefix":              text[:i],
			"a suffix":              text[i+1:],
			"another letter":        text[:i] + string(rotated(text[i])) + text[i+1:],
			"a line break inside":   text[:i] + "\n" + text[i:],
			"a blank inside":        text[:i] + " " + text[i:],
			"padding inside":        text[:i] + "=" + text[i:],
			"a letter less":         text[:i] + text[i+1:],
			"a NUL inside":          text[:i] + "\x00" + text[i:],
			"a letter twice":        text[:i] + text[i:i+1] + text[i:],
			"a dot in the letter's": text[:i] + "." + text[i+1:],
		} {
			if changed != text && !errors.Is(verify(changed), jwt.ErrInvalid) {
				t.Errorf("%s at %d: %v, want ErrInvalid", what, i, verify(changed))
			}
		}
	}
	for name, changed := range map[string]string{
		"a line break after": text + "\n", "padding": text + "=", "padding of four": text + "==", "a blank before": " " + text,
		"a dot after": text + ".", "a part after": text + ".e30", "standard base64": strings.NewReplacer("-", "+", "_", "/").Replace(text) + "/",
		"loose last bits": text[:len(text)-1] + string(text[len(text)-1]+1),
	} {
		if !errors.Is(verify(changed), jwt.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, verify(changed))
		}
	}
	if err := verify(text); err != nil {
		t.Errorf("the unchanged token is refused: %v", err)
	}
}

// rotated returns a letter other than c.
func rotated(c byte) byte {
	if c == 'A' || c == '.' {
		return 'B'
	}
	return 'A'
}

// TestALongTextIsRefusedWithoutBeingParsed: a text that is too long for a token costs hardly any memory.
func TestALongTextIsRefusedWithoutBeingParsed(t *testing.T) {
	t.Attr("threat", "I5")
	w := newWorld(t)
	good := w.signIn().Access
	parts := strings.Split(good, ".")
	for name, text := range map[string]string{
		"dots": strings.Repeat(".", 1<<20), "header dots": parts[0] + strings.Repeat(".", 1<<20), "letters": strings.Repeat("A", 1<<20),
		"a payload of a megabyte": parts[0] + "." + strings.Repeat("A", 1<<20) + "." + parts[2],
		"a header of a megabyte":  strings.Repeat("A", 1<<20) + "." + parts[1] + "." + parts[2],
		"braces":                  encode([]byte(strings.Repeat("{", 1<<20))), "4096 dots": strings.Repeat(".", jwt.MaxLength),
	} {
		w.refused(name, text, jwt.ErrInvalid)
		if n := testing.AllocsPerRun(10, func() { _ = w.Verify(t.Context(), text, "") }); n > 3 {
			t.Errorf("%s: %v allocations, want at most 3", name, n)
		}
	}
	// This token has almost the longest length and is signed with our key. Its deeply nested claim is skipped.
	key := w.signers()[0]
	deep := key.sign(t, part(t, good, 0), `{"a":`+strings.Repeat("[", 1200)+strings.Repeat("]", 1200)+`}`)
	if len(deep) > jwt.MaxLength {
		t.Fatalf("the token has %d bytes, more than %d", len(deep), jwt.MaxLength)
	}
	w.refused("brackets", deep, jwt.ErrNoExpiry)
}

func derSignature(t testing.TB, raw []byte) []byte {
	t.Helper()
	integer := func(b []byte) []byte {
		for len(b) > 1 && b[0] == 0 && b[1] < 0x80 {
			b = b[1:]
		}
		if b[0] >= 0x80 {
			b = append([]byte{0}, b...)
		}
		return append([]byte{2, byte(len(b))}, b...)
	}
	body := append(integer(raw[:32]), integer(raw[32:])...)
	return append([]byte{0x30, byte(len(body))}, body...)
}
