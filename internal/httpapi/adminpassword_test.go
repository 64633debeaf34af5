package httpapi_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// waysInto gives a user an authenticator app, a passkey, recovery codes and a link, and returns them as they are counted.
func (s *server) waysInto(u *account.User) {
	s.t.Helper()
	s.as(u).enrol()
	s.withPasskey(s.load(u.ID), factor.Passkey)
	s.linked(u, "subject of "+u.Username)
	if got := s.waysLeft(u); got != "2 factors, 10 codes, 1 links" {
		s.t.Fatalf("the account has %s", got)
	}
}

func (s *server) waysLeft(u *account.User) string {
	s.t.Helper()
	p, err := s.stores.Factors.Load(s.t.Context(), u.ID)
	must(s.t, err)
	links, err := s.stores.Links.List(s.t.Context(), u.ID)
	must(s.t, err)
	return fmt.Sprintf("%d factors, %d codes, %d links", len(p.Factors), p.RecoveryCodes, len(links))
}

// TestAnAdministratorsNewPasswordIsTheOnlyWayIn: what an attacker may have added to the account is gone, unless it is to be kept.
func TestAnAdministratorsNewPasswordIsTheOnlyWayIn(t *testing.T) {
	t.Attr("threat", "X11")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: newPostbox(), stores: open})
		root := s.as(s.superuser("root"))
		u, kept := s.user("ada"), s.user("bob")
		set := func(u *account.User, more map[string]any) *answer {
			body := map[string]any{"password": newPassword}
			for name, value := range more {
				body[name] = value
			}
			return root.send("POST", adminPath+"/users/"+u.ID+"/password", body)
		}
		for _, u := range []*account.User{u, kept} {
			s.waysInto(u)
		}
		waiting := s.client()
		waiting.pendingStep("ada")
		if r := set(u, map[string]any{"password": "short"}); !isProblem(r, 400, "invalid") || s.waysLeft(u) != "2 factors, 10 codes, 1 links" {
			t.Errorf("a refused password: %d %s, and the account has %s", r.StatusCode, r.body, s.waysLeft(u))
		}
		ok(t, set(u, nil))
		if got := s.waysLeft(u); got != "0 factors, 0 codes, 0 links" {
			t.Errorf("the account has %s", got)
		}
		if r := waiting.second("000000"); !isProblem(r, 401, "pending_ended") {
			t.Errorf("a sign-in that waited: %d %s", r.StatusCode, r.body)
		}
		ok(t, s.client().login("ada", newPassword))
		if !s.logged(`"msg":"authn_password_change"`, `"login":"ada"`) || !s.logged(`"msg":"authn_factor_removed"`, `"login":"ada"`, `"kind":"all"`) {
			t.Error("the removal isn't in the audit log")
		}
		ok(t, set(kept, map[string]any{"keep_factors": true}))
		if got := s.waysLeft(kept); got != "2 factors, 10 codes, 1 links" {
			t.Errorf("the account whose factors were to be kept has %s", got)
		}
		if r := s.client().login("bob", newPassword); !isProblem(r, 401, "second_factor_required") {
			t.Errorf("the password alone: %d %s", r.StatusCode, r.body)
		}
		if !s.logged(`"msg":"authn_password_change"`, `"login":"bob"`, `"kept":"factors"`) {
			t.Error("what was kept isn't in the audit log")
		}
		s.sent()
		told := map[string][]string{}
		for _, m := range s.box.all() {
			if m.Kind != "factor_added" && m.Kind != "new_device" {
				told[m.To] = append(told[m.To], m.Kind)
				if strings.Contains(m.Text, "127.0.0.1,") || strings.Contains(m.Text, "from 127.0.0.1") {
					t.Errorf("the user learns where the administrator is:\n%s", m.Text)
				}
			}
		}
		for _, kinds := range told {
			slices.Sort(kinds)
		}
		if got := fmt.Sprint(told); got != "map[ada@example.com:[factor_removed password_changed] bob@example.com:[password_changed]]" {
			t.Errorf("the users were told %s", got)
		}
	})
}

