package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
)

// malformed are bodies that no route accepts.
var malformed = map[string]struct {
	body   string
	status int
	code   string
}{
	"half an object":              {`{`, 400, "malformed_body"},
	"an open string":              {`{"username":"a`, 400, "malformed_body"},
	"no value":                    {`{"username"}`, 400, "malformed_body"},
	"no colon":                    {`{"username" "a"}`, 400, "malformed_body"},
	"a comma for a colon":         {`{"username","a"}`, 400, "malformed_body"},
	"a comma too many":            {`{"username":"a",}`, 400, "malformed_body"},
	"a comma first":               {`{,"username":"a"}`, 400, "malformed_body"},
	"no comma":                    {`{"username":"a" "password":"b"}`, 400, "malformed_body"},
	"the wrong bracket":           {`{"username":"a"]`, 400, "malformed_body"},
	"a key that is no string":     {`{username:"a"}`, 400, "malformed_body"},
	"a number for a key":          {`{1:"a"}`, 400, "malformed_body"},
	"an object for a key":         {`{{}:"a"}`, 400, "malformed_body"},
	"single quotes":               {`{'username':'a'}`, 400, "malformed_body"},
	"a comment":                   {`{"username":"a"/**/}`, 400, "malformed_body"},
	"NaN":                         {`{"username":NaN}`, 400, "malformed_body"},
	"something after it":          {`{"username":"a","password":"b"}x`, 400, "malformed_body"},
	"another object after it":     {`{"username":"a","password":"b"}{}`, 400, "malformed_body"},
	"a NUL after it":              {"{}\x00", 400, "malformed_body"},
	"a byte order mark":           {"\xef\xbb\xbf{}", 400, "malformed_body"},
	"UTF-16":                      {"\xff\xfe{\x00}\x00", 400, "malformed_body"},
	"an array":                    {`[]`, 400, "malformed_body"},
	"an array of an object":       {`[{"username":"a","password":"b"}]`, 400, "malformed_body"},
	"a string":                    {`"username"`, 400, "malformed_body"},
	"a number":                    {`1`, 400, "malformed_body"},
	"null":                        {`null`, 400, "malformed_body"},
	"true":                        {`true`, 400, "malformed_body"},
	"blanks":                      {"  \n", 400, "malformed_body"},
	"bytes that are not UTF-8":    {"{\"username\":\"\xff\"}", 400, "malformed_body"},
	"an overlong slash":           {"{\"username\":\"\xc0\xaf\"}", 400, "malformed_body"},
	"a surrogate in UTF-8":        {"{\"username\":\"\xed\xa0\x80\"}", 400, "malformed_body"},
	"a line break in a string":    {"{\"username\":\"a\nb\"}", 400, "malformed_body"},
	"a bad escape":                {`{"username":"\x41"}`, 400, "malformed_body"},
	"a short escape":              {`{"username":"\u00"}`, 400, "malformed_body"},
	"a field twice":               {`{"username":"a","username":"b"}`, 400, "malformed_body"},
	"a field twice, escaped":      {`{"password":"a","passw\u006frd":"b"}`, 400, "malformed_body"},
	"a field in capitals besides": {`{"username":"a","Username":"b"}`, 400, "invalid"},
	"an unknown field":            {`{"no such field":"a"}`, 400, "invalid"},
	"a field with no name":        {`{"":"a"}`, 400, "invalid"},
	"a prototype":                 {`{"__proto__":{"is_staff":true}}`, 400, "invalid"},
	"a very deep value":           {`{"username":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, 400, "malformed_body"},
	"many objects":                {strings.Repeat(`{"a":`, 12000) + "1" + strings.Repeat("}", 12000), 413, "body_too_large"},
	"65,537 bytes":                {`{"username":"` + strings.Repeat("a", 65537-15) + `"}`, 413, "body_too_large"},
	"a megabyte":                  {`{"password":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "body_too_large"},
}

// ownRoutes returns the routes that may change something and have a wire of our own: neither compatibility routes nor those that
// providers post a form to, in which other fields are ignored (TestOnlyFormsOfProvidersAreRead, TestAnAnswerAsAForm).
func ownRoutes() []httpapi.Route {
	return slices.DeleteFunc(unsafe(), func(r httpapi.Route) bool {
		return r.Plain || r.Path == "/api/auth/oidc/{provider}/backchannel-logout" || r.Path == "/api/auth/oidc/{provider}/callback"
	})
}

// TestNoRouteAcceptsAMalformedBody: each route answers each body with its code, and nothing changes.
func TestNoRouteAcceptsAMalformedBody(t *testing.T) {
	t.Attr("threat", "F06")
	s := start(t, options{})
	c := s.as(s.superuser("ada"))
	before := snapshot(t, s.stores)
	for _, route := range ownRoutes() {
		for name, m := range malformed {
			r := c.raw(route.Method, at(route), strings.NewReader(m.body), "Content-Type: application/json")
			if !isProblem(r, m.status, m.code) || len(r.Cookies()) > 0 {
				t.Errorf("%s with %s: got %d %.300s", route, name, r.StatusCode, r.body)
			}
		}
	}
	if after := snapshot(t, s.stores); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
}

// TestOtherMediaTypesAreRefused: the media types that a form or a simple request of another site can send are 415.
func TestOtherMediaTypesAreRefused(t *testing.T) {
	t.Attr("threat", "F06")
	s := start(t, options{})
	c := s.as(s.superuser("ada"))
	before := snapshot(t, s.stores)
	refused := []string{
		"", "text/plain", "text/plain; charset=utf-8", "text/html", "application/octet-stream", "application/xml", "application/jsonp",
		"application/json-patch+json", "application/problem+json", "text/json", "json", "*/*", "application/*", "application/json, text/plain",
		"text/plain, application/json", "application/json; charset=latin1", "application/json; charset=utf-16", "application/json; charset=",
		"application/json; charset", "application/json; charset=utf-8; charset=latin1", `application/json; x="`, "application /json",
		"text/plain; x=application/json",
	}
	forms := []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=edge", "multipart/form-data", "multipart/mixed; boundary=edge"}
	for _, route := range ownRoutes() {
		kinds := refused
		if route.Path != "/api/auth/login" && route.Path != "/api/auth/logout" {
			kinds = append(kinds, forms...)
		}
		for _, kind := range kinds {
			var header []string
			if kind != "" {
				header = []string{"Content-Type: " + kind}
			}
			if r := c.raw(route.Method, at(route), strings.NewReader("{}"), header...); !isProblem(r, 415, "unsupported_media_type") {
				t.Errorf("%s with %q: got %d %s", route, kind, r.StatusCode, r.body)
			}
		}
	}
	if after := snapshot(t, s.stores); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	for _, kind := range []string{
		"application/json", "Application/JSON", "application/json; charset=utf-8", `application/json;charset="UTF-8"`,
		"application/json; charset=utf-8; version=1", "application/json;",
	} {
		if r := c.raw("POST", "/api/auth/reauthenticate", strings.NewReader("{}"), "Content-Type: "+kind); !isProblem(r, 400, "invalid") {
			t.Errorf("%q: got %d %s", kind, r.StatusCode, r.body)
		}
	}
}

// TestEncodedBodiesAreRefused: a body with a Content-Encoding is refused, even if it isn't really encoded.
func TestEncodedBodiesAreRefused(t *testing.T) {
	t.Attr("threat", "F06")
	s := start(t, options{})
	c := s.as(s.user("ada"))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, "{}")
	z.Close()
	send := func(body, coding string) *answer {
		return c.raw("DELETE", "/api/auth/sessions", strings.NewReader(body), "Content-Type: application/json", "Content-Encoding: "+coding)
	}
	for coding, body := range map[string]string{
		"gzip": packed.String(), "GZIP": packed.String(), "br": "{}", "identity, gzip": packed.String(), "utf-8": "{}",
	} {
		r := send(body, coding)
		if !isProblem(r, 415, "unsupported_media_type") || !strings.Contains(string(r.body), coding) || r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("%s: got %d %v %s", coding, r.StatusCode, r.Header["Accept-Encoding"], r.body)
		}
	}
	for _, coding := range []string{"identity", "Identity", ""} {
		if r := send("{}", coding); r.StatusCode != 200 {
			t.Errorf("%q: got %d %s", coding, r.StatusCode, r.body)
		}
	}
	if r := send("", "gzip"); r.StatusCode != 200 {
		t.Errorf("an empty body with a Content-Encoding: got %d %s", r.StatusCode, r.body)
	}
}

