package httpapi

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/oidc"
)

// The answer of a provider as a form, which Apple demands, is posted by a page of another site. The browser sends no cookie with it
// that is SameSite=Lax, so it is told to come again with a GET, as other providers' answers come. The form itself changes nothing, and
// is the one unsafe request that may come from anywhere.

const (
	maxAnswer = 4096 // bytes of each field that is passed on
	maxUser   = 1024

	// userPurpose is what Apple's words about the person are sealed for, so that no log on the way has them.
	userPurpose = "user"
)

// isProvidersForm reports whether a request may be the answer of a provider as a form. Its path is compared as it was sent.
func (a *API) isProvidersForm(r *http.Request) bool {
	return r.Method == http.MethodPost && slices.ContainsFunc(a.Providers, func(p *oidc.Provider) bool {
		return p.ResponseMode == oidc.FormPost && r.URL.EscapedPath() == "/api/auth/oidc/"+p.Name+"/callback"
	})
}

type formAnswerIn struct {
	State  *string `json:"state"`
	Code   *string `json:"code"`
	Issuer *string `json:"iss"`
	Error  *string `json:"error"`
	User   *string `json:"user"`
}

func (*formAnswerIn) takesForms() {}

// receiveForm returns the handler of an answer as a form.
func receiveForm(a *API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{api: a, w: w, r: r, lenient: true}
		location, err := answer(c, passOn)
		c.goTo(location, err)
	})
}

// passOn returns where the browser goes with the answer.
func passOn(c *call, in formAnswerIn) (location string, err error) {
	p, err := c.provider()
	if err != nil {
		return "", err
	}
	if p.ResponseMode != oidc.FormPost {
		return "", errNotFound
	}
	q := url.Values{}
	for name, value := range map[string]*string{"state": in.State, "code": in.Code, "iss": in.Issuer, "error": in.Error} {
		if value == nil {
			continue
		}
		if len(*value) > maxAnswer {
			return "", invalid(map[string][]string{name: {"This is too long."}})
		}
		q.Set(name, *value)
	}
	if in.User != nil && len(*in.User) <= maxUser {
		box, err := c.api.Sealer.Seal(c.ctx(), userPurpose, p.Name, []byte(*in.User))
		if err != nil {
			return "", err
		}
		q.Set("user", base64.RawURLEncoding.EncodeToString(box))
	}
	return c.r.URL.EscapedPath() + "?" + q.Encode(), nil
}

// openUser opens what the provider's form has said about the person, and removes anything else in its place.
func (c *call) openUser(p *oidc.Provider, answer url.Values) error {
	sealed := answer.Get("user")
	answer.Del("user")
	box, err := base64.RawURLEncoding.DecodeString(sealed)
	if sealed == "" || err != nil {
		return nil
	}
	plain, err := c.api.Sealer.Open(c.ctx(), userPurpose, p.Name, box)
	if errors.Is(err, keyring.ErrWrongSecret) || errors.Is(err, keyring.ErrUnknownDataKey) {
		return nil
	}
	if err == nil {
		answer.Set("user", string(plain))
	}
	return err
}
