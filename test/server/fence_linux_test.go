package server_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// untilTheyRemember is how long a node that has just started answers from the store only.
const untilTheyRemember = 4 * time.Second

// signOutTakes signs out, and returns how long that took.
func signOutTakes(v *visitor) time.Duration {
	v.s.t.Helper()
	began := time.Now()
	if a := v.must(v.signOut()); a.status != http.StatusOK {
		v.s.t.Fatalf("sign-out: %s", a)
	}
	return time.Since(began)
}

// leaseTime is less than a sign-out takes if it waits for a lease to run out.
const leaseTime = 900 * time.Millisecond

// eventuallyPrompt signs in and out until a sign-out doesn't wait for a lease to run out. On a busy machine one of them may
// wait, because another node got no processor time.
func eventuallyPrompt(s *server, user string) {
	s.t.Helper()
	eventually(s.t, "a sign-out doesn't wait for a lease", func() bool { return signOutTakes(s.signedIn(user)) < leaseTime })
}

// TestAPausedNodeHonoursNothingThatHasEnded stops one of three nodes, ends a session at another, and asks the stopped
// one as it goes on.
func TestAPausedNodeHonoursNothingThatHasEnded(t *testing.T) {
	t.Attr("threat", "X01")
	t.Parallel()
	direct := []string{"--peer-listen", "127.0.0.1:0"}
	all := apart(t, pgserver.Test(t), direct, direct, nil)
	first, paused := all[0], all[1]
	user := first.person("ann").Username
	time.Sleep(untilTheyRemember)
	waited := false
	for range 3 {
		v := first.signedIn(user)
		visitors := everywhere(all, v.ticket())
		demandAll(visitors, http.StatusOK, "after sign-in")
		demandAll(visitors, http.StatusOK, "from memory")
		if err := paused.command.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		// A node that got no processor time for a second has lost its lease already, so the fence doesn't wait for it.
		waited = signOutTakes(v) >= 200*time.Millisecond || waited
		answer := make(chan int, 1)
		go func() { // waits for the node to go on
			a, _ := paused.holding(visitors[1].ticket()).me()
			answer <- a.status
		}()
		time.Sleep(20 * time.Millisecond)
		if err := paused.command.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if status := <-answer; status != http.StatusUnauthorized {
			t.Errorf("the node that went on answers %d", status)
		}
		demandAll(visitors, http.StatusUnauthorized, "after sign-out")
		time.Sleep(time.Second)
	}
	if !waited {
		t.Error("no sign-out waited for the node that stood still")
	}
}

// TestANodeThatStopsDelaysNoRequest checks that a node says goodbye when it stops, so fences don't wait for it as they do for
// a killed one. It tries other nodes if the machine was too busy to tell: a fence doesn't wait for a node that got no
// processor time for a second.
func TestANodeThatStopsDelaysNoRequest(t *testing.T) {
	direct := []string{"--peer-listen", "127.0.0.1:0"}
	all := apart(t, pgserver.Test(t), direct, direct, direct, direct, direct, direct, direct)
	user := all[0].person("ann").Username
	time.Sleep(untilTheyRemember)
	for n := 1; n < len(all); n += 2 {
		v := all[0].signedIn(user)
		all[n].stop()
		stopped := signOutTakes(v)
		v = all[0].signedIn(user)
		all[n+1].kill()
		killed := signOutTakes(v)
		t.Logf("a sign-out after a stop took %v, after a kill %v", stopped, killed)
		if killed >= 2*stopped {
			return
		}
	}
	t.Error("a sign-out waits no longer for a node that was killed than for one that said goodbye")
}

// TestAStrictNodeEndsWhatOtherNodesCache runs two nodes, one of which caches nothing.
func TestAStrictNodeEndsWhatOtherNodesCache(t *testing.T) {
	t.Attr("threat", "X01")
	t.Parallel()
	all := apart(t, pgserver.Test(t), nil, []string{"--revocation", "strict"})
	user := all[0].person("ann").Username
	time.Sleep(untilTheyRemember)
	for _, by := range all {
		v := by.signedIn(user)
		visitors := everywhere(all, v.ticket())
		demandAll(visitors, http.StatusOK, "after sign-in")
		demandAll(visitors, http.StatusOK, "again")
		signOutTakes(v)
		demandAll(visitors, http.StatusUnauthorized, "after sign-out")
	}
}

// TestBehindAPooler connects the nodes through PgBouncer. With --feed they cache, and without they can't. In both cases an
// ended session counts nowhere.
func TestBehindAPooler(t *testing.T) {
	t.Attr("threat", "X01")
	t.Parallel()
	pooler := pgserver.Shared(t).TestPooler(t)
	for name, direct := range map[string]bool{"with a feed of its own": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			db := pgserver.Test(t)
			var feed []string
			if direct {
				feed = []string{"--feed", db}
			}
			all := apart(t, strings.Replace(db, pgserver.Shared(t).Addr, pooler, 1), feed, feed)
			user := all[0].person("ann").Username
			time.Sleep(untilTheyRemember)
			v := all[0].signedIn(user)
			visitors := everywhere(all, v.ticket())
			demandAll(visitors, http.StatusOK, "after sign-in")
			demandAll(visitors, http.StatusOK, "again")
			took := signOutTakes(v)
			demandAll(visitors, http.StatusUnauthorized, "after sign-out")
			if direct {
				eventuallyPrompt(all[0], user)
			} else if took < leaseTime {
				t.Errorf("without a feed a sign-out took %v, less than a lease lasts", took)
			}
			if told := strings.Contains(all[0].log.String(), "no feed"); told == direct {
				t.Errorf("the log says that there is no feed: %v", told)
			}
		})
	}
}

// TestSessionsInRedisAndUsersInPostgres share one feed.
func TestSessionsInRedisAndUsersInPostgres(t *testing.T) {
	t.Attr("threat", "X01")
	t.Parallel()
	sessions := []string{"--sessions", startRedis(t).URL()}
	all := apart(t, pgserver.Test(t), sessions, sessions)
	user := all[0].person("ann").Username
	time.Sleep(untilTheyRemember)
	for _, by := range all {
		v := by.signedIn(user)
		visitors := everywhere(all, v.ticket())
		demandAll(visitors, http.StatusOK, "after sign-in")
		demandAll(visitors, http.StatusOK, "again")
		signOutTakes(v)
		demandAll(visitors, http.StatusUnauthorized, "after sign-out")
		eventuallyPrompt(by, user)
	}
	for _, command := range []string{"disable", "compromised"} {
		user := all[0].person(command).Username
		v := all[0].signedIn(user)
		visitors := everywhere(all, v.ticket())
		demandAll(visitors, http.StatusOK, "after sign-in")
		all[0].run("user", command, user)
		demandAll(visitors, http.StatusUnauthorized, "after a command that knows nothing of Redis: "+command)
	}
}
