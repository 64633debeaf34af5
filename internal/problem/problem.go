// Package problem answers with errors that a program can branch on and a person can act on: RFC 9457,
// application/problem+json, with a stable code.
package problem

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// Problem is an error as the network sees it.
type Problem struct {
	Status     int
	Code       string              // stable; what programs branch on
	Detail     string              // a sentence for a person
	Fields     map[string][]string // which fields are wrong, and why
	Members    map[string]any      // further members of the body (RFC 9457, section 3.2)
	Plain      any                 // the body where Django REST framework's form is spoken, if it isn't made of the above
	Challenge  string              // the scheme that a 401 names; "": Session, which no browser knows, so none pops up a box
	RetryAfter time.Duration       // sent rounded up to seconds; 0: not sent
	LoginURL   string              // where to sign in; "": not said
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// New returns a problem without further members.
func New(status int, code, detail string) *Problem {
	return &Problem{Status: status, Code: code, Detail: detail}
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
	// The client may be gone by now; there is nobody left to tell.
	_, _ = w.Write(append(b, '\n'))
}

// with adds members to a JSON object.
func with(object []byte, members map[string]any) ([]byte, error) {
	more, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	return append(append(object[:len(object)-1], ','), more[1:]...), nil
}

// SetHeader sets the headers that an answer with p has, whatever form its body takes.
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
