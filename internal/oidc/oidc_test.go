package oidc_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-auth/cloakroom/internal/oidc"
)

func TestAVisitToAProvider(t *testing.T) {
	t.Attr("threat", "O01")
	o := newOP(t)
	p := newProvider(t, o)
	a := oidc.NewAttempt()
	location, err := p.Start(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(a.Verifier))
	want := url.Values{
		"client_id": {"cloakroom"}, "redirect_uri": {redirectURI}, "response_type": {"code"}, "scope": {"openid email profile"},
		"state": {a.State}, "nonce": {a.Nonce}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if got := u.Query(); got.Encode() != want.Encode() || u.Scheme+"://"+u.Host+u.Path != issuer+"/authorize" {
		t.Errorf("the browser begins at %s\nwant the query %s", location, want.Encode())
	}
	got, err := visit(t, p, o, a)
	if err != nil {
		t.Fatal(err)
	}
	if want := (oidc.Claims{
		Issuer: issuer, Subject: "ada-1", Session: "session-1", Email: "ada@example.com", EmailVerified: true, Username: "ada", Name: "Ada Lovelace",
	}); !reflect.DeepEqual(*got, want) {
		t.Errorf("Finish = %+v\nwant     %+v", *got, want)
	}
	if n := o.count("/userinfo"); n != 0 {
		t.Errorf("UserInfo was asked %d times, though the ID token has the address", n)
	}
}

// TestTheSecretsOfAnAttemptAreItsOwn: they are random, and none is derived from another.
func TestTheSecretsOfAnAttemptAreItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		a := oidc.NewAttempt()
		for _, secret := range []string{a.State, a.Nonce, a.Verifier} {
			if len(secret) < 26 || seen[secret] {
				t.Fatalf("%q is too short or was there before", secret)
			}
			seen[secret] = true
		}
	}
}

// TestEachCheckOfAnAnswer: every change of what comes back gives the wanted error and no claims.
func TestEachCheckOfAnAnswer(t *testing.T) {
	t.Attr("threat", "O01")
	set := func(name, value string) func(o *op) {
		return func(o *op) {
			o.answer = func(v url.Values) url.Values { v.Set(name, value); return v }
		}
	}
	add := func(name, value string) func(o *op) {
		return func(o *op) {
			o.answer = func(v url.Values) url.Values { v.Add(name, value); return v }
		}
	}
	for name, c := range map[string]struct {
		change func(o *op)
		want   error
	}{
		"another state":             {set("state", oidc.NewAttempt().State), oidc.ErrMismatch},
		"no state":                  {set("state", ""), oidc.ErrMismatch},
		"the state twice":           {add("state", "again"), oidc.ErrMismatch},
		"the code twice":            {add("code", "again"), oidc.ErrMismatch},
		"another issuer":            {set("iss", "https://evil.example.com"), oidc.ErrMismatch},
		"the issuer with a slash":   {set("iss", issuer+"/"), oidc.ErrMismatch},
		"an empty issuer":           {set("iss", ""), oidc.ErrMismatch},
		"the issuer twice":          {add("iss", issuer), oidc.ErrMismatch},
		"no code":                   {set("code", ""), oidc.ErrMismatch},
		"a code of somewhere else":  {set("code", "foreign"), oidc.ErrMismatch},
		"an error":                  {set("error", "access_denied"), oidc.ErrRefused},
		"an error that is nonsense": {set("error", "<b>\n"), oidc.ErrRefused},
		"an error of another issuer": {func(o *op) {
			o.answer = func(v url.Values) url.Values {
				return url.Values{"error": {"access_denied"}, "state": v["state"], "iss": {"https://evil.example.com"}}
			}
		}, oidc.ErrMismatch},
		"a promised issuer that is away": {func(o *op) { o.answer = func(v url.Values) url.Values { v.Del("iss"); return v } }, oidc.ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			c.change(o)
			got, err := visit(t, newProvider(t, o), o, oidc.NewAttempt())
			if !errors.Is(err, c.want) || got != nil {
				t.Errorf("Finish = %+v, %v; want %v", got, err, c.want)
			}
			if strings.ContainsAny(fmt.Sprint(err), "<\n") {
				t.Errorf("the error repeats what came in: %v", err)
			}
			if n := o.count("/token"); n != 0 && name != "a code of somewhere else" {
				t.Error("a code was sent though the answer was refused")
			}
		})
	}
	t.Run("no issuer, and none promised", func(t *testing.T) {
		o := newOP(t)
		delete(o.metadata, "authorization_response_iss_parameter_supported")
		o.answer = func(v url.Values) url.Values { v.Del("iss"); return v }
		if _, err := visit(t, newProvider(t, o), o, oidc.NewAttempt()); err != nil {
			t.Error(err)
		}
	})
}

// TestACodeCountsForItsAttemptAlone: a code of another attempt is refused by the provider, for its verifier, and by us, for its nonce.
func TestACodeCountsForItsAttemptAlone(t *testing.T) {
	t.Attr("threat", "O01")
	o := newOP(t)
	p := newProvider(t, o)
	mine, theirs := oidc.NewAttempt(), oidc.NewAttempt()
	stolen, err := o.signIn(t, p, theirs)
	if err != nil {
		t.Fatal(err)
	}
	stolen.Set("state", mine.State)
	if c, err := p.Finish(t.Context(), mine, stolen); !errors.Is(err, oidc.ErrMismatch) {
		t.Errorf("a code of another attempt: %+v, %v; want ErrMismatch", c, err)
	}
	// A provider that ignores the verifier.
	stolen, err = o.signIn(t, p, theirs)
	if err != nil {
		t.Fatal(err)
	}
	stolen.Set("state", mine.State)
	sum := sha256.Sum256([]byte(mine.Verifier))
	o.codes[stolen.Get("code")].Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
	if c, err := p.Finish(t.Context(), mine, stolen); !errors.Is(err, oidc.ErrMismatch) || !strings.Contains(err.Error(), "nonce") {
		t.Errorf("without PKCE at the provider: %+v, %v; want ErrMismatch for the nonce", c, err)
	}
}

