// Package requestid names each request, in the answer and in every line that is logged on its behalf.
package requestid

import (
	"context"
	"crypto/rand"
	"log/slog"
)

type key struct{}

type value struct{ id, address string }

// New returns a context for one request, with a random name and the address it came from.
func New(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, key{}, value{id: rand.Text(), address: address})
}

// From returns the name of the request; "" outside of one.
func From(ctx context.Context) string {
	v, _ := ctx.Value(key{}).(value)
	return v.id
}

// LogHandler adds the request's name and address to each record that is logged with its context.
func LogHandler(next slog.Handler) slog.Handler { return handler{next} }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if v, ok := ctx.Value(key{}).(value); ok {
		r.AddAttrs(slog.String("request_id", v.id), slog.String("source_ip", v.address))
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
