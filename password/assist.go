package password

import (
	"golang.org/x/text/unicode/norm"

	"github.com/cloakroom-auth/cloakroom/internal/assistant"
)

// Assist computes hashes for the [Hasher] of another process, which has started this one as its Program. args are the
// arguments that come after the Program's own. It reads the standard input until that ends.
func Assist(args []string) error { return assistant.Serve(args, compute) }

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