// TestEachCheckOfAnIDToken changes one thing of an ID token at a time.
func TestEachCheckOfAnIDToken(t *testing.T) {
	t.Attr("threat", "O02")
	claim := func(name string, value any) func(o *op) {
		return func(o *op) { o.claims[name] = value }
	}
	header := func(name jose.HeaderKey, value any) func(o *op) {
		return func(o *op) { o.header[name] = value }
	}
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	plain := func(header string, signature func(signed string) string) func(o *op) {
		return func(o *op) {
			o.idToken = func(claims []byte) string {
				signed := b64([]byte(header)) + "." + b64(claims)
				return signed + "." + signature(signed)
			}
		}
	}
	none := func(string) string { return "" }
	hmacWith := func(key []byte) func(string) string {
		return func(signed string) string {
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(signed))
			return b64(mac.Sum(nil))
		}
	}
	public, err := json.Marshal(newOP(t).keys[0].Public())
	if err != nil {
		t.Fatal(err)
	}
	other := jose.JSONWebKey{Key: newKey(), KeyID: "first", Algorithm: "ES256"}
	embedded := other.Public()

	for name, c := range map[string]struct {
		change func(o *op)
		want   error // nil: accepted
	}{
		"as it should be":                        {func(*op) {}, nil},
		"another nonce":                          {claim("nonce", "another"), oidc.ErrMismatch},
		"no nonce":                               {claim("nonce", nil), oidc.ErrMismatch},
		"an empty nonce":                         {claim("nonce", ""), oidc.ErrMismatch},
		"another issuer":                         {claim("iss", "https://evil.example.com"), oidc.ErrMismatch},
		"another audience":                       {claim("aud", "another"), oidc.ErrMismatch},
		"no audience":                            {claim("aud", nil), oidc.ErrMismatch},
		"an audience that is an object":          {claim("aud", map[string]any{"cloakroom": true}), oidc.ErrMismatch},
		"two audiences":                          {claim("aud", []string{"cloakroom", "another"}), oidc.ErrMismatch},
		"two audiences, another party":           {func(o *op) { o.claims["aud"], o.claims["azp"] = []string{"cloakroom", "another"}, "another" }, oidc.ErrMismatch},
		"two audiences, we are the party":        {func(o *op) { o.claims["aud"], o.claims["azp"] = []string{"cloakroom", "another"}, "cloakroom" }, nil},
		"one audience, another party":            {claim("azp", "another"), oidc.ErrMismatch},
		"one audience, an empty party":           {claim("azp", ""), oidc.ErrMismatch},
		"no expiry":                              {claim("exp", nil), oidc.ErrMismatch},
		"an expiry that is text":                 {claim("exp", "soon"), oidc.ErrMismatch},
		"expired":                                {claim("exp", in(-6*time.Minute)), oidc.ErrMismatch},
		"expired by a clock that is behind":      {claim("exp", in(-4*time.Minute)), nil},
		"no time of issue":                       {claim("iat", nil), oidc.ErrMismatch},
		"of the future":                          {claim("iat", in(6*time.Minute)), oidc.ErrMismatch},
		"of a clock that is ahead":               {claim("iat", in(4*time.Minute)), nil},
		"not yet":                                {claim("nbf", in(6*time.Minute)), oidc.ErrMismatch},
		"times with fractions":                   {func(o *op) { o.claims["iat"], o.claims["exp"] = float64(in(0))+0.25, float64(in(time.Minute))+0.75 }, nil},
		"no subject":                             {claim("sub", nil), oidc.ErrMismatch},
		"an empty subject":                       {claim("sub", ""), oidc.ErrMismatch},
		"a subject that is a number":             {claim("sub", 1), oidc.ErrMismatch},
		"a subject of 256 bytes":                 {claim("sub", strings.Repeat("a", 256)), oidc.ErrMismatch},
		"a subject of 255 bytes":                 {claim("sub", strings.Repeat("a", 255)), nil},
		"a subject with a line end":              {claim("sub", "ada\n1"), oidc.ErrMismatch},
		"a subject in capitals beside":           {claim("SUB", "eve"), oidc.ErrMismatch},
		"a verified address in capitals beside":  {func(o *op) { o.claims["email_verified"], o.claims["Email_Verified"] = false, true }, oidc.ErrMismatch},
		"authenticated in the future":            {claim("auth_time", in(6*time.Minute)), oidc.ErrMismatch},
		"the type JWT":                           {header("typ", "JWT"), nil},
		"the type of a logout token":             {header("typ", "logout+jwt"), oidc.ErrMismatch},
		"the type of a logout token, in full":    {header("typ", "application/Logout+JWT"), oidc.ErrMismatch},
		"the type of an access token":            {header("typ", "at+jwt"), oidc.ErrMismatch},
		"a type that is no text":                 {header("typ", 1), oidc.ErrMismatch},
		"an extension that must be understood":   {func(o *op) { o.header["crit"], o.header["x"] = []string{"x"}, 1 }, oidc.ErrMismatch},
		"events":                                 {claim("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}), oidc.ErrMismatch},
		"events that are null":                   {func(o *op) { o.claims["events"] = json.RawMessage("null") }, oidc.ErrMismatch},
		"no token":                               {func(o *op) { o.idToken = func([]byte) string { return "" } }, oidc.ErrMismatch},
		"dots":                                   {func(o *op) { o.idToken = func([]byte) string { return strings.Repeat(".", 1000) } }, oidc.ErrMismatch},
		"a token of 64 KiB":                      {claim("name", strings.Repeat("a", 64<<10)), oidc.ErrMismatch},
		"not signed":                             {plain(`{"alg":"none"}`, none), oidc.ErrMismatch},
		"not signed, otherwise spelled":          {plain(`{"alg":"nOnE"}`, func(string) string { return "AA" }), oidc.ErrMismatch},
		"signed with the client's secret":        {plain(`{"alg":"HS256"}`, hmacWith([]byte("s3cret+/="))), oidc.ErrMismatch},
		"signed with the public key as a secret": {plain(`{"alg":"HS256","kid":"first"}`, hmacWith(public)), oidc.ErrMismatch},
		"signed with nothing as a secret":        {plain(`{"alg":"HS256"}`, hmacWith(nil)), oidc.ErrMismatch},
		"signed by another":                      {func(o *op) { o.idToken = func(c []byte) string { return sign(t, other, nil, c) } }, oidc.ErrMismatch},
		"signed by a key that it brings": {func(o *op) {
			o.idToken = func(c []byte) string {
				return sign(t, jose.JSONWebKey{Key: other.Key, Algorithm: "ES256"}, map[jose.HeaderKey]any{"jwk": embedded}, c)
			}
		}, oidc.ErrMismatch},
		"an algorithm that isn't in the metadata": {func(o *op) {
			o.metadata["id_token_signing_alg_values_supported"] = []string{"RS256"}
		}, oidc.ErrMismatch},
		"a key for another algorithm": {func(o *op) {
			o.before = func(r *http.Request) error {
				if o.keys[0].Algorithm = "ES256"; r.URL.Path == "/keys" {
					o.keys[0].Algorithm = "RS256"
				}
				return nil
			}
		}, oidc.ErrMismatch},
		"an RSA key": {func(o *op) {
			o.keys = []jose.JSONWebKey{{Key: rsaKey(), KeyID: "rsa", Algorithm: "RS256"}}
		}, nil},
		"a key without an ID": {func(o *op) { o.keys[0].KeyID = "" }, nil},
		"a signature of zeros": {func(o *op) {
			o.idToken = func(c []byte) string {
				signed := sign(t, o.keys[0], nil, c)
				return signed[:strings.LastIndex(signed, ".")+1] + b64(make([]byte, 64))
			}
		}, oidc.ErrMismatch},
		"a token in JSON": {func(o *op) {
			o.idToken = func(c []byte) string {
				parts := strings.Split(sign(t, o.keys[0], nil, c), ".")
				return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2])
			}
		}, oidc.ErrMismatch},
		"claims that are a list": {func(o *op) { o.idToken = func([]byte) string { return sign(t, o.keys[0], nil, []byte(`[]`)) } }, oidc.ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			c.change(o)
			got, err := visit(t, newProvider(t, o), o, oidc.NewAttempt())
			if !errors.Is(err, c.want) || (got == nil) != (c.want != nil) {
				t.Errorf("Finish = %+v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// TestWhatAProviderSaysOfAPerson: addresses are asked for where the ID token has none, and verified only if the provider says so.
func TestWhatAProviderSaysOfAPerson(t *testing.T) {
	t.Attr("threat", "O03")
	for name, c := range map[string]struct {
		change   func(o *op)
		email    string
		verified bool
		want     error
	}{
		"verified is the text true":  {func(o *op) { o.claims["email_verified"] = "true" }, "ada@example.com", true, nil},
		"verified is the text True":  {func(o *op) { o.claims["email_verified"] = "True" }, "ada@example.com", false, nil},
		"verified is false":          {func(o *op) { o.claims["email_verified"] = false }, "ada@example.com", false, nil},
		"verified is the text false": {func(o *op) { o.claims["email_verified"] = "false" }, "ada@example.com", false, nil},
		"verified is 1":              {func(o *op) { o.claims["email_verified"] = 1 }, "ada@example.com", false, nil},
		"verified is a list":         {func(o *op) { o.claims["email_verified"] = []bool{true} }, "ada@example.com", false, nil},
		"nothing about verified":     {func(o *op) { o.claims["email_verified"] = nil }, "ada@example.com", false, nil},
		"only at UserInfo":           {func(o *op) { o.claims["email"], o.claims["email_verified"] = nil, nil }, "ada@example.com", true, nil},
		"verified of another address": {func(o *op) {
			o.claims["email"], o.userInfo = nil, map[string]any{"sub": "ada-1", "email": "b@example.com"}
		}, "b@example.com", false, nil},
		"nowhere":                     {func(o *op) { o.claims["email"], o.userInfo = nil, map[string]any{"sub": "ada-1"} }, "", false, nil},
		"no UserInfo at all":          {func(o *op) { o.claims["email"] = nil; delete(o.metadata, "userinfo_endpoint") }, "", false, nil},
		"UserInfo of another subject": {func(o *op) { o.claims["email"], o.userInfo["sub"] = nil, "eve-1" }, "", false, oidc.ErrMismatch},
		"UserInfo without a subject":  {func(o *op) { o.claims["email"] = nil; delete(o.userInfo, "sub") }, "", false, oidc.ErrMismatch},
		"UserInfo, SUB beside":        {func(o *op) { o.claims["email"], o.userInfo["SUB"] = nil, "eve-1" }, "ada@example.com", true, nil},
		"UserInfo is away":            {func(o *op) { o.claims["email"], o.userInfo = nil, nil }, "", false, oidc.ErrUnavailable},
		"two addresses in one": {func(o *op) {
			o.claims["email"], o.userInfo = "a@b.example, c@d.example", map[string]any{"sub": "ada-1"}
		}, "", false, nil},
		"an address with a line end": {func(o *op) { o.claims["email"], o.userInfo = "a@b.example\r\nBcc: x", map[string]any{"sub": "ada-1"} }, "", false, nil},
		"an address as username alone": {func(o *op) {
			o.claims["email"], o.claims["preferred_username"], o.userInfo = nil, "ada@example.com", map[string]any{"sub": "ada-1"}
		}, "", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			c.change(o)
			got, err := visit(t, newProvider(t, o), o, oidc.NewAttempt())
			if !errors.Is(err, c.want) {
				t.Fatalf("Finish: %v; want %v", err, c.want)
			}
			if err == nil && (got.Email != c.email || got.EmailVerified != c.verified) {
				t.Errorf("the address is %q, verified %v; want %q, %v", got.Email, got.EmailVerified, c.email, c.verified)
			}
		})
	}
}

// TestGroupsOfAPerson are those of the settings alone, by their exact names.
func TestGroupsOfAPerson(t *testing.T) {
	t.Attr("threat", "O11")
	for name, c := range map[string]struct {
		change func(o *op)
		want   []string
	}{
		"a list":                  {func(o *op) { o.claims["groups"] = []string{"devs", "ops", "others"} }, []string{"admins", "editors"}},
		"one twice":               {func(o *op) { o.claims["groups"] = []string{"devs", "devs"} }, []string{"editors"}},
		"none":                    {func(o *op) { o.claims["groups"] = []string{} }, []string{}},
		"of other names":          {func(o *op) { o.claims["groups"] = []string{"Devs", "editors", "admins"} }, []string{}},
		"a text":                  {func(o *op) { o.claims["groups"] = "devs" }, []string{}},
		"a list of more":          {func(o *op) { o.claims["groups"] = []any{"devs", 1} }, []string{}},
		"another claim":           {func(o *op) { o.claims["Groups"] = []string{"devs"} }, nil},
		"at UserInfo":             {func(o *op) { o.userInfo["groups"] = []string{"devs"} }, []string{"editors"}},
		"at both":                 {func(o *op) { o.claims["groups"] = []string{"devs"}; o.userInfo["groups"] = []string{"ops"} }, []string{"editors"}},
		"nowhere":                 {func(*op) {}, nil},
		"UserInfo has no address": {func(o *op) { o.userInfo = map[string]any{"sub": "ada-1", "groups": []string{"ops"}} }, []string{"admins"}},
	} {
		o := newOP(t)
		c.change(o)
		p := newProvider(t, o)
		p.GroupsClaim, p.Groups = "groups", map[string]string{"devs": "editors", "ops": "admins"}
		got, err := visit(t, p, o, oidc.NewAttempt())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(got.Groups, c.want) || got.Email != "ada@example.com" {
			t.Errorf("%s: the groups are %q of %q", name, got.Groups, got.Email)
		}
	}
}

// TestOnlyPeopleOfAllowedDomainsAreAdmitted, whose address the provider has verified.
func TestOnlyPeopleOfAllowedDomainsAreAdmitted(t *testing.T) {
	t.Attr("threat", "O11")
	p := newProvider(t, newOP(t))
	stranger := &oidc.Claims{}
	if !p.Admits(stranger) {
		t.Error("without a list a person is refused")
	}
	p.AllowedDomains = []string{"example.com", "example.org"}
	for email, want := range map[string]bool{
		"ada@example.com": true, "ada@EXAMPLE.org": true, "ada@sub.example.com": false, "ada@example.com.evil.test": false, "example.com": false, "": false,
	} {
		if got := p.Admits(&oidc.Claims{Email: email, EmailVerified: true}); got != want {
			t.Errorf("%q: %v", email, got)
		}
		if p.Admits(&oidc.Claims{Email: email}) {
			t.Errorf("%q counts though it isn't verified", email)
		}
	}
}

// TestTheClientAuthenticatesAsTheMetadataSays: a code is sent once, whatever the answer is.
func TestTheClientAuthenticatesAsTheMetadataSays(t *testing.T) {
	t.Attr("threat", "O04")
	const basic, post = "basic cloakroom s3cret%2B%2F%3D", "post cloakroom s3cret+/="
	failing := func(status int) func(o *op) {
		return func(o *op) {
			o.token = func(w http.ResponseWriter) {
				w.WriteHeader(status)
				o.write(w, map[string]any{"error": "server_error", "error_description": "s3cret+/="})
			}
		}
	}
	for name, c := range map[string]struct {
		methods []string
		change  func(o *op)
		auth    string
		want    error
	}{
		"unsaid":                      {nil, func(*op) {}, basic, nil},
		"both":                        {[]string{"client_secret_post", "client_secret_basic"}, func(*op) {}, basic, nil},
		"post":                        {[]string{"client_secret_post"}, func(*op) {}, post, nil},
		"503":                         {nil, failing(503), basic, oidc.ErrUnavailable},
		"400 of another kind":         {nil, failing(400), basic, oidc.ErrUnavailable},
		"401":                         {nil, failing(401), basic, oidc.ErrUnavailable},
		"an error with the status OK": {nil, failing(200), basic, oidc.ErrUnavailable},
		"no access token": {nil, func(o *op) {
			o.token = func(w http.ResponseWriter) { o.write(w, map[string]any{"id_token": "secret"}) }
		}, basic, oidc.ErrUnavailable},
		"nonsense": {nil, func(o *op) { o.token = func(w http.ResponseWriter) { _, _ = w.Write([]byte("secret")) } }, basic, oidc.ErrUnavailable},
		"a redirect": {nil, func(o *op) {
			o.token = func(w http.ResponseWriter) {
				w.Header().Set("Location", "https://evil.example.com/token")
				w.WriteHeader(307)
			}
		}, basic, oidc.ErrUnavailable},
		"no ID token": {nil, func(o *op) {
			o.token = func(w http.ResponseWriter) { o.write(w, map[string]any{"access_token": "access"}) }
		}, basic, oidc.ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			if c.methods != nil {
				o.metadata["token_endpoint_auth_methods_supported"] = c.methods
			}
			c.change(o)
			_, err := visit(t, newProvider(t, o), o, oidc.NewAttempt())
			if !errors.Is(err, c.want) {
				t.Errorf("Finish: %v; want %v", err, c.want)
			}
			if len(o.auth) != 1 || o.auth[0] != c.auth {
				t.Errorf("the token endpoint was asked with %q; want once with %q", o.auth, c.auth)
			}
			if strings.Contains(fmt.Sprint(err), "s3cret") || strings.Contains(fmt.Sprint(err), "secret\"") {
				t.Errorf("the error repeats the answer: %v", err)
			}
		})
	}
}

// TestWhatIsFetchedIsKept for an hour; and keys are fetched again for a token with an unknown key, at most once a minute.
func TestWhatIsFetchedIsKept(t *testing.T) {
	t.Attr("threat", "O05")
	synctest.Test(t, func(t *testing.T) {
		o := newOP(t)
		p := newProvider(t, o)
		enters := func(want error) {
			t.Helper()
			if _, err := visit(t, p, o, oidc.NewAttempt()); !errors.Is(err, want) {
				t.Errorf("Finish: %v; want %v", err, want)
			}
		}
		fetched := func(metadata, keys int) {
			t.Helper()
			if m, k := o.count("/.well-known/openid-configuration"), o.count("/keys"); m != metadata || k != keys {
				t.Errorf("metadata was fetched %d times and keys %d times; want %d and %d", m, k, metadata, keys)
			}
		}
		fetched(0, 0)
		enters(nil)
		enters(nil)
		fetched(1, 1)

		// The provider rotates its keys.
		o.keys = append([]jose.JSONWebKey{{Key: newKey(), KeyID: "second", Algorithm: "ES256"}}, o.keys...)
		enters(oidc.ErrMismatch) // the keys were fetched within the last minute
		fetched(1, 1)
		time.Sleep(time.Minute)
		enters(nil)
		fetched(1, 2)

		// Forged tokens cause no storm.
		forged := jose.JSONWebKey{Key: newKey(), KeyID: "forged", Algorithm: "ES256"}
		time.Sleep(time.Minute)
		for range 1000 {
			time.Sleep(50 * time.Millisecond)
			if _, err := p.Logout(t.Context(), sign(t, forged, map[jose.HeaderKey]any{"typ": "logout+jwt"}, []byte(`{}`))); !errors.Is(err, oidc.ErrMismatch) {
				t.Fatalf("a forged logout token: %v; want ErrMismatch", err)
			}
		}
		fetched(1, 3)

		// A key that the provider doesn't publish any more counts for an hour at most.
		o.keys = o.keys[:1]
		time.Sleep(time.Hour)
		old := jose.JSONWebKey{Key: signingKey(), KeyID: "first", Algorithm: "ES256"}
		o.idToken = func(claims []byte) string { return sign(t, old, nil, claims) }
		enters(oidc.ErrMismatch)
		fetched(2, 4)
		o.idToken = nil
		enters(nil)
	})
}

// TestAProviderThatIsAway: each way of being away is an error within the limit of a request, and is over when the provider is back.
func TestAProviderThatIsAway(t *testing.T) {
	t.Attr("threat", "O05")
	for name, change := range map[string]func(o *op){
		"cut off": func(o *op) { o.before = func(*http.Request) error { return errors.New("connection refused") } },
		"hanging": func(o *op) {
			o.before = func(r *http.Request) error { <-r.Context().Done(); return r.Context().Err() }
		},
		"another issuer":        func(o *op) { o.metadata["issuer"] = issuer + "/" },
		"no token endpoint":     func(o *op) { delete(o.metadata, "token_endpoint") },
		"a plain endpoint":      func(o *op) { o.metadata["token_endpoint"] = "http://accounts.example.com/token" },
		"an endpoint of script": func(o *op) { o.metadata["authorization_endpoint"] = "javascript:alert(1)" },
		"too much":              func(o *op) { o.metadata["x"] = strings.Repeat("a", 1<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOP(t)
				p := newProvider(t, o)
				change(o)
				began := time.Now()
				var all sync.WaitGroup
				for range 20 {
					all.Go(func() {
						if location, err := p.Start(t.Context(), oidc.NewAttempt()); !errors.Is(err, oidc.ErrUnavailable) {
							t.Errorf("Start = %q, %v; want ErrUnavailable", location, err)
						}
					})
				}
				all.Wait()
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %v, want at most 5 s", took)
				}
				if n := o.count("/.well-known/openid-configuration"); n != 1 {
					t.Errorf("20 people together asked %d times, want once", n)
				}
				time.Sleep(time.Second)
				fresh := newOP(t)
				o.before, o.metadata = fresh.before, fresh.metadata
				if _, err := visit(t, p, o, oidc.NewAttempt()); err != nil {
					t.Errorf("once it is back: %v", err)
				}
			})
		})
	}
}

