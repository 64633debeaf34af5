package admin

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// maxSafeInteger is the largest integer up to which JavaScript represents every integer exactly (ECMA-262,
// Number.MAX_SAFE_INTEGER).
const maxSafeInteger = 1<<53 - 1

// Number returns the value of an ID for JSON: an int64, as in Django, if id is a positive decimal number that JavaScript
// can represent, otherwise id itself.
func Number(id string) any {
	n, err := strconv.ParseInt(id, 10, 64)
	if err == nil && strconv.FormatInt(n, 10) == id && 0 < n && n <= maxSafeInteger {
		return n
	}
	return id
}

// JSONID returns the JSON of Number(id).
func JSONID(id string) json.RawMessage {
	b, err := json.Marshal(Number(id))
	if err != nil {
		panic(err) // numbers and strings always encode
	}
	return b
}

// Event is an event of the audit log, as the API and the command line show it.
type Event struct {
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

// NewEvent returns e with the names of its users. names maps the IDs of users to their present names.
func NewEvent(e *audit.Event, names map[string]string) Event {
	detail := e.Detail
	if detail == nil {
		detail = map[string]string{}
	}
	return Event{
		ID: e.ID, Time: time.UnixMilli(e.At).UTC(), Event: e.Name, Outcome: e.Outcome,
		ActorID: userID(e.Actor), Actor: names[e.Actor], UserID: userID(e.Subject), User: names[e.Subject],
		Login: e.Login, Session: e.Session, IP: e.Address, UserAgent: e.Agent, RequestID: e.Request, Detail: detail,
	}
}

// Session is a session, as the API and the command line show it.
type Session struct {
	ID         string    `json:"id"`
	CreatedAt  time.Time `json:"created_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	IP         string    `json:"ip"`
	UserAgent  string    `json:"user_agent"`
	Method     string    `json:"method"`
	Methods    []string  `json:"methods"`
	Level      int       `json:"level"`
	Bound      bool      `json:"bound"`
}

// NewSession returns s as it is shown. It is bound if s is, whether or not this process asks for the proof.
func NewSession(s *session.Session) Session {
	return Session{
		ID: s.ID, CreatedAt: s.CreatedAt.UTC(), LastSeenAt: s.LastSeenAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(), IP: s.IP, UserAgent: s.UserAgent,
		Method: s.Method, Methods: append([]string{}, s.Methods()...), Level: s.Level(), Bound: s.Bound,
	}
}

// Token is a token without its text, as the API and the command line show it.
type Token struct {
	ID         string     `json:"id"`
	Kind       token.Kind `json:"kind"`
	Name       string     `json:"name"`
	Scopes     []string   `json:"scopes"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	IP         string     `json:"ip"`
	UserAgent  string     `json:"user_agent"`
}

// NewToken returns t as it is shown.
func NewToken(t *token.Token) Token {
	return Token{
		ID: t.ID, Kind: t.Kind, Name: t.Name, Scopes: append([]string{}, t.Scopes...), CreatedAt: t.CreatedAt,
		LastUsedAt: OrNull(t.LastUsedAt), ExpiresAt: OrNull(t.ExpiresAt), IP: t.IP, UserAgent: t.UserAgent,
	}
}

// OrNull returns t for JSON: null if it is zero.
func OrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// userID returns the JSON of a user's ID: null if there is no user, or if the command line acted.
func userID(id string) json.RawMessage {
	if id == "" || id == audit.CommandLine {
		return json.RawMessage("null")
	}
	return JSONID(id)
}
