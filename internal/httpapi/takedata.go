package httpapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
)

// takenAccount is the account in the document of [API.WriteData].
type takenAccount struct {
	userOut
	IsActive          bool     `json:"is_active"`
	HasPassword       bool     `json:"has_password"`
	DirectPermissions []string `json:"direct_permissions"`
	EmailProven       bool     `json:"email_proven"`
	EmailProvenAt     *string  `json:"email_proven_at"` // null: it isn't proven, or the audit log doesn't reach back so far
}

// takenLink is a linked account with the names by which its provider knows the user.
type takenLink struct {
	linkedOut
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// takenData is the document of [API.WriteData], but for the events.
type takenData struct {
	Server   string        `json:"server"`
	TakenAt  string        `json:"taken_at"`
	Account  takenAccount  `json:"account"`
	Factors  factorsOut    `json:"ways_in"`
	Links    []takenLink   `json:"links"`
	Sessions []sessionOut  `json:"sessions"`
	Tokens   []admin.Token `json:"tokens"`
}

// takenEvent is an event of the audit log without what is another person's.
type takenEvent struct {
	Time      time.Time         `json:"time"`
	Event     string            `json:"event"`
	Outcome   string            `json:"outcome"`
	By        string            `json:"by"`    // "you", "administrator", "operator", "server" or "unknown"
	About     string            `json:"about"` // "you", or "other": another account or none
	Session   string            `json:"session,omitempty"`
	IP        string            `json:"ip,omitempty"`
	UserAgent string            `json:"user_agent,omitempty"`
	RequestID string            `json:"request_id,omitempty"`
	Detail    map[string]string `json:"detail,omitempty"`
}

// newTakenEvent returns what an event says of a user. Where others have caused it, from where and how is theirs; what the user has done to
// others is about them. Of a failed attempt it isn't known who has made it.
func newTakenEvent(e *audit.Event, user string) takenEvent {
	out := takenEvent{Time: time.UnixMilli(e.At).UTC(), Event: e.Name, Outcome: e.Outcome, By: "administrator", About: "other"}
	switch {
	case e.Actor == user:
		out.By, out.IP, out.UserAgent, out.RequestID = "you", e.Address, e.Agent, e.Request
	case e.Actor == audit.CommandLine:
		out.By = "operator"
	case e.Actor == "" && e.Request == "":
		out.By = "server"
	case e.Actor == "":
		out.By = "unknown"
	}
	if e.Subject != user {
		return out
	}
	out.About, out.Session = "you", e.Session
	for name, value := range e.Detail {
		if out.By != "you" && !slices.Contains(sharedDetail, name) || slices.Contains(othersDetail, name) {
			continue
		}
		if out.Detail == nil {
			out.Detail = map[string]string{}
		}
		out.Detail[name] = value
	}
	return out
}

// sharedDetail are the details that say what was done to an account, and nothing of who has done it.
var sharedDetail = []string{"change", "kept", "kind"}

// othersDetail are the details that name another person also in what the user has done: who has sent the invitation that made the account.
var othersDetail = []string{"inviter"}

// takeData answers with a file of all that is kept about the caller. It is a POST because a link on another site's page could cause a GET.
func takeData(a *API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{api: a, w: w, r: r, needs: needsFullyFresh}
		begun, err := answer(c, beginData)
		if err != nil {
			c.finish(nil, err)
			return
		}
		c.r = r // the context of answer has ended
		c.sendData(begun)
	})
}

func keepsData(a *API) bool { return a.NoAccountData }

// takenPage is the beginning of the document, or a page of its events.
type takenPage struct {
	begin  *takenData
	events []*audit.Event
	more   string // where the next page begins; "": this is the last one
}

// beginData records that the data is taken along, and reads what the document begins with.
func beginData(c *call, _ none) (takenPage, error) {
	u := c.who.User
	c.api.Audit.Record(c.ctx(), audit.UserKinds.Exported, slog.String("user", u.ID), slog.String("session", c.who.Session.ID))
	if err := c.api.Audit.Flush(c.ctx()); err != nil {
		return takenPage{}, err
	}
	begin, err := c.api.dataOf(c.ctx(), u, c.who.Session)
	if err != nil {
		return takenPage{}, err
	}
	page, err := c.api.takenEvents(c.ctx(), u.ID, "")
	page.begin = begin
	return page, err
}

