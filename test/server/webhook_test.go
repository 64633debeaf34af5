package server_test

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// receiver is an endpoint of webhooks. It refuses some requests, notes the others, and hangs while it is told to.
type receiver struct {
	*httptest.Server
	secret string // the file

	mu       sync.Mutex
	requests map[string]bool // the IDs of requests whose events were accepted
	ids      []string        // of messages, as they were accepted
	n        int
	refuse   int // one request of so many is refused

	hang atomic.Bool
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{refuse: 50, requests: map[string]bool{}, secret: filepath.Join(t.TempDir(), "hooks.secret")}
	if err := os.WriteFile(r.secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Server = httptest.NewServer(r)
	t.Cleanup(func() {
		r.CloseClientConnections()
		r.Close()
	})
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	if r.hang.Load() {
		<-q.Context().Done()
		return
	}
	var m struct {
		Data struct {
			Request string `json:"request_id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n++; r.n%r.refuse == 7 { // it is tried again after five seconds
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.requests[m.Data.Request] = true
	r.ids = append(r.ids, q.Header.Get("Webhook-Id"))
}

// flag is the flag of the server.
func (r *receiver) flag() string { return "--webhook=" + r.URL + "/hooks=" + r.secret }

// missing returns how many of the requests have caused no event that was accepted.
func (r *receiver) missing(requests []string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range requests {
		if !r.requests[id] {
			n++
		}
	}
	return n
}

// knows waits until the server has added the endpoint.
func (r *receiver) knows(s *server) {
	eventually(s.t, "the endpoint is known", func() bool { return strings.Contains(s.run("webhook", "list"), r.URL) })
}

// TestAcknowledgedEventsReachAnEndpointThroughKills: the event of each sign-in that was answered is delivered, though the server is
// killed again and again and the endpoint refuses some.
func TestAcknowledgedEventsReachAnEndpointThroughKills(t *testing.T) {
	t.Attr("threat", "WH06")
	t.Parallel()
	r := newReceiver(t)
	s := start(t, r.flag())
	s.people("kim", 20)
	r.knows(s)
	var mu sync.Mutex
	var acknowledged []string
	for range 4 {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for {
					v := s.visitor()
					a, err := v.signIn("kim"+string(rune('0'+i)), goodPassword)
					if err != nil {
						return // the server is gone
					}
					if a.status == http.StatusOK {
						mu.Lock()
						acknowledged = append(acknowledged, a.header.Get("X-Request-Id"))
						if len(acknowledged)%10 == 5 {
							time.AfterFunc(rand.N(300*time.Millisecond), s.kill)
						}
						mu.Unlock()
					}
				}
			})
		}
		all.Wait()
		<-s.done
		s.start()
	}
	eventually(t, "each acknowledged event is delivered", func() bool { return r.missing(acknowledged) == 0 })
	t.Logf("%d sign-ins acknowledged, %d messages accepted", len(acknowledged), len(r.ids))
	s.stop()
	if len(acknowledged) < 4 {
		t.Error("there were too few sign-ins")
	}
}

// TestNoAcknowledgedEventIsLostAtARate: people sign out as fast as the server answers, it is killed in the middle, again and again, and the
// event of each sign-out that was answered is in the table, and is delivered.
func TestNoAcknowledgedEventIsLostAtARate(t *testing.T) {
	t.Attr("threat", "WH06")
	t.Parallel()
	r := newReceiver(t)
	r.refuse = 1000 // each refusal takes five seconds
	s := start(t, r.flag())
	users := s.people("kim", 400)
	r.knows(s)
	var acknowledged []string
	lives := 4
	if long {
		lives = 30
	}
	for life := range lives {
		tickets := make(chan string, len(users))
		for _, ticket := range s.give(users...) {
			tickets <- ticket
		}
		close(tickets)
		var mu sync.Mutex
		answered, enough := 0, 50+rand.N(len(users)/2)
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for ticket := range tickets {
					a, err := s.holding(ticket).signOut()
					if err != nil {
						return // the server is gone
					}
					mu.Lock()
					if a.status == http.StatusOK {
						acknowledged = append(acknowledged, a.header.Get("X-Request-Id"))
						if answered++; answered == enough {
							_ = s.command.Process.Kill()
						}
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		<-s.done
		s.transport.CloseIdleConnections()
		if answered < enough {
			t.Fatalf("life %d: only %d sign-outs were acknowledged", life, answered)
		}
		if n := s.unrecorded(acknowledged); n > 0 {
			t.Errorf("life %d: %d of %d acknowledged events are not in the table", life, n, len(acknowledged))
		}
		s.start()
	}
	eventually(t, "each acknowledged event is delivered", func() bool { return r.missing(acknowledged) == 0 })
	t.Logf("%d sign-outs acknowledged", len(acknowledged))
}

// unrecorded returns how many of the requests have no event in the table.
func (s *server) unrecorded(requests []string) (n int) {
	s.t.Helper()
	db := s.open()
	defer db.Close()
	rows, err := db.QueryContext(s.t.Context(), `SELECT request FROM audit`)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	recorded := map[string]bool{}
	for rows.Next() {
		var request string
		if err := rows.Scan(&request); err != nil {
			s.t.Fatal(err)
		}
		recorded[request] = true
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	for _, id := range requests {
		if !recorded[id] {
			n++
		}
	}
	return n
}

// TestAHangingEndpointHoldsNoRequest, and gets everything once it answers again.
func TestAHangingEndpointHoldsNoRequest(t *testing.T) {
	t.Attr("threat", "WH05")
	t.Parallel()
	r := newReceiver(t)
	s := start(t, r.flag())
	s.people("kim", 5)
	r.knows(s)
	r.hang.Store(true)
	var requests []string
	for i := range 5 {
		v := s.visitor()
		a := v.must(v.signIn("kim"+string(rune('0'+i)), goodPassword))
		requests = append(requests, a.header.Get("X-Request-Id"))
		if out := v.must(v.signOut()); out.status != http.StatusOK {
			t.Fatalf("the sign-out is answered %s", out)
		} else {
			requests = append(requests, out.header.Get("X-Request-Id"))
		}
	}
	if n := r.missing(requests); n != len(requests) {
		t.Errorf("%d were accepted while the endpoint hangs", len(requests)-n)
	}
	r.hang.Store(false)
	r.CloseClientConnections()
	eventually(t, "what waited is delivered", func() bool { return r.missing(requests) == 0 })
}
