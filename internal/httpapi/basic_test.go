package httpapi_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
)

func basic(username, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password))
}

// TestBasicHasTheErrorsOfDjangoRESTFramework tests the same headers as Django REST framework's tests, with its sentences.
func TestBasicHasTheErrorsOfDjangoRESTFramework(t *testing.T) {
	s := start(t, options{})
	s.user("ada")
	const (
		nothing  = "Authentication credentials were not provided."
		empty    = "Invalid basic header. No credentials provided."
		spaces   = "Invalid basic header. Credentials string should not contain spaces."
		encoding = "Invalid basic header. Credentials not correctly base64 encoded."
		wrong    = "Invalid username/password."
	)
	right := strings.TrimPrefix(basic("ada", goodPassword), "Authorization: Basic ")
	for _, row := range []struct{ header, code, detail string }{
		{"", "not_authenticated", nothing},
		{"Basic", "invalid_credentials", empty},
		{"Basic ", "invalid_credentials", empty},
		{"Basic    ", "invalid_credentials", empty},
		{"Basic a b", "invalid_credentials", spaces},
		{"Basic " + right + " x", "invalid_credentials", spaces},
		{"Basic !", "invalid_credentials", encoding},
		{"Basic " + right + "=", "invalid_credentials", encoding},
		{"Basic " + right[:len(right)-1], "invalid_credentials", encoding},
		{"Basic " + base64.URLEncoding.EncodeToString([]byte("ada:\xff\xfe\xfd")), "invalid_credentials", encoding},
		{"Basic " + base64.StdEncoding.EncodeToString([]byte("no colon")), "invalid_credentials", encoding},
		{"Basic " + base64.StdEncoding.EncodeToString([]byte("ada:nul\x00")), "invalid_credentials", "Invalid basic header. Null characters are not allowed."},
		{"Basic " + base64.StdEncoding.EncodeToString([]byte("ada:wrong")), "invalid_credentials", wrong},
		{"Basic " + base64.StdEncoding.EncodeToString([]byte("ada:")), "invalid_credentials", wrong},
		{"Basic " + base64.StdEncoding.EncodeToString([]byte(":")), "invalid_credentials", wrong},
		{"Basic " + base64.StdEncoding.EncodeToString([]byte("unknown:"+goodPassword)), "invalid_credentials", wrong},
		{"Token " + right, "not_authenticated", nothing},
		{"Bearer " + right, "not_authenticated", nothing},
		{"Digest username=ada", "not_authenticated", nothing},
		{"Session " + right, "not_authenticated", nothing},
		{"Basic\t" + right, "not_authenticated", nothing},
		{"Basic:" + right, "not_authenticated", nothing},
		{right, "not_authenticated", nothing},
	} {
		r := s.client().send("POST", "/api/auth/login", nil, "Authorization: "+row.header)
		if !isProblem(r, 401, row.code) || r.field("detail") != row.detail || r.Header.Get("WWW-Authenticate") != "Session" || len(r.Cookies()) > 0 {
			t.Errorf("%q: got %d %s", row.header, r.StatusCode, r.body)
		}
	}
	two := s.client().send("POST", "/api/auth/login", nil, "Authorization: Basic "+right, "Authorization: Basic "+right)
	if !isProblem(two, 401, "invalid_credentials") {
		t.Errorf("two headers: got %d %s", two.StatusCode, two.body)
	}
	for _, scheme := range []string{"Basic ", "basic ", "BASIC ", "Basic   "} {
		c := s.client()
		if r := c.send("POST", "/api/auth/login", nil, "Authorization: "+scheme+right); r.StatusCode != 200 || r.field("username") != "ada" || c.ticket() == "" {
			t.Errorf("%q: got %d %s", scheme, r.StatusCode, r.body)
		}
	}
}

