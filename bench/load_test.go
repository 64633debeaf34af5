package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAnswersAreReadToTheirEnd(t *testing.T) {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Cookie") != "sessionid=x" || string(body) != "{}" {
			t.Errorf("the request has the header %v and the body %q, want the cookie x and {}", r.Header, body)
		}
		if n%3 == 0 {
			w.Header().Set("Connection", "close")
		}
		w.Header().Set("Content-Length", "3000")
		w.WriteHeader(400 + n)
		io.WriteString(w, strings.Repeat("HTTP/1.1 500\n\r\n", 200))
	}))
	defer s.Close()
	c := &conn{addr: s.Listener.Addr().String()}
	defer c.close()
	for want := 401; want < 410; want++ {
		if got, err := c.ask(request("POST", "/x", c.addr, "Cookie: sessionid=x", "{}")); err != nil || got != want {
			t.Fatalf("ask returned %d, %v, want %d", got, err, want)
		}
	}
}

func TestAnotherAnswerIsAnError(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	c := &conn{addr: s.Listener.Addr().String()}
	ask := [][]byte{request("GET", "/", c.addr, "", "")}
	if _, _, err := drive(context.Background(), []*conn{c}, ask, time.Second, 200, false); err == nil {
		t.Fatal("drive returned no error, want one for the 404")
	}
	if n, _, err := drive(context.Background(), []*conn{c}, ask, 20*time.Millisecond, 200, true); err != nil || n != 0 {
		t.Fatalf("drive counted %d, %v, want 0 and no error", n, err)
	}
}

func TestRatiosAreWithinARound(t *testing.T) {
	b := &bench{samples: map[string][]sample{"a": {{rate: 10}, {rate: 100}, {rate: 4}}, "b": {{rate: 5}, {rate: 50}, {rate: 2}}}}
	if got := b.ratio("a", "b", rate); got != 2 {
		t.Fatalf("the ratio is %v, want 2", got)
	}
	if got := b.median("a", rate); got != 10 {
		t.Fatalf("the median is %v, want 10", got)
	}
}
