package main

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// request asks the server and compares the status.
func request(ts *testscript.TestScript, neg bool, args []string) {
	header := http.Header{"User-Agent": {"script/1.0"}}
	for len(args) > 1 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-agent":
			header.Set("User-Agent", args[1])
		case "-header":
			name, value, _ := strings.Cut(args[1], ": ")
			header.Set(name, value)
		case "-forwarded":
			header.Set("X-Forwarded-For", args[1])
		case "-cookies":
			n, err := strconv.Atoi(args[1])
			ts.Check(err)
			header.Set("Cookie", "stuffing="+strings.Repeat("x", n))
		}
		args = args[2:]
	}
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: http [-agent NAME] [-header LINE] [-forwarded ADDRESS] [-cookies BYTES] STATUS METHOD PATH [JSON]")
	}
	s := serverOf(ts)
	body := strings.Join(args[3:], "")
	s.noteSecrets(body)
	r, err := http.NewRequest(args[1], ts.Getenv("URL")+args[2], strings.NewReader(body))
	ts.Check(err)
	r.Header = header
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	authenticate(r)
	answer, err := s.client.Do(r)
	ts.Check(err)
	s.save(ts, answer, args[0])
}

// authenticate sends a request like a page's, with its origin.
func authenticate(r *http.Request) { r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host) }

var passwordField = regexp.MustCompile(`"(?:[a-z_]*password|secret)"\s*:\s*"([^"]{12,})"`) // shorter ones may be words of the log

func (s *scriptServer) noteSecrets(body string) {
	for _, m := range passwordField.FindAllStringSubmatch(body, -1) {
		s.secrets = append(s.secrets, m[1])
	}
}

func (s *scriptServer) save(ts *testscript.TestScript, answer *http.Response, status string) {
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	for _, c := range answer.Cookies() {
		if c.Value != "" {
			s.secrets = append(s.secrets, c.Value)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs("body"), body, 0o600))
	if strconv.Itoa(answer.StatusCode) != status {
		ts.Fatalf("status %d, want %s:\n%s", answer.StatusCode, status, body)
	}
}

func forget(ts *testscript.TestScript, neg bool, args []string) { serverOf(ts).forget() }

// inflight is a request whose body arrives only when the script says so.
func inflight(ts *testscript.TestScript, neg bool, args []string) {
	s := serverOf(ts)
	switch {
	case neg || len(args) == 0:
		ts.Fatalf("usage: inflight begin | end STATUS")
	case args[0] == "begin":
		s.begin(ts)
	default:
		_, err := io.WriteString(s.body, `"}`)
		ts.Check(err)
		ts.Check(s.body.Close())
		answer, ok := <-s.answer
		if !ok {
			ts.Fatalf("the request in flight was cut off")
		}
		s.save(ts, answer, args[1])
	}
}

func (s *scriptServer) begin(ts *testscript.TestScript) {
	body, w := io.Pipe()
	s.body, s.answer = w, make(chan *http.Response, 1)
	r, err := http.NewRequest("POST", ts.Getenv("URL")+"/api/auth/login", body)
	ts.Check(err)
	r.Header.Set("Content-Type", "application/json")
	authenticate(r)
	go func() {
		defer close(s.answer)
		if answer, err := s.client.Do(r); err == nil {
			s.answer <- answer
		}
	}()
	// Once the first bytes are taken, the request is on its way; a moment later the server is reading it.
	_, err = io.WriteString(w, `{"username":"unknown","password":"`)
	ts.Check(err)
	time.Sleep(200 * time.Millisecond)
}
