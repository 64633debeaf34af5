package server_test

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestKillForgetsNothingThatWasAcknowledged ends the server without warning, time and again, in the middle of 500
// clients that sign in and out. Whoever was told "signed in" is, whoever was told "signed out" is not; where no answer
// came, either may be.
func TestKillForgetsNothingThatWasAcknowledged(t *testing.T) {
	t.Attr("threat", "B5")
	s := start(t)
	crowd := newCrowd(s, s.people("kim", 250), 500)
	lives := 10
	if long {
		lives = 200
	}
	for life := 0; life < lives || (life < 2*lives && !crowd.busy()); life++ {
		crowd.seed()
		// Sign-outs are the first to be answered, so every other life waits for what takes longer.
		signedIn := crowd.ins.Load() + crowd.rotations.Load()
		kill := sync.OnceFunc(func() { time.AfterFunc(rand.N(1500*time.Millisecond), s.kill) })
		crowd.work(func() bool {
			if life%2 == 0 || crowd.ins.Load()+crowd.rotations.Load() > signedIn {
				kill()
			}
			return true
		})
		<-s.done
		s.start()
		crowd.check()
	}
	crowd.checkDead()
	t.Logf("%d sign-ins, %d rotations and %d sign-outs acknowledged, %d answers lost",
		crowd.ins.Load(), crowd.rotations.Load(), crowd.outs.Load(), crowd.lost.Load())
	if !crowd.busy() {
		t.Error("the server was never killed in the middle of things")
	}
	s.stop()
	whole(t, s.database())
}

// TestTicketsFromBeforeARotationStayDeadAfterAKill: the old ticket of a session was valid once, and a state restored
// from before would make it so again.
func TestTicketsFromBeforeARotationStayDeadAfterAKill(t *testing.T) {
	s := start(t)
	s.people("kim", 1)
	v := s.signedIn("kim0")
	old := v.ticket()
	if a := v.must(v.reauthenticate(goodPassword)); a.status != http.StatusOK || v.ticket() == old {
		t.Fatalf("no new ticket: %s", a)
	}
	s.kill()
	s.start()
	s.holding(old).demand(http.StatusUnauthorized, "the ticket from before")
	v.demand(http.StatusOK, "the new ticket")
}

// TestFailuresAreCountedAcrossAKill: a guesser who could crash the server would have as many guesses as he likes.
func TestFailuresAreCountedAcrossAKill(t *testing.T) {
	t.Attr("threat", "F7")
	s := start(t)
	s.people("kim", 2)
	for range 10 {
		v := s.visitor() // from everywhere: the account counts
		if a := v.must(persist(func() (answer, error) { return v.signIn("kim0", "wrong, and wrong again") })); a.status != http.StatusUnauthorized {
			t.Fatalf("a wrong password is answered %s", a)
		}
	}
	s.kill()
	s.start()
	a := s.visitor().must(s.visitor().signIn("kim0", goodPassword))
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
		t.Errorf("the eleventh try, after a kill, is answered %s", a)
	}
	s.signedIn("kim1")
}