// TestKeysThatCannotBeFetchedAreNoMismatch: the logout token must be sent again, and not be taken for a forged one.
func TestKeysThatCannotBeFetchedAreNoMismatch(t *testing.T) {
	o := newOP(t)
	p := newProvider(t, o)
	o.before = func(r *http.Request) error {
		if r.URL.Path == "/keys" {
			return errors.New("connection refused")
		}
		return nil
	}
	if _, err := p.Logout(t.Context(), o.logout(t, nil, nil)); !errors.Is(err, oidc.ErrUnavailable) {
		t.Errorf("Logout: %v; want ErrUnavailable", err)
	}
	if _, err := visit(t, p, o, oidc.NewAttempt()); !errors.Is(err, oidc.ErrUnavailable) {
		t.Errorf("Finish: %v; want ErrUnavailable", err)
	}
}

// TestACallThatIsGivenUpEndsNoOther: what one call has begun to fetch serves others.
func TestACallThatIsGivenUpEndsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOP(t)
		release := make(chan struct{})
		o.before = func(*http.Request) error { <-release; return nil }
		p := newProvider(t, o)
		ctx, cancel := contextOf(t)
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { _, err := p.Start(ctx, oidc.NewAttempt()); first <- err }()
		synctest.Wait()
		go func() { _, err := p.Start(t.Context(), oidc.NewAttempt()); second <- err }()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, ctx.Err()) {
			t.Errorf("the call that was given up: %v; want %v", err, ctx.Err())
		}
		close(release)
		if err := <-second; err != nil {
			t.Errorf("the other: %v", err)
		}
		if n := o.count("/.well-known/openid-configuration"); n != 1 {
			t.Errorf("metadata was fetched %d times, want once", n)
		}
	})
}

