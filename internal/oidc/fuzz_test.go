package oidc_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/oidc"
)

// FuzzAnswer: whatever a browser brings back, only the code of the attempt gives claims, and they are those of the provider.
func FuzzAnswer(f *testing.F) {
	f.Add("code=code-0-0&state=STATE&iss=https%3A%2F%2Faccounts.example.com")
	f.Add("code=code-0-0&state=STATE&iss=https%3A%2F%2Faccounts.example.com&iss=x")
	f.Add("error=access_denied&state=STATE&iss=https%3A%2F%2Faccounts.example.com")
	f.Add("code=code-0-0;state=STATE&%69ss=https%3A%2F%2Faccounts.example.com")
	f.Fuzz(func(t *testing.T, query string) {
		o := newOP(t)
		p := newProvider(t, o)
		a := oidc.NewAttempt()
		right, err := o.signIn(t, p, a)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := url.ParseQuery(strings.ReplaceAll(query, "STATE", a.State))
		if err != nil {
			return
		}
		got, err := p.Finish(t.Context(), a, answer)
		if err == nil {
			for _, name := range []string{"code", "state", "iss"} {
				if len(answer[name]) != 1 || answer.Get(name) != right.Get(name) {
					t.Fatalf("%q gives claims", query)
				}
			}
			if got.Subject != "ada-1" || answer.Has("error") {
				t.Fatalf("%q gives %+v", query, got)
			}
			return
		}
		if got != nil || !errors.Is(err, oidc.ErrMismatch) && !errors.Is(err, oidc.ErrRefused) {
			t.Fatalf("%q gives %+v, %v", query, got, err)
		}
	})
}

// FuzzLogout: no text but a token that the provider has signed is accepted, and none makes us ask the provider more than twice.
func FuzzLogout(f *testing.F) {
	o := newOP(f)
	right := o.logout(f, nil, nil)
	f.Add(right)
	f.Add(strings.ToUpper(right))
	f.Add("eyJhbGciOiJub25lIiwidHlwIjoibG9nb3V0K2p3dCJ9.e30.")
	f.Add("eyJhbGciOiJFUzI1NiIsInR5cCI6ImxvZ291dCtqd3QifQ.e30.AA")
	f.Add("a.b.c.d.e")
	f.Fuzz(func(t *testing.T, token string) {
		p := newProvider(t, o)
		before := o.count("/keys")
		got, err := p.Logout(t.Context(), token)
		if (err == nil) != (got != nil) && !errors.Is(err, oidc.ErrMismatch) {
			t.Fatalf("Logout(%q) = %+v, %v", token, got, err)
		}
		if err == nil && token != right {
			// Signatures of ECDSA aren't unique, and base64url has spare bits at its end; head and claims are signed.
			if mine, theirs := strings.Split(right, "."), strings.Split(token, "."); mine[0] != theirs[0] || mine[1] != theirs[1] {
				t.Fatalf("Logout(%q) = %+v", token, got)
			}
		}
		if asked := o.count("/keys") - before; asked > 1 {
			t.Fatalf("the keys were fetched %d times", asked)
		}
	})
}

// FuzzSettings: what is accepted has a provider whose addresses are safe to send a browser and a secret to.
func FuzzSettings(f *testing.F) {
	f.Add("example", `{"issuer":"https://accounts.google.com","client_id":"id","client_secret":"secret"}`)
	f.Add("github", `{"kind":"github","client_id":"id","client_secret":"secret"}`)
	f.Add("apple", `{"kind":"apple","client_id":"id","team_id":"T","key_id":"K","key_file":"x"}`)
	f.Add("a", `{"issuer":"http://[::1]:1/","client_id":"id","client_secret":"secret","scopes":["openid"],"label":"x"}`)
	f.Fuzz(func(t *testing.T, name, text string) {
		s, err := oidc.ParseSettings(name, []byte(text))
		if err != nil {
			return
		}
		u, err := url.Parse(s.Issuer)
		if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Host == "" {
			t.Fatalf("the issuer %q is accepted", s.Issuer)
		}
		local := u.Hostname() == "localhost" || u.Hostname() == "::1" || strings.HasPrefix(u.Hostname(), "127.")
		if u.Scheme != "https" && !(u.Scheme == "http" && (local || strings.Contains(u.Hostname(), ":"))) {
			t.Fatalf("the issuer %q is accepted", s.Issuer)
		}
		if url.PathEscape(s.Name) != s.Name || s.Label == "" || s.ClientID == "" {
			t.Fatalf("%+v is accepted", s)
		}
		location, err := oidc.New(s, redirectURI, away{}).Start(t.Context(), oidc.NewAttempt())
		if s.Kind != oidc.GitHub && !errors.Is(err, oidc.ErrUnavailable) || s.Kind == oidc.GitHub && !strings.HasPrefix(location, strings.TrimSuffix(s.Issuer, "/")+"/login/oauth/authorize?") {
			t.Fatalf("Start = %q, %v", location, err)
		}
	})
}

// away is a network without anything in it.
type away struct{}

func (away) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no such host") }
