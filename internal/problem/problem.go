// Package problem writes error responses as RFC 9457 problem details (application/problem+json), with a stable code for
// programs and a sentence for people.
package problem

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// Problem is an error as it is sent to the client.
type Problem struct {
	Status int
	// Code is stable; programs branch on it.
	Code string
	// Detail is a sentence for a person.
	Detail string
	// Fields maps each wrong field to what is wrong with it.
	Fields map[string][]string
	// Members are further members of the body (RFC 9457, section 3.2).
	Members map[string]any
	// Plain is the body on routes that answer in Django REST framework's form. If it is nil, the body is made of the fields
	// above.
	Plain any
	// Challenge is the value of WWW-Authenticate of a 401. If it is empty, that is Session, for which no browser opens a
	// password dialog.
	Challenge string
	// RetryAfter is sent rounded up to seconds; 0 isn't sent.
	RetryAfter time.Duration
	// LoginURL is where to sign in. If it is empty, the body has no login_url.
	LoginURL string
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// New returns a problem that has these fields alone.
func New(status int, code, detail string) *Problem {
	return &Problem{Status: status, Code: code, Detail: detail}
}

// Unavailable is the answer to a request while a store doesn't answer. It mentions a session only if the request came with a ticket,
// whose session may have ended.
func Unavailable(ctx context.Context) *Problem {
	p := &Problem{
		Status: http.StatusServiceUnavailable, Code: "unavailable", RetryAfter: 2 * time.Second,
		Detail: "The service can't answer just now. Try again shortly.",
	}
	if q := reqinfo.Of(ctx); q != nil {
		if s, ok := q.Session.(interface{ HasTicket() bool }); ok && s.HasTicket() {
			p.Detail = "The service can't answer just now. If you were signed in, you still are; try again shortly."
		}
	}
	return p
}

// Invalid is the answer to a request whose fields are wrong.
func Invalid(e *account.InvalidError) *Problem {
	wrong := map[string][]string{}
	for field, problems := range e.Fields {
		for _, p := range problems {
			wrong[field] = append(wrong[field], p.Message)
		}
	}
	return &Problem{Status: http.StatusBadRequest, Code: "invalid", Detail: "Some fields are not right.", Fields: wrong}
}

type body struct {
	Type      string              `json:"type"`
	Title     string              `json:"title"`
	Status    int                 `json:"status"`
	Detail    string              `json:"detail"`
	Code      string              `json:"code"`
	RequestID string              `json:"request_id"`
	Errors    map[string][]string `json:"errors,omitempty"`
	LoginURL  string              `json:"login_url,omitempty"`
}

// Write answers the request with p.
func Write(w http.ResponseWriter, r *http.Request, p *Problem) {
	p.SetHeader(w.Header())
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	b, err := json.Marshal(body{
		Type: "about:blank", Title: http.StatusText(p.Status), Status: p.Status,
		Detail: p.Detail, Code: p.Code, RequestID: reqinfo.ID(r.Context()), Errors: p.Fields, LoginURL: p.LoginURL,
	})
	if err == nil && len(p.Members) > 0 {
		b, err = with(b, p.Members)
	}
	if err != nil {
		panic(err) // our own types always encode
	}
	// An error means that the client has disconnected; nothing is left to do.
	_, _ = w.Write(append(b, '\n'))
}

// with returns a JSON object with further members.
func with(object []byte, members map[string]any) ([]byte, error) {
	more, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	return append(append(object[:len(object)-1], ','), more[1:]...), nil
}

// SetHeader sets the headers of a response with p, whatever form its body has.
func (p *Problem) SetHeader(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", cmp.Or(p.Challenge, "Session"))
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
}