// TestFresh: the provider is asked to authenticate the person anew, and says when it has.
func TestFresh(t *testing.T) {
	o := newOP(t)
	a := oidc.NewAttempt()
	a.Fresh = true
	before := time.Now().Unix()
	c, err := visit(t, newProvider(t, o), o, a)
	if err != nil || c.AuthAt < before {
		t.Errorf("Finish = %+v, %v; want the time of the authentication", c, err)
	}
	c, err = visit(t, newProvider(t, o), o, oidc.NewAttempt())
	if err != nil || c.AuthAt != 0 {
		t.Errorf("without asking: Finish = %+v, %v; want no time", c, err)
	}
}

// TestWhoseSecondFactorCounts: what a provider says of a second factor counts only if the settings trust it for that.
func TestWhoseSecondFactorCounts(t *testing.T) {
	t.Attr("threat", "O06")
	for name, c := range map[string]struct {
		settings map[string]any
		claims   map[string]any
		want     bool
	}{
		"ours, amr":              {nil, map[string]any{"amr": []string{"pwd", "mfa"}}, false},
		"ours, acr":              {map[string]any{"second_factor": "ours"}, map[string]any{"acr": "gold"}, false},
		"theirs, amr":            {map[string]any{"second_factor": "theirs"}, map[string]any{"amr": []string{"pwd", "mfa"}}, true},
		"theirs, amr as text":    {map[string]any{"second_factor": "theirs"}, map[string]any{"amr": "mfa"}, false},
		"theirs, one factor":     {map[string]any{"second_factor": "theirs"}, map[string]any{"amr": []string{"otp"}}, false},
		"theirs, nothing":        {map[string]any{"second_factor": "theirs", "acr_values": []string{"gold"}}, nil, false},
		"theirs, acr":            {map[string]any{"second_factor": "theirs", "acr_values": []string{"gold", "silver"}}, map[string]any{"acr": "silver"}, true},
		"theirs, another acr":    {map[string]any{"second_factor": "theirs", "acr_values": []string{"gold"}}, map[string]any{"acr": "bronze"}, false},
		"theirs, no acr is ours": {map[string]any{"second_factor": "theirs"}, map[string]any{"acr": ""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			o.claims = c.claims
			p := oidc.New(settings(t, func(m map[string]any) {
				for name, value := range c.settings {
					m[name] = value
				}
			}), redirectURI, o)
			got, err := visit(t, p, o, oidc.NewAttempt())
			if err != nil || got.TwoFactors != c.want {
				t.Errorf("Finish = %+v, %v; want TwoFactors %v", got, err, c.want)
			}
		})
	}
}

