// Package events tells open pages what becomes of their sessions.
//
// A page is told at once of what this process has ended or changed. What another process has done to the same stores is
// noticed by looking again: as soon as Wake is called, else within a second.
package events

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/session"
)

const (
	// MostOfSession is how many pages of one session can be open.
	MostOfSession = 8
	// Most is how many pages can be open in all.
	Most = 10_000
)

// Why a page isn't taken.
var (
	ErrTooMany  = errors.New("too many open pages of one session")
	ErrFull     = errors.New("too many open pages")
	ErrStopping = errors.New("the server is stopping")
)

// Hub keeps the open pages. Auth is needed; set the fields before first use. It is then safe for concurrent use.
type Hub struct {
	Auth *auth.Resolver
	Log  *slog.Logger // nil: silent

	// Version returns a number that moves whenever another process has changed the stores. It is asked twice a second
	// while there are pages. Nil: the sessions of all pages are looked at as often.
	Version func(context.Context) (int64, error)

	mu       sync.Mutex
	byUser   map[string]map[*Watch]struct{}
	sessions map[string]int // how many pages are open, by the public ID of the session
	open     int
	stopping bool

	woken  map[string]bool // users to look at; "": all
	signal chan struct{}   // has an element while somebody is woken
}

// Page is an open page of somebody's.
type Page interface {
	// Tell passes on what happened. An error means that the page is gone. It is called by one goroutine at a time, and
	// must give up within a second or so.
	Tell(Event) error
	// Close ends the connection. It may be called at any time, also while Tell runs, and more than once.
	Close()
}

// Open begins to tell a page what becomes of i. [ErrTooMany], [ErrFull], [ErrStopping]; any other error is an outage.
// The page is closed by the Hub; whoever notices that it is gone calls Close of the Watch.
func (h *Hub) Open(ctx context.Context, i *auth.Identity, p Page) (*Watch, error) {
	w := &Watch{hub: h, page: p, who: i, user: i.User.ID, session: i.Session.ID}
	if err := h.add(w); err != nil {
		return nil, err
	}
	w.begin()
	// What happened between the check that found i and this moment was told to nobody.
	if err := w.look(ctx); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (h *Hub) add(w *Watch) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.stopping:
		return ErrStopping
	case h.sessions[w.session] >= MostOfSession:
		return ErrTooMany
	case h.open >= Most:
		return ErrFull
	}
	if h.byUser == nil {
		h.byUser, h.sessions = map[string]map[*Watch]struct{}{}, map[string]int{}
	}
	if h.byUser[w.user] == nil {
		h.byUser[w.user] = map[*Watch]struct{}{}
	}
	h.byUser[w.user][w] = struct{}{}
	h.sessions[w.session]++
	h.open++
	return nil
}

func (h *Hub) remove(w *Watch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, there := h.byUser[w.user][w]; !there {
		return
	}
	delete(h.byUser[w.user], w)
	if len(h.byUser[w.user]) == 0 {
		delete(h.byUser, w.user)
	}
	if h.sessions[w.session]--; h.sessions[w.session] == 0 {
		delete(h.sessions, w.session)
	}
	h.open--
}

// Len returns how many pages are open.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

// of returns the pages of a user; all if user is empty.
func (h *Hub) of(user string) []*Watch {
	h.mu.Lock()
	defer h.mu.Unlock()
	if user != "" {
		return slices.Collect(maps.Keys(h.byUser[user]))
	}
	all := make([]*Watch, 0, h.open)
	for _, some := range h.byUser {
		all = slices.AppendSeq(all, maps.Keys(some))
	}
	return all
}

// SessionsEnded tells the pages of sessions that they have ended. It is meant for session.Manager.OnEnd, and doesn't block.
func (h *Hub) SessionsEnded(e session.EndEvent) {
	for _, w := range h.of(e.User) {
		if (e.ID == "" || w.session == e.ID) && w.session != e.Except {
			go w.end(e.Reason)
		}
	}
}

// Wake makes the Hub look at once at the sessions of a user; at all if user is empty. It doesn't block.
func (h *Hub) Wake(user string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if user != "" && len(h.byUser[user]) == 0 || h.open == 0 {
		return
	}
	h.prepare()
	h.woken[user] = true
	select {
	case h.signal <- struct{}{}:
	default:
	}
}

// prepare makes what Run waits for.
func (h *Hub) prepare() {
	if h.signal == nil {
		h.woken, h.signal = map[string]bool{}, make(chan struct{}, 1)
	}
}

// Stop ends all pages, whose clients will connect again, perhaps to another node, and takes no more.
func (h *Hub) Stop() {
	h.mu.Lock()
	h.stopping = true
	h.mu.Unlock()
	for _, w := range h.of("") {
		w.Close()
	}
}

const (
	lookEvery  = 500 * time.Millisecond // for what another process has done
	sweepEvery = 15 * time.Second       // at all pages, whatever Version says
	lookTime   = 5 * time.Second        // for one page
	lookers    = 8                      // pages that are looked at together
)
