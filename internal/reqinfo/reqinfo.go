// Package reqinfo keeps the record of each request: who sent it, as far as its address says, and what the layers learn of it. It is
// made once and put into the request's context once. The ID goes into the answer and into each log line.
package reqinfo

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync/atomic"
)

// Request is the record of one request, and its context. The layers write Session and Auth before the request is handled;
// after that the record is safe for concurrent use.
type Request struct {
	context.Context
	Server  any // which server has made the record
	Session any // what package session knows of the request
	Auth    any // what package auth knows of it

	id      [1]string // as the header wants it
	address netip.Addr
	agent   string
	trace   string
	stored  atomic.Bool
	kept    atomic.Bool
}

type key struct{}

// Value implements context.Context.
func (q *Request) Value(k any) any {
	if k == (key{}) {
		return q
	}
	return q.Context.Value(k)
}

// New returns the record of a new request, with a random ID, the address of the client (the zero Addr if it has none, as on a
// Unix socket), and the User-Agent.
func New(ctx context.Context, address netip.Addr, agent string) *Request {
	return &Request{Context: ctx, id: [1]string{random()}, address: address, agent: agent}
}

// Child returns a record for the handlers below a layer that writes anew what an outer one has written. It has the ID and the
// client of the request that ctx belongs to, if there is one.
func Child(ctx context.Context) *Request {
	q := &Request{Context: ctx}
	if outer := Of(ctx); outer != nil {
		q.id, q.address, q.agent, q.trace = outer.id, outer.address, outer.agent, outer.trace
		q.Server, q.Session, q.Auth = outer.Server, outer.Session, outer.Auth
	}
	return q
}

// Of returns the record of the request that ctx belongs to; nil outside of one.
func Of(ctx context.Context) *Request {
	q, _ := ctx.Value(key{}).(*Request)
	return q
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// random returns 128 random bits in base 32. They make IDs unique; they needn't be hard to guess.
func random() string {
	var text [26]byte
	high, low := rand.Uint64(), rand.Uint64()
	for i := 0; i < len(text); i += 2 {
		text[i], text[i+1] = letters[high%32], letters[low%32]
		high, low = high/32, low/32
	}
	return string(text[:])
}

// SetHeader writes the ID of the request into the header of its answer.
func (q *Request) SetHeader(answer http.Header) { answer["X-Request-Id"] = q.id[:] }

// ID returns the ID of the request; "" outside of one.
func ID(ctx context.Context) string {
	if q := Of(ctx); q != nil {
		return q.id[0]
	}
	return ""
}

// Address returns the address of the client; "" outside of a request, and if the client has none, as on a Unix socket.
func Address(ctx context.Context) string {
	if q := Of(ctx); q != nil && q.address.IsValid() {
		return q.address.String()
	}
	return ""
}

// Agent returns the User-Agent of the request, which isn't logged; "" outside of a request.
func Agent(ctx context.Context) string {
	if q := Of(ctx); q != nil {
		return q.agent
	}
	return ""
}

// NoteStored records that the request has asked a store, rather than a cache alone.
func NoteStored(ctx context.Context) {
	if q := Of(ctx); q != nil {
		q.stored.Store(true)
	}
}

// Stored reports whether the request has asked a store, as far as NoteStored was called.
func Stored(ctx context.Context) bool {
	q := Of(ctx)
	return q != nil && q.stored.Load()
}

// NoteKept records that the request has caused an event that must be stored before its answer.
func NoteKept(ctx context.Context) {
	if q := Of(ctx); q != nil {
		q.kept.Store(true)
	}
}

// TakeKept reports whether NoteKept was called since the last call of TakeKept.
func TakeKept(ctx context.Context) bool {
	q := Of(ctx)
	return q != nil && q.kept.Load() && q.kept.Swap(false)
}

type actorKey struct{}

// WithActor returns a context for actions of a user on other users; "" if no user is behind them.
func WithActor(ctx context.Context, user string) context.Context {
	return context.WithValue(ctx, actorKey{}, user)
}

// Actor returns the user that [WithActor] named; "" if there is none.
func Actor(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}

// LogHandler adds the ID, the client's address and the trace of the request, and the actor, to each record that is logged with their
// context.
func LogHandler(next slog.Handler) slog.Handler { return handler{next} }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if id := ID(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id), slog.String("source_ip", Address(ctx)))
		if trace := Of(ctx).trace; trace != "" {
			r.AddAttrs(slog.String("trace_id", trace))
		}
	}
	if actor := Actor(ctx); actor != "" {
		r.AddAttrs(slog.String("actor", actor))
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
