package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

func TestOnlyTheExactCookieNameIsAccepted(t *testing.T) {
	t.Attr("threat", "A5")
	m := newManager()
	ann := &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "1"})
	for _, c := range []struct {
		header string // N stands for the cookie's name and T for the ticket
		counts bool
	}{
		{"N=T", true}, {"a=b; N=T", true}, {"N=T; a=b", true}, {"a=b;N=T", true}, {"N=T;", true}, {"; ;N=T; ;", true}, {"   N=T   ", true},
		{"$Version=1; N=T; $Path=/", true}, {`a="; N=T; b="`, true}, {"N; N=T", true}, {"=N=x; N=T", true}, {"n=x; N=T", true}, {"a=b=c; N=T", true},

		{"=N=T", false}, {" =N=T", false}, {"; =N=T", false}, {"==N=T", false}, {"N==T", false}, {"N", false}, {"T", false}, {"N;T", false},
		{"__%48ost-Http-sessionid=T", false}, {"%5F_Host-Http-sessionid=T", false}, {"__Host-Http-sessionid%00=T", false}, {"N%20=T", false},
		{"\tN=T", false}, {"N\t=T", false}, {"N=\tT", false}, {"N=T\t", false}, {"N =T", false}, {"N= T", false}, {"a=b;\tN=T", false},
		{"\u2000N=T", false}, {"\u00a0N=T", false}, {"\u0085N=T", false}, {"\u3000N=T", false}, {"\ufeffN=T", false}, {"\u200bN=T", false},
		{"N\u2000=T", false}, {"N\u00a0=T", false}, {"N=T\u2000", false}, {"N=\u00a0T", false}, {"\x85N=T", false}, {"\xa0N=T", false},
		{"\vN=T", false}, {"\fN=T", false}, {"\x00N=T", false}, {"N\x00=T", false}, {"N=T\x00", false}, {"a=b\x00; N\x00=T", false},
		{`"N"=T`, false}, {`N="T"`, false}, {`"N=T"`, false}, {`N=T"`, false}, {`N='T'`, false},
		{"$Version=1, N=T", false}, {"$Version=1,N=T", false}, {"a=b, N=T", false}, {"a=b,N=T", false}, {"a=b&N=T", false}, {"a=b N=T", false},
		{"a=b\nN=T", false}, {"a=b\rN=T", false}, {"a=b\r\nCookie: N=T", false}, {"a[N=T", false}, {"N[]=T", false}, {"N[0]=T", false},
		{"..Host-Http-sessionid=T", false}, {"_.Host-Http-sessionid=T", false}, {"__Host Http sessionid=T", false}, {"__Host.Http.sessionid=T", false},
		{"__host-http-sessionid=T", false}, {"__HOST-HTTP-SESSIONID=T", false}, {"__Host-Http-SessionId=T", false}, {"__Host-Http-ſessionid=T", false},
		{"__Host-sessionid=T", false}, {"__Http-sessionid=T", false}, {"__Secure-sessionid=T", false}, {"sessionid=T", false},
		{"xN=T", false}, {"Nx=T", false}, {"x.N=T", false}, {"", false}, {";", false}, {"=", false}, {";;;=;;", false},
	} {
		header := strings.NewReplacer("N", session.CookieName, "T", ann.ticket()).Replace(c.header)
		if got := (&visitor{t: t, m: m, cookie: header}).alive(); got != c.counts {
			t.Errorf("Cookie: %q: signed in is %v", c.header, got)
		}
	}
}

func TestOnlySemicolonsSeparate(t *testing.T) {
	t.Attr("threat", "A6")
	for header, want := range map[string][]string{
		"s=a,b":                  {"a,b"},
		"s=a, s=b":               {"a, s=b"},
		"s=a[0]; t=]; s=(b)":     {"a[0]", "(b)"},
		"s=a&s=b; x=s=c":         {"a&s=b"},
		"s=a b c ; s=\td\t":      {"a b c", "\td\t"},
		`s="a; s=b"`:             {`"a`, `b"`},
		"s=; s==; s":             {"", "="},
		"s=a\\; s=b\\\"; s='; '": {"a\\", "b\\\"", "'"},
	} {
		if got := parsed([]string{header}); !slices.Equal(got, want) {
			t.Errorf("%q holds %q, want %q", header, got, want)
		}
	}
}

// open accepts every text as a ticket that no session has, and records it.
type open struct{ seen []string }

func (o *open) New() string { panic("no ticket is made here") }

func (o *open) ID(ticket string) (session.ID, bool) {
	o.seen = append(o.seen, ticket)
	return session.ID{}, false
}

// parsed returns the values of the cookie "s" that a sign-out finds.
func parsed(lines []string) []string {
	found := &open{}
	m := &session.Manager{Store: memory.New().Sessions, CookieName: "s", Tickets: found}
	r := httptest.NewRequest("POST", "/", nil)
	r.Header["Cookie"] = lines
	if err := m.SignOut(httptest.NewRecorder(), r); err != nil && !errors.Is(err, session.ErrNotATicket) {
		panic(err)
	}
	return found.seen
}

