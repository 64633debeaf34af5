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

// The compatibility routes speak as the Django packages whose clients call them: plain JSON for errors, status codes and
// texts to the letter, fields that nobody knows passed over. What is refused before it comes to them, for its host or its
// origin, has no counterpart there and is a problem as on any other route.

// compatHandler is the handler of a compatibility route.
type compatHandler struct {
	api   *API
	needs need
	serve http.HandlerFunc
}

// compat is serve for a compatibility route. Status is that of success; 204 has no body.
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

// wrongMethod refuses a method as Django REST framework does: after it has seen that the caller may call at all.
func (h compatHandler) wrongMethod(w http.ResponseWriter, r *http.Request) {
	if h.needs != needsNothing {
		c := &call{api: h.api, w: w, r: r}
		who, err := c.identify()
		if err == nil {
			err = h.needs.check(who)
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

// writePlain writes JSON as Django REST framework does: compact, and nothing escaped that needn't be.
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

// checkKnox lets only those through whose credential is a token of knox's.
func checkKnox(who *auth.Identity) error {
	switch {
	case who.Token == nil:
		return errNoToken
	case who.Token.Kind != token.Knox:
		return errNotKnox
	}
	return nil
}
