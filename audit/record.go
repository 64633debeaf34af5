package audit

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// Record writes an event to Text and queues it for the Store. It returns before the event is stored: see [Log.Flush]. The
// attributes "user", "actor", "login" and "session" set the fields Subject, Actor, Login and Session of the event; the others
// become its Detail, but for "stack", which is too long. A nil *Log records nothing.
func (l *Log) Record(ctx context.Context, kind Kind, attrs ...slog.Attr) {
	if l != nil {
		l.record(ctx, kind, kind.outcome, attrs)
	}
}

func (l *Log) record(ctx context.Context, kind Kind, outcome string, attrs []slog.Attr) {
	e := newEvent(ctx, kind, outcome, attrs)
	noteSuccess(ctx, e)
	if l.OnRecord != nil {
		l.OnRecord(kind, attrs)
	}
	if l.Store != nil {
		kept := l.Kept != nil && l.Kept(e)
		if kept {
			reqinfo.NoteKept(ctx)
		}
		l.add(e, kept)
	}
	if l.Text != nil {
		l.Text.LogAttrs(ctx, kind.level, kind.name, attrs...)
	}
}

func newEvent(ctx context.Context, kind Kind, outcome string, attrs []slog.Attr) *Event {
	e := &Event{
		At: time.Now().UnixMilli(), Name: kind.name, Outcome: outcome,
		Address: reqinfo.Address(ctx), Agent: cut(reqinfo.Agent(ctx)), Request: reqinfo.ID(ctx),
	}
	for _, a := range attrs {
		e.set(a)
	}
	e.Actor = cmp.Or(e.Actor, reqinfo.Actor(ctx))
	if e.Actor == "" && e.Request != "" && (e.Outcome == Success || strings.HasPrefix(e.Name, "authz_")) {
		e.Actor = e.Subject // users sign themselves in and out, and are themselves denied
	}
	return e
}

// set takes an attribute over into the event.
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
	case a.Key == "outcome", a.Key == "stack":
	default:
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail[a.Key] = text
	}
}

// maxField bounds each field, in bytes.
const maxField = 512

func cut(s string) string {
	if len(s) <= maxField {
		return s
	}
	end := maxField
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
