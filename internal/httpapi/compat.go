package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"

	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/token"
)

// The compatibility routes answer exactly as the Django packages whose clients call them: with their status codes, their
// texts, and plain JSON for errors. They ignore unknown fields. A request that is refused earlier, because of its host or
// origin, gets problem details as on any other route, since the Django packages have no such error.

// compatHandler is the handler of a compatibility route.
type compatHandler struct {
	api   *API
	needs need
	serve http.HandlerFunc
}

// compat is serve for a compatibility route. status is the status of a success; a 204 has no body.
func compat[In, Out any](needs need, status int, f func(c *call, in In) (Out, error)) func(*API) http.Handler {
	return func(a *API) http.Handler {
		return compatHandler{a, needs, func(w http.ResponseWriter, r *http.Request) {
			c := &call{api: a, w: w, r: r, needs: needs, lenient: true}
			out, err := answer(c, f)
			switch {
			case err != nil:
				c.recordRefusal(err)
				plainError(w, needs.challenge(a.problem(r, err)))
			case status == http.StatusNoContent:
				w.WriteHeader(status)
			default:
				writePlain(w, status, out)
			}
		}}
	}
}

func (h compatHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serve(w, r) }

// wrongMethod refuses a method as Django REST framework does, after it has checked that the caller may use the route.
func (h compatHandler) wrongMethod(w http.ResponseWriter, r *http.Request) {
	if h.needs != needsNothing {
		c := &call{api: h.api, w: w, r: r}
		who, err := c.identify()
		if err == nil {
			err = h.needs.check(r.Context(), who)
		}
		if err != nil {
			plainError(w, h.needs.challenge(h.api.problem(r, err)))
			return
		}
	}
	w.Header().Set("Allow", "POST, OPTIONS")
	plainError(w, methodNotAllowed(r))
}

func methodNotAllowed(r *http.Request) *problem.Problem {
	return problem.New(http.StatusMethodNotAllowed, "method_not_allowed", fmt.Sprintf("Method %q not allowed.", r.Method))
}

// plainError answers with an error in Django REST framework's form.
func plainError(w http.ResponseWriter, p *problem.Problem) {
	p.SetHeader(w.Header())
	switch {
	case p.Plain != nil:
		writePlain(w, p.Status, p.Plain)
		return
	case p.Fields != nil:
		writePlain(w, p.Status, p.Fields)
		return
	}
	body := map[string]any{}
	maps.Copy(body, p.Members)
	if p.Detail != "" {
		body["detail"] = p.Detail
	}
	writePlain(w, p.Status, body)
}

// writePlain writes JSON as Django REST framework does, without blanks and needless escapes.
func writePlain(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // our own types always encode
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimRight(b.Bytes(), "\n"))
}

// checkKnox returns an error unless the caller's credential is a knox token.
func checkKnox(who *auth.Identity) error {
	switch {
	case who.Token == nil:
		return errNoToken
	case who.Token.Kind != token.Knox:
		return errNotKnox
	}
	return nil
}
