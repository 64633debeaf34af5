package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
)

const german = "Accept-Language: de"

// isGerman reports whether a message is in German: each says when it was asked for.
func isGerman(text string) bool { return strings.Contains(text, " Uhr UTC") }

// TestMailsAreInTheLanguageOfTheAccount: that of the sign-up or the first sign-in, also for messages that others cause.
func TestMailsAreInTheLanguageOfTheAccount(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: openTo(), stores: open})
		s.superuser("root")
		ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(s.signUpLink("ada@example.com"), "ada", goodPassword), german))
		ada, err := s.stores.Accounts.Find(t.Context(), "ada")
		must(t, err)
		bob := s.user("bob")
		r := s.client().send("POST", "/api/auth/login", map[string]string{"username": "bob", "password": goodPassword}, german)
		if ok(t, r); r.field("language") != "de" {
			t.Errorf("the first sign-in: %s", r.body)
		}
		// The next doesn't change it.
		r = s.client().send("POST", "/api/auth/login", map[string]string{"username": "bob", "password": goodPassword}, "Accept-Language: en")
		if ok(t, r); r.field("language") != "de" {
			t.Errorf("a later sign-in: %s", r.body)
		}
		for _, u := range []*account.User{ada, bob} {
			accepted(t, s.client().send("POST", "/api/auth/password/forgot", map[string]string{"email": u.Email}, "Accept-Language: en"))
			accepted(t, s.client().send("POST", "/api/auth/signup", signingUp(u.Email), "Accept-Language: en"))
			s.sent()
			for _, m := range s.box.all() {
				if m.User == u.ID && m.Kind != "new_device" && !isGerman(m.Text) {
					t.Errorf("%s:\n%s", about(m), m.Text)
				}
			}
		}
		if s.box.count("signup_known") != 2 || s.box.count("reset") != 1 || s.box.count("reset_first") != 1 {
			t.Errorf("other messages were sent than asked for: %v", s.box.all())
		}
		// Notices that others cause, and to accounts without a language that of the client.
		root := s.signedIn("root")
		ok(t, root.send("POST", "/api/auth/admin/users/"+bob.ID+"/password", map[string]string{"password": newPassword}, "Accept-Language: en"))
		if m := s.box.ofKind(t, "password_changed", 0); !isGerman(m.Text) {
			t.Errorf("%s:\n%s", about(m), m.Text)
		}
		eve := s.user("eve")
		accepted(t, s.client().send("POST", "/api/auth/password/forgot", map[string]string{"email": eve.Email}, german))
		if m := s.box.to(t, eve.Email); !isGerman(m.Text) {
			t.Errorf("%s:\n%s", about(m), m.Text)
		}
	})
}

// TestTheFirstAdministratorAndInvitedPeopleHaveTheLanguageOfTheirBrowser, not that of the invitation.
func TestTheFirstAdministratorAndInvitedPeopleHaveTheLanguageOfTheirBrowser(t *testing.T) {
	s := start(t, options{mail: byInvitation()})
	secret, err := s.api.Accounts.SetupSecret(t.Context())
	must(t, err)
	r := s.client().send("POST", "/api/auth/setup", map[string]string{"secret": secret, "username": "root", "password": goodPassword}, german)
	if ok(t, r); r.field("language") != "de" {
		t.Errorf("the first administrator: %s", r.body)
	}
	link := s.invite(letters.Invitation{Address: "ada@example.com", Language: "de"})
	r = s.client().send("POST", "/api/auth/signup/complete", completing(link, "ada", goodPassword), "Accept-Language: en")
	if ok(t, r); r.field("language") != "en" {
		t.Errorf("an invited person: %s", r.body)
	}
}

// TestAUserChoosesALanguage of those that there are, which pages and mails are in from then on.
func TestAUserChoosesALanguage(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: newPostbox(), stores: open})
		u := s.user("ada")
		if r := s.client().send("GET", "/api/auth/methods", nil); !strings.Contains(string(r.body), `"languages":["en","de"]`) {
			t.Errorf("methods say %s", r.body)
		}
		c := s.signedIn("ada")
		for _, tag := range []string{"fr", "DE", "de-DE", "en, de"} {
			r := c.send("PATCH", "/api/auth/me", map[string]string{"language": tag, "first_name": "no"})
			if !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), `"language":[`) || s.load(u.ID).FirstName != "" {
				t.Errorf("%s: got %d %s", tag, r.StatusCode, r.body)
			}
		}
		r := c.send("PATCH", "/api/auth/me", map[string]string{"language": "de"})
		if ok(t, r); r.field("language") != "de" || s.load(u.ID).Language != "de" || c.cookie("cloakroom_account_language") != "de" {
			t.Errorf("got %s, and the cookie %q", r.body, c.cookie("cloakroom_account_language"))
		}
		ok(t, c.send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": newPassword}, "Accept-Language: en"))
		if m := s.box.ofKind(t, "password_changed", 0); !isGerman(m.Text) {
			t.Errorf("%s:\n%s", about(m), m.Text)
		}
		r = c.send("PATCH", "/api/auth/me", map[string]string{"language": ""})
		if ok(t, r); r.field("language") != nil || c.cookie("cloakroom_account_language") != "" {
			t.Errorf("none: got %s, and the cookie %q", r.body, c.cookie("cloakroom_account_language"))
		}
		s.superuser("root")
		root := s.signedIn("root")
		ok(t, root.send("PATCH", "/api/auth/admin/users/"+u.ID, map[string]string{"language": "de"}))
		if s.load(u.ID).Language != "de" {
			t.Error("an administrator's choice was not kept")
		}
		for _, do := range [][2]string{{"PATCH", "/api/auth/admin/users/" + u.ID}, {"POST", "/api/auth/admin/users"}} {
			if r := root.send(do[0], do[1], map[string]string{"username": "new", "language": "fr"}); !isProblem(r, 400, "invalid") {
				t.Errorf("%s %s: got %d %s", do[0], do[1], r.StatusCode, r.body)
			}
		}
	})
}

