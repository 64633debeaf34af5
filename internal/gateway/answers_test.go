package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestAnUpstreamCantHaveOurCookiesDeleted: a browser that deleted them would be signed out without the session's end.
func TestAnUpstreamCantHaveOurCookiesDeleted(t *testing.T) {
	t.Attr("threat", "E06")
	var lines []string
	m := newMember(t, func(w http.ResponseWriter, _ *http.Request) { w.Header()["Clear-Site-Data"] = lines })
	for _, c := range []struct {
		sent []string
		want string
	}{
		{nil, ""},
		{[]string{`"cookies"`}, ""},
		{[]string{`"cache", "cookies","storage"`}, `"cache", "storage"`},
		{[]string{`"cache"`, ` "cookies" `}, `"cache"`},
		{[]string{`"*"`}, `"cache", "storage", "executionContexts"`},
		{[]string{"cookies"}, "cookies"}, // without quotes it means nothing
		{[]string{`"storage"`}, `"storage"`},
	} {
		lines = c.sent
		r, err := http.NewRequestWithContext(t.Context(), "GET", m.server.URL+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", m.cookie)
		answer, err := m.server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if got := answer.Header.Get("Clear-Site-Data"); answer.StatusCode != 200 || got != c.want {
			t.Errorf("%q: got %d %q, want %q", c.sent, answer.StatusCode, got, c.want)
		}
	}
}

// TestABodyThatIsBrokenIsNotLate: the client is told what is wrong, so it doesn't send the same again.
func TestABodyThatIsBrokenIsNotLate(t *testing.T) {
	application := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer application.Close()
	s := open(t, application.URL, 10*time.Second, time.Hour, false)
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nno length\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("got %s", answer.Status)
	}
}
