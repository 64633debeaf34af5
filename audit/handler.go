package audit

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// Handler passes records on to next, as far as next wants them, and puts those that are events into the log: those whose
// message is a name of the vocabulary. Their attributes become the fields that are called like them; others are the detail.
func (l *Log) Handler(next slog.Handler) slog.Handler { return handler{log: l, next: next} }

type handler struct {
	log   *Log
	next  slog.Handler
	attrs []slog.Attr // of the logger
	group string      // "": attributes are at the top
}

// Enabled is true for events whatever next wants to show.
func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.next.Enabled(ctx, level)
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if known(r.Message) {
		e := h.event(ctx, r)
		told(ctx, e)
		h.log.add(e)
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.next = h.next.WithAttrs(attrs)
	if h.group == "" {
		h.attrs = append(slices.Clip(h.attrs), attrs...)
	}
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	h.next, h.group = h.next.WithGroup(name), name
	return h
}

// vocabulary are the kinds of events of OWASP's Logging Vocabulary, by how their names begin.
var vocabulary = []string{
	"authn_", "authz_", "session_", "user_", "privilege_", "malicious_", "input_validation_", "excess_", "upload_", "sequence_", "sys_",
}

func known(name string) bool {
	return slices.ContainsFunc(vocabulary, func(kind string) bool { return strings.HasPrefix(name, kind) }) &&
		!strings.Contains(name, " ")
}

// failures are the events that tell of something refused, besides those whose names say so.
var failures = []string{"session_use_after_expire", "input_validation_fail", "sys_crash", "authn_token_reuse"}

func outcome(name string) string {
	if strings.HasSuffix(name, "_fail") || strings.HasSuffix(name, "_lock") || strings.HasPrefix(name, "malicious_") ||
		strings.HasPrefix(name, "excess_") || slices.Contains(failures, name) {
		return Failure
	}
	return Success
}

func (h handler) event(ctx context.Context, r slog.Record) *Event {
	e := &Event{
		At: r.Time.UnixMilli(), Name: r.Message, Outcome: outcome(r.Message),
		Address: reqinfo.Address(ctx), Agent: cut(reqinfo.Agent(ctx)), Request: reqinfo.From(ctx),
	}
	for _, a := range h.attrs {
		e.set(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		e.set(a)
		return true
	})
	e.Actor = cmp.Or(e.Actor, reqinfo.Actor(ctx))
	if e.Actor == "" && e.Request != "" && (e.Outcome == Success || strings.HasPrefix(e.Name, "authz_")) {
		e.Actor = e.Subject // who signs in or out, or may not do something, does it themselves
	}
	return e
}

// set takes an attribute of a record.
func (e *Event) set(a slog.Attr) {
	text := cut(a.Value.Resolve().String())
	switch {
	case text == "":
	case a.Key == "user":
		e.Subject = text
	case a.Key == "actor":
		e.Actor = text
	case a.Key == "login":
		e.Login = text
	case a.Key == "session":
		e.Session = text
	case a.Key == "outcome":
		e.Outcome = text
	case a.Key == "source_ip", a.Key == "request_id", a.Key == "stack": // known, or too much
	default:
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail[a.Key] = text
	}
}

// longest bounds each field, in bytes.
const longest = 512

func cut(s string) string {
	if len(s) <= longest {
		return s
	}
	end := longest
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
