package httpapi_test

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// strangers are sign-ins whose refusals must not differ.
func strangers(s *server) map[string][2]string {
	s.t.Helper()
	disabled, unusable, old := s.user("disabled"), s.user("unusable"), s.user("old")
	for id, change := range map[string]func(*account.User){
		disabled.ID: func(u *account.User) { u.IsActive = false },
		unusable.ID: func(u *account.User) { u.Password = "!" },
		// A hash from Django with a work factor far below today's.
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
		"unknown name":           {"unknown", "a wrong password"},
		"unknown address":        {"unknown@example.com", "a wrong password"},
		"disabled, right":        {"disabled", goodPassword},
		"disabled, wrong":        {"disabled", "a wrong password"},
		"no usable password":     {"unusable", "a wrong password"},
		"an old hash, wrong":     {"old", "a wrong password"},
		"73 bytes":               {"ada", long[:73]},
		"73 bytes, unknown name": {"unknown", long[:73]},
		"1000 bytes":             {"ada", long},
		"1000 bytes, unknown":    {"unknown", long},
		"60,000 bytes":           {"ada", strings.Repeat("x", 60000)},
		"60,000 bytes, unknown":  {"unknown", strings.Repeat("x", 60000)},
		"empty":                  {"ada", ""},
		"empty, unknown":         {"unknown", ""},
		"a name that is none":    {strings.Repeat("n", 5000), "a wrong password"},
		"an empty name":          {"", "a wrong password"},
		"blanks":                 {"  ", "  "},
	}
}

// TestRefusalsAreTheSame: status, body and headers don't reveal whether the account exists, or what is wrong.
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
				continue // longer than a header may be
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

// fresh removes the users that strangers creates.
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

// TestRefusalsCostTheSame compares the calls to the stores, and the work of the hasher, with those of a wrong password for an
// account that exists.
func TestRefusalsCostTheSame(t *testing.T) {
	t.Attr("threat", "G06")
	t.Attr("threat", "F1")
	t.Attr("threat", "F2")
	t.Attr("threat", "F3")
	plan := &storetest.FaultPlan{}
	inner := inMemory(t)
	s := start(t, options{costly: true, stores: func(*testing.T) stores { return faulty(inner, plan) }})
	s.user("ada")
	logins := strangers(s)
	wantWork, _ := s.cost(plan, logins["wrong password"])
	for what, login := range logins {
		work, calls := s.cost(plan, login)
		wantCalls := []string{"account.Find", "throttle.Update"}
		if what == "a name that is none" || what == "an empty name" || what == "blanks" {
			wantCalls = wantCalls[1:] // without a name there is no lookup
		}
		if !slices.Equal(calls, wantCalls) {
			t.Errorf("%s: the calls to the stores are %q, want %q", what, calls, wantCalls)
		}
		if math.Abs(work-wantWork) > wantWork/100 {
			t.Errorf("%s: hashing cost %v, want %v, as for a wrong password", what, work, wantWork)
		}
	}
}

// cost returns the hashing work of a refused sign-in, and its calls to the stores.
func (s *server) cost(plan *storetest.FaultPlan, login [2]string) (work float64, calls []string) {
	s.t.Helper()
	defer s.forgive()
	hasher := s.api.Accounts.Hasher
	before := hasher.Stats().Work
	calls = since(plan, func() {
		if r := s.client().login(login[0], login[1]); r.StatusCode != http.StatusUnauthorized {
			s.t.Errorf("%q: got %d %s", login[0], r.StatusCode, r.body)
		}
	})
	return hasher.Stats().Work - before, calls
}

// forgive resets all counts of failures.
func (s *server) forgive() {
	s.t.Helper()
	if _, err := s.stores.Throttles.DeleteExpired(s.t.Context(), math.MaxInt64, math.MaxInt32); err != nil {
		s.t.Fatal(err)
	}
}
