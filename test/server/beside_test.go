package server_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// TestCommandsAreHonouredAtTheNextRequest uses the command line on the data directory of a running server.
func TestCommandsAreHonouredAtTheNextRequest(t *testing.T) {
	t.Attr("threat", "X02")
	t.Attr("threat", "X02")
	t.Parallel()
	honoursCommands(t, start(t))
}

func honoursCommands(t *testing.T, s *server) {
	for name, command := range map[string]func(user string, v *visitor){
		"disable":     func(user string, _ *visitor) { s.run("user", "disable", user) },
		"delete":      func(user string, _ *visitor) { s.run("user", "delete", user, "--yes") },
		"compromised": func(user string, _ *visitor) { s.run("user", "compromised", user) },
		"revoke":      func(_ string, v *visitor) { s.run("session", "revoke", v.session()) },
		"revoke-all":  func(user string, _ *visitor) { s.run("session", "revoke-all", user) },
		"password": func(user string, _ *visitor) {
			s.runWith("another horse battery staple\n", "user", "password", user, "--password-stdin")
		},
	} {
		user := s.person(name)
		v, other := s.signedIn(user.Username), s.holding(s.give(user)[0])
		v.demand(http.StatusOK, "before "+name)
		other.demand(http.StatusOK, "before "+name)
		command(user.Username, v)
		if a := v.demand(http.StatusUnauthorized, "after "+name); a.code() != "session_ended" {
			t.Errorf("after %s: %s", name, a)
		}
		if name == "revoke" {
			other.demand(http.StatusOK, "the other session after "+name)
		} else {
			other.demand(http.StatusUnauthorized, "the other session after "+name)
		}
	}
}

func TestEnablingAUserBringsNoSessionBack(t *testing.T) {
	t.Parallel()
	s := start(t)
	user := s.person("bob").Username
	v := s.signedIn(user)
	s.run("user", "disable", user)
	if a := s.visitor().must(s.visitor().signIn(user, goodPassword)); a.status != http.StatusUnauthorized {
		t.Errorf("sign-in of a disabled user: %s", a)
	}
	s.run("user", "enable", user)
	v.demand(http.StatusUnauthorized, "after disable and enable")
	s.signedIn(user).demand(http.StatusOK, "signed in anew")
}

func TestRightsGivenOnTheCommandLineShowInTheNextAnswer(t *testing.T) {
	t.Attr("threat", "X09")
	t.Parallel()
	s := start(t)
	user := s.person("bob").Username
	v := s.signedIn(user)
	for _, super := range []bool{true, false} {
		flag := "--superuser"
		if !super {
			flag = "--no-superuser"
		}
		s.run("user", "set", user, flag)
		var me struct {
			IsSuperuser bool `json:"is_superuser"`
		}
		if a := v.demand(http.StatusOK, flag); json.Unmarshal(a.body, &me) != nil || me.IsSuperuser != super {
			t.Errorf("after %s: %s", flag, a)
		}
	}
}

// session returns the public ID of the visitor's session.
func (v *visitor) session() string {
	v.s.t.Helper()
	var list struct {
		Sessions []struct {
			ID      string
			Current bool
		}
	}
	a := v.must(v.get("/api/auth/sessions"))
	if err := json.Unmarshal(a.body, &list); err != nil {
		v.s.t.Fatalf("%v: %s", err, a)
	}
	for _, one := range list.Sessions {
		if one.Current {
			return one.ID
		}
	}
	v.s.t.Fatalf("no current session in %s", a)
	return ""
}
