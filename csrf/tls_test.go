package csrf_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/csrf"
)

// On a server r.URL has neither scheme nor host. Middleware that compared Origin with them has checked nothing, which only
// a real server shows.
func TestForgedOriginsAtARealTLSServer(t *testing.T) {
	t.Attr("threat", "E1")
	var p *csrf.Protection
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := p.Check(r, csrf.Caller{Ticket: true, Binding: session("s1")})
		if refused := new(csrf.Error); errors.As(err, &refused) {
			http.Error(w, refused.Code, http.StatusForbidden)
		} else if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "https://"), ":")
	p = protection(t, csrf.Config{URL: server.URL, Origins: []string{"https://localhost:1"}})
	host := "127.0.0.1:" + port
	for _, c := range []struct {
		name    string
		headers map[string]string
		want    int
	}{
		{"our own page", map[string]string{"Origin": server.URL}, 200},
		{"a trusted page", map[string]string{"Origin": "https://localhost:1"}, 200},
		{"http page of the same host", map[string]string{"Origin": "http://" + host}, 403},
		{"http page of the same host, https Referer", map[string]string{"Origin": "http://" + host, "Referer": server.URL + "/"}, 403},
		{"http page of the trusted host", map[string]string{"Origin": "http://localhost:1"}, 403},
		{"sibling", map[string]string{"Origin": "https://sibling." + host, "Referer": "https://sibling." + host + "/"}, 403},
		{"sibling's Referer alone", map[string]string{"Referer": "https://sibling." + host + "/"}, 403},
		{"our Referer alone", map[string]string{"Referer": server.URL + "/"}, 403},
		{"null", map[string]string{"Origin": "null"}, 403},
		{"Host of the attacker's choice", map[string]string{"Origin": "https://evil.test", "Host": "evil.test"}, 403},
		{"http page, by Sec-Fetch-Site", map[string]string{"Origin": "http://" + host, "Sec-Fetch-Site": "cross-site"}, 403},
		{"nothing", nil, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/api/x", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range c.headers {
				r.Header.Set(name, value)
			}
			if h := c.headers["Host"]; h != "" {
				r.Host = h
			}
			resp, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != c.want {
				t.Errorf("status %d, want %d", resp.StatusCode, c.want)
			}
		})
	}
}
