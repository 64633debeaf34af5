package httpapi

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
)

// eventOut is an event of the audit log on the wire.
type eventOut struct {
	ID        string            `json:"id"`
	Time      time.Time         `json:"time"`
	Event     string            `json:"event"`
	Outcome   string            `json:"outcome"`
	ActorID   json.RawMessage   `json:"actor_id"`
	Actor     string            `json:"actor"`
	UserID    json.RawMessage   `json:"user_id"`
	User      string            `json:"user"`
	Login     string            `json:"login"`
	Session   string            `json:"session"`
	IP        string            `json:"ip"`
	UserAgent string            `json:"user_agent"`
	RequestID string            `json:"request_id"`
	Detail    map[string]string `json:"detail"`
}

func newEventOut(e *audit.Event, names eventNames) eventOut {
	detail := e.Detail
	if detail == nil {
		detail = map[string]string{}
	}
	return eventOut{
		ID: e.ID, Time: time.UnixMilli(e.At).UTC(), Event: e.Name, Outcome: e.Outcome,
		ActorID: idOrNull(e.Actor), Actor: names[e.Actor], UserID: idOrNull(e.Subject), User: names[e.Subject],
		Login: e.Login, Session: e.Session, IP: e.Address, UserAgent: e.Agent, RequestID: e.Request, Detail: detail,
	}
}

func idOrNull(id string) json.RawMessage {
	if id == "" || id == audit.CommandLine {
		return json.RawMessage("null")
	}
	return jsonID(id)
}

type auditOut struct {
	Events []eventOut `json:"events"`
	Next   *string    `json:"next"`
}

// listEvents shows what happened, the latest first.
func listEvents(c *call, _ none) (auditOut, error) {
	q, err := c.eventQuery()
	if err != nil {
		return auditOut{}, err
	}
	after, limit, err := c.page()
	if err != nil {
		return auditOut{}, err
	}
	q.Before = after
	if err := c.api.Audit.Flush(c.ctx()); err != nil {
		return auditOut{}, err
	}
	events, more, err := c.api.Audit.Page(c.ctx(), q, limit)
	if err != nil {
		return auditOut{}, err
	}
	out := auditOut{Events: []eventOut{}, Next: next(more)}
	names := eventNames{}
	for _, e := range events {
		if err := names.add(c.ctx(), c.api.Accounts.Store, e); err != nil {
			return auditOut{}, err
		}
		out.Events = append(out.Events, newEventOut(e, names))
	}
	return out, nil
}

// eventNames are the present names of users by their IDs. Who is gone has an empty one.
type eventNames map[string]string

// mostNames bounds what an export remembers.
const mostNames = 10_000

// add learns the names of an event's users.
func (n eventNames) add(ctx context.Context, accounts account.Store, e *audit.Event) error {
	if len(n) > mostNames {
		clear(n)
	}
	n[""], n[audit.CommandLine] = "", audit.CommandLine
	for _, id := range []string{e.Actor, e.Subject} {
		if _, known := n[id]; known {
			continue
		}
		u, err := accounts.Load(ctx, id)
		switch {
		case err == nil:
			n[id] = u.Username
		case errors.Is(err, account.ErrNotFound):
			n[id] = ""
		default:
			return err
		}
	}
	return nil
}

// eventQuery reads the filters of the query: user, event, from and to.
func (c *call) eventQuery() (audit.Query, error) {
	v := c.r.URL.Query()
	q := audit.Query{User: v.Get("user"), Name: v.Get("event")}
	wrong := map[string][]string{}
	for name, into := range map[string]*int64{"from": &q.From, "to": &q.To} {
		text := v.Get(name)
		if text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			wrong[name] = []string{"A time such as 2006-01-02T15:04:05Z is required."}
			continue
		}
		*into = cmp.Or(at.UnixMilli(), 1) // 0 is no limit
	}
	if len(wrong) > 0 {
		return q, invalid(wrong)
	}
	return q, nil
}

// exportPage is how many events are read at a time for an export.
const exportPage = 500

// exportEvents answers with all selected events, the latest first, as lines of JSON or as CSV.
func exportEvents(a *API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{api: a, w: w, r: r, permission: viewLog}
		if err := c.export(); err != nil {
			c.logRefusal(err)
			a.fail(w, r, err)
		}
	})
}

