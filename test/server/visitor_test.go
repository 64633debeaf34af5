package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const sessionCookie = "sessionid"

// visitor is a browser on a page of the server: it keeps cookies and sends an Origin. Only one goroutine may use it at a time.
type visitor struct {
	s       *server
	address netip.Addr // its own, told to the server in X-Forwarded-For
	cookies map[string]string
}

var lastAddress atomic.Uint32

// visitor returns a visitor without cookies and with an address of its own.
func (s *server) visitor() *visitor {
	n := lastAddress.Add(1)
	return &visitor{
		s: s, address: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), cookies: map[string]string{},
	}
}

// holding returns a visitor with this ticket.
func (s *server) holding(ticket string) *visitor {
	v := s.visitor()
	v.cookies[sessionCookie] = ticket
	return v
}

// signedIn returns a visitor who has just signed in.
func (s *server) signedIn(name string) *visitor {
	s.t.Helper()
	v := s.visitor()
	if r := v.must(v.signIn(name, goodPassword)); r.status != http.StatusOK {
		s.t.Fatalf("sign-in of %s: %s", name, r)
	}
	return v
}

// answer is a whole answer.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, bytes.TrimSpace(a.body)) }

// code returns the code of a problem answer; "" for others.
func (a answer) code() string {
	var problem struct{ Code string }
	if json.Unmarshal(a.body, &problem) != nil {
		return ""
	}
	return problem.Code
}

// send sends a request; body is nil or becomes JSON. After an error the outcome is unknown.
func (v *visitor) send(method, path string, body any) (answer, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, v.s.base+path, content)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return v.do(r)
}

// do sends a request with the visitor's cookies and headers, and keeps the cookies of a whole answer.
func (v *visitor) do(r *http.Request) (answer, error) {
	if r.Header.Get("Origin") == "" {
		r.Header.Set("Origin", v.s.base)
	}
	r.Header.Set("X-Forwarded-For", v.address.String())
	for _, name := range slices.Sorted(maps.Keys(v.cookies)) {
		r.AddCookie(&http.Cookie{Name: name, Value: v.cookies[name]})
	}
	client := http.Client{Transport: v.s.through, Timeout: patience}
	response, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	for _, c := range response.Cookies() {
		if c.MaxAge < 0 || c.Value == "" {
			delete(v.cookies, c.Name)
		} else {
			v.cookies[c.Name] = c.Value
		}
	}
	return answer{response.StatusCode, response.Header, body}, nil
}

func (v *visitor) get(path string) (answer, error) { return v.send("GET", path, nil) }

func (v *visitor) me() (answer, error) { return v.get("/api/me") }

func (v *visitor) signIn(name, password string) (answer, error) {
	return v.send("POST", "/api/auth/login", map[string]string{"username": name, "password": password})
}

func (v *visitor) signOut() (answer, error) { return v.send("POST", "/api/auth/logout", nil) }

func (v *visitor) reauthenticate(password string) (answer, error) {
	return v.send("POST", "/api/auth/reauthenticate", map[string]string{"password": password})
}

func (v *visitor) changePassword(current, next string) (answer, error) {
	return v.send("POST", "/api/auth/password/change", map[string]string{"current_password": current, "new_password": next})
}

func (v *visitor) ticket() string { return v.cookies[sessionCookie] }

// must fails the test at an error.
func (v *visitor) must(a answer, err error) answer {
	v.s.t.Helper()
	if err != nil {
		v.s.t.Fatalf("%v\n%s", err, v.s.log.Tail(10))
	}
	return a
}

// demand calls /api/me, which must answer with this status.
func (v *visitor) demand(status int, when string) answer {
	v.s.t.Helper()
	a := v.must(v.me())
	if a.status != status {
		v.s.t.Errorf("%s: /api/me answers %s, want %d", when, a, status)
	}
	return a
}

// persist repeats a request while the server is busy.
func persist(request func() (answer, error)) (answer, error) {
	for {
		a, err := request()
		if err != nil || a.status != http.StatusServiceUnavailable || a.code() != "busy" {
			return a, err
		}
		time.Sleep(100*time.Millisecond + rand.N(300*time.Millisecond))
	}
}

// setsCookie reports whether the answer sets or deletes the session cookie.
func (a answer) setsCookie() bool {
	return slices.ContainsFunc(a.header.Values("Set-Cookie"), func(line string) bool { return strings.HasPrefix(line, sessionCookie+"=") })
}

// refused reports whether the connection was refused, so that the request had no effect.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
