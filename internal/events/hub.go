// Package events notifies open pages of changes to their sessions.
//
// A page learns at once what this process ends or changes. Changes that another process makes to the same stores are found
// by checking the sessions of the open pages: at once when Wake is called, otherwise within a second.
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
	// MaxPerSession is the largest number of open pages of one session.
	MaxPerSession = 8
	// MaxPages is the largest number of open pages in all.
	MaxPages = 10_000
)

// The reasons for which Open refuses a page.
var (
	ErrTooMany  = errors.New("too many open pages of one session")
	ErrFull     = errors.New("too many open pages")
	ErrStopping = errors.New("the server is stopping")
)

// Hub keeps the open pages. Auth is required. Set the fields before first use; the Hub is then safe for concurrent use.
type Hub struct {
	Auth *auth.Resolver
	Log  *slog.Logger // nil: nothing is logged

	// Version returns a number that changes whenever another process has changed the stores. Run calls it twice a second
	// while pages are open. If it is nil, Run checks the sessions of all pages that often.
	Version func(context.Context) (int64, error)

	mu       sync.Mutex
	byUser   map[string]map[*Watch]struct{}
	sessions map[string]int // the number of open pages by the public ID of their session
	open     int
	stopping bool

	woken  map[string]bool // the users whose pages are to be checked; "": all users
	signal chan struct{}   // holds an element while woken isn't empty
}

// Page is an open page of a user.
type Page interface {
	// Send sends an event to the page. An error means that the connection is lost. Calls don't overlap. Send must give up
	// within about a second.
	Send(Event) error
	// Close ends the connection. It may be called at any time, also while Send runs, and more than once.
	Close()
}

// Open begins to notify p of changes to the session of i. It fails with [ErrTooMany], [ErrFull] or [ErrStopping]; any other
// error means that the stores can't be read. The Hub closes the page when its session ends. The caller must call Close of
// the Watch when the connection is lost.
func (h *Hub) Open(ctx context.Context, i *auth.Identity, p Page) (*Watch, error) {
	w := &Watch{hub: h, page: p, identity: i, user: i.User.ID, session: i.Session.ID, proven: i.Session.DeviceProvenUntil()}
	if err := h.add(w); err != nil {
		return nil, err
	}
	w.start()
	// The page wasn't registered yet while i was checked, so it missed what has happened since.
	if err := w.check(ctx); err != nil {
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
	case h.sessions[w.session] >= MaxPerSession:
		return ErrTooMany
	case h.open >= MaxPages:
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
	if _, ok := h.byUser[w.user][w]; !ok {
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

// Len returns the number of open pages.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

// watches returns the pages of a user, or all pages if user is empty.
func (h *Hub) watches(user string) []*Watch {
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

// SessionsEnded notifies the pages of the sessions that e describes. Use it as session.Manager.OnEnd. It doesn't block.
func (h *Hub) SessionsEnded(e session.EndEvent) {
	for _, w := range h.watches(e.User) {
		if (e.ID == "" || w.session == e.ID) && w.session != e.Except {
			go w.end(e.Reason)
		}
	}
}

// Wake makes Run check the pages of a user at once, or all pages if user is empty. It doesn't block.
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

// prepare makes the channel that Run receives from.
func (h *Hub) prepare() {
	if h.signal == nil {
		h.woken, h.signal = map[string]bool{}, make(chan struct{}, 1)
	}
}

// Stop closes all pages and makes Open refuse new ones. The clients will connect again, perhaps to another node.
func (h *Hub) Stop() {
	h.mu.Lock()
	h.stopping = true
	h.mu.Unlock()
	for _, w := range h.watches("") {
		w.Close()
	}
}

const (
	pollEvery     = 500 * time.Millisecond // how often Run asks for changes by other processes
	checkAllEvery = 15 * time.Second       // how often Run checks all pages, whatever Version returns
	checkTimeout  = 5 * time.Second        // bounds the check of one page
	checkers      = 8                      // how many pages are checked at the same time
)