// TestAnAdministratorsOwnFactorsStay: with a stolen session of an administrator they could be stripped in one request.
func TestAnAdministratorsOwnFactorsStay(t *testing.T) {
	t.Attr("threat", "X11")
	s := start(t, options{})
	u := s.superuser("root")
	s.waysInto(u)
	path := adminPath + "/users/" + u.ID + "/password"
	if r := s.as(s.load(u.ID)).send("POST", path, map[string]any{"password": newPassword, "keep_factors": false}); !isProblem(r, 403, "permission_denied") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	ok(t, s.as(s.load(u.ID)).send("POST", path, map[string]any{"password": newPassword}))
	if got := s.waysLeft(u); got != "2 factors, 10 codes, 1 links" {
		t.Errorf("the account has %s", got)
	}
}

// beforeRemoval calls do before it removes the factors of a user for the first time.
type beforeRemoval struct {
	factor.Store
	do func()
}

func (b *beforeRemoval) DeleteUser(ctx context.Context, user string) (int, error) {
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
	return b.Store.DeleteUser(ctx, user)
}

// TestASignInWithAFactorDoesNotOutliveTheNewPassword: one with a passkey that begins once the password is another, and ends before the passkey
// is removed, is a session of the new epoch.
func TestASignInWithAFactorDoesNotOutliveTheNewPassword(t *testing.T) {
	t.Attr("threat", "X11")
	inner := inMemory(t)
	s := start(t, options{stores: func(*testing.T) stores { return inner }})
	root, u := s.superuser("root"), s.user("ada")
	d := s.withPasskey(u, factor.Passkey)
	thief := s.client()
	var epoch string // of the thief's session
	between := &beforeRemoval{Store: inner.Factors, do: func() {
		ok(t, thief.send("POST", "/api/auth/passkey/login", s.assertion(d)))
		epoch = s.load(u.ID).Epoch
	}}
	slow := start(t, options{stores: func(*testing.T) stores {
		slowly := inner
		slowly.Factors = between
		return slowly
	}})
	ok(t, slow.as(root).send("POST", adminPath+"/users/"+u.ID+"/password", map[string]any{"password": newPassword}))
	if between.do != nil {
		t.Fatal("no one has signed in meanwhile")
	}
	s.dead(t, "the session of the passkey", thief.ticket())
	if s.load(u.ID).Epoch == epoch {
		t.Error("the epoch of that session still counts, also for a token that no list has and a sign-in that isn't complete yet")
	}
	if got := s.waysLeft(u); got != "0 factors, 0 codes, 0 links" {
		t.Errorf("the account has %s", got)
	}
}

// lostFactors and lostLinks remove what a user has, and say once that it failed.
type lostFactors struct {
	factor.Store
	armed *atomic.Bool
}

func (l lostFactors) DeleteUser(ctx context.Context, user string) (int, error) {
	n, err := l.Store.DeleteUser(ctx, user)
	if l.armed.Swap(false) {
		return 0, storetest.ErrFault
	}
	return n, err
}

type lostLinks struct {
	federation.Store
	armed *atomic.Bool
}

func (l lostLinks) DeleteUser(ctx context.Context, user string) (int, error) {
	n, err := l.Store.DeleteUser(ctx, user)
	if l.armed.Swap(false) {
		return 0, storetest.ErrFault
	}
	return n, err
}

