package server_test

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestAnotherProcessThatHoldsTheFileIsAnOutage lets another program hold a write transaction on the file. Requests don't wait
// for its end: the test releases the file only when all have been answered.
func TestAnotherProcessThatHoldsTheFileIsAnOutage(t *testing.T) {
	t.Attr("threat", "L04")
	t.Parallel()
	s := start(t)
	users := s.people("lea", 10)
	tickets := s.give(users...)
	reader := s.holding(tickets[0])
	other, err := s.open().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	held := time.Now()

	var group sync.WaitGroup
	var outs, ins [10]timed
	for i, u := range users {
		group.Go(func() { ins[i] = clock(func() (answer, error) { return s.visitor().signIn(u.Username, goodPassword) }) })
		if i > 0 {
			group.Go(func() { outs[i] = clock(s.holding(tickets[i]).signOut) })
		}
	}
	eventually(t, "/readyz says 503", func() bool { return reader.must(reader.get("/readyz")).status == http.StatusServiceUnavailable })
	for range 10 {
		reader.demand(http.StatusOK, "while another process writes")
		if a := reader.must(reader.get("/healthz")); a.status != http.StatusOK {
			t.Errorf("/healthz meanwhile: %s", a)
		}
	}
	group.Wait()
	for _, a := range append(ins[:], outs[1:]...) {
		if a.err != nil || a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || a.setsCookie() {
			t.Errorf("an answer while another process writes: %s, %v", a.answer, a.err)
		}
	}
	t.Logf("sign-ins: %s; sign-outs: %s", summary(ins[:]), summary(outs[1:]))
	time.Sleep(8*time.Second - time.Since(held))

	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "/readyz says 200 again", func() bool { return reader.must(reader.get("/readyz")).status == http.StatusOK })
	for _, ticket := range tickets[1:] {
		v := s.holding(ticket)
		v.demand(http.StatusOK, "after an outage of the sign-out")
		if a := v.must(v.signOut()); a.status != http.StatusOK {
			t.Errorf("sign-out afterwards: %s", a)
		}
		s.holding(ticket).demand(http.StatusUnauthorized, "signed out afterwards")
	}
	s.signedIn(users[0].Username)
}