// export writes the answer page by page. An error comes back only if nothing was sent; one that comes later cuts the
// connection, so that half an export doesn't look like a whole one.
func (c *call) export() error {
	q, err := c.prepareExport()
	if err != nil {
		return err
	}
	format := c.r.URL.Query().Get("format")
	events, more, err := c.api.Audit.Page(c.ctx(), q, exportPage)
	if err != nil {
		return err
	}
	out, kind := newExporter(format, c.w)
	h := c.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="audit.`+format+`"`)
	if c.r.Method == http.MethodHead {
		return nil
	}
	names := eventNames{}
	for {
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(time.Minute))
		if err := c.writeEvents(out, events, names); err != nil {
			panic(http.ErrAbortHandler)
		}
		if more == "" {
			return nil
		}
		q.Before = more
		ctx, cancel := context.WithTimeout(c.ctx(), callTimeout)
		events, more, err = c.api.Audit.Page(ctx, q, exportPage)
		cancel()
		if err != nil {
			c.api.Log.LogAttrs(c.ctx(), slog.LevelError, "unavailable", slog.Any("error", err))
			panic(http.ErrAbortHandler)
		}
	}
}

// prepareExport checks the caller and the query, and records the export.
func (c *call) prepareExport() (q audit.Query, err error) {
	if c.who, err = c.identify(); err != nil {
		return q, err
	}
	if err := signedIn.check(c.who); err != nil {
		return q, err
	}
	if err := c.checkAdmin(); err != nil {
		return q, err
	}
	if q, err = c.eventQuery(); err != nil {
		return q, err
	}
	if f := c.r.URL.Query().Get("format"); f != "ndjson" && f != "csv" {
		return q, invalid(map[string][]string{"format": {"ndjson or csv is required."}})
	}
	if c.r.Method == http.MethodHead {
		return q, nil
	}
	deed := append(c.deed(), slog.String("query", shorten(c.r.URL.RawQuery)))
	ctx := audit.By(c.ctx(), c.who.User.ID)
	err = c.api.Audit.Act(ctx, c.api.Log, deed, func(context.Context) error { return nil })
	return q, err
}

func (c *call) writeEvents(out exporter, events []*audit.Event, names eventNames) error {
	ctx, cancel := context.WithTimeout(c.ctx(), callTimeout)
	defer cancel()
	for _, e := range events {
		if err := names.add(ctx, c.api.Accounts.Store, e); err != nil {
			return err
		}
		if err := out.write(newEventOut(e, names)); err != nil {
			return err
		}
	}
	return out.flush()
}

// exporter writes events in some format.
type exporter interface {
	write(eventOut) error
	flush() error
}

func newExporter(format string, w http.ResponseWriter) (exporter, string) {
	if format == "csv" {
		return &csvExporter{csv.NewWriter(w), []string{"id", "time", "event", "outcome", "actor_id", "actor", "user_id", "user", "login", "session",
			"ip", "user_agent", "request_id", "detail"}}, "text/csv; charset=utf-8"
	}
	b := bufio.NewWriter(w)
	return jsonExporter{b, json.NewEncoder(b)}, "application/x-ndjson"
}

type jsonExporter struct {
	buffer  *bufio.Writer
	encoder *json.Encoder
}

func (x jsonExporter) write(e eventOut) error { return x.encoder.Encode(e) }
func (x jsonExporter) flush() error           { return x.buffer.Flush() }

type csvExporter struct {
	w      *csv.Writer
	header []string // nil once it is written
}

// begin writes the header, also of an export of nothing.
func (x *csvExporter) begin() error {
	if x.header == nil {
		return nil
	}
	header := x.header
	x.header = nil
	return x.w.Write(header)
}

func (x *csvExporter) write(e eventOut) error {
	if err := x.begin(); err != nil {
		return err
	}
	var detail []string
	for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
		detail = append(detail, name+"="+e.Detail[name])
	}
	row := []string{e.ID, e.Time.Format(time.RFC3339Nano), e.Event, e.Outcome, plainID(e.ActorID), e.Actor, plainID(e.UserID), e.User,
		e.Login, e.Session, e.IP, e.UserAgent, e.RequestID, strings.Join(detail, "; ")}
	for i := range row {
		row[i] = harmless(row[i])
	}
	return x.w.Write(row)
}

func (x *csvExporter) flush() error {
	if err := x.begin(); err != nil {
		return err
	}
	x.w.Flush()
	return x.w.Error()
}

func plainID(id json.RawMessage) string {
	var s string
	if json.Unmarshal(id, &s) == nil {
		return s
	}
	return string(id)
}

// formulas are the characters with which a formula begins, or from which some programs make one (OWASP, CSV Injection).
const formulas = "=+-@\t\r\n＝＋－＠"

// harmless keeps a spreadsheet from taking a stranger's text for a formula, also behind spaces that it leaves away.
func harmless(cell string) string {
	shown := strings.TrimLeft(cell, " \u00a0\u3000\ufeff")
	if first, size := utf8.DecodeRuneInString(shown); size > 0 && strings.ContainsRune(formulas, first) {
		return "'" + cell
	}
	return cell
}