// logout makes a logout token.
func (o *op) logout(t testing.TB, header map[jose.HeaderKey]any, change map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": o.at, "aud": "cloakroom", "iat": now, "exp": now + 120, "jti": "token-1", "sub": "ada-1", "sid": "session-1",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	for name, value := range change {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	if header == nil {
		header = map[jose.HeaderKey]any{"typ": "logout+jwt"}
	}
	return sign(t, o.keys[0], header, text)
}

// TestEachCheckOfALogoutToken changes one thing of a logout token at a time.
func TestEachCheckOfALogoutToken(t *testing.T) {
	t.Attr("threat", "O07")
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	claim := func(name string, value any) map[string]any { return map[string]any{name: value} }
	for name, c := range map[string]struct {
		header map[jose.HeaderKey]any
		change map[string]any
		right  bool
	}{
		"as it should be":            {nil, nil, true},
		"the type in full":           {map[jose.HeaderKey]any{"typ": "application/logout+jwt"}, nil, true},
		"no type":                    {map[jose.HeaderKey]any{}, nil, false},
		"the type JWT":               {map[jose.HeaderKey]any{"typ": "JWT"}, nil, false},
		"the subject alone":          {nil, claim("sid", nil), true},
		"the session alone":          {nil, claim("sub", nil), true},
		"neither":                    {nil, map[string]any{"sub": nil, "sid": nil}, false},
		"a subject that is a number": {nil, map[string]any{"sub": 1, "sid": nil}, false},
		"a session of 256 bytes":     {nil, claim("sid", strings.Repeat("a", 256)), false},
		"a nonce":                    {nil, claim("nonce", "x"), false},
		"a nonce that is null":       {nil, claim("nonce", json.RawMessage("null")), false},
		"a nonce in capitals":        {nil, claim("NONCE", "x"), false},
		"no events":                  {nil, claim("events", nil), false},
		"events that are a list":     {nil, claim("events", []string{"http://schemas.openid.net/event/backchannel-logout"}), false},
		"another event":              {nil, claim("events", map[string]any{"http://schemas.openid.net/event/other": map[string]any{}}), false},
		"an event that is true":      {nil, claim("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": true}), false},
		"an event that is null":      {nil, claim("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": nil}), false},
		"no ID":                      {nil, claim("jti", nil), false},
		"another issuer":             {nil, claim("iss", "https://evil.example.com"), false},
		"another audience":           {nil, claim("aud", "another"), false},
		"two audiences":              {nil, claim("aud", []string{"cloakroom", "another"}), false},
		"no expiry":                  {nil, claim("exp", nil), false},
		"expired":                    {nil, claim("exp", in(-6*time.Minute)), false},
		"far ahead":                  {nil, claim("exp", in(11*time.Minute)), false},
		"no time of issue":           {nil, claim("iat", nil), false},
		"old":                        {nil, claim("iat", in(-6*time.Minute)), false},
		"of the future":              {nil, claim("iat", in(6*time.Minute)), false},
		"of a clock that is behind":  {nil, claim("iat", in(-4*time.Minute)), true},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			got, err := newProvider(t, o).Logout(t.Context(), o.logout(t, c.header, c.change))
			if (err == nil) != c.right || err != nil && !errors.Is(err, oidc.ErrMismatch) {
				t.Errorf("Logout = %+v, %v; want it accepted: %v", got, err, c.right)
			}
			if name == "as it should be" && (got.ID != "token-1" || got.Subject != "ada-1" || got.Session != "session-1" || got.Issued == 0 || got.Expires == 0) {
				t.Errorf("Logout = %+v", got)
			}
		})
	}
	t.Run("without a type where that is accepted", func(t *testing.T) {
		o := newOP(t)
		p := oidc.New(settings(t, func(m map[string]any) { m["untyped_logout"] = true }), redirectURI, o)
		if _, err := p.Logout(t.Context(), o.logout(t, map[jose.HeaderKey]any{}, nil)); err != nil {
			t.Error(err)
		}
		if _, err := p.Logout(t.Context(), o.logout(t, map[jose.HeaderKey]any{"typ": "at+jwt"}, nil)); !errors.Is(err, oidc.ErrMismatch) {
			t.Errorf("the type of an access token: %v; want ErrMismatch", err)
		}
	})
	t.Run("an ID token", func(t *testing.T) {
		o := newOP(t)
		p := oidc.New(settings(t, func(m map[string]any) { m["untyped_logout"] = true }), redirectURI, o)
		id := ""
		o.idToken = func(claims []byte) string { id = sign(t, o.keys[0], nil, claims); return id }
		if _, err := visit(t, p, o, oidc.NewAttempt()); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Logout(t.Context(), id); !errors.Is(err, oidc.ErrMismatch) {
			t.Errorf("Logout with an ID token: %v; want ErrMismatch", err)
		}
	})
}

