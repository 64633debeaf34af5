package gateway

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// A request is checked when its headers arrive, and its body may arrive much later. So a body of up to wholeBody bytes is
// read whole before anything is passed on, and then the caller is checked again. A larger body is passed on as it arrives;
// see streams and [body].
const wholeBody = 1 << 20

// smallBody is the size, in bytes, up to which the body of a caller who isn't signed in is read whole, if its length is
// known. So a slow client keeps no worker of the upstream waiting, and no connection with its buffers.
const smallBody = 16 << 10

// wholeBodies limits, in bytes, the memory of all bodies that are read whole. Beyond it, a body of any size is passed on as
// it arrives.
const wholeBodies = 32 << 20

// Bodies are read in pieces, so that a client that announces much and sends little takes little memory.
const (
	firstPiece   = 4 << 10
	largestPiece = 64 << 10
)

// bodyBudget is the memory that bodies take. The zero bodyBudget is unused.
type bodyBudget struct{ taken atomic.Int64 }

func (b *bodyBudget) take(n int) bool {
	if b.taken.Add(int64(n)) > wholeBodies {
		b.taken.Add(-int64(n))
		return false
	}
	return true
}

// bufferedBody is the part of a body that has been read.
type bufferedBody struct {
	budget *bodyBudget
	taken  int // bytes of the budget
	pieces [][]byte
	size   int64
}

// fill reads at most most bytes, and reports whether that was the whole body. length is the announced length; -1: unknown.
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
		// Not io.ReadFull: its errors make a body that was cut look like one that has ended.
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

// free returns the memory to the budget. A reader that is still in use keeps what it hasn't read.
func (h *bufferedBody) free() {
	h.budget.taken.Add(-int64(h.taken))
	h.taken, h.pieces = 0, nil
}

// reader reads the buffered part, and then the rest.
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

// twoWay reports whether a request's body goes on while its answer arrives, so that neither can wait for the other: gRPC,
// and the streams of the Connect protocol.
func twoWay(r *http.Request) bool {
	kind := strings.ToLower(r.Header.Get("Content-Type"))
	return strings.HasPrefix(kind, "application/grpc") || strings.HasPrefix(kind, "application/connect+")
}

// body is a request's body. It may take any time as long as bytes keep arriving.
type body struct {
	io.ReadCloser
	deadlines *deadlines
	left      int64 // bytes still to come; negative: unknown
	bad       error // why the client's part could not be read
	done      bool  // it has ended and may be closed: the transport reads once more to detect excess bytes

	// judge returns why the caller may no longer send; a nil judge isn't called. A refused body never reaches its end: its
	// last bytes, or, if the length is unknown, its end marker, are withheld.
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
		b.bad = err
		b.deadlines.mu.Unlock()
	}
	return n, err
}

// failed returns why the body could not be read; nil if it could.
func (b *body) failed() error {
	b.deadlines.mu.Lock()
	defer b.deadlines.mu.Unlock()
	return b.bad
}