// TestEveryWrongFieldIsNamed: the response names every wrong field and what is wrong with it, with the text of Django REST
// framework.
func TestEveryWrongFieldIsNamed(t *testing.T) {
	s := start(t, options{})
	const (
		notString, null   = "Not a valid string.", "This field may not be null."
		required, unknown = "This field is required.", "Unknown field."
		nul, notBool      = "Null characters are not allowed.", "Must be a valid boolean."
	)
	for body, want := range map[string]map[string]string{
		`{"username":1,"password":[]}`:                                    {"username": notString, "password": notString},
		`{"username":{},"password":true,"remember":"maybe"}`:              {"username": notString, "password": notString, "remember": notBool},
		`{"username":["ada"],"password":"x"}`:                             {"username": notString},
		`{"username":null,"password":null,"remember":null}`:               {"username": null, "password": null, "remember": null},
		`{"username":"a\u0000","password":"\u0000"}`:                      {"username": nul, "password": nul},
		`{"username":"a","password":"\ud800"}`:                            {"password": notString},
		`{"username":"a","password":"\udc00\ud800"}`:                      {"password": notString},
		`{"username":"a","password":"\ud83d\ude00\ud83d"}`:                {"password": notString},
		`{"username":"a","password":"\uD800\u0041"}`:                      {"password": notString},
		`{"username":"a","password":"\\ufffd\ud800"}`:                     {"password": notString},
		`{"username":"a","password":"\\\ud800"}`:                          {"password": notString},
		`{"username":"a","password":"b","remember":1}`:                    {"remember": notBool},
		`{"username":"a","password":"b","remember":[]}`:                   {"remember": notBool},
		`{"username":"a"}`:                                                {"password": required},
		`{"password":"a"}`:                                                {"username": required},
		`{"remember":false}`:                                              {"username": required, "password": required},
		`{"username":"a","password":"b","is_staff":true,"next":"//evil"}`: {"is_staff": unknown, "next": unknown},
		`{"username":"a","password":"b","REMEMBER":true}`:                 {"REMEMBER": unknown},
	} {
		r := s.client().raw("POST", "/api/auth/login", strings.NewReader(body), "Content-Type: application/json")
		var got struct{ Errors map[string][]string }
		if err := json.Unmarshal(r.body, &got); err != nil || !isProblem(r, 400, "invalid") {
			t.Errorf("%s: got %d %s", body, r.StatusCode, r.body)
		}
		found := map[string]string{}
		for field, sentences := range got.Errors {
			found[field] = strings.Join(sentences, " ")
		}
		if fmt.Sprint(found) != fmt.Sprint(want) {
			t.Errorf("%s:\n%v, not\n%v", body, found, want)
		}
	}
}

