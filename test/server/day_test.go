package server_test

import (
	"math/rand/v2"
	"net/http"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// repetitions is how often something goes wrong on a day, and how often each time a command is killed before it may finish.
func repetitions() (rounds, kills int) {
	if long {
		return 8, 6
	}
	return 1, 2
}

// day is an installation on which something goes wrong: nodes that answer from memory, on one database.
type day struct {
	*server  // the first node, whose data directory commands use
	nodes    []*server
	sessions []string // the flag that names Redis; none: sessions are in the database
	kills    int

	stayed  sync.WaitGroup
	leaving chan struct{}
}

// onEachPlace runs a story on SQLite, and on PostgreSQL with the sessions in Redis; in the long run also on SQLite with Redis, and on
// PostgreSQL alone.
func onEachPlace(t *testing.T, story func(t *testing.T, d *day)) {
	for place, begin := range map[string]func(t *testing.T, flags []string) []*server{
		"SQLite":     func(t *testing.T, flags []string) []*server { return []*server{start(t, flags...)} },
		"PostgreSQL": func(t *testing.T, flags []string) []*server { return apart(t, pgserver.Test(t), flags, flags) },
	} {
		for _, inRedis := range []bool{false, true} {
			if !long && inRedis != (place == "PostgreSQL") {
				continue
			}
			name := place
			if inRedis {
				name += " and Redis"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				d := &day{leaving: make(chan struct{})}
				if inRedis {
					d.sessions = []string{"--sessions", startRedis(t).URL()}
				}
				_, d.kills = repetitions()
				d.nodes = begin(t, d.sessions)
				d.server = d.nodes[0]
				story(t, d)
			})
		}
	}
}

// run runs a command to its end.
func (d *day) run(args ...string) string {
	d.t.Helper()
	return d.server.run(append(args, d.sessions...)...)
}

// persist runs a command that is killed several times, at a random moment, and then runs it to its end.
func (d *day) persist(within time.Duration, args ...string) string {
	d.t.Helper()
	for range d.kills {
		d.killed(within, append(args, d.sessions...)...)
	}
	return d.run(args...)
}

// stay signs a visitor in at each node, who is not signed out until goHome is called. While a node doesn't answer they wait.
func (d *day) stay(name string) {
	d.t.Helper()
	for _, node := range d.nodes {
		v := node.signedIn(name)
		d.stayed.Go(func() {
			for {
				select {
				case <-d.leaving:
					return
				case <-time.After(rand.N(50 * time.Millisecond)):
				}
				if a, err := v.me(); err == nil && a.status != http.StatusOK && a.status != http.StatusServiceUnavailable {
					d.t.Errorf("%s, who should stay signed in, is answered %s", name, a)
					return
				}
			}
		})
	}
}

// goHome checks that those who stayed are still signed in, on every node, and lets them go.
func (d *day) goHome() {
	close(d.leaving)
	d.stayed.Wait()
	d.leaving = make(chan struct{})
}

// audience is visitors who sign in again whenever they are signed out, and note every ticket that they get.
type audience struct {
	stop chan struct{}
	all  sync.WaitGroup

	mu      sync.Mutex
	tickets []string
	ended   []string // those of acknowledged sign-outs
}

// attend lets so many visitors use the nodes until leave is called.
func attend(nodes []*server, name string, n int) *audience {
	a := &audience{stop: make(chan struct{})}
	for i := range n {
		s := nodes[i%len(nodes)]
		v := s.visitor()
		a.all.Go(func() { a.visit(v, name) })
	}
	return a
}

func (a *audience) visit(v *visitor, name string) {
	for {
		select {
		case <-a.stop:
			return
		case <-time.After(rand.N(30 * time.Millisecond)):
		}
		if answer, err := v.me(); err != nil || answer.status != http.StatusUnauthorized { // signed in, or nothing is known
			if rand.IntN(20) == 0 {
				ticket := v.ticket()
				if out, err := v.signOut(); err == nil && out.status == http.StatusOK {
					a.note(&a.ended, ticket)
				}
			}
			continue
		}
		if answer, err := v.signIn(name, goodPassword); err == nil && answer.status == http.StatusOK {
			a.note(&a.tickets, v.ticket())
		}
	}
}

func (a *audience) note(list *[]string, ticket string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ticket != "" {
		*list = append(*list, ticket)
	}
}

// held returns the tickets so far, and out those that were signed out.
func (a *audience) held() []string { return a.copy(&a.tickets) }
func (a *audience) out() []string  { return a.copy(&a.ended) }

func (a *audience) copy(list *[]string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string{}, *list...)
}

func (a *audience) leave() {
	close(a.stop)
	a.all.Wait()
}

// killed runs a command of the program and kills it at a random moment.
func (s *server) killed(within time.Duration, args ...string) {
	s.t.Helper()
	command := exec.Command(program(s.t, "cmd/cloakroom"), append(append(args, "--data", s.data), s.where()...)...)
	command.Env = harness.Environment()
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(rand.N(within))
	_ = command.Process.Kill()
	_ = command.Wait() // it may have ended before
}

// fails runs a command that must fail, and returns what it says.
func (s *server) fails(args ...string) string {
	s.t.Helper()
	command := exec.Command(program(s.t, "cmd/cloakroom"), append(append(args, "--data", s.data), s.where()...)...)
	command.Env = harness.Environment()
	out, err := command.CombinedOutput()
	if err == nil {
		s.t.Fatalf("cloakroom %v succeeded:\n%s", args, out)
	}
	return string(out)
}
