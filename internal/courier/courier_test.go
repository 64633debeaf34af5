package courier_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/courier"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// got is a request that an endpoint received.
type got struct {
	id, signature, body string
	stamp               int64
	at                  time.Time
}

// endpoint answers requests with what answer returns, and notes them.
type endpoint struct {
	mu     sync.Mutex
	all    []got
	answer func(n int, q *http.Request) (int, error) // n: how many requests there were before; nil: 204
}

// RoundTrip stands for the network and the receiver behind it.
func (p *endpoint) RoundTrip(q *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	stamp, err := strconv.ParseInt(q.Header.Get("Webhook-Timestamp"), 10, 64)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	n := len(p.all)
	p.all = append(p.all, got{q.Header.Get("Webhook-Id"), q.Header.Get("Webhook-Signature"), string(body), stamp, time.Now()})
	p.mu.Unlock()
	status := http.StatusNoContent
	if p.answer != nil {
		if status, err = p.answer(n, q); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: q}, nil
}

func (p *endpoint) got() []got {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

// users returns the users that the requests are about.
func (p *endpoint) users(t *testing.T) (all []string) {
	t.Helper()
	for _, g := range p.got() {
		var m struct {
			Data struct {
				User string `json:"user_id"`
			}
		}
		if err := json.Unmarshal([]byte(g.body), &m); err != nil {
			t.Fatal(err)
		}
		all = append(all, m.Data.User)
	}
	return all
}

// process is a Service and the audit log of its process.
type process struct {
	*courier.Service
	audit *audit.Log
	log   bytes.Buffer
}

func newProcess(t *testing.T, set store.Set, transport http.RoundTripper, urls ...string) *process {
	t.Helper()
	keys, err := courier.ParseSecrets(secret)
	if err != nil {
		t.Fatal(err)
	}
	var all []courier.Endpoint
	for _, url := range urls {
		all = append(all, courier.Endpoint{URL: url, Keys: keys})
	}
	p := &process{}
	p.Service = courier.New(set.Webhooks, all, transport, slog.New(slog.NewTextHandler(&p.log, nil)))
	p.audit = &audit.Log{Store: p.Audit(set.Audit), Kept: courier.Delivers}
	return p
}

// run begins, and runs until the function that it returns is called.
func (p *process) run(t *testing.T) (stop func()) {
	t.Helper()
	_ = p.Begin(t.Context()) // Run adds what Begin couldn't
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	return func() { cancel(); <-done }
}

// happens records an event about each user, and stores it.
func (p *process) happens(t *testing.T, kind audit.Kind, users ...string) {
	t.Helper()
	for _, u := range users {
		p.audit.Record(t.Context(), kind, slog.String("user", u), slog.String("login", "ada"), slog.String("email", "ada@example.org"), slog.String("session", "s1"))
	}
	if err := p.audit.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

const url = "https://app.example.com/hooks?key=canary"

// TestASignatureIsThatOfStandardWebhooks: its test vector.
func TestASignatureIsThatOfStandardWebhooks(t *testing.T) {
	keys, err := courier.ParseSecrets(secret)
	if err != nil {
		t.Fatal(err)
	}
	got := courier.Signatures(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestARequestIsSignedAndHasIDsAlone: no name, no address, and a signature by each secret.
func TestARequestIsSignedAndHasIDsAlone(t *testing.T) {
	t.Attr("threat", "WH01")
	t.Attr("threat", "WH02")
	synctest.Test(t, func(t *testing.T) {
		receiver := &endpoint{}
		p := newProcess(t, memory.New().Set, receiver, url)
		stop := p.run(t)
		defer stop()
		p.happens(t, audit.UserKinds.Created, "7")
		synctest.Wait()
		all := receiver.got()
		if len(all) != 1 {
			t.Fatalf("%d requests", len(all))
		}
		g := all[0]
		if strings.Contains(g.body, "ada") || strings.Contains(g.body, "example") {
			t.Errorf("the body is %s", g.body)
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(g.body), &m); err != nil || m["type"] != "user_created" || m["timestamp"] == nil {
			t.Errorf("the body is %s, %v", g.body, err)
		}
		if data, _ := m["data"].(map[string]any); data["user_id"] != "7" || data["session_id"] != "s1" || data["event_id"] == nil {
			t.Errorf("the body is %s", g.body)
		}
		key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(g.id + "." + strconv.FormatInt(g.stamp, 10) + "." + g.body))
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); g.signature != want || strings.Contains(g.id, ".") || g.stamp != time.Now().Unix() {
			t.Errorf("%+v, want the signature %s", g, want)
		}
	})
}

func TestSecrets(t *testing.T) {
	other := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 64))
	keys, err := courier.ParseSecrets(secret + "\r\n" + other + "\n")
	if err != nil || len(keys) != 2 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	if got := courier.Signatures(keys, "a", 1, nil); strings.Count(got, "v1,") != 2 || strings.Count(got, " ") != 1 {
		t.Errorf("the signatures are %s", got)
	}
	for _, wrong := range []string{
		"", " \n", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!", "whsec_canary", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)),
		"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)), secret + "\ncanary",
	} {
		if _, err := courier.ParseSecrets(wrong); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func FuzzParseSecrets(f *testing.F) {
	f.Add(secret)
	f.Add("whsec_")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := courier.ParseSecrets(text)
		if (err == nil) != (len(keys) > 0) || err == nil && len(keys) != len(strings.Fields(text)) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		for _, k := range keys {
			if len(k) < 24 || len(k) > 64 {
				t.Errorf("a key of %d bytes", len(k))
			}
		}
	})
}

