// Package reqinfo names each request, in the answer and in every line that is logged on its behalf.
package reqinfo

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
)

type key struct{}

// named is the context of a request.
type named struct {
	context.Context
	id      [1]string // as the header has it
	agent   string
	address netip.Addr
}

func (n *named) Value(k any) any {
	if k == (key{}) {
		return n
	}
	return n.Context.Value(k)
}

// New returns a context for one request, with a random name, the address it came from, which may be none, and its
// User-Agent.
func New(ctx context.Context, address netip.Addr, agent string) context.Context {
	return &named{ctx, [1]string{random()}, agent, address}
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// random returns 128 random bits in base 32. Two requests never have the same, and nobody gains by guessing one.
func random() string {
	var text [26]byte
	high, low := rand.Uint64(), rand.Uint64()
	for i := 0; i < len(text); i += 2 {
		text[i], text[i+1] = letters[high%32], letters[low%32]
		high, low = high/32, low/32
	}
	return string(text[:])
}

// Tell writes the name of the request into the header of its answer.
func Tell(ctx context.Context, answer http.Header) { answer["X-Request-Id"] = of(ctx).id[:] }

var nobody = &named{}

func of(ctx context.Context) *named {
	if n, ok := ctx.Value(key{}).(*named); ok {
		return n
	}
	return nobody
}

// From returns the name of the request; "" outside of one.
func From(ctx context.Context) string { return of(ctx).id[0] }

// Address returns where the request came from; "" outside of one, and for a request from no address, as on a Unix socket.
func Address(ctx context.Context) string {
	if a := of(ctx).address; a.IsValid() {
		return a.String()
	}
	return ""
}

// Agent returns the User-Agent of the request, which no line of the log has; "" outside of one.
func Agent(ctx context.Context) string { return of(ctx).agent }

type actorKey struct{}

// By returns a context for what somebody does to others; "" for what nobody does.
func By(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// Actor returns who does it; "" if nobody has said so.
func Actor(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}

// LogHandler adds the request's name and address, and the actor, to each record that is logged with their context.
func LogHandler(next slog.Handler) slog.Handler { return handler{next} }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if id := From(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id), slog.String("source_ip", Address(ctx)))
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
