package gateway

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// Signer makes assertions.
type Signer interface {
	// SignAssertion returns a JWT with these claims, a JSON object without iat and exp, which it adds: now, and now and
	// life. It must be safe for concurrent use. An error is an outage.
	SignAssertion(ctx context.Context, claims []byte, life time.Duration) (string, error)
}

// An assertion is good for assertionLife, and told again for half of that: signing costs more than all else that the
// gateway does for a small request.
const (
	assertionLife  = 60 * time.Second
	assertionReuse = assertionLife / 2
	// assertionsKept bounds how many are remembered, in each of two generations.
	assertionsKept = 4096
)

// assertions remembers what was signed a short while ago, by all that it says.
type assertions struct {
	signer Signer

	mu         sync.Mutex
	young, old map[string]signed
}

type signed struct {
	text string
	made time.Time
}

func (a *assertions) of(ctx context.Context, c claims) (string, error) {
	content, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	if text, ok := a.recall(string(content)); ok {
		return text, nil
	}
	made := time.Now()
	text, err := a.signer.SignAssertion(ctx, content, assertionLife)
	if err == nil {
		a.keep(string(content), signed{text, made})
	}
	return text, err
}

func (a *assertions) recall(content string) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.young[content]
	if !ok {
		s, ok = a.old[content]
	}
	return s.text, ok && time.Since(s.made) < assertionReuse
}

func (a *assertions) keep(content string, s signed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.young == nil || len(a.young) >= assertionsKept {
		a.young, a.old = map[string]signed{}, a.young
	}
	a.young[content] = s
}
