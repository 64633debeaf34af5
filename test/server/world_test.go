package server_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// world is some users with a few clients each, and the history of their requests.
type world struct {
	s       *server
	people  []*person
	began   time.Time
	numbers atomic.Int64

	mu      sync.Mutex
	history []porcupine.Operation
	counts  map[kind]int
}

// person is the knowledge that the clients of one user share.
type person struct {
	name string

	mu        sync.Mutex
	passwords []string
	current   int // which of them is believed to be right
	tickets   []known
}

// known is a ticket that a client has got.
type known struct {
	ticket
	cookie string
	id     string // the session's public ID
}

func newWorld(s *server) *world {
	w := &world{s: s, began: time.Now(), counts: map[kind]int{}}
	for _, u := range s.people("lin", 4) {
		w.people = append(w.people, &person{name: u.Username, passwords: []string{goodPassword}})
	}
	return w
}

// live lets all clients work for a while, and then calls the function that ends it while they go on.
func (w *world) live(while time.Duration, end func()) {
	var group sync.WaitGroup
	over := make(chan struct{})
	for _, p := range w.people {
		for client := range 4 {
			group.Go(func() {
				for (&act{w: w, p: p, client: client}).do() {
					select {
					case <-over:
						return
					case <-time.After(rand.N(5 * time.Millisecond)):
					}
				}
			})
		}
	}
	time.Sleep(while)
	end()
	close(over)
	group.Wait()
}

// judge checks whether the history is linearizable. If not, it writes a drawing into a file.
func (w *world) judge(t *testing.T) porcupine.CheckResult {
	result, info := porcupine.CheckOperationsVerbose(model, w.history, patience)
	if result == porcupine.Illegal && t.Name() != "TestTheModelFindsACache" {
		drawing := filepath.Join(t.ArtifactDir(), "history.html")
		if err := porcupine.VisualizePath(model, info, drawing); err != nil {
			t.Error(err)
		}
		t.Logf("drawn in %s (go test -artifacts keeps it)", drawing)
	}
	return result
}

// did reports whether each of these acts has happened.
func (w *world) did(kinds ...kind) bool {
	return !slices.ContainsFunc(kinds, func(k kind) bool { return w.counts[k] == 0 })
}

func (w *world) summary() string {
	parts := []string{fmt.Sprintf("%d effects", len(w.history))}
	for _, k := range slices.Sorted(maps.Keys(w.counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, w.counts[k]))
	}
	return strings.Join(parts, ", ")
}

// last returns the newest tickets.
func (p *person) last() []known {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tickets[max(0, len(p.tickets)-6):])
}

// pick returns one of them.
func (p *person) pick() (known, bool) {
	all := p.last()
	if len(all) == 0 {
		return known{}, false
	}
	return all[rand.IntN(len(all))], true
}

func (p *person) know(k known) {
	p.mu.Lock()
	p.tickets = append(p.tickets, k)
	p.mu.Unlock()
}

func (p *person) forget(k known) {
	p.mu.Lock()
	p.tickets = slices.DeleteFunc(p.tickets, func(other known) bool { return other == k })
	p.mu.Unlock()
}

// invent returns a password that was never used.
func (p *person) invent() (number int, password string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	number = len(p.passwords)
	password = fmt.Sprintf("horse number %d, with battery", number)
	p.passwords = append(p.passwords, password)
	return number, password
}

func (p *person) believe(number int) {
	p.mu.Lock()
	p.current = number
	p.mu.Unlock()
}

// doubt drops a password that was refused: a change without an answer may have succeeded.
func (p *person) doubt(number int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.passwords); p.current == number {
		p.current = n - 1 - rand.IntN(min(n, 4))
	}
}