// TestANewPasswordThatStopsHalfWayIsTold: whichever call to a store fails, what has changed by then is in the audit log and in the user's mail,
// and the same request, sent again, finishes it.
func TestANewPasswordThatStopsHalfWayIsTold(t *testing.T) {
	t.Attr("threat", "X11")
	t.Attr("threat", "MA05")
	// try sets a password while a store fails once it is armed, and again, and returns whether the first was refused.
	try := func(t *testing.T, armed *atomic.Bool, failing stores) bool {
		t.Helper()
		s := start(t, options{mail: newPostbox(), stores: func(*testing.T) stores { return failing }})
		root, u := s.as(s.superuser("root")), s.user("ada")
		s.waysInto(u)
		u = s.load(u.ID)
		set := func() *answer {
			return root.send("POST", adminPath+"/users/"+u.ID+"/password", map[string]any{"password": newPassword})
		}
		check := func(when string) {
			t.Helper()
			s.sent()
			told := func(kind string) bool {
				return slices.ContainsFunc(s.box.all(), func(m mail.Message) bool { return m.User == u.ID && m.Kind == kind })
			}
			if changed := s.load(u.ID).Password != u.Password; changed != told("password_changed") {
				t.Errorf("%s: changed: %t, and that was told: %t", when, changed, told("password_changed"))
			}
			left := s.waysLeft(u)
			gone, recorded := left != "2 factors, 10 codes, 1 links", s.logged(`"msg":"authn_factor_removed"`, `"login":"ada"`, `"kind":"all"`)
			if gone != recorded || gone != told("factor_removed") {
				t.Errorf("%s: the account has %s; recorded: %t, told: %t", when, left, recorded, told("factor_removed"))
			}
		}
		armed.Store(true)
		r := set()
		armed.Store(false)
		refused := r.StatusCode == 503
		if !refused {
			ok(t, r)
		}
		check("at first")
		ok(t, set())
		check("again")
		if got := s.waysLeft(u); got != "0 factors, 0 codes, 0 links" {
			t.Errorf("again: the account has %s", got)
		}
		return refused
	}
	refused := true
	for n := int64(1); refused; n++ {
		var armed atomic.Bool
		var calls atomic.Int64
		plan := &storetest.FaultPlan{Before: func(call string) error {
			kind, name, _ := strings.Cut(call, ".")
			act := kind == "factor" || kind == "federation" || kind == "account" && name != "Load"
			if armed.Load() && act && calls.Add(1) == n {
				return storetest.ErrFault
			}
			return nil
		}}
		t.Run(fmt.Sprint("call ", n), func(t *testing.T) { refused = try(t, &armed, faulty(inMemory(t), plan)) })
		if !refused && n < 6 {
			t.Errorf("without fault %d calls were made, want more", calls.Load())
		}
	}
	t.Run("the answer about the factors is lost", func(t *testing.T) {
		var armed atomic.Bool
		failing := inMemory(t)
		failing.Factors = lostFactors{failing.Factors, &armed}
		if !try(t, &armed, failing) {
			t.Error("it wasn't refused")
		}
	})
	t.Run("the answer about the links is lost", func(t *testing.T) {
		var armed atomic.Bool
		failing := inMemory(t)
		failing.Links = lostLinks{failing.Links, &armed}
		if !try(t, &armed, failing) {
			t.Error("it wasn't refused")
		}
	})
}

// failingAct returns stores of which the n-th call fails that an administrator's act makes, from when they are armed, and how many it has made.
func failingAct(t *testing.T, n int64, mails bool) (failing stores, armed *atomic.Bool, calls *atomic.Int64) {
	armed, calls = new(atomic.Bool), new(atomic.Int64)
	plan := &storetest.FaultPlan{Before: func(call string) error {
		kind, name, _ := strings.Cut(call, ".")
		act := kind == "factor" || kind == "federation" || kind == "mail" && mails || kind == "account" && name != "Load"
		if armed.Load() && act && calls.Add(1) == n {
			return storetest.ErrFault
		}
		return nil
	}}
	return faulty(inMemory(t), plan), armed, calls
}