// TestNoLanguageIsAChoiceThatLasts: the next sign-in doesn't put that of the browser in its place, whether the account was signed up or made
// by others, and also if an administrator has chosen so.
func TestNoLanguageIsAChoiceThatLasts(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: openTo(), stores: open})
		s.superuser("root")
		signUp := s.client()
		ok(t, signUp.send("POST", "/api/auth/signup/complete", completing(s.signUpLink("ada@example.com"), "ada", goodPassword), german))
		ada, err := s.stores.Accounts.Find(t.Context(), "ada")
		must(t, err)
		if ada.LastLogin == 0 || ada.Language != "de" {
			t.Errorf("after the sign-up: last login %d, language %q", ada.LastLogin, ada.Language)
		}
		ok(t, signUp.send("PATCH", "/api/auth/me", map[string]string{"language": ""}))
		bob := s.user("bob")
		ok(t, s.client().send("POST", "/api/auth/login", map[string]string{"username": "bob", "password": goodPassword}, german))
		if got := s.load(bob.ID).Language; got != "de" {
			t.Errorf("after the first sign-in: language %q", got)
		}
		ok(t, s.signedIn("root").send("PATCH", "/api/auth/admin/users/"+bob.ID, map[string]string{"language": ""}))
		for _, u := range []*account.User{ada, bob} {
			r := s.client().send("POST", "/api/auth/login", map[string]string{"username": u.Username, "password": goodPassword}, german)
			if ok(t, r); r.field("language") != nil || s.load(u.ID).Language != "" {
				t.Errorf("the sign-in of %s: %s", u.Username, r.body)
			}
		}
	})
}

// TestALanguageThatIsNoLongerOfferedIsKept: its texts were removed, and a form that sends it unchanged is no error.
func TestALanguageThatIsNoLongerOfferedIsKept(t *testing.T) {
	s := start(t, options{})
	u := s.user("ada")
	s.with(u, func(u *account.User) { u.Language = "fr" })
	s.superuser("root")
	for path, c := range map[string]*client{"/api/auth/me": s.signedIn("ada"), "/api/auth/admin/users/" + u.ID: s.signedIn("root")} {
		ok(t, c.send("PATCH", path, map[string]string{"first_name": path, "language": "fr"}))
		if got := s.load(u.ID); got.FirstName != path || got.Language != "fr" {
			t.Errorf("%s: the user has the name %q and the language %q", path, got.FirstName, got.Language)
		}
		if r := c.send("PATCH", path, map[string]string{"language": "es"}); !isProblem(r, 400, "invalid") {
			t.Errorf("%s: another that isn't offered: got %d %s", path, r.StatusCode, r.body)
		}
	}
	c := s.signedIn("ada")
	ok(t, c.send("PATCH", "/api/auth/me", map[string]string{"language": "de"}))
	if r := c.send("PATCH", "/api/auth/me", map[string]string{"language": "fr"}); !isProblem(r, 400, "invalid") {
		t.Errorf("back: got %d %s", r.StatusCode, r.body)
	}
}

// TestABrowserShowsTheLanguageOfTheAccount while it is signed in, if that isn't the one that it asks for by itself.
func TestABrowserShowsTheLanguageOfTheAccount(t *testing.T) {
	s := start(t, options{appTokens: true})
	s.with(s.user("ada"), func(u *account.User) { u.Language = "de" })
	signIn := map[string]any{"username": "ada", "password": goodPassword}
	c := s.client()
	ok(t, c.send("POST", "/api/auth/login", signIn, german))
	if got := c.cookie("cloakroom_account_language"); got != "" {
		t.Errorf("a browser that asks for it has the cookie %q", got)
	}
	c = s.client()
	r := c.send("POST", "/api/auth/login", signIn, "Accept-Language: en")
	ok(t, r)
	for _, cookie := range r.Cookies() {
		if cookie.Name == "cloakroom_account_language" && (!cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge != 0) {
			t.Errorf("the cookie is %v", cookie)
		}
	}
	if got := c.cookie("cloakroom_account_language"); got != "de" {
		t.Errorf("the cookie is %q", got)
	}
	ok(t, c.send("POST", "/api/auth/logout", nil))
	if got := c.cookie("cloakroom_account_language"); got != "" {
		t.Errorf("the next person in the browser has the cookie %q", got)
	}
	signIn["app"] = true
	if r := s.program().send("POST", "/api/auth/login", signIn, "Accept-Language: en"); len(r.Cookies()) > 0 {
		t.Errorf("an app has cookies: %v", r.Cookies())
	}
}
