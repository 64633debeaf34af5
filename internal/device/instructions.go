package device

import "net/http"

// Instructions tell a browser what to do with a session (draft, section "JSON Session Instruction Format").
type Instructions struct {
	ID         string       `json:"session_identifier"`
	RefreshURL string       `json:"refresh_url,omitempty"`
	Continue   bool         `json:"continue"`
	Scope      *scope       `json:"scope,omitempty"`
	Credential []credential `json:"credentials,omitempty"`
	Initiators []string     `json:"allowed_refresh_initiators,omitempty"`
}

type scope struct {
	Origin        string `json:"origin"`
	IncludeSite   bool   `json:"include_site"`
	Specification []rule `json:"scope_specification"`
}

type rule struct {
	Type   string `json:"type"`
	Domain string `json:"domain"`
	Path   string `json:"path"`
}

type credential struct {
	Type       string `json:"type"`
	Name       string `json:"name"`
	Attributes string `json:"attributes"`
}

// unbound are paths that no session opens, so that a browser needn't renew the cookie for them.
var unbound = []string{"/api/auth/device", "/auth/assets", "/healthz", "/readyz"}

// Instructions are those for the live session with this public ID. For every request to the origin the browser first makes sure
// that it has the cookie.
func (s *Service) Instructions(id string) Instructions {
	in := Instructions{
		ID: id, RefreshURL: RefreshPath, Continue: true, Scope: &scope{Origin: s.URL}, Initiators: s.Initiators,
		Credential: []credential{{"cookie", CookieName, "Path=/; Secure; HttpOnly; SameSite=" + s.sameSite()}},
	}
	for _, path := range unbound {
		in.Scope.Specification = append(in.Scope.Specification, rule{"exclude", "*", path})
	}
	return in
}

// Ended are the instructions for a session that has ended: the browser forgets its key.
func Ended(id string) Instructions { return Instructions{ID: id} }

// sameSite names the attribute of the cookie, which the browser compares with that of the instructions.
func (s *Service) sameSite() string {
	switch s.SameSite {
	case http.SameSiteStrictMode:
		return "Strict"
	case http.SameSiteNoneMode:
		return "None"
	}
	return "Lax"
}
