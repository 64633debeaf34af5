package httpapi_test

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// strangers are sign-ins that must not be told apart.
func strangers(s *server) map[string][2]string {
	s.t.Helper()
	disabled, unusable, old := s.user("disabled"), s.user("unusable"), s.user("old")
	for id, change := range map[string]func(*account.User){
		disabled.ID: func(u *account.User) { u.IsActive = false },
		unusable.ID: func(u *account.User) { u.Password = "!" },
		// Django's, of a work factor far below today's.
		old.ID: func(u *account.User) {
			u.Password = "pbkdf2_sha256$1000$saltsaltsaltsaltsaltsa$vX5mUmrCWZPcnMYg2WhIF5fOuV3ktsRGSr7gYTPoMDc="
		},
	} {
		if _, err := s.stores.Accounts.Change(s.t.Context(), id, func(u *account.User) error { change(u); return nil }); err != nil {
			s.t.Fatal(err)
		}
	}
	long := strings.Repeat("x", 1000)
	return map[string][2]string{
		"wrong password":         {"ada", "a wrong password"},
		"wrong, by address":      {"ada@example.com", "a wrong password"},
		"unknown name":           {"nobody", "a wrong password"},
		"unknown address":        {"nobody@example.com", "a wrong password"},
		"disabled, right":        {"disabled", goodPassword},
		"disabled, wrong":        {"disabled", "a wrong password"},
		"no usable password":     {"unusable", "a wrong password"},
		"an old hash, wrong":     {"old", "a wrong password"},
		"73 bytes":               {"ada", long[:73]},
		"73 bytes, unknown name": {"nobody", long[:73]},
		"1000 bytes":             {"ada", long},
		"1000 bytes, unknown":    {"nobody", long},
		"60,000 bytes":           {"ada", strings.Repeat("x", 60000)},
		"60,000 bytes, unknown":  {"nobody", strings.Repeat("x", 60000)},
		"empty":                  {"ada", ""},
		"empty, unknown":         {"nobody", ""},
		"a name that is none":    {strings.Repeat("n", 5000), "a wrong password"},
		"an empty name":          {"", "a wrong password"},
		"blanks":                 {"  ", "  "},
	}
}

// TestRefusalsAreTheSame: status, body and header don't tell whether there is such an account, or what is wrong.
func TestRefusalsAreTheSame(t *testing.T) {
	t.Attr("threat", "G05")
	t.Attr("threat", "F4")
	t.Attr("threat", "F12")
	s := start(t, options{})
	s.user("ada")
	for way, send := range map[string]func(name, password string) *answer{
		"JSON": func(name, password string) *answer { return s.client().login(name, password) },
		"Basic": func(name, password string) *answer {
			return s.client().send("POST", "/api/auth/login", nil, basic(name, password))
		},
	} {
		model := ""
		for what, login := range strangers(s.fresh()) {
			if len(login[1]) > 50000 && way == "Basic" {
				continue // more than a header may have
			}
			s.forgive()
			r := send(login[0], login[1])
			id := r.Header.Get("X-Request-Id")
			r.Header.Del("Date")
			r.Header.Del("X-Request-Id")
			got := fmt.Sprint(r.StatusCode, r.Header, strings.ReplaceAll(string(r.body), id, "ID"))
			if model == "" {
				model = got
			}
			if got != model || r.StatusCode != 401 {
				t.Errorf("%s, %s:\n%s, not\n%s", way, what, got, model)
			}
		}
	}
}

// fresh removes the users that strangers makes.
func (s *server) fresh() *server {
	s.t.Helper()
	for _, name := range []string{"disabled", "unusable", "old"} {
		if u, err := s.stores.Accounts.Find(s.t.Context(), name); err == nil {
			if err := s.stores.Accounts.Delete(s.t.Context(), u.ID); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return s
}

// TestRefusalsCostTheSame: the same calls to the stores, and as much work of the processor as a wrong password
// for an account that is there.
func TestRefusalsCostTheSame(t *testing.T) {
	t.Attr("threat", "G06")
	t.Attr("threat", "F1")
	t.Attr("threat", "F2")
	t.Attr("threat", "F3")
	plan := &storetest.Plan{}
	inner := inMemory(t)
	s := start(t, options{stores: func(*testing.T) stores { return faulty(inner, plan) }})
	s.user("ada")
	logins := strangers(s)
	wantWork, _ := s.cost(plan, logins["wrong password"])
	for what, login := range logins {
		work, calls := s.cost(plan, login)
		wantCalls := []string{"account.Find", "throttle.Update"}
		if what == "a name that is none" || what == "an empty name" || what == "blanks" {
			wantCalls = wantCalls[1:] // there is nothing to look for
		}
		if !slices.Equal(calls, wantCalls) {
			t.Errorf("%s: the stores are asked %q, not %q", what, calls, wantCalls)
		}
		if work < wantWork/2 || work > wantWork*2 {
			t.Errorf("%s: %v of work, a wrong password %v", what, work, wantWork)
		}
	}
}

// cost returns the least work of several sign-ins, and the calls of one.
func (s *server) cost(plan *storetest.Plan, login [2]string) (least time.Duration, calls []string) {
	s.t.Helper()
	c := s.client()
	c.send("GET", "/healthz", nil)
	for range 3 {
		before := work(s.t)
		calls = since(plan, func() {
			if r := c.login(login[0], login[1]); r.StatusCode != http.StatusUnauthorized {
				s.t.Errorf("%q: %d %s", login[0], r.StatusCode, r.body)
			}
		})
		if spent := work(s.t) - before; least == 0 || spent < least {
			least = spent
		}
		s.forgive()
	}
	return least, calls
}

// forgive forgets all failures.
func (s *server) forgive() {
	s.t.Helper()
	if _, err := s.stores.Throttles.DeleteExpired(s.t.Context(), math.MaxInt64, math.MaxInt32); err != nil {
		s.t.Fatal(err)
	}
}

// work is the time that processors have spent on this process, which others on the machine don't lengthen much.
func work(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