// TestMalformedRequestsAreNotCountedAsGuesses, since they can't be one.
func TestMalformedRequestsAreNotCountedAsGuesses(t *testing.T) {
	s := start(t, options{})
	s.user("ada")
	c := s.client()
	for range 5 {
		for name, m := range malformed {
			if r := c.raw("POST", "/api/auth/login", strings.NewReader(m.body), "Content-Type: application/json"); r.StatusCode != m.status {
				t.Fatalf("%s: got %d", name, r.StatusCode)
			}
		}
		for _, header := range []string{"Basic", "Basic !", "Basic YQ==", "Basic " + "YWRh" + "AA=="} {
			c.send("POST", "/api/auth/login", nil, "Authorization: "+header)
		}
	}
	if r := c.login("ada", goodPassword); r.StatusCode != 200 {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
}

// TestValidBodiesAreAccepted: no body where all fields are optional, a body of 64 KiB, and any text that JSON can encode.
func TestValidBodiesAreAccepted(t *testing.T) {
	s := start(t, options{})
	c := s.as(s.user("ada"))
	for _, body := range []string{"", "{}", " { } ", "\t{\n}\r\n"} {
		if r := c.raw("DELETE", "/api/auth/sessions", strings.NewReader(body), "Content-Type: application/json"); r.StatusCode != 200 {
			t.Errorf("%q: got %d %s", body, r.StatusCode, r.body)
		}
	}
	if r := c.raw("DELETE", "/api/auth/sessions", http.NoBody); r.StatusCode != 200 {
		t.Errorf("no body and no type: got %d %s", r.StatusCode, r.body)
	}
	full := `{"password":"` + strings.Repeat("a", 64<<10-15) + `"}`
	if r := c.raw("POST", "/api/auth/reauthenticate", strings.NewReader(full), "Content-Type: application/json"); len(full) != 64<<10 || !isProblem(r, 400, "invalid") {
		t.Errorf("64 KiB (%d bytes): got %d %s", len(full), r.StatusCode, r.body)
	}
	for body, want := range map[string]httpapi.Login{
		`{"username":"\ud83d\ude00\u00e9é","password":" \ufffd�\\ud800 ","remember":"Off"}`: {Username: new("😀éé"), Password: new(` ��\ud800 `), Remember: new(false)},
		`{"remember":"\u006fn","username":"","password":""}`:                                {Username: new(""), Password: new(""), Remember: new(true)},
	} {
		if got := decoded(t, body, "application/json"); !equal(got, want) {
			t.Errorf("%s: %v", body, got)
		}
	}
}
