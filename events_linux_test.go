package cloakroom_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/audit"
)

// TestTenThousandEventsCostRequestsNothing: they are all in the table once Flush has returned, although the webhook's endpoint
// hangs and the program's OnEvent has stopped; and GET /api/me asks no store and allocates what it did before.
func TestTenThousandEventsCostRequestsNothing(t *testing.T) {
	hang := make(chan struct{})
	endpoint := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(endpoint.Close)
	var seen atomic.Int64
	srv, web := assembled(t, cloakroom.Config{
		OnEvent:  func(audit.Event) { seen.Add(1); <-hang },
		Webhooks: []cloakroom.Webhook{{URL: endpoint.URL, Secrets: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}},
	})
	stored := atomic.Int64{}
	srv.Sessions.OnCheck = func(result string, asked bool) {
		if asked || result != "live" {
			stored.Add(1)
		}
	}
	run(t, srv)
	t.Cleanup(func() { close(hang) }) // first of all, since both wait for it
	handler := srv.Handler(nil)
	web.Config.Handler = handler
	web.Start()
	b := newBrowser(t, web.URL)
	b.signIn()
	r := httptest.NewRequest("GET", web.URL+"/api/me", nil)
	for _, c := range b.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	w := &discard{header: http.Header{}}
	me := func() {
		clear(w.header)
		handler.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			t.Fatalf("GET /api/me: %d", w.status)
		}
	}
	before := testing.AllocsPerRun(100, me)

	const events, writers = 10_000, 10
	var group sync.WaitGroup
	for n := range writers {
		group.Go(func() {
			for i := range events / writers {
				srv.Audit.Record(t.Context(), audit.UserKinds.Updated, slog.String("user", fmt.Sprint(1000+n*1000+i)))
			}
		})
	}
	for range 100 { // in the middle of it
		me()
	}
	group.Wait()
	if err := srv.Audit.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	users := map[string]bool{}
	for q := (audit.Query{Name: "user_updated"}); ; {
		page, next, err := srv.Audit.Page(t.Context(), q, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			users[e.Subject] = true
		}
		if q.Before = next; next == "" {
			break
		}
	}
	if left := srv.Audit.Stats().LeftOut; len(users) != events || left != 0 {
		t.Errorf("the table has %d of %d events, and %d were left out", len(users), events, left)
	}
	for began := time.Now(); seen.Load() == 0; time.Sleep(time.Millisecond) { // the program holds one, and the others wait or are counted
		if time.Since(began) > time.Minute {
			t.Fatal("the program was told of no event")
		}
	}
	me()
	stored.Store(0)
	after := testing.AllocsPerRun(100, me)
	if n := stored.Load(); n != 0 || after > before+1 {
		t.Errorf("GET /api/me asked a store %d times, and allocates %v times instead of %v", n, after, before)
	}
}
