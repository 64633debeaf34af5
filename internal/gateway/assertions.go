package gateway

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// Signer signs assertions.
type Signer interface {
	// SignAssertion returns a JWT with these claims, a JSON object without iat and exp. It adds iat, now, and exp, now plus
	// life. It must be safe for concurrent use. An error counts as an outage.
	SignAssertion(ctx context.Context, claims []byte, life time.Duration) (string, error)
}

// An assertion is valid for assertionLife and reused for half of that: signing costs more than everything else that the
// gateway does for a small request.
const (
	assertionLife  = 60 * time.Second
	assertionReuse = assertionLife / 2
	// assertionsKept limits the cached assertions in each of two generations.
	assertionsKept = 4096
)

// assertions caches recent assertions by all their claims.
type assertions struct {
	signer Signer

	mu         sync.Mutex
	young, old map[claims]signed
}

type signed struct {
	text string
	made time.Time
}

func (a *assertions) get(ctx context.Context, c claims) (string, error) {
	if text, ok := a.recall(c); ok {
		return text, nil
	}
	content, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	made := time.Now()
	text, err := a.signer.SignAssertion(ctx, content, assertionLife)
	if err == nil {
		a.keep(c, signed{text, made})
	}
	return text, err
}

func (a *assertions) recall(c claims) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.young[c]
	if !ok {
		s, ok = a.old[c]
	}
	return s.text, ok && time.Since(s.made) < assertionReuse
}

func (a *assertions) keep(c claims, s signed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.young == nil || len(a.young) >= assertionsKept {
		a.young, a.old = map[claims]signed{}, a.young
	}
	a.young[c] = s
}
