package gateway

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// A request is judged when its headers come, and its body may come much later. So a body of up to wholeBody bytes is read
// whole before anything is passed on, and its sender is judged again then. What is larger is passed on while it comes; see
// streams and [body].
const wholeBody = 1 << 20

// smallBody is up to what size, in bytes, the body of a stranger is read whole, if its length is known. A client that sends
// it slowly then keeps no worker of the upstream waiting, and no connection with its buffers.
const smallBody = 16 << 10

// wholeBodies bounds, in bytes, what the bodies take together that are read whole. Where it is used up, a body is passed on
// while it comes, whatever its size.
const wholeBodies = 32 << 20

// Bodies are read in pieces, so that a client that announces much and sends little takes little.
const (
	firstPiece   = 4 << 10
	largestPiece = 64 << 10
)

// room is how much memory bodies take. The zero room is empty.
type bodyBudget struct{ taken atomic.Int64 }

func (b *bodyBudget) take(n int) bool {
	if b.taken.Add(int64(n)) > wholeBodies {
		b.taken.Add(-int64(n))
		return false
	}
	return true
}

// held is what has been read of a body.
type bufferedBody struct {
	budget *bodyBudget
	taken  int // of the budget
	pieces [][]byte
	size   int64
}

// fill reads at most so many bytes, and reports whether that was all. length is the announced one; -1: unknown.
func (h *bufferedBody) fill(from io.Reader, length, most int64) (whole bool, err error) {
	for next := int64(firstPiece); h.size < most; next = min(2*next, largestPiece) {
		n := min(next, most-h.size)
		if length >= 0 {
			n = min(n, length-h.size)
			if h.size == 0 && length <= smallBody {
				n = length
			}
		}
		if !h.budget.take(int(n)) {
			return false, nil
		}
		h.taken += int(n)
		piece := make([]byte, n)
		got := 0
		// Not io.ReadFull, in whose errors a body that was cut looks like one that has ended.
		for got < len(piece) && err == nil {
			var m int
			m, err = from.Read(piece[got:])
			got += m
		}
		h.pieces, h.size = append(h.pieces, piece[:got]), h.size+int64(got)
		switch {
		case errors.Is(err, io.EOF), err == nil && h.size == length:
			return true, nil
		case err != nil:
			return false, err
		}
	}
	return false, nil
}

// free gives the memory back. Who reads still keeps what they haven't read.
func (h *bufferedBody) free() {
	h.budget.taken.Add(-int64(h.taken))
	h.taken, h.pieces = 0, nil
}

// reader returns what is held, and then the rest.
func (h *bufferedBody) reader(rest io.ReadCloser) io.ReadCloser {
	return &bufferedReader{h.pieces, rest}
}

type bufferedReader struct {
	pieces [][]byte
	io.ReadCloser
}

func (r *bufferedReader) Read(p []byte) (int, error) {
	for len(r.pieces) > 0 {
		n := copy(p, r.pieces[0])
		if r.pieces[0] = r.pieces[0][n:]; len(r.pieces[0]) == 0 {
			r.pieces = r.pieces[1:]
		}
		if n > 0 {
			return n, nil
		}
	}
	return r.ReadCloser.Read(p)
}

// twoWay reports whether a request's body goes on while its answer comes, so that neither can wait for the other: gRPC, and
// the streams of the Connect protocol.
func twoWay(r *http.Request) bool {
	kind := strings.ToLower(r.Header.Get("Content-Type"))
	return strings.HasPrefix(kind, "application/grpc") || strings.HasPrefix(kind, "application/connect+")
}

// body is a request's, which may take as long as it needs while it moves.
type body struct {
	io.ReadCloser
	deadlines *deadlines
	left      int64 // bytes still to come; negative: unknown
	bad       bool
	done      bool // it has ended, and may be closed: the transport looks once more whether there is too much

	// judge says why the sender may do no more what they could when they began; nil: it isn't asked. What it refuses never
	// gets to its end: neither its last bytes nor, where the length is unknown, the word that there are no more.
	judge   func() error
	refused error
}

func (b *body) Read(p []byte) (int, error) {
	if b.refused != nil {
		return 0, b.refused
	}
	if b.done {
		return 0, io.EOF
	}
	b.deadlines.reading(true)
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.judge != nil && (errors.Is(err, io.EOF) || err == nil && b.left == 0) {
		if b.refused = b.judge(); b.refused != nil {
			return 0, b.refused
		}
		b.judge = nil
	}
	switch {
	case errors.Is(err, io.EOF):
		b.done = true
		b.deadlines.reading(false)
	case err != nil:
		b.deadlines.mu.Lock()
		b.bad = true
		b.deadlines.mu.Unlock()
	}
	return n, err
}

func (b *body) failed() bool {
	b.deadlines.mu.Lock()
	defer b.deadlines.mu.Unlock()
	return b.bad
}
