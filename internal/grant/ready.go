package grant

import (
	"sync"
	"time"
)

// held is a token as requests need it.
type held struct {
	provider string    // "": tokens are there, but can't be opened
	header   []string  // the value of Authorization
	until    time.Time // when it must be looked at again
}

// readyFor bounds how long a token is used that the provider gives no time for, and with it how long ago it was read.
const readyFor = 10 * time.Minute

func holding(t *tokens) *held {
	until := time.Now().Add(readyFor)
	if t.Expires != 0 {
		until = earlier(until, t.ends())
	}
	return &held{t.Provider, []string{"Bearer " + t.Access}, until}
}

// of returns the value of the header if the token is one of this provider, else ErrNone.
func (h *held) of(provider string) ([]string, error) {
	if h.header == nil || h.provider != provider {
		return nil, ErrNone
	}
	return h.header, nil
}

// unopened stands for tokens that no key here opens. They are looked at again, since the key may come back.
func unopened() *held { return &held{until: time.Now().Add(readyFor)} }

// orElse returns tokens that are about to end, and whose renewal has failed, as long as they haven't; else the error.
func (t *tokens) orElse(err error) (*held, error) {
	ends := time.Unix(t.Expires, 0)
	if !time.Now().Before(ends) {
		return nil, err
	}
	return &held{t.Provider, []string{"Bearer " + t.Access}, earlier(ends, time.Now().Add(afterFailure))}, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// entry is a token, for a session as it is in one version.
type entry struct {
	version string
	*held
}

// readyKept limits the tokens in each of two generations.
const readyKept = 4096

// ready has the tokens of the sessions that were used lately.
type ready struct {
	mu         sync.Mutex
	young, old map[string]entry // by their sessions
}

// get returns nil if nothing is known.
func (r *ready) get(k key) *held {
	r.mu.Lock()
	h, ok := r.young[k.session]
	if !ok {
		h, ok = r.old[k.session]
	}
	r.mu.Unlock()
	if !ok || h.version != k.version || !time.Now().Before(h.until) {
		return nil
	}
	return h.held
}

func (r *ready) put(k key, h *held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.young == nil || len(r.young) >= readyKept {
		r.young, r.old = map[string]entry{}, r.young
	}
	r.young[k.session] = entry{k.version, h}
}

// drop forgets the tokens of a session.
func (r *ready) drop(session string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, session)
	delete(r.old, session)
}