// TestGitHub: the key is the number of the account, and the address is the primary one if it was verified.
func TestGitHub(t *testing.T) {
	t.Attr("threat", "O03")
	for name, c := range map[string]struct {
		user, emails string
		email        string
		want         error
	}{
		"primary and verified": {`{"id":583231,"login":"octocat","name":"Octo Cat","email":"profile@example.com"}`,
			`[{"email":"b@example.com","verified":true},{"email":"octo@example.com","primary":true,"verified":true}]`, "octo@example.com", nil},
		"primary alone": {`{"id":583231,"login":"octocat","name":"Octo Cat","email":"profile@example.com"}`,
			`[{"email":"octo@example.com","primary":true,"verified":false}]`, "", nil},
		"no number":          {`{"login":"octocat"}`, `[]`, "", oidc.ErrUnavailable},
		"a number of text":   {`{"id":"583231"}`, `[]`, "", oidc.ErrUnavailable},
		"no list of address": {`{"id":583231,"login":"octocat"}`, `{"message":"Not Found"}`, "", oidc.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			github := http.NewServeMux()
			github.HandleFunc("POST /login/oauth/access_token", func(w http.ResponseWriter, r *http.Request) {
				if r.FormValue("client_secret") != "secret" || r.FormValue("code") != "code" || r.FormValue("code_verifier") == "" {
					fmt.Fprint(w, "error=bad_verification_code")
					return
				}
				w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
				fmt.Fprint(w, "access_token=gho_1&scope=user%3Aemail&token_type=bearer")
			})
			for path, body := range map[string]string{"/api/v3/user": c.user, "/api/v3/user/emails": c.emails} {
				github.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") != "Bearer gho_1" {
						t.Errorf("%s was asked with %q", path, r.Header.Get("Authorization"))
					}
					w.Header().Set("Content-Type", "application/json; charset=utf-8")
					fmt.Fprint(w, body)
				})
			}
			server := httptest.NewServer(github)
			defer server.Close()
			s, err := oidc.ParseSettings("github", []byte(`{"kind":"github","issuer":"`+server.URL+`","client_id":"id","client_secret":"secret"}`))
			if err != nil {
				t.Fatal(err)
			}
			p := oidc.New(s, redirectURI, nil)
			a := oidc.NewAttempt()
			location, err := p.Start(t.Context(), a)
			if err != nil || !strings.HasPrefix(location, server.URL+"/login/oauth/authorize?") || strings.Contains(location, "nonce") {
				t.Fatalf("Start = %q, %v", location, err)
			}
			got, err := p.Finish(t.Context(), a, url.Values{"state": {a.State}, "code": {"code"}})
			if !errors.Is(err, c.want) {
				t.Fatalf("Finish: %v; want %v", err, c.want)
			}
			if err == nil && !reflect.DeepEqual(*got, oidc.Claims{Issuer: server.URL, Subject: "583231", Email: c.email, EmailVerified: c.email != "", Username: "octocat", Name: "Octo Cat"}) {
				t.Errorf("Finish = %+v", got)
			}
			if _, err := p.Finish(t.Context(), a, url.Values{"state": {a.State}, "code": {"another"}}); !errors.Is(err, oidc.ErrMismatch) && !errors.Is(err, oidc.ErrUnavailable) {
				t.Errorf("Finish with another code: %v", err)
			}
			if _, err := p.Logout(t.Context(), "a.b.c"); !errors.Is(err, oidc.ErrMismatch) {
				t.Errorf("Logout: %v; want ErrMismatch", err)
			}
		})
	}
}