func TestURLs(t *testing.T) {
	t.Attr("threat", "WH03")
	for text, good := range map[string]bool{
		"https://app.example.com/hooks": true, "http://localhost:9000": true, "http://127.0.0.1:9000/x?y=z": true, "http://[::1]/": true,
		"http://app.example.com": false, "http://10.0.0.1/": false, "http://localhost.example.com/": false, "ftp://localhost/": false, "file:///etc/passwd": false,
		"https://a:b@app.example.com/": false, "https://app.example.com/#x": false, "https:///x": false, "app.example.com": false, "": false, "http://0.0.0.0/": false,
	} {
		if err := courier.CheckURL(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestOnlyWhatHappenedIsDelivered: strangers can't fill an endpoint with what they try.
func TestOnlyWhatHappenedIsDelivered(t *testing.T) {
	t.Attr("threat", "WH04")
	synctest.Test(t, func(t *testing.T) {
		receiver := &endpoint{}
		p := newProcess(t, memory.New().Set, receiver, url)
		p.happens(t, audit.UserKinds.Created, "1") // before the endpoint was added
		stop := p.run(t)
		defer stop()
		for _, k := range []audit.Kind{audit.LoginKinds.Fail, audit.LoginKinds.Lock, audit.AuthzKinds.Fail, audit.SessionKinds.Renewed, audit.MailKinds.Sent, audit.InputKinds.ValidationFail, audit.MaliciousKinds.CSRF} {
			p.happens(t, k, "2", "2")
		}
		err := p.audit.Act(t.Context(), []slog.Attr{slog.String("user", "3")}, func(context.Context) error { return errors.New("refused") })
		if err == nil {
			t.Error("Act returned nil")
		}
		p.happens(t, audit.UserKinds.Deleted, "4")
		time.Sleep(time.Minute)
		if users := receiver.users(t); !slices.Equal(users, []string{"4"}) {
			t.Errorf("got events about %q, want 4 alone", users)
		}
	})
}

// TestAFailedEventIsTriedAgainInItsPlace: after 5 and 30 seconds, 2, 10 and each 30 minutes, and what came later waits for it.
func TestAFailedEventIsTriedAgainInItsPlace(t *testing.T) {
	t.Attr("threat", "WH05")
	synctest.Test(t, func(t *testing.T) {
		receiver := &endpoint{answer: func(n int, _ *http.Request) (int, error) {
			switch {
			case n == 1:
				return 0, errors.New("connection refused")
			case n == 2:
				return http.StatusFound, nil
			case n < 7:
				return http.StatusInternalServerError, nil
			}
			return http.StatusOK, nil
		}}
		set := memory.New().Set
		p := newProcess(t, set, receiver, url)
		stop := p.run(t)
		began := time.Now()
		p.happens(t, audit.UserKinds.Created, "1")
		time.Sleep(time.Second)
		p.happens(t, audit.UserKinds.Created, "2", "3")
		time.Sleep(2 * time.Hour)
		if users := receiver.users(t); !slices.Equal(users, []string{"1", "1", "1", "1", "1", "1", "1", "1", "2", "3"}) && !slices.Equal(users, []string{"1", "1", "1", "1", "1", "1", "1", "2", "3"}) {
			t.Fatalf("got %q", users)
		}
		after := time.Duration(0)
		for i, pause := range []time.Duration{0, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, 30 * time.Minute} {
			after += pause
			g := receiver.got()[i]
			if late := g.at.Sub(began) - after; late < -time.Second*time.Duration(i) || late > 10*time.Second*time.Duration(i+1) {
				t.Errorf("attempt %d was after %v, want %v", i, g.at.Sub(began), after)
			}
			if g.id != receiver.got()[0].id || g.body != receiver.got()[0].body {
				t.Errorf("attempt %d differs: %+v", i, g)
			}
		}
		stop()
		if log := p.log.String(); !strings.Contains(log, "webhook not delivered") || strings.Contains(log, "canary") {
			t.Errorf("the log is %s", log)
		}
		if got := p.Stats(); got.Delivered != 3 || got.Failed == 0 || got.Dropped != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestWhatIsNotAcceptedInThreeDaysIsDropped, with a line in the log, and what came later is delivered.
func TestWhatIsNotAcceptedInThreeDaysIsDropped(t *testing.T) {
	t.Attr("threat", "WH05")
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		receiver := &endpoint{answer: func(int, *http.Request) (int, error) {
			if time.Since(began) < 100*time.Hour {
				return http.StatusGone, nil
			}
			return http.StatusOK, nil
		}}
		set := memory.New().Set
		p := newProcess(t, set, receiver, url)
		stop := p.run(t)
		p.happens(t, audit.UserKinds.Created, "1", "2")
		time.Sleep(50 * time.Hour)
		p.happens(t, audit.UserKinds.Created, "3")
		time.Sleep(51 * time.Hour)
		stop()
		users := receiver.users(t)
		last := receiver.got()[len(users)-1]
		if users[len(users)-1] != "3" || last.at.Sub(began) < 100*time.Hour || slices.Contains(users, "2") {
			t.Errorf("got %q, the last after %v", users, last.at.Sub(began))
		}
		if got := p.Stats(); got.Delivered != 1 || got.Dropped != 2 {
			t.Errorf("%+v", got)
		}
		if log := p.log.String(); strings.Count(log, "webhook events dropped") != 1 || !strings.Contains(log, "events=2") {
			t.Errorf("the log is %s", log)
		}
		e, err := set.Webhooks.Find(t.Context(), url)
		if err != nil || e.Dropped != 2 || e.Tries != 0 {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

// TestALongOutageOfTheServerLosesNothing: what was never tried is tried, however old it is.
func TestALongOutageOfTheServerLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := memory.New().Set
		receiver := &endpoint{}
		p := newProcess(t, set, receiver, url)
		p.run(t)()
		p.happens(t, audit.UserKinds.Created, "1")
		time.Sleep(200 * time.Hour)
		stop := newProcess(t, set, receiver, url).run(t)
		synctest.Wait()
		stop()
		if users := receiver.users(t); !slices.Equal(users, []string{"1"}) {
			t.Errorf("got %q", users)
		}
	})
}

// TestAFailureBeforeALongOutageOfTheServerDropsNothing: the server that begins tries first.
func TestAFailureBeforeALongOutageOfTheServerDropsNothing(t *testing.T) {
	t.Attr("threat", "WH06")
	synctest.Test(t, func(t *testing.T) {
		set := memory.New().Set
		receiver := &endpoint{answer: func(n int, _ *http.Request) (int, error) {
			if n == 0 {
				return http.StatusBadGateway, nil
			}
			return http.StatusOK, nil
		}}
		p := newProcess(t, set, receiver, url)
		stop := p.run(t)
		p.happens(t, audit.UserKinds.Created, "1", "2")
		synctest.Wait()
		stop()
		time.Sleep(200 * time.Hour)
		next := newProcess(t, set, receiver, url)
		stop = next.run(t)
		synctest.Wait()
		stop()
		if users := receiver.users(t); !slices.Equal(users, []string{"1", "1", "2"}) || next.Stats().Dropped != 0 {
			t.Errorf("got %q, %+v", users, next.Stats())
		}
	})
}

// TestEachKindIsDeliveredOrNot: a new kind of success needs a decision.
func TestEachKindIsDeliveredOrNot(t *testing.T) {
	not := []string{
		"authn_login_success", "authn_reauthenticate_success", "authn_second_required", "authn_provider_logout", "authn_token_renewed",
		"authz_admin", "mail_sent", "session_bound", "user_exported", "session_renewed", "sys_startup", "sys_shutdown",
	}
	source, err := os.ReadFile("../../audit/kind.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`success\("(\w+)"\)`).FindAllStringSubmatch(string(source), -1)
	if len(found) < 20 {
		t.Fatalf("only %d kinds were found", len(found))
	}
	for _, match := range found {
		name := match[1]
		sent := courier.Delivers(&audit.Event{Name: name, Outcome: audit.Success})
		if sent == slices.Contains(not, name) {
			t.Errorf("%s is delivered: %v; decide", name, sent)
		}
		if sent != strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("%s is delivered: %v, and docs/webhooks.md says otherwise", name, sent)
		}
	}
}

// TestNamesOfURLsHaveNoSecrets, whatever is wrong with them.
func TestNamesOfURLsHaveNoSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"https://a:canary@app.example.com/x?key=canary#canary": "https://app.example.com/x", "https://a:canary@\x7f/": "an address", "canary": "an address", "": "an address",
	} {
		if got := courier.Name(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// TestAHangingEndpointDelaysNoOther, and is given up after five seconds.
func TestAHangingEndpointDelaysNoOther(t *testing.T) {
	t.Attr("threat", "WH05")
	synctest.Test(t, func(t *testing.T) {
		const hangs = "https://hangs.example.com/"
		receiver := &endpoint{}
		receiver.answer = func(_ int, q *http.Request) (int, error) {
			if q.URL.String() != hangs {
				return http.StatusOK, nil
			}
			<-q.Context().Done()
			return 0, q.Context().Err()
		}
		set := memory.New().Set
		p := newProcess(t, set, receiver, hangs, url)
		stop := p.run(t)
		defer stop()
		p.happens(t, audit.UserKinds.Created, "1", "2", "3")
		synctest.Wait()
		if n := p.Stats().Delivered; n != 3 {
			t.Errorf("%d were delivered beside it, want 3", n)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		synctest.Wait()
		if n := p.Stats().Failed; n != 1 {
			t.Errorf("%d attempts have failed, want 1", n)
		}
	})
}

// TestSeveralProcessesDeliverEachEventOnce and in order: also what another process has recorded.
func TestSeveralProcessesDeliverEachEventOnce(t *testing.T) {
	t.Attr("threat", "WH06")
	synctest.Test(t, func(t *testing.T) {
		set := memory.New().Set
		receiver := &endpoint{answer: func(int, *http.Request) (int, error) { time.Sleep(3 * time.Second); return http.StatusOK, nil }}
		a, b := newProcess(t, set, receiver, url), newProcess(t, set, receiver, url)
		stopA, stopB := a.run(t), b.run(t)
		var want []string
		for i := range 40 {
			u := strconv.Itoa(i)
			want = append(want, u)
			[]*process{a, b}[i%2].happens(t, audit.UserKinds.Created, u)
		}
		command := newProcess(t, set, receiver)
		command.happens(t, audit.UserKinds.Created, "last")
		time.Sleep(10 * time.Minute)
		stopA()
		stopB()
		if users := receiver.users(t); !slices.Equal(users, append(want, "last")) {
			t.Errorf("got %q", users)
		}
	})
}

// TestACrashDeliversTheLastEventOnceMoreAtMost, with the same ID, after the time of the dead process.
func TestACrashDeliversTheLastEventOnceMoreAtMost(t *testing.T) {
	t.Attr("threat", "WH06")
	synctest.Test(t, func(t *testing.T) {
		set := memory.New().Set
		receiver := &endpoint{}
		p := newProcess(t, set, receiver, url)
		p.run(t)()
		p.happens(t, audit.UserKinds.Created, "1", "2")

		// From its fifth call on (find, events, claim, events, save) nothing reaches the store, as after a kill.
		broken := storetest.Faulty(set, &storetest.FaultPlan{Call: 6, Rest: true})
		stop := newProcess(t, broken, receiver, url).run(t)
		synctest.Wait()
		stop()
		if users := receiver.users(t); len(users) != 1 {
			t.Fatalf("got %q, want one before the crash", users)
		}
		next := newProcess(t, set, receiver, url)
		stop = next.run(t)
		time.Sleep(time.Minute)
		stop()
		all := receiver.got()
		if users := receiver.users(t); !slices.Equal(users, []string{"1", "1", "2"}) || all[0].id != all[1].id || all[1].id == all[2].id {
			t.Errorf("got %q", users)
		}
	})
}

// TestAFaultOfTheStoreLosesNothing, wherever it is.
func TestAFaultOfTheStoreLosesNothing(t *testing.T) {
	t.Attr("threat", "WH06")
	for n := 1; n <= 16; n++ {
		for _, after := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				set := memory.New().Set
				receiver := &endpoint{}
				if err := set.Webhooks.AddEndpoint(t.Context(), url); err != nil {
					t.Fatal(err)
				}
				p := newProcess(t, set, receiver, url)
				p.happens(t, audit.UserKinds.Created, "1", "2", "3")
				stop := newProcess(t, storetest.Faulty(set, &storetest.FaultPlan{Call: n, After: after}), receiver, url).run(t)
				time.Sleep(5 * time.Minute)
				stop()
				if users := slices.Compact(receiver.users(t)); !slices.Equal(users, []string{"1", "2", "3"}) {
					t.Errorf("call %d fails (done: %v): got %q", n, after, users)
				}
			})
		}
	}
}

// TestNoRedirectIsFollowed, and an answer's body is ignored however long it is: over a real connection.
func TestNoRedirectIsFollowed(t *testing.T) {
	t.Attr("threat", "WH03")
	var reached atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer other.Close()
	seen := make(chan string, 10)
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type")
		if requests.Add(1) == 1 {
			_, _ = w.Write(make([]byte, 1<<20))
			return
		}
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	p := newProcess(t, memory.New().Set, nil, server.URL+"/hooks")
	stop := p.run(t)
	p.happens(t, audit.UserKinds.Created, "1", "2")
	for range 2 {
		if got := <-seen; got != "POST /hooks application/json" {
			t.Errorf("got %s", got)
		}
	}
	stop()
	if got := p.Stats(); got.Delivered != 1 || reached.Load() {
		t.Errorf("%+v, the other server was reached: %v", got, reached.Load())
	}
}

func TestWithoutEndpointsNothingIsDone(t *testing.T) {
	s := courier.New(memory.New().Webhooks, nil, nil, slog.Default())
	if s != nil {
		t.Fatal("there is a service")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	events := memory.New().Audit
	if s.Run(ctx) != nil || s.Begin(ctx) != nil || s.Stats() != (courier.Stats{}) || s.Audit(events) != events {
		t.Error("it did something")
	}
}
