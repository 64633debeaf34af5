package gateway_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// seen is the application's report of a request that reached it.
type seen struct {
	Method string
	URI    string // as it came
	Host   string
	Header http.Header
	CGI    map[string]string // as CGI has it: names in one spelling, what then has the same name joined by commas
	Body   int64
}

// application is a server that answers with a report of the request.
type application struct {
	*httptest.Server
	requests atomic.Int64
	routes   map[string]http.HandlerFunc // for other answers
}

func startApplication(t testing.TB) *application {
	a := &application{routes: map[string]http.HandlerFunc{}}
	l, err := (&net.ListenConfig{Control: likeANetwork}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.Server = httptest.NewUnstartedServer(a)
	a.Listener.Close()
	a.Listener = l
	a.Start()
	t.Cleanup(func() {
		a.CloseClientConnections()
		a.Close()
	})
	return a
}

func (a *application) address() string { return strings.TrimPrefix(a.URL, "http://") }

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.requests.Add(1)
	if route := a.routes[r.URL.Path]; route != nil {
		route(w, r)
		return
	}
	s := seen{Method: r.Method, URI: r.RequestURI, Host: r.Host, Header: r.Header, CGI: map[string]string{}}
	for name, values := range r.Header {
		if variable := cgi(name); s.CGI[variable] == "" {
			s.CGI[variable] = strings.Join(values, ",")
		} else {
			s.CGI[variable] += "," + strings.Join(values, ",")
		}
	}
	s.Body, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Application", "yes")
	_ = json.NewEncoder(w).Encode(s)
}

// cgi returns the variable that a header becomes in CGI and its successors: all but letters and digits become "_".
func cgi(name string) string {
	return "HTTP_" + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, name)
}