// TestBasicAcceptsUTF8AndLatin1: text that isn't UTF-8 is Latin-1. The first colon ends the name; the password may have others.
func TestBasicAcceptsUTF8AndLatin1(t *testing.T) {
	s := start(t, options{})
	const password = "пароль: with: colons ✓ "
	if _, err := s.api.Accounts.Create(t.Context(), account.NewUser{Username: "josé", Password: password}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.api.Accounts.Create(t.Context(), account.NewUser{Username: "zoë", Password: "ÿ latin letters é:"}); err != nil {
		t.Fatal(err)
	}
	s.secret.add(password, "ÿ latin letters é:")
	for name, header := range map[string]string{
		"UTF-8":              basic("josé", password),
		"UTF-8 in two parts": basic("jose\u0301", password),
		"Latin-1":            basic("zo\xeb", "\xff latin letters \xe9:"),
	} {
		if r := s.client().send("POST", "/api/auth/login", nil, header); r.StatusCode != 200 {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
		}
	}
}

// TestBasicIsAcceptedAtSignInOnly: other routes ignore it, so that a browser that remembers the credentials doesn't sign anyone
// in (S12). Credentials in the body have precedence.
func TestBasicIsAcceptedAtSignInOnly(t *testing.T) {
	s := start(t, options{})
	u := s.user("ada")
	right := basic("ada", goodPassword)
	for _, route := range httpapi.Routes() {
		if route.Path == "/api/auth/login" || route.Path == "/api/auth/knox/login" {
			continue
		}
		c := s.client()
		r, plain := c.send(route.Method, at(route), nil, right), c.send(route.Method, at(route), nil)
		if r.StatusCode != plain.StatusCode || r.code() != plain.code() || c.ticket() != "" {
			t.Errorf("%s: %d, without the header %d", route, r.StatusCode, plain.StatusCode)
		}
	}
	for _, body := range []map[string]any{
		{"username": "ada", "password": "wrong"}, {"username": "ada"}, {"password": goodPassword}, {"remember": true},
	} {
		if r := s.client().send("POST", "/api/auth/login", body, right); r.StatusCode == 200 {
			t.Errorf("%v: got %d %s", body, r.StatusCode, r.body)
		}
	}
	if n := len(s.records(u.ID)); n != 0 {
		t.Errorf("there are %d sessions", n)
	}
	if r := s.client().send("POST", "/api/auth/login", map[string]any{}, right); r.StatusCode != 200 {
		t.Errorf("an empty object: got %d %s", r.StatusCode, r.body)
	}
}

// FuzzAuthorization compares the decoder of the header with a slow, simple one for RFC 7617.
func FuzzAuthorization(f *testing.F) {
	for _, header := range []string{
		"Basic YTpi", "basic YTpi", "Basic", "Basic  YTpi ", "Basic YTo=", "Basic YTo", "Basic a b", "Basic ////", "Basic Og==", "Basic Oh==",
		"Bearer YTpi", "Basic 6jrq", "Basic YQA6Yg==", "BASIC YTpiOmM=", "", " ", "Basic\tYTpi", "Basic w6k6w6k=",
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if strings.ContainsAny(header, "\r\n") {
			t.Skip() // no header can have these characters
		}
		r := httptest.NewRequest("POST", "/api/auth/login", nil)
		r.Header["Authorization"] = []string{header}
		got, err := httpapi.BasicLogin(r)
		username, password, ok := slowBasic(header)
		if (err == nil) != ok || ok && (*got.Username != username || *got.Password != password) {
			t.Errorf("%q: %v %v, not %q %q %v", header, describe(got), err, username, password, ok)
		}
		if r.Header = (http.Header{"Authorization": {header, header}}); err == nil {
			if _, err := httpapi.BasicLogin(r); err == nil {
				t.Errorf("%q twice was accepted", header)
			}
		}
	})
}

// slowBasic decodes a header letter by letter.
func slowBasic(header string) (username, password string, ok bool) {
	if len(header) < 6 || strings.ToUpper(header[:5]) != "BASIC" || header[5] != ' ' || !utf8.ValidString(header[:5]) {
		return "", "", false
	}
	letters := header[6:]
	for strings.HasPrefix(letters, " ") {
		letters = letters[1:]
	}
	for strings.HasSuffix(letters, " ") {
		letters = letters[:len(letters)-1]
	}
	plain, ok := slowBase64(letters)
	if !ok || len(letters) == 0 {
		return "", "", false
	}
	text := string(plain)
	if !utf8.ValidString(text) {
		text = ""
		for _, c := range plain {
			text += string(rune(c))
		}
	}
	colon := strings.Index(text, ":")
	if colon < 0 || strings.Contains(text, "\x00") {
		return "", "", false
	}
	return text[:colon], text[colon+1:], true
}

// slowBase64 decodes base64 with padding (RFC 4648, section 4). It ignores the unused bits at the end.
func slowBase64(letters string) ([]byte, bool) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	if len(letters)%4 != 0 {
		return nil, false
	}
	body := strings.TrimRight(letters, "=")
	if len(letters)-len(body) > 2 {
		return nil, false
	}
	var out []byte
	bits, n := 0, 0
	for _, c := range []byte(body) {
		i := strings.IndexByte(alphabet, c)
		if i < 0 {
			return nil, false
		}
		bits, n = bits<<6|i, n+6
		if n >= 8 {
			n -= 8
			out = append(out, byte(bits>>n))
			bits &= 1<<n - 1
		}
	}
	return out, true
}
