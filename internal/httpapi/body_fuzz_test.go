package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
)

func post(body, kind string) *http.Request {
	r := httptest.NewRequest("POST", "/api/auth/login", strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	return r
}

func decoded(t *testing.T, body, kind string) httpapi.Login {
	t.Helper()
	got, err := httpapi.DecodeLogin(httptest.NewRecorder(), post(body, kind))
	if err != nil {
		t.Errorf("%s: %v", body, err)
	}
	return got
}

func equal(a, b httpapi.Login) bool { return describe(a) == describe(b) }

func describe(l httpapi.Login) string {
	text := func(s *string) string {
		if s == nil {
			return "nil"
		}
		return strconv.Quote(*s)
	}
	remember := "nil"
	if l.Remember != nil {
		remember = fmt.Sprint(*l.Remember)
	}
	return text(l.Username) + " " + text(l.Password) + " " + remember
}

// FuzzJSONBody compares the decoder with a strict, simple one for flat objects. Both accept the same bodies, and no body makes
// the API fail.
func FuzzJSONBody(f *testing.F) {
	for _, m := range malformed {
		f.Add(m.body)
	}
	for _, body := range []string{
		`{"username":"ada","password":"x"}`, `{"username":"\ud83d\ude00","password":"\ud800"}`, `{"password":"\\ufffd\ud800"}`,
		`{"remember":"ON","username":"\u0000"}`, ` {"remember" : false } `, ``, `{"username":null}`, `{"remember":"\u0074rue"}`,
	} {
		f.Add(body)
	}
	var log safeBuffer
	whole, _ := build(f, memoryStores(f), "http://localhost:8000", options{}, &log)
	run(f, whole)
	handler := whole.Handler(nil)
	f.Fuzz(func(t *testing.T, body string) {
		want, ok := strictly(body)
		got, err := httpapi.DecodeLogin(httptest.NewRecorder(), post(body, "application/json"))
		if (err == nil) != ok || ok && !equal(got, want) {
			t.Errorf("%q: %v %v, not %v %v", body, describe(got), err, describe(want), ok)
		}
		r := post(body, "application/json")
		r.URL.Path, r.Host = "/api/auth/logout", "localhost:8000"
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 && w.Code != 413 {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}

// strictly decodes the only valid body of a sign-in: a flat object with the known fields, each at most once (RFC 8259).
func strictly(body string) (l httpapi.Login, ok bool) {
	if len(body) > 64<<10 || !utf8.ValidString(body) {
		return l, false
	}
	if body == "" {
		return l, true
	}
	p := reader{rest: body}
	defer func() {
		if v := recover(); v != nil {
			if v != errNotJSON {
				panic(v)
			}
			l, ok = httpapi.Login{}, false
		}
	}()
	p.member(&l)
	return l, true
}

var errNotJSON = errors.New("not the JSON that is asked for")

type reader struct{ rest string }

func (p *reader) blanks() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *reader) next(token string) bool {
	p.blanks()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *reader) must(ok bool) {
	if !ok {
		panic(errNotJSON)
	}
}

func (p *reader) member(l *httpapi.Login) {
	p.must(p.next("{"))
	for first := true; !p.next("}"); first = false {
		p.must(first || p.next(","))
		p.must(p.next(`"`))
		name := p.text()
		p.must(p.next(":"))
		switch {
		case name == "username" && l.Username == nil && p.next(`"`):
			l.Username = new(p.plain())
		case name == "password" && l.Password == nil && p.next(`"`):
			l.Password = new(p.plain())
		case name == "remember" && l.Remember == nil:
			l.Remember = new(p.boolean())
		default:
			panic(errNotJSON)
		}
	}
	p.blanks()
	p.must(p.rest == "")
}

func (p *reader) plain() string {
	text := p.text()
	p.must(!strings.Contains(text, "\x00"))
	return text
}

func (p *reader) boolean() bool {
	if p.next("true") {
		return true
	}
	if p.next("false") {
		return false
	}
	p.must(p.next(`"`))
	word := strings.ToLower(p.text())
	if word == "true" || word == "on" || word == "1" {
		return true
	}
	p.must(word == "false" || word == "off" || word == "0" || word == "")
	return false
}

var plainEscapes = map[byte]string{'"': `"`, '\\': `\`, '/': "/", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t"}

// text returns the rest of a string.
func (p *reader) text() string {
	var b strings.Builder
	for {
		p.must(p.rest != "")
		c := p.rest[0]
		p.rest = p.rest[1:]
		switch {
		case c == '"':
			return b.String()
		case c < ' ':
			panic(errNotJSON)
		case c != '\\':
			b.WriteByte(c)
			continue
		}
		p.must(p.rest != "")
		c, p.rest = p.rest[0], p.rest[1:]
		if c != 'u' {
			p.must(plainEscapes[c] != "")
			b.WriteString(plainEscapes[c])
			continue
		}
		unit := p.unit()
		if utf16.IsSurrogate(unit) {
			p.must(strings.HasPrefix(p.rest, `\u`))
			p.rest = p.rest[2:]
			unit = utf16.DecodeRune(unit, p.unit())
			p.must(unit != utf8.RuneError)
		}
		b.WriteRune(unit)
	}
}

func (p *reader) unit() rune {
	p.must(len(p.rest) >= 4)
	n, err := strconv.ParseUint(p.rest[:4], 16, 16)
	p.must(err == nil && !strings.ContainsAny(p.rest[:4], "+-_"))
	p.rest = p.rest[4:]
	return rune(n)
}
