package httpapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// kinds returns the kinds of the messages so far, once none waits, in the order of the alphabet.
func (s *server) kinds() []string {
	s.t.Helper()
	s.sent()
	var all []string
	for _, m := range s.box.all() {
		if strings.Contains(m.Text, "#") {
			s.t.Errorf("the notice %s has a secret:\n%s", about(m), m.Text)
		}
		all = append(all, m.Kind)
	}
	slices.Sort(all)
	return all
}

// TestASignInFromANewDeviceIsToldByMail, and no other is: one on the same browser, by an app, or of a new account.
func TestASignInFromANewDeviceIsToldByMail(t *testing.T) {
	t.Attr("threat", "MA05")
	s := start(t, options{mail: openTo(), appTokens: true})
	s.user("ada")
	c := s.client()
	ok(t, c.login("ada", goodPassword))
	ok(t, c.send("POST", "/api/auth/logout", nil))
	ok(t, c.login("ada", goodPassword))
	if got := s.kinds(); !slices.Equal(got, []string{"new_device"}) {
		t.Fatalf("the notices are %v", got)
	}
	if m := s.box.all()[0]; m.To != "ada@example.com" || !strings.Contains(m.Text, "from 127.0.0.1") {
		t.Errorf("the notice is %s:\n%s", about(m), m.Text)
	}
	ok(t, s.program().send("POST", "/api/auth/login", map[string]any{"username": "ada", "password": goodPassword, "app": true}))
	ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(s.signUpLink("bob@example.com"), "bob", goodPassword)))
	s.with(s.user("eve"), func(u *account.User) { u.Email = "" })
	ok(t, s.client().login("eve", goodPassword))
	s.sent()
	if n := len(s.box.all()); n != 2 {
		t.Errorf("%d messages, want the first and the link", n)
	}
	// A stranger who knows the password fills no mailbox.
	for range 12 {
		ok(t, s.client().login("ada", goodPassword))
	}
	s.sent()
	if n := len(s.box.all()); n != 11 {
		t.Errorf("%d messages, want ten notices and the link", n)
	}
}

// TestAChangeOfFactorsIsToldByMail, also one that an administrator makes.
func TestAChangeOfFactorsIsToldByMail(t *testing.T) {
	t.Attr("threat", "MA05")
	s := start(t, options{mail: newPostbox()})
	u := s.user("ada")
	c := s.as(u)
	a := c.enrol()
	want := []string{"factor_added"}
	check := func(kinds ...string) {
		t.Helper()
		want = append(want, kinds...)
		slices.Sort(want)
		if !slices.Equal(s.kinds(), want) {
			t.Fatalf("the notices are %v, want %v", s.kinds(), want)
		}
	}
	check()
	r := c.send("POST", "/api/auth/factors/recovery", nil)
	ok(t, r)
	codes, _ := r.field("recovery_codes").([]any)
	check("recovery_renewed")

	waiting := s.client()
	if r := waiting.login("ada", goodPassword); !isProblem(r, 401, "second_factor_required") {
		t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	check() // a password alone is no sign-in
	ok(t, waiting.send("POST", "/api/auth/login/second", map[string]string{"code": fmt.Sprint(codes[0])}))
	check("recovery_used", "new_device")

	guessing := s.client()
	guessing.login("ada", goodPassword)
	for n := range 5 {
		if r := guessing.send("POST", "/api/auth/login/second", map[string]string{"code": "000000"}); r.StatusCode != 400 {
			t.Fatalf("guess %d: got %d %s", n, r.StatusCode, r.body)
		}
	}
	check("codes_guessed")

	list := c.send("GET", "/api/auth/factors", nil)
	ok(t, list)
	factors, _ := list.field("factors").([]any)
	first, _ := factors[0].(map[string]any)
	ok(t, c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword, "code": a.next()}))
	ok(t, c.send("DELETE", "/api/auth/factors/"+fmt.Sprint(first["id"]), nil))
	check("factor_removed")
	s.as(s.load(u.ID)).enrol()
	check("factor_added")
	ok(t, s.as(s.superuser("root")).send("DELETE", "/api/auth/admin/users/"+u.ID+"/factors", nil))
	check("factor_removed")
}

// TestASignInSucceedsAlsoIfItCantBeTold: a full disk of the outbox is no outage of the sign-in.
func TestASignInSucceedsAlsoIfItCantBeTold(t *testing.T) {
	s := start(t, options{mail: newPostbox(), stores: func(t *testing.T) stores {
		st := inMemory(t)
		st.Mail = brokenMail{st.Mail}
		return st
	}})
	s.user("ada")
	ok(t, s.client().login("ada", goodPassword))
}

// TestAPasswordThatAnAdministratorSetsIsToldByMail, and not where the administrator was. A refused one isn't.
func TestAPasswordThatAnAdministratorSetsIsToldByMail(t *testing.T) {
	t.Attr("threat", "MA05")
	s := start(t, options{mail: newPostbox()})
	u := s.user("ada")
	root, path := s.as(s.superuser("root")), adminPath+"/users/"+u.ID+"/password"
	if r := root.send("POST", path, map[string]string{"password": "short"}); !isProblem(r, 400, "invalid") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	ok(t, root.send("POST", path, map[string]string{"password": newPassword}))
	m := s.box.next(t, 0)
	if m.Kind != "password_changed" || m.To != u.Email || strings.Contains(m.Text, "from 127.0.0.1") {
		t.Errorf("sent %s:\n%s", about(m), m.Text)
	}
	if kinds := s.kinds(); len(kinds) != 1 {
		t.Errorf("the notices are %v", kinds)
	}
}
