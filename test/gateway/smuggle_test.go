package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// respond answers with a status and a text.
func respond(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// answered are the ones with one meaning: chunks take precedence over a length (RFC 9112 section 6.3), which isn't passed on,
// a fold is a space, and the rest is the client's next request, checked like any other.
var answered = []string{"length and chunks", "an expectation", "a folded header", "a request within a target"}

// Each of these hides a second request, for /admin/hidden, from one of two servers that read the first differently.
func smuggled(host string) map[string]string {
	hidden := "GET /admin/hidden HTTP/1.1\r\nHost: " + host + "\r\nRemote-User: mallory\r\nX: "
	first := "POST /open/x HTTP/1.1\r\nHost: " + host + "\r\n"
	return map[string]string{
		"length and chunks":         first + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", len(hidden)+5, hidden),
		"two lengths":               first + fmt.Sprintf("Content-Length: 0\r\nContent-Length: %d\r\n\r\n%s", len(hidden), hidden),
		"a blank before the colon":  first + "Content-Length : 0\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(hidden), hidden),
		"chunked, blank and colon":  first + "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
		"chunked, another coding":   first + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunked twice":             first + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"chunked behind a tab":      first + "Transfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
		"a bare LF in the chunks":   first + "Transfer-Encoding: chunked\r\n\r\n5;\nxxxxx\r\n0\r\n\r\n" + hidden,
		"a bare LF after the size":  first + "Transfer-Encoding: chunked\r\n\r\n2\nxx\r\n0\r\n\r\n" + hidden,
		"a bare CR in a header":     first + "X: a\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
		"a folded header":           first + "X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
		"two hosts":                 "GET /open/x HTTP/1.1\r\nHost: " + host + "\r\nHost: evil.test\r\n\r\n" + hidden,
		"a signed length":           first + fmt.Sprintf("Content-Length: +%d\r\n\r\n%s", len(hidden), hidden),
		"a length in hexadecimal":   first + "Content-Length: 0x5\r\n\r\n12345" + hidden,
		"a list of lengths":         first + fmt.Sprintf("Content-Length: 0, %d\r\n\r\n%s", len(hidden), hidden),
		"a NUL in a header":         first + "X: a\x00b\r\nContent-Length: 5\r\n\r\n12345" + hidden,
		"a negative chunk":          first + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + hidden,
		"a chunk too large to say":  first + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + hidden,
		"a request within a target": "GET /open/x HTTP/1.1\r\nX: y /admin/hidden HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
		"an expectation":            first + fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", len(hidden)+5, hidden),
	}
}

func TestNoRequestIsHiddenInAnother(t *testing.T) {
	t.Attr("threat", "C17")
	t.Attr("threat", "E10")
	for name, start := range fronts {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			var reached atomic.Int64
			f.app.routes["/admin/hidden"] = func(w http.ResponseWriter, r *http.Request) { reached.Add(1) }
			for what, text := range smuggled(f.host) {
				c := f.dial(t, "h1")
				_ = c.SetDeadline(time.Now().Add(2 * time.Second))
				_, _ = io.WriteString(c, text+"\r\n\r\n")
				first, err := readH1(bufio.NewReader(c), "POST")
				c.Close()
				if err == nil && first.status < 400 && f.name == "gateway" && !slices.Contains(answered, what) {
					t.Errorf("%s: %s, want 400", what, first)
				}
				if reached.Load() > 0 {
					t.Fatalf("%s: the hidden request has reached the application", what)
				}
			}
		})
	}
}