// sendData sends the document page by page, since there can be many events. The caller is authorized again for each page, because a slow
// client may have taken long for the one before. A later error closes the connection, so that a part of the document doesn't look complete.
func (c *call) sendData(page takenPage) {
	h := c.w.Header()
	h["Content-Type"] = jsonType
	h.Set("Content-Disposition", `attachment; filename="account.json"`)
	user := c.who.User.ID
	err := writeTaken(c.w, user, page, func(more string) (takenPage, error) {
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(time.Minute))
		ctx, cancel := context.WithTimeout(c.ctx(), callTimeout)
		defer cancel()
		if err := c.authorizeAgain(ctx); err != nil {
			return takenPage{}, err
		}
		return c.api.takenEvents(ctx, user, more)
	})
	if err == nil {
		return
	}
	if _, refused := errors.AsType[*problem.Problem](err); refused {
		c.recordRefusal(err)
	} else if c.ctx().Err() == nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelError, "unavailable", slog.Any("error", err))
	}
	panic(http.ErrAbortHandler)
}

// WriteData writes all that is kept about a user, as a JSON object: no secret, and nothing of another person. After an error what it has
// written is incomplete, and is no JSON.
func (a *API) WriteData(ctx context.Context, w io.Writer, u *account.User) error {
	begin, err := a.dataOf(ctx, u, &session.Session{})
	if err != nil {
		return err
	}
	page, err := a.takenEvents(ctx, u.ID, "")
	if err != nil {
		return err
	}
	page.begin = begin
	return writeTaken(w, u.ID, page, func(more string) (takenPage, error) { return a.takenEvents(ctx, u.ID, more) })
}

// writeTaken writes the document, whose further pages next reads.
func writeTaken(w io.Writer, user string, page takenPage, next func(more string) (takenPage, error)) error {
	out := bufio.NewWriter(w)
	begin := jsonLine(page.begin)
	_, _ = out.Write(begin[:len(begin)-2]) // without the brace and the end of the line; Flush returns the first error
	_, _ = out.WriteString(`,"events":[`)
	for first := true; ; {
		for _, e := range page.events {
			if !first {
				_ = out.WriteByte(',')
			}
			first = false
			_, _ = out.Write(jsonLine(newTakenEvent(e, user)))
		}
		if page.more == "" {
			_, _ = out.WriteString("]}\n")
			return out.Flush()
		}
		err := out.Flush()
		if err == nil {
			page, err = next(page.more)
		}
		if err != nil {
			return err
		}
	}
}

// takenEvents reads a page of the events that a user has caused or that are about the user.
func (a *API) takenEvents(ctx context.Context, user, before string) (page takenPage, err error) {
	page.events, page.more, err = a.Audit.Page(ctx, audit.Query{User: user, Before: before}, exportPage)
	return page, err
}

// dataOf reads all that is kept about a user, but for the events.
func (a *API) dataOf(ctx context.Context, u *account.User, current *session.Session) (*takenData, error) {
	out := &takenData{
		Server: a.URL, TakenAt: formatTime(time.Now().Unix()),
		Account: takenAccount{
			userOut: newUserOut(u), IsActive: u.IsActive, HasPassword: u.HasPassword(), DirectPermissions: orEmpty(u.UserPermissions),
			EmailProven: u.HasProvenEmail(),
		},
		Links: []takenLink{},
	}
	var err error
	if out.Account.EmailProven {
		if out.Account.EmailProvenAt, err = a.provenAt(ctx, u.ID); err != nil {
			return nil, err
		}
	}
	if out.Factors, err = a.factorsOf(ctx, u); err != nil {
		return nil, err
	}
	if a.Links != nil {
		links, err := a.Links.List(ctx, u.ID)
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			out.Links = append(out.Links, takenLink{a.newLinkedOut(l), l.Issuer, l.Subject})
		}
	}
	sessions, err := a.sessionsOf(ctx, u.ID, current)
	if err != nil {
		return nil, err
	}
	tokens, err := a.tokensOf(ctx, u)
	if err != nil {
		return nil, err
	}
	out.Sessions, out.Tokens = sessions.Sessions, tokens.Tokens
	return out, nil
}

// provenAt returns when the address of a user was proven, as far as the audit log knows; nil if it doesn't.
func (a *API) provenAt(ctx context.Context, user string) (*string, error) {
	var latest int64
	for _, kind := range []audit.Kind{audit.EmailKinds.Verified, audit.EmailKinds.Changed, audit.EmailKinds.Reverted} {
		events, err := a.Audit.Store.List(ctx, audit.Query{User: user, Name: kind.String(), Limit: exportPage})
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if e.Subject == user {
				latest = max(latest, e.At)
			}
		}
	}
	if latest == 0 {
		return nil, nil
	}
	return new(formatTime(latest / 1000)), nil
}
