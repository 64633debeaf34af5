package auth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/session"
)

func TestTheIdentityIsTheSessionsUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		ann := a.user(account.User{Username: "ann", UserPermissions: []string{"app.read"}})
		cookie := a.signIn(ann, session.SignIn{Method: "password", Fresh: true})
		signedIn := time.Now()
		i, err := a.identity(cookie)
		if err != nil || i.User.ID != ann.ID || i.User.Username != "ann" || i.Method != "password" || i.Session.User != ann.ID {
			t.Fatalf("%+v, %v", i, err)
		}
		if !i.AuthenticatedAt.Equal(signedIn) || !i.Fresh() || !i.User.Has("app.read") {
			t.Errorf("%+v", i)
		}
		time.Sleep(time.Hour)
		a.serve(cookie, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := a.sessions.Reauthenticate(w, r, session.Reauthentication{Epoch: ann.Epoch}); err != nil {
				t.Fatal(err)
			}
			if i, err := auth.FromContext(r.Context()); err != nil || !i.AuthenticatedAt.Equal(time.Now()) || !i.Fresh() {
				t.Errorf("after a re-authentication: %+v, %v", i, err)
			}
		}))
	})
}

func TestARefusalSaysWhy(t *testing.T) {
	a := newApp(t)
	ann := a.user(account.User{Username: "ann"})
	cookie := a.signIn(ann, session.SignIn{})
	const unknown = session.CookieName + "=c3RyYW5nZXJzIGNhbid0IHBpY2sgdGhlaXIgdGlja2U"
	for name, c := range map[string]struct {
		cookie, want string
		guard        func(http.Handler) http.Handler
	}{
		"anonymous":           {"", "not_authenticated", auth.Require},
		"garbage":             {session.CookieName + "=garbage", "not_authenticated", auth.Require},
		"unknown ticket":      {unknown, "session_ended", auth.Require},
		"two cookies":         {cookie + "; " + cookie, "two_session_cookies", auth.Require},
		"signed in":           {cookie, "in", auth.Require},
		"without the right":   {cookie, "permission_denied", auth.RequirePermission("app.read")},
		"no credential":       {"", "not_authenticated", auth.RequirePermission("app.read")},
		"not fresh":           {cookie, "fresh_sign_in_required", auth.RequireFresh},
		"unknown isn't fresh": {unknown, "session_ended", auth.RequireFresh},
	} {
		if got := a.outcome(c.cookie, c.guard); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	w := a.serve("", auth.Require(http.NotFoundHandler()))
	if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") != "Session" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestADisabledOrDeletedUserIsNotSignedIn(t *testing.T) {
	t.Attr("threat", "B11")
	for name, end := range map[string]func(a *app, id string){
		"disabled":    func(a *app, id string) { a.change(id, func(u *account.User) { u.IsActive = false }) },
		"epoch moved": func(a *app, id string) { a.change(id, func(u *account.User) { u.Epoch = "2" }) },
		"deleted": func(a *app, id string) {
			if err := a.accounts.Delete(a.t.Context(), id); err != nil {
				a.t.Fatal(err)
			}
		},
	} {
		a := newApp(t)
		ann := a.user(account.User{Username: "ann", IsSuperuser: true})
		cookie := a.signIn(ann, session.SignIn{Fresh: true})
		end(a, ann.ID)
		for _, guard := range []func(http.Handler) http.Handler{auth.Require, auth.RequireFresh, auth.RequirePermission("app.read")} {
			if got := a.outcome(cookie, guard); got != "session_ended" {
				t.Errorf("%s: %s", name, got)
			}
		}
		// A sign-in that was under way doesn't authenticate them within its own request either.
		a.serve("", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := a.sessions.SignIn(w, r, session.SignIn{User: ann.ID, Epoch: "1"}); err != nil {
				t.Fatal(err)
			}
			if i, err := auth.FromContext(r.Context()); err != nil || (i != nil && name != "epoch moved") {
				t.Errorf("%s: signed in as %+v, %v", name, i, err)
			}
		}))
		if u, err := a.accounts.Store.Load(t.Context(), ann.ID); err == nil && name == "disabled" && u.IsActive {
			t.Error("the sign-in enabled the user")
		}
	}
}

