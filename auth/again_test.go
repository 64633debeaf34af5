package auth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/session"
)

func TestASecondCheckSeesWhatEndedAfterTheFirst(t *testing.T) {
	for name, end := range map[string]func(a *app, s *session.Session){
		"signed out": func(a *app, s *session.Session) {
			if err := a.sessions.Revoke(t.Context(), s.User, s.ID); err != nil {
				t.Fatal(err)
			}
		},
		"disabled":    func(a *app, s *session.Session) { a.change(s.User, func(u *account.User) { u.IsActive = false }) },
		"epoch moved": func(a *app, s *session.Session) { a.change(s.User, func(u *account.User) { u.Epoch = "2" }) },
		"deleted": func(a *app, s *session.Session) {
			if err := a.accounts.Delete(t.Context(), s.User); err != nil {
				t.Fatal(err)
			}
		},
	} {
		a := newApp(t)
		cookie := a.signIn(a.user(account.User{Username: "ann"}), session.SignIn{})
		a.serve(cookie, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			i, err := auth.Identify(r.Context())
			if err != nil {
				t.Fatal(err)
			}
			end(a, i.Session)
			if _, err := auth.Identify(r.Context()); err != nil {
				t.Errorf("%s: a check remembers nothing: %v", name, err)
			}
			for range 2 {
				if _, err := auth.IdentifyAgain(r.Context()); !errors.Is(err, auth.ErrSessionEnded) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if _, err := auth.Identify(r.Context()); !errors.Is(err, auth.ErrSessionEnded) {
				t.Errorf("%s, afterwards: %v", name, err)
			}
		}))
	}
}

func TestASecondCheckSeesTheRightsOfNow(t *testing.T) {
	a := newApp(t)
	ann := a.user(account.User{Username: "ann", IsSuperuser: true})
	cookie := a.signIn(ann, session.SignIn{})
	a.serve(cookie, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i, err := auth.Identify(r.Context()); err != nil || !i.Has("app.read") {
			t.Fatal(i, err)
		}
		a.change(ann.ID, func(u *account.User) { u.IsSuperuser = false })
		if i, err := auth.IdentifyAgain(r.Context()); err != nil || i.Has("app.read") {
			t.Errorf("%+v, %v", i, err)
		}
		// A ticket that this request has rotated is dead; the request goes on with the new one.
		if _, err := a.sessions.Reauthenticate(w, r, session.Reauthentication{Epoch: ann.Epoch}); err != nil {
			t.Fatal(err)
		}
		if i, err := auth.IdentifyAgain(r.Context()); err != nil || !i.Fresh() {
			t.Errorf("after the rotation: %+v, %v", i, err)
		}
	}))
}

func TestASecondCheckOfATokenAsksTheStore(t *testing.T) {
	a := newApp(t, withTokens)
	ann := a.user(account.User{Username: "ann"})
	text, made, err := a.resolver.NewPersonalToken(t.Context(), ann, auth.PersonalTokenOptions{Name: "script"})
	if err != nil {
		t.Fatal(err)
	}
	a.serveHeader("Bearer "+text, func(r *http.Request) {
		if _, err := auth.Identify(r.Context()); err != nil {
			t.Fatal(err)
		}
		if i, err := auth.IdentifyAgain(r.Context()); err != nil || i.Token == nil {
			t.Errorf("%+v, %v", i, err)
		}
		if err := a.tokens.Revoke(t.Context(), ann.ID, made.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := auth.IdentifyAgain(r.Context()); err == nil {
			t.Error("a token that has ended counts")
		}
	})
}

func TestASecondCheckVerifiesNoPassword(t *testing.T) {
	var ann *account.User
	verified := 0
	a := newApp(t, func(c *auth.Config) {
		c.Basic = func(*http.Request, string, string) (*account.User, error) {
			verified++
			return ann, nil
		}
	})
	ann = a.user(account.User{Username: "ann"})
	a.serveHeader("Basic YW5uOnNlY3JldA==", func(r *http.Request) {
		first, err := auth.Identify(r.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i, err := auth.IdentifyAgain(r.Context()); err != nil || !i.AuthenticatedAt.Equal(first.AuthenticatedAt) {
			t.Errorf("%+v, %v", i, err)
		}
		a.change(ann.ID, func(u *account.User) { u.Epoch = "2" })
		if _, err := auth.IdentifyAgain(r.Context()); err == nil {
			t.Error("the password was changed meanwhile, and counts")
		}
	})
	if verified != 1 {
		t.Errorf("the password was verified %d times", verified)
	}
}

// serveHeader sends a request with an Authorization header through the Resolver.
func (a *app) serveHeader(authorization string, serve func(*http.Request)) {
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Authorization", authorization)
	a.resolver.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { serve(r) })).ServeHTTP(httptest.NewRecorder(), r)
}