// slowly is the rule, byte by byte: pairs end at ";", and blanks before the name and after the value belong to the
// separator.
func slowly(lines []string) []string {
	var found []string
	for _, line := range lines {
		name, value, inValue := "", "", false
		for _, b := range append([]byte(line), ';') {
			switch {
			case b == ';':
				for value != "" && value[len(value)-1] == ' ' {
					value = value[:len(value)-1]
				}
				if inValue && name == "s" {
					found = append(found, value)
				}
				name, value, inValue = "", "", false
			case inValue:
				value += string([]byte{b})
			case b == '=':
				inValue = true
			case b == ' ' && name == "":
			default:
				name += string([]byte{b})
			}
		}
	}
	return found
}

// FuzzCookieHeader compares the parser with the rule written out, and checks that each value found stands in the header
// directly behind the name.
func FuzzCookieHeader(f *testing.F) {
	for _, seed := range [][2]string{
		{"s=a", ""}, {"s=a; s=b", "s=c"}, {" s = a ; s=b ", ";;"}, {"=s=a", "s"}, {`s="a;s=b"`, "S=a"}, {"\u00a0s=a", "\ts=b"}, {"s=a,s=b", "s\x00=c"},
		{"xs=a;s=b", "sx=c"}, {"$Version=1, s=a; s=", "s==a="}, {strings.Repeat("a=;", 100) + "s=x", "%73=a"}, {"s=\xff\xfe", " ; ; s=a;"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		lines := []string{first, second}
		got := parsed(lines)
		if want := slowly(lines); !slices.Equal(got, want) {
			t.Errorf("%q holds %q, want %q", lines, got, want)
		}
		for _, value := range got {
			pair := "s=" + value
			exact := func(line string) bool {
				line = ";" + line
				for i := range line {
					before := strings.TrimRight(line[:i], " ")
					if strings.HasPrefix(line[i:], pair) && strings.HasSuffix(before, ";") {
						return true
					}
				}
				return false
			}
			if !exact(first) && !exact(second) {
				t.Errorf("%q isn't in %q", pair, lines)
			}
		}
	})
}

func TestManyCookiesCostNoMemory(t *testing.T) {
	t.Attr("threat", "A7")
	m := newManager()
	ann := &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "1"})
	allocations := map[string]float64{}
	for name, header := range map[string]string{
		"one cookie":      ann.cookie,
		"5000 cookies":    strings.Repeat("a=; ", 5000) + ann.cookie,
		"1 MB of ;":       strings.Repeat(";", 1<<20) + ann.cookie,
		"1 MB of one":     "a=" + strings.Repeat("x", 1<<20) + "; " + ann.cookie,
		"1 MB of =":       strings.Repeat("=", 1<<20) + "; " + ann.cookie,
		"1 MB of blanks":  strings.Repeat(" ", 1<<20) + ann.cookie,
		"1 MB of our own": ann.cookie + strings.Repeat(" ", 1<<20),
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", header)
		h := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if s, err := session.FromContext(r.Context()); s == nil || err != nil {
				t.Errorf("%s: %v, %v", name, s, err)
			}
		}))
		allocations[name] = testing.AllocsPerRun(10, func() { h.ServeHTTP(nowhere{}, r) })
	}
	for name, n := range allocations {
		if n > allocations["one cookie"] {
			t.Errorf("%s: %v allocations, one cookie needs %v", name, n, allocations["one cookie"])
		}
	}
}

func TestTwoSessionCookiesAreNone(t *testing.T) {
	t.Attr("threat", "K06")
	m := newManager()
	ann, eve := &visitor{t: t, m: m}, &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "ann"})
	eve.signIn(session.SignIn{User: "eve"})
	log := logTo(m)
	for _, lines := range [][]string{
		{ann.cookie + "; " + eve.cookie}, {eve.cookie + "; a=b; " + ann.cookie}, {ann.cookie, eve.cookie}, {ann.cookie + "; " + ann.cookie},
		{ann.cookie + "; " + session.CookieName + "="}, {session.CookieName + "=; " + ann.cookie}, {"a=b", ann.cookie + "; c=d", eve.cookie},
		{ann.cookie + "; " + session.CookieName + "=" + unknownTicket}, {fmt.Sprintf("%s;%s;%[1]s;%[2]s", ann.cookie, eve.cookie)},
	} {
		log.Reset()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Cookie"] = lines
		(&visitor{t: t, m: m}).send(r, func(_ http.ResponseWriter, r *http.Request) {
			if s, err := session.FromContext(r.Context()); s != nil || err != nil || session.RequestFrom(r.Context()).HasTicket() {
				t.Errorf("%q: %v, %v", lines, s, err)
			}
		})
		if !strings.Contains(log.String(), "two session cookies") {
			t.Errorf("%q is not logged: %s", lines, log)
		}
	}
	if !ann.alive() || !eve.alive() {
		t.Error("a session ended by it")
	}
}
