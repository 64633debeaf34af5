package gateway_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
)

// TestNoRequestGetsAnotherUsersIdentity sends requests of 500 users at once, while some clients disconnect and some answers break off,
// which ends the gateway's handler with a panic. The application must see each request with its own user.
func TestNoRequestGetsAnotherUsersIdentity(t *testing.T) {
	t.Attr("threat", "J1")
	people, asks := 200, 6
	if long {
		people, asks = 500, 60
	}
	f := newFront(t, "gateway")
	if raceDetector {
		f.binary = racing(t)
	}
	certificate, key := f.certify(t)
	f.inner = f.address
	callers := f.crowd(t, people)
	for range people / 10 {
		callers = append(callers, caller{})
	}
	f.app.routes["/open/broken"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "the beginning")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	f.serve(t, append(ruleFlags(), "--tls-cert", certificate, "--tls-key", key, "--upstream", f.app.URL)...)
	clients := []*http.Client{f.clientOf("h1"), f.clientOf("h2")}
	began := time.Now()
	var group sync.WaitGroup
	var answers, cut, busy atomic.Int64
	for i, c := range callers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for n := 0; n < asks; n++ {
				switch err := c.ask(f, clients[(i+n)%len(clients)], random); {
				case err == nil:
					answers.Add(1)
				case errors.Is(err, errCut):
					cut.Add(1)
				case errors.Is(err, errBusy) && time.Since(began) < patience:
					busy.Add(1)
					n--
				default:
					t.Errorf("%q: %v", c.name, err)
					return
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d answers to %d callers; %d more were cut off, and %d put off", answers.Load(), len(callers), cut.Load(), busy.Load())
	if answers.Load() == 0 || cut.Load() == 0 {
		t.Error("want some of both")
	}
}

// racing builds the program with the race detector. Only this test does, because it takes several times as long.
func racing(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cloakroom")
	if out, err := exec.Command("go", "build", "-race", "-o", file, "../../cmd/cloakroom").CombinedOutput(); err != nil {
		t.Fatalf("[build failed] %v\n%s", err, out)
	}
	return file
}

// caller is a client; without a name it isn't signed in.
type caller struct{ name, cookie string }

// crowd makes signed-in users before the program starts: hashing as many passwords would take minutes.
func (f *front) crowd(t *testing.T, people int) (all []caller) {
	t.Helper()
	s, err := cloakroom.New(t.Context(), cloakroom.Config{URL: "https://" + f.host, Data: f.data, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range people {
		name := fmt.Sprint("user", i)
		u, err := s.Accounts.Create(t.Context(), account.NewUser{Username: name, Email: name + "@example.com", NoPassword: true})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if _, err := s.Sessions.SignIn(w, httptest.NewRequest("POST", "/", nil), session.SignIn{User: u.ID, Epoch: u.Epoch}); err != nil {
			t.Fatal(err)
		}
		all = append(all, caller{name, strings.TrimPrefix(ticketOf(t, reply{header: w.Header()}), "Cookie: ")})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

var (
	// errCut says that the client disconnected, or that the answer broke off, as intended.
	errCut = errors.New("cut off")
	// errBusy says that the store was too slow for so many strangers, under the race detector.
	errBusy = errors.New("503")
)

// ask sends one request. The application must see it as the caller's, with the caller's path and body.
func (c caller) ask(f *front, client *http.Client, random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	path := "/open/" + c.name
	switch random.IntN(10) {
	case 0:
		time.AfterFunc(time.Duration(random.IntN(2000))*time.Microsecond, cancel)
	case 1:
		path = "/open/broken"
	}
	r, err := http.NewRequestWithContext(ctx, "POST", "https://"+f.host+path, strings.NewReader(c.name))
	if err != nil {
		return err
	}
	r.Header.Set("Origin", "https://"+f.host)
	if c.cookie != "" {
		r.Header.Set("Cookie", c.cookie)
	}
	answer, err := client.Do(r)
	if err == nil {
		defer answer.Body.Close()
		if answer.StatusCode == http.StatusServiceUnavailable {
			return errBusy
		}
		var s seen
		if err = json.NewDecoder(answer.Body).Decode(&s); err == nil {
			return c.is(s, path)
		}
		err = fmt.Errorf("%s: %w", answer.Status, err)
	}
	if path == "/open/broken" || errors.Is(ctx.Err(), context.Canceled) {
		return errCut
	}
	return err
}

// is compares what the application has seen with what the caller sent.
func (c caller) is(s seen, path string) error {
	var claims struct{ Username, Path string }
	if c.name != "" {
		parts := strings.Split(s.CGI["HTTP_CLOAKROOM_ASSERTION"], ".")
		text, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
		if err := errors.Join(err, json.Unmarshal(text, &claims)); err != nil {
			return fmt.Errorf("no assertion: %w", err)
		}
		if claims.Path != path {
			return fmt.Errorf("an assertion for %s", claims.Path)
		}
	}
	email := ""
	if c.name != "" {
		email = c.name + "@example.com"
	}
	if s.CGI["HTTP_REMOTE_USER"] != c.name || s.CGI["HTTP_REMOTE_EMAIL"] != email || claims.Username != c.name || s.URI != path ||
		s.Body != int64(len(c.name)) {
		return fmt.Errorf("taken for %q, %q, at %s with a body of %d bytes", s.CGI["HTTP_REMOTE_USER"], claims.Username, s.URI, s.Body)
	}
	return nil
}