func TestPermissionsAreDjangos(t *testing.T) {
	a := newApp(t)
	for _, g := range []account.Group{{Name: "readers", Permissions: []string{"app.read"}}, {Name: "writers", Permissions: []string{"app.read", "app.write"}}} {
		if err := a.accounts.SetGroup(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		user account.User
		may  string // of "app.read app.write app.drop"
	}{
		{account.User{Username: "unknown"}, ""},
		{account.User{Username: "direct", UserPermissions: []string{"app.drop"}}, "app.drop"},
		{account.User{Username: "reader", Groups: []string{"readers"}}, "app.read"},
		{account.User{Username: "both", Groups: []string{"readers", "writers"}, UserPermissions: []string{"app.read"}}, "app.read app.write"},
		{account.User{Username: "staff", IsStaff: true}, ""},
		{account.User{Username: "super", IsSuperuser: true}, "app.read app.write app.drop"},
		{account.User{Username: "alike", UserPermissions: []string{"app", "app.", "app.rea", "app.readx", "APP.READ", "read"}}, ""},
	} {
		cookie := a.signIn(a.user(c.user), session.SignIn{})
		for _, permission := range []string{"app.read", "app.write", "app.drop"} {
			want := "permission_denied"
			if strings.Contains(c.may, permission) {
				want = "in"
			}
			if got := a.outcome(cookie, auth.RequirePermission(permission)); got != want {
				t.Errorf("%s, %s: %s", c.user.Username, permission, got)
			}
		}
	}
	inactive := &account.User{IsSuperuser: true, Permissions: []string{"app.read"}}
	if inactive.Has("app.read") {
		t.Error("an inactive user has a permission")
	}
}

func TestRightsCountFromTheNextRequest(t *testing.T) {
	t.Attr("threat", "X09")
	t.Attr("threat", "B12")
	a := newApp(t)
	setGroup := func(permissions ...string) {
		if err := a.accounts.SetGroup(t.Context(), account.Group{Name: "readers", Permissions: permissions}); err != nil {
			t.Fatal(err)
		}
	}
	setGroup("app.read")
	ann := a.user(account.User{Username: "ann", Groups: []string{"readers"}})
	cookie := a.signIn(ann, session.SignIn{})
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"member", func() {}, "in"},
		{"the group loses the right", func() { setGroup() }, "permission_denied"},
		{"the group gets it", func() { setGroup("app.read") }, "in"},
		{"out of the group", func() { a.change(ann.ID, func(u *account.User) { u.Groups = nil }) }, "permission_denied"},
		{"directly", func() { a.change(ann.ID, func(u *account.User) { u.UserPermissions = []string{"app.read"} }) }, "in"},
		{"not any more", func() { a.change(ann.ID, func(u *account.User) { u.UserPermissions = nil }) }, "permission_denied"},
		{"superuser", func() { a.change(ann.ID, func(u *account.User) { u.IsSuperuser = true }) }, "in"},
		{"no longer", func() { a.change(ann.ID, func(u *account.User) { u.IsSuperuser = false }) }, "permission_denied"},
	} {
		step.do()
		if got := a.outcome(cookie, auth.RequirePermission("app.read")); got != step.want {
			t.Errorf("%s: %s", step.name, got)
		}
		if got := a.outcome(cookie, auth.Require); got != "in" { // the session goes on
			t.Errorf("%s: %s", step.name, got)
		}
	}
}

func TestASessionIsFreshForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		ann := a.user(account.User{Username: "ann"})
		cookie := a.signIn(ann, session.SignIn{Fresh: true})
		time.Sleep(10*time.Minute - time.Second)
		if got := a.outcome(cookie, auth.RequireFresh); got != "in" {
			t.Errorf("a second before: %s", got)
		}
		time.Sleep(time.Second)
		if got := a.outcome(cookie, auth.RequireFresh); got != "fresh_sign_in_required" {
			t.Errorf("at ten minutes: %s", got)
		}
		time.Sleep(time.Second)
		if got := a.outcome(cookie, auth.RequireFresh); got != "fresh_sign_in_required" {
			t.Errorf("a second after: %s", got)
		}
		if got := a.outcome(cookie, auth.Require); got != "in" {
			t.Errorf("and not signed in: %s", got)
		}
		w := a.serve(cookie, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := a.sessions.Reauthenticate(w, r, session.Reauthentication{Epoch: ann.Epoch}); err != nil {
				t.Error(err)
			}
		}))
		c := w.Result().Cookies()[0]
		if got := a.outcome(c.Name+"="+c.Value, auth.RequireFresh); got != "in" {
			t.Errorf("after the password again: %s", got)
		}
		if got := a.outcome(a.signIn(ann, session.SignIn{}), auth.RequireFresh); got != "fresh_sign_in_required" {
			t.Errorf("a session without a factor: %s", got)
		}
	})
}

func TestTwoFactorsAreDemandedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ann *account.User
		demanded, outage := false, error(nil)
		a := newApp(t, func(c *auth.Config) {
			c.SecondStep = func(_ context.Context, user string) (bool, error) { return demanded && user == ann.ID, outage }
		})
		ann = a.user(account.User{Username: "ann"})
		one := a.signIn(ann, session.SignIn{Fresh: true, Methods: []string{"pwd"}})
		two := a.signIn(ann, session.SignIn{Fresh: true, Second: true, Methods: []string{"pwd", "otp", "mfa"}})
		old := a.signIn(ann, session.SignIn{Second: true})
		expect := func(when, cookie string, second, full string) {
			t.Helper()
			if got := a.outcome(cookie, auth.RequireSecondFactor); got != second {
				t.Errorf("%s, RequireSecondFactor: %s, want %s", when, got, second)
			}
			if got := a.outcome(cookie, auth.RequireFullyFresh); got != full {
				t.Errorf("%s, RequireFullyFresh: %s, want %s", when, got, full)
			}
		}
		expect("a password, and no more is demanded", one, "second_factor_needed", "in")
		expect("no factor in this session", old, "in", "full_sign_in_required")
		demanded = true
		expect("a password, and a second step is demanded", one, "second_factor_needed", "full_sign_in_required")
		expect("both", two, "in", "in")
		expect("nothing", "", "not_authenticated", "not_authenticated")
		outage = errors.New("the store is away")
		expect("an outage", two, "in", "unavailable")
		outage = nil
		time.Sleep(10 * time.Minute)
		expect("both, ten minutes ago", two, "in", "full_sign_in_required")
	})
}

func TestOneLookUpServesSessionAndIdentity(t *testing.T) {
	a := newApp(t)
	ann := a.user(account.User{Username: "ann", UserPermissions: []string{"app.read"}})
	cookie := a.signIn(ann, session.SignIn{Fresh: true})
	a.accounts.loaded = 0
	all := auth.Require(auth.RequireFresh(auth.RequirePermission("app.read")(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var group sync.WaitGroup
		for range 16 {
			group.Go(func() {
				if i, err := auth.FromContext(r.Context()); err != nil || i.User.ID != ann.ID {
					t.Errorf("%+v, %v", i, err)
				}
			})
		}
		group.Wait()
	}))))
	if w := a.serve(cookie, all); w.Code != http.StatusOK || a.accounts.loaded != 1 {
		t.Errorf("%d look-ups, answer %d", a.accounts.loaded, w.Code)
	}
	a.accounts.loaded = 0
	a.outcome("", auth.Require)
	a.outcome(session.CookieName+"=garbage", auth.Require)
	a.serve(cookie, http.NotFoundHandler()) // the handler doesn't ask for the identity
	if a.accounts.loaded != 0 {
		t.Errorf("%d look-ups without a session or without a handler that asks, want 0", a.accounts.loaded)
	}
}

func TestLoadingOtherUsersDoesNotChangeTheIdentity(t *testing.T) {
	a := newApp(t)
	admin, ann := a.user(account.User{Username: "admin", IsSuperuser: true}), a.user(account.User{Username: "ann"})
	cookie := a.signIn(admin, session.SignIn{})
	other := a.signIn(ann, session.SignIn{})
	for _, c := range []string{cookie, other} {
		a.serve(c, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			before, err := auth.FromContext(r.Context())
			if err != nil {
				t.Fatal(err)
			}
			if all, err := a.sessions.List(r.Context(), ""); err != nil || len(all) != 2 { // loads the epochs of all users
				t.Fatal(all, err)
			}
			after, err := auth.FromContext(r.Context())
			if err != nil || after.User.Username != before.User.Username || after.User.IsSuperuser != before.User.IsSuperuser {
				t.Errorf("was %+v, is %+v, %v", before.User, after.User, err)
			}
		}))
	}
}

func TestWithoutTheHandlerEveryRequestIsRefused(t *testing.T) {
	if i, err := auth.FromContext(t.Context()); i != nil || err == nil {
		t.Errorf("%+v, %v", i, err)
	}
	if i, err := auth.Identify(t.Context()); i != nil || err == nil || errors.Is(err, auth.ErrNotAuthenticated) {
		t.Errorf("%+v, %v", i, err)
	}
}
