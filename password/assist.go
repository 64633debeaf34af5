package password

import (
	"runtime/debug"
	"sync"

	"golang.org/x/text/unicode/norm"

	"github.com/cloakroom-auth/cloakroom/internal/assistant"
)

// Assist computes hashes for the [Hasher] of another process, which has started this one as its Program. args are the
// arguments that come after the Program's own. It reads the standard input until that ends.
func Assist(args []string) error {
	var b budget
	return assistant.Serve(args, func(q assistant.Question) (assistant.Answer, error) {
		defer b.take(weightOf(q))()
		return compute(q)
	})
}

// weightOf is the memory that a question needs, in units of a current hash's.
func weightOf(q assistant.Question) int64 {
	if q.Kind == assistant.Make {
		return 1
	}
	stored, _ := work{standard: q.Standard}.parse(q.Encoded)
	return stored.weight()
}

// budget keeps the memory of a process that does nothing but hash to what its hashes need: where the memory of past ones is in
// pieces, Go would take new memory beside it, and give the old back by and by.
type budget struct {
	mu       sync.Mutex
	now, top int64 // weights
}

// The memory of a current hash, and of the rest of the process, in bytes.
const (
	hashBytes  = 20 << 20
	otherBytes = 8 << 20
)

func (b *budget) take(weight int64) (release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now += weight; b.now > b.top {
		b.top = b.now
		debug.SetMemoryLimit(b.top*hashBytes + otherBytes)
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.now -= weight
	}
}

// Start starts the Program now, rather than when it is first needed.
func (h *Hasher) Start() error {
	if p := h.started().process; p != nil {
		return p.Start()
	}
	return nil
}

// Close ends the Program when it has answered what it was asked before. The Hasher can't be used afterwards.
func (h *Hasher) Close() error {
	if p := h.started().process; p != nil {
		return p.Close()
	}
	return nil
}

// compute answers a question at once, in this process.
func compute(q assistant.Question) (assistant.Answer, error) {
	switch q.Kind {
	case assistant.Make:
		return assistant.Answer{Encoded: current.encode(norm.NFC.String(q.Password), q.Salt), Spent: current.cost()}, nil
	case assistant.MakeLike:
		return makeLike(q)
	}
	w := work{standard: q.Standard}
	stored, ok := w.parse(q.Encoded)
	match := w.compare(stored, q.Password) && ok
	return assistant.Answer{Match: match, Spent: w.spent}, nil
}

// work is what one verification comes to.
type work struct {
	standard string // Hasher.Standard
	spent    int64
}

// parse returns what can't match, and false, for what isn't a hash.
func (w work) parse(encoded string) (s scheme, ok bool) {
	if s, ok := parse(encoded); ok {
		return s, true
	}
	return w.least(), false
}

func (w work) least() scheme {
	if s, ok := parse(w.standard); ok {
		return s
	}
	return dummy
}

// compare tries the password composed and, where that is something else, as it came.
func (w *work) compare(stored scheme, password string) bool {
	composed := norm.NFC.String(password)
	match := w.compareOnce(stored, composed)
	if composed != password {
		match = w.compareOnce(stored, password) || match
	}
	return match
}

func (w *work) compareOnce(stored scheme, password string) bool {
	match := stored.verify(password)
	w.spent += stored.cost()
	if missing := w.least().cost() - stored.cost(); missing > 0 {
		padding(missing).verify(password)
		w.spent += missing
	}
	return match
}
