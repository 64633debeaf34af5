package server_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// page is a single-page app at another port of the same host, as a browser runs it with fetch and
// credentials: "include". A browser asks first whether the app may (the Fetch standard, section 4.8), and keeps answers
// from an app that they are not meant for.
type page struct {
	s       *server
	origin  string
	cookies map[string]*http.Cookie
}

func (s *server) page(origin string) *page {
	return &page{s: s, origin: origin, cookies: map[string]*http.Cookie{}}
}

// errNetwork is all that an app learns of an answer that it may not read.
var errNetwork = errors.New("TypeError: Failed to fetch")

// fetch does a request. header holds what the app sets itself.
func (p *page) fetch(method, path string, header map[string]string, body io.Reader) (answer, error) {
	asks := slices.DeleteFunc(slices.Sorted(maps.Keys(header)), safelisted)
	if len(asks) > 0 || (method != "GET" && method != "HEAD" && method != "POST") {
		if err := p.preflight(method, path, asks); err != nil {
			return answer{}, err
		}
	}
	r, err := http.NewRequest(method, p.s.base+path, body)
	if err != nil {
		return answer{}, err
	}
	for name, value := range header {
		r.Header[name] = []string{value} // as the app spells it
	}
	for _, c := range p.cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	a, err := p.send(r)
	if err != nil {
		return answer{}, err
	}
	p.keep((&http.Response{Header: a.header}).Cookies())
	return a, p.mayRead(a)
}

func safelisted(name string) bool {
	return slices.Contains([]string{"accept", "accept-language", "content-language"}, strings.ToLower(name))
}

// preflight asks whether the app may send such a request.
func (p *page) preflight(method, path string, headers []string) error {
	r, err := http.NewRequest("OPTIONS", p.s.base+path, nil)
	if err != nil {
		return err
	}
	asked := strings.ToLower(strings.Join(headers, ","))
	r.Header.Set("Access-Control-Request-Method", method)
	r.Header.Set("Access-Control-Request-Headers", asked)
	a, err := p.send(r)
	if err != nil {
		return err
	}
	if a.status < 200 || a.status > 299 {
		return fmt.Errorf("%w: the preflight is answered %s", errNetwork, a)
	}
	if method != "POST" && !listed(a.header.Get("Access-Control-Allow-Methods"), method) {
		return fmt.Errorf("%w: the method %s is not allowed", errNetwork, method)
	}
	for _, name := range headers {
		if !listed(strings.ToLower(a.header.Get("Access-Control-Allow-Headers")), strings.ToLower(name)) {
			return fmt.Errorf("%w: the header %s is not allowed", errNetwork, name)
		}
	}
	return p.mayRead(a)
}

func listed(list, item string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool { return strings.TrimSpace(s) == item })
}

func (p *page) send(r *http.Request) (answer, error) {
	r.Header.Set("Origin", p.origin)
	r.Header.Set("Sec-Fetch-Site", "same-site") // the port makes another origin, not another site
	r.Header.Set("Sec-Fetch-Mode", "cors")
	r.Header.Set("Sec-Fetch-Dest", "empty")
	response, err := (&http.Client{Transport: p.s.transport, Timeout: patience}).Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, body}, err
}

// mayRead reports whether the answer says that this app may see it, with credentials.
func (p *page) mayRead(a answer) error {
	if a.header.Get("Access-Control-Allow-Origin") != p.origin || a.header.Get("Access-Control-Allow-Credentials") != "true" {
		return fmt.Errorf("%w: the answer %d is not for %s", errNetwork, a.status, p.origin)
	}
	return nil
}

func (p *page) keep(cookies []*http.Cookie) {
	for _, c := range cookies {
		if c.MaxAge < 0 {
			delete(p.cookies, c.Name)
		} else {
			p.cookies[c.Name] = c
		}
	}
}

// script returns a cookie as document.cookie shows it; "" if there is none, or not for scripts.
func (p *page) script(name string) string {
	if c := p.cookies[name]; c != nil && !c.HttpOnly {
		return c.Value
	}
	return ""
}