// TestApple: the answer comes as a form, the secret is a token that the team's key has signed, and the name is beside the first answer.
func TestApple(t *testing.T) {
	o := newOP(t)
	o.metadata["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
	o.claims = map[string]any{"name": nil, "preferred_username": nil, "email_verified": "true"}
	o.answer = func(v url.Values) url.Values {
		v.Set("user", `{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"eve@example.com"}`)
		return v
	}
	dir, key := t.TempDir(), newKey()
	writeKey(t, dir+"/AuthKey.p8", key)
	write(t, dir+"/apple.json", `{"kind":"apple","issuer":"`+issuer+`","client_id":"cloakroom","team_id":"TEAM","key_id":"KEY","key_file":"AuthKey.p8"}`)
	s, err := oidc.ReadSettings("apple", dir+"/apple.json")
	if err != nil {
		t.Fatal(err)
	}
	p := oidc.New(s, redirectURI, o)
	a := oidc.NewAttempt()
	location, err := p.Start(t.Context(), a)
	if err != nil || !strings.Contains(location, "response_mode=form_post") || !strings.Contains(location, "scope=openid+email+name") {
		t.Fatalf("Start = %q, %v; want a form as answer", location, err)
	}
	got, err := visit(t, p, o, a)
	if err != nil || got.Name != "Ada Lovelace" || got.Email != "ada@example.com" || !got.EmailVerified {
		t.Fatalf("Finish = %+v, %v", got, err)
	}
	secret, _ := strings.CutPrefix(o.auth[0], "post cloakroom ")
	signed, err := jose.ParseSignedCompact(secret, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatalf("the secret %q: %v", o.auth[0], err)
	}
	payload, err := signed.Verify(key.Public())
	var claims struct {
		Iss, Sub, Aud string
		Iat, Exp      int64
	}
	if err := errors.Join(err, json.Unmarshal(payload, &claims)); err != nil {
		t.Fatal(err)
	}
	if claims.Iss != "TEAM" || claims.Sub != "cloakroom" || claims.Aud != issuer || claims.Exp-claims.Iat != 300 || signed.Signatures[0].Header.KeyID != "KEY" {
		t.Errorf("the secret says %+v, kid %q", claims, signed.Signatures[0].Header.KeyID)
	}
}

// TestAnAnswerOfOneMiB is read, and no more.
func TestAnAnswerOfOneMiB(t *testing.T) {
	for name, size := range map[string]int{"1 MiB": 1 << 20, "a byte more": 1<<20 + 1} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(newOP(t).metadata)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, bytes.Repeat([]byte(" "), size-len(text))...)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write(bytes.ReplaceAll(text, []byte(issuer), []byte("http://" + r.Host + "/xxxxxxx")[:len(issuer)]))
			}))
			defer server.Close()
			address := (server.URL + "/xxxxxxx")[:len(issuer)]
			s, err := oidc.ParseSettings("example", []byte(`{"issuer":"`+address+`","client_id":"id","client_secret":"secret"}`))
			if err != nil {
				t.Fatal(err)
			}
			_, err = oidc.New(s, redirectURI, nil).Start(t.Context(), oidc.NewAttempt())
			if (err == nil) != (size == 1<<20) {
				t.Errorf("Start: %v", err)
			}
		})
	}
}