// TestARemovalOfFactorsThatStopsHalfWayIsRecorded, and told, as far as it has come. The same request, sent again, finishes it.
func TestARemovalOfFactorsThatStopsHalfWayIsRecorded(t *testing.T) {
	t.Attr("threat", "X11")
	try := func(t *testing.T, failing stores, armed *atomic.Bool) (refused bool) {
		s := start(t, options{mail: newPostbox(), stores: func(*testing.T) stores { return failing }})
		root, u := s.as(s.superuser("root")), s.user("ada")
		s.waysInto(u)
		u = s.load(u.ID)
		remove := func() *answer { return root.send("DELETE", adminPath+"/users/"+u.ID+"/factors", nil) }
		armed.Store(true)
		r := remove()
		armed.Store(false)
		if refused = r.StatusCode == 503; !refused {
			ok(t, r)
		}
		s.sent()
		told := func() bool {
			return slices.ContainsFunc(s.box.all(), func(m mail.Message) bool { return m.User == u.ID && m.Kind == "factor_removed" })
		}
		removed := func() bool { return s.logged(`"msg":"authn_factor_removed"`, `"login":"ada"`, `"kind":"all"`) }
		gone := s.waysLeft(u) != "2 factors, 10 codes, 1 links"
		if gone != removed() || gone != told() {
			t.Errorf("the account has %s; recorded: %t, told: %t", s.waysLeft(u), removed(), told())
		}
		ended := s.load(u.ID).Epoch != u.Epoch
		if recorded := removed() || s.logged(`"msg":"authn_token_revoked"`, `"login":"ada"`, `"kind":"everything"`); ended != recorded {
			t.Errorf("everything has ended: %t, and that was recorded: %t", ended, recorded)
		}
		ok(t, remove())
		s.sent()
		if got := s.waysLeft(u); got != "0 factors, 0 codes, 1 links" || !removed() || !told() {
			t.Errorf("again: the account has %s; recorded: %t, told: %t", got, removed(), told())
		}
		return refused
	}
	refused := true
	for n := int64(1); refused; n++ {
		failing, armed, calls := failingAct(t, n, false)
		t.Run(fmt.Sprint("call ", n), func(t *testing.T) { refused = try(t, failing, armed) })
		if !refused && n < 4 {
			t.Errorf("without fault %d calls were made, want more", calls.Load())
		}
	}
	t.Run("the answer is lost", func(t *testing.T) {
		var armed atomic.Bool
		failing := inMemory(t)
		failing.Factors = lostFactors{failing.Factors, &armed}
		if !try(t, failing, &armed) {
			t.Error("it wasn't refused")
		}
	})
}

// TestATakingBackThatStopsHalfWayIsRecorded: once the password is gone, whatever else fails. The same request, sent again, finishes it.
func TestATakingBackThatStopsHalfWayIsRecorded(t *testing.T) {
	t.Attr("threat", "X10")
	refused := true
	for n := int64(1); refused; n++ {
		t.Run(fmt.Sprint("call ", n), func(t *testing.T) {
			failing, armed, calls := failingAct(t, n, true)
			box := newPostbox()
			box.idle = true
			s := start(t, options{mail: box, stores: func(*testing.T) stores { return failing }})
			s.api.Accounts.EndMailed = s.api.Letters.EndChanges
			root, u := s.as(s.superuser("root")), s.user("ada")
			s.waysInto(u)
			s.as(u)
			u = s.load(u.ID)
			take := func() *answer { return root.send("POST", adminPath+"/users/"+u.ID+"/compromised", nil) }
			armed.Store(true)
			r := take()
			armed.Store(false)
			if refused = r.StatusCode == 503; !refused {
				s.linkSecret(r)
				if n < 7 {
					t.Errorf("without fault %d calls were made, want more", calls.Load())
				}
			}
			taken, recorded := s.load(u.ID).Password != u.Password, s.logged(`"msg":"user_compromised"`, `"login":"ada"`)
			if taken != recorded {
				t.Errorf("taken back: %t, and that was recorded: %t", taken, recorded)
			}
			if taken && len(s.records(u.ID)) > 0 {
				t.Error("sessions are left")
			}
			s.linkSecret(take())
			if got := s.waysLeft(u); got != "0 factors, 0 codes, 0 links" {
				t.Errorf("again: the account has %s", got)
			}
		})
	}
}
