package httpapi_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
)

// TestFormsSignInAsJSONDoes: urlencoded and multipart forms, with Django's field for the token or without.
func TestFormsSignInAsJSONDoes(t *testing.T) {
	s := start(t, options{})
	s.user("ada")
	s.secret.add(goodPassword)
	right := url.Values{"username": {"ada"}, "password": {goodPassword}}
	for name, send := range map[string]func(*client, url.Values) *answer{
		"urlencoded": func(c *client, v url.Values) *answer { return c.form(v) },
		"multipart":  func(c *client, v url.Values) *answer { return c.multipart(v) },
	} {
		t.Run(name, func(t *testing.T) {
			c := s.client()
			if r := send(c, right); r.StatusCode != 200 || r.field("username") != "ada" || c.ticket() == "" {
				t.Errorf("got %d %s", r.StatusCode, r.body)
			}
			for remember, age := range map[string]int{"on": 2592000, "true": 2592000, "1": 2592000, "off": 0, "": 0, "0": 0, "false": 0} {
				r := send(s.client(), url.Values{"username": {"ada"}, "password": {goodPassword}, "remember": {remember}})
				if set := r.cookie("sessionid"); set == nil || set.MaxAge != age {
					t.Errorf("remember %q: got %d %v", remember, r.StatusCode, set)
				}
			}
			for _, wrong := range []url.Values{
				{"username": {"ada"}, "password": {goodPassword}, "next": {"//evil.example"}},
				{"username": {"ada", "ada"}, "password": {goodPassword}},
				{"username": {"ada"}, "password": {goodPassword}, "remember": {"maybe"}},
				{"username": {"ada"}, "password": {goodPassword + "\x00"}},
				{"username": {"ada"}, "password": {"\xff" + goodPassword}},
				{"username": {"ada"}},
				{"username[]": {"ada"}, "password": {goodPassword}},
			} {
				if r := send(s.client(), wrong); r.StatusCode != 400 || len(r.Cookies()) > 0 {
					t.Errorf("%v: got %d %s", wrong, r.StatusCode, r.body)
				}
			}
		})
	}
}

// TestMalformedFormsAreRefused: no field of a malformed body is used.
func TestMalformedFormsAreRefused(t *testing.T) {
	s := start(t, options{})
	const (
		urlencoded, multipart = "application/x-www-form-urlencoded", "multipart/form-data; boundary=edge"
		open                  = "--edge\r\nContent-Disposition: form-data; name=\"username\""
	)
	for name, row := range map[string]struct {
		kind, body string
		status     int
	}{
		"a bad percent":        {urlencoded, "username=%zz&password=x", 400},
		"half a percent":       {urlencoded, "username=ada&password=%4", 400},
		"a semicolon":          {urlencoded, "username=ada;password=x", 400},
		"too many bytes":       {urlencoded, "username=" + strings.Repeat("a", 64<<10), 413},
		"latin letters":        {urlencoded, "username=%ff&password=x", 400},
		"another charset":      {urlencoded + "; charset=latin1", "username=ada&password=x", 415},
		"JSON":                 {urlencoded, `{"username":"ada","password":"x"}`, 400},
		"no boundary":          {"multipart/form-data", open, 400},
		"an empty boundary":    {`multipart/form-data; boundary=""`, open, 400},
		"another boundary":     {"multipart/form-data; boundary=other", open + "\r\n\r\nada\r\n--edge--\r\n", 400},
		"no end":               {multipart, open + "\r\n\r\nada\r\n", 400},
		"a file":               {multipart, open + "; filename=\"x\"\r\n\r\nada\r\n--edge--\r\n", 400},
		"too long a multipart": {multipart, open + "\r\n\r\n" + strings.Repeat("a", 64<<10) + "\r\n--edge--\r\n", 413},
		"mixed":                {"multipart/mixed; boundary=edge", open + "\r\n\r\nada\r\n--edge--\r\n", 415},
	} {
		for _, token := range []string{"", "&csrfmiddlewaretoken=x"} {
			if token != "" && row.kind != urlencoded {
				continue
			}
			r := s.client().raw("POST", "/api/auth/login", strings.NewReader(row.body+token), "Content-Type: "+row.kind)
			if r.StatusCode != row.status && (token == "" || r.StatusCode != 403) {
				t.Errorf("%s%s: got %d %s", name, token, r.StatusCode, r.body)
			}
		}
	}
}

// FuzzLoginForm compares the decoder with a slow, simple one for urlencoded forms. Both accept the same bodies.
func FuzzLoginForm(f *testing.F) {
	for _, body := range []string{
		"username=ada&password=x", "username=a+b&password=%E2%9C%93&remember=on", "username=a&&password=b&", "username", "=x", "username=a;b=c",
		"username=%zz", "username=a&username=b", "password=%00", "username=%ff", "csrfmiddlewaretoken=x&username=a", "%75sername=a", "",
		"csrfmiddlewaretoken=a&csrfmiddlewaretoken=b", "remember=TRUE", "username=a=b",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) > 4<<10 {
			t.Skip() // net/url refuses a form with more than 10,000 fields
		}
		got, err := httpapi.DecodeLogin(httptest.NewRecorder(), post(body, "application/x-www-form-urlencoded"))
		want, ok := slowForm(body)
		if (err == nil) != ok || ok && !equal(got, want) {
			t.Errorf("%q: %v %v, not %v %v", body, describe(got), err, describe(want), ok)
		}
	})
}

func slowForm(body string) (l httpapi.Login, ok bool) {
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(body, "&") {
		if strings.Contains(pair, ";") {
			return httpapi.Login{}, false
		}
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		name, ok := slowUnescape(key)
		text, ok2 := slowUnescape(value)
		if !ok || !ok2 || seen[name] {
			return httpapi.Login{}, false
		}
		seen[name] = true
		switch name {
		case "username":
			l.Username = &text
		case "password":
			l.Password = &text
		case "remember":
			switch strings.ToLower(text) {
			case "true", "on", "1":
				l.Remember = new(true)
			case "false", "off", "0", "":
				l.Remember = new(false)
			default:
				return httpapi.Login{}, false
			}
			continue
		case "csrfmiddlewaretoken":
			continue
		default:
			return httpapi.Login{}, false
		}
		if strings.Contains(text, "\x00") {
			return httpapi.Login{}, false
		}
	}
	return l, true
}

func slowUnescape(s string) (string, bool) {
	const digits = "0123456789abcdefABCDEF"
	var out []byte
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			out = append(out, ' ')
		case '%':
			if i+2 >= len(s) {
				return "", false
			}
			high, low := strings.IndexByte(digits, s[i+1]), strings.IndexByte(digits, s[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			if high > 15 {
				high -= 6
			}
			if low > 15 {
				low -= 6
			}
			out = append(out, byte(high<<4|low))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return string(out), utf8.Valid(out)
}
