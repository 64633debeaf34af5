package httpapi

import (
	"bufio"
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

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// exportPage is how many events an export reads at a time.
const exportPage = 500

// exportEvents answers with all selected events, the latest first, as lines of JSON or as CSV.
func exportEvents(a *API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{api: a, w: w, r: r, needs: needsSession, permission: viewLog}
		if err := c.export(); err != nil {
			c.recordRefusal(err)
			a.fail(w, r, err)
		}
	})
}

// export writes the response page by page. It returns an error only if nothing was sent. A later error closes the connection,
// so that a partial export doesn't look complete.
func (c *call) export() error {
	q, err := c.prepareExport()
	if err != nil {
		return err
	}
	format := c.r.URL.Query().Get("format")
	names := eventNames{}
	events, more, err := c.nextPage(q, names)
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
	for {
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(time.Minute))
		if err := writeEvents(out, events, names); err != nil {
			panic(http.ErrAbortHandler) // the client has disconnected
		}
		if more == "" {
			return nil
		}
		q.Before = more
		if events, more, err = c.nextPage(q, names); err != nil {
			if _, refused := errors.AsType[*problem.Problem](err); refused {
				c.recordRefusal(err)
				panic(http.ErrAbortHandler)
			}
			c.api.Log.LogAttrs(c.ctx(), slog.LevelError, "unavailable", slog.Any("error", err))
			panic(http.ErrAbortHandler)
		}
	}
}

// prepareExport checks the caller and the query, and records the export.
func (c *call) prepareExport() (q audit.Query, err error) {
	if err := c.authorize(c.identify); err != nil {
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
	attrs := append(c.auditAttrs(), slog.String("query", shorten(c.r.URL.RawQuery)))
	ctx := audit.WithActor(c.ctx(), c.who.User.ID)
	err = c.api.Audit.Act(ctx, attrs, func(context.Context) error { return nil })
	return q, err
}

// nextPage reads a page of events and the names of its users. It authorizes the caller again, since a slow client may have
// taken long to receive the page before.
func (c *call) nextPage(q audit.Query, names eventNames) (events []*audit.Event, more string, err error) {
	ctx, cancel := context.WithTimeout(c.ctx(), callTimeout)
	defer cancel()
	if err := c.authorizeAgain(ctx); err != nil {
		return nil, "", err
	}
	if events, more, err = c.api.Audit.Page(ctx, q, exportPage); err != nil {
		return nil, "", err
	}
	for _, e := range events {
		if err := names.add(ctx, c.api.Accounts.Store, e); err != nil {
			return nil, "", err
		}
	}
	return events, more, nil
}

func writeEvents(out exporter, events []*audit.Event, names eventNames) error {
	for _, e := range events {
		if err := out.write(admin.NewEvent(e, names)); err != nil {
			return err
		}
	}
	return out.flush()
}

// exporter writes events in some format.
type exporter interface {
	write(admin.Event) error
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

func (x jsonExporter) write(e admin.Event) error { return x.encoder.Encode(e) }
func (x jsonExporter) flush() error              { return x.buffer.Flush() }

type csvExporter struct {
	w      *csv.Writer
	header []string // nil once it is written
}

// begin writes the header, also if there are no events.
func (x *csvExporter) begin() error {
	if x.header == nil {
		return nil
	}
	header := x.header
	x.header = nil
	return x.w.Write(header)
}

func (x *csvExporter) write(e admin.Event) error {
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
		row[i] = escapeFormula(row[i])
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

// formulas are the characters that begin a formula in some spreadsheet program (OWASP, CSV Injection).
const formulas = "=+-@\t\r\n＝＋－＠"

// escapeFormula keeps a spreadsheet program from executing untrusted text as a formula. Such programs ignore leading spaces.
func escapeFormula(cell string) string {
	shown := strings.TrimLeft(cell, " \u00a0\u3000\ufeff")
	if first, size := utf8.DecodeRuneInString(shown); size > 0 && strings.ContainsRune(formulas, first) {
		return "'" + cell
	}
	return cell
}
