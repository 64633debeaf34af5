package server_test

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestAcknowledgedRequestsSurviveAKill kills the server again and again while 500 clients sign in and out. A client that
// was answered "signed in" is signed in, one that was answered "signed out" isn't. Without an answer both are right.
func TestAcknowledgedRequestsSurviveAKill(t *testing.T) {
	t.Attr("threat", "B5")
	s := start(t)
	crowd := newCrowd(s, s.people("kim", 250), 500)
	lives := 5
	if long {
		lives = 200
	}
	for life := 0; life < lives || (life < 2*lives && !crowd.busy()); life++ {
		crowd.seed()
		// Sign-outs are answered first, so every other run waits for the slower requests.
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

// TestTicketsFromBeforeARotationStayDeadAfterAKill checks that a restart restores no state in which an old ticket is valid.
func TestTicketsFromBeforeARotationStayDeadAfterAKill(t *testing.T) {
	t.Parallel()
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

// TestFailuresAreCountedAcrossAKill checks that crashing the server gives a guesser no further guesses.
func TestFailuresAreCountedAcrossAKill(t *testing.T) {
	t.Attr("threat", "F7")
	t.Parallel()
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