// dated is a provider whose clock is ahead by so much.
type dated struct {
	*op
	ahead time.Duration
	slow  time.Duration // how long an answer takes
	age   string
}

func (d dated) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := d.op.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Header.Set("Date", time.Now().Add(d.ahead).UTC().Format(http.TimeFormat))
	if d.age != "" {
		answer.Header.Set("Age", d.age)
	}
	time.Sleep(d.slow)
	return answer, nil
}

func TestTheClockOfAProvider(t *testing.T) {
	for _, c := range []struct {
		ahead, slow time.Duration
		age         string
		want        time.Duration
	}{
		{0, 0, "", 0},
		{0, 3 * time.Second, "", 0},
		{time.Minute, 0, "", time.Minute},
		{time.Minute, 3 * time.Second, "", 57 * time.Second},
		{-time.Minute, 0, "", -time.Minute},
		{-time.Minute, 0, "60", 0}, // from a cache
	} {
		synctest.Test(t, func(t *testing.T) {
			o := newOP(t)
			p := oidc.New(settings(t, func(map[string]any) {}), redirectURI, dated{o, c.ahead, c.slow, c.age})
			if ahead, err := p.Clock(t.Context()); err != nil || ahead != c.want {
				t.Errorf("%+v: %v, %v", c, ahead, err)
			}
		})
	}
}
