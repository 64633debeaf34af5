package httpapi_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/passkey/passkeytest"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// aroundRemovals calls the functions around the removals of factors, once each.
type aroundRemovals struct {
	factor.Store
	before, after func()
}

// beforeLoads calls a function before each time that the factors of a user are loaded.
type beforeLoads struct {
	factor.Store
	do atomic.Pointer[func()]
}

func (b *beforeLoads) Load(ctx context.Context, user string) (*factor.Profile, error) {
	if do := b.do.Load(); do != nil {
		(*do)()
	}
	return b.Store.Load(ctx, user)
}

func (a *aroundRemovals) call(do *func()) {
	if now := *do; now != nil {
		*do = nil
		now()
	}
}

func (a *aroundRemovals) DeleteUser(ctx context.Context, user string) (int, error) {
	a.call(&a.before)
	defer a.call(&a.after)
	return a.Store.DeleteUser(ctx, user)
}

func (a *aroundRemovals) Delete(ctx context.Context, id string) error {
	a.call(&a.before)
	defer a.call(&a.after)
	return a.Store.Delete(ctx, id)
}

// TestASignInWithAFactorDoesNotOutliveTheTakingBack of its account: an attacker's passkey that is about to be removed signs in once
// everything has ended, and adds another passkey or an app right after it was removed itself. Neither the session nor what it has added
// stays, also if adding it has moved the epoch.
func TestASignInWithAFactorDoesNotOutliveTheTakingBack(t *testing.T) {
	t.Attr("threat", "X10")
	t.Attr("threat", "R09")
	t.Attr("threat", "R12")
	for name, prepare := range map[string]func(s *server) (*account.User, func() (secret string)){
		"compromised": func(s *server) (*account.User, func() string) {
			u, root := s.user("ada"), s.as(s.superuser("root"))
			return u, func() string { return s.compromised(root, u) }
		},
		"the first reset by mail": func(s *server) (*account.User, func() string) {
			u := s.user("ada")
			accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting(u.Email)))
			_, secret := s.link(s.box.ofKind(t, "reset_first", 0))
			return u, func() string {
				ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)))
				if !s.load(u.ID).HasProvenEmail() {
					t.Error("the address isn't proven")
				}
				return ""
			}
		},
		"an address reverted": func(s *server) (*account.User, func() string) {
			u := s.proven("ada")
			attacker := s.as(u)
			ok(t, attacker.send("POST", "/api/auth/email/verify", proving(s.changeLink(attacker, "eve@example.org", 0))))
			_, revert := s.link(s.box.ofKind(t, "email_changed", 0))
			return s.load(u.ID), func() string {
				r := s.client().send("POST", "/api/auth/email/revert", reverting(revert, "ada"))
				ok(t, r)
				secret := fmt.Sprint(r.field("secret"))
				s.secret.add(secret)
				return secret
			}
		},
	} {
		for _, added := range []factor.Kind{factor.Passkey, factor.TOTP} {
			t.Run(name+", then a "+string(added), func(t *testing.T) {
				inner := inMemory(t)
				factors := &aroundRemovals{Store: inner.Factors}
				s := start(t, options{mail: newPostbox(), stores: func(*testing.T) stores {
					inner.Factors = factors
					return inner
				}})
				u, takeBack := prepare(s)
				d := s.withPasskey(u, factor.Passkey)
				s.sent()
				thief, devices := s.client(), []*passkeytest.Device{d}
				var epoch string // of the thief's session
				factors.before = func() {
					ok(t, thief.send("POST", "/api/auth/passkey/login", s.assertion(d)))
					epoch = s.load(u.ID).Epoch
				}
				there := false
				factors.after = func() {
					if r := thief.send("GET", "/api/me", nil); r.StatusCode != 200 {
						t.Fatalf("the thief has no session that could add anything: %d %s", r.StatusCode, r.body)
					}
					if added == factor.TOTP {
						thief.enrol()
						epoch = s.load(u.ID).Epoch
					} else {
						other, r := thief.adds(added)
						ok(t, r)
						devices = append(devices, other)
					}
					there = true
				}
				secret := takeBack()
				if !there {
					t.Fatal("the thief hasn't been there meanwhile")
				}
				s.dead(t, "the session of the passkey", thief.ticket())
				if s.load(u.ID).Epoch == epoch {
					t.Error("the epoch of that session still counts")
				}
				for _, d := range devices {
					if r := s.client().send("POST", "/api/auth/passkey/login", s.assertion(d)); r.StatusCode != 401 {
						t.Errorf("one of the passkeys signs in: %d %s", r.StatusCode, r.body)
					}
				}
				if got := s.waysLeft(u); got != "0 factors, 0 codes, 0 links" {
					t.Errorf("the account has %s", got)
				}
				if secret != "" {
					ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)))
				}
				ok(t, s.client().login("ada", newPassword))
			})
		}
	}
}

// firstReset is a server with an account whose address is unproven, under which a stranger has a passkey, and a mailed link for it.
type firstReset struct {
	*server
	user    *account.User
	passkey *passkeytest.Device
	factors *beforeLoads
	mailed  string
}

func startFirstReset(t *testing.T) *firstReset {
	inner := inMemory(t)
	f := &firstReset{factors: &beforeLoads{Store: inner.Factors}}
	inner.Factors = f.factors
	f.server = start(t, options{mail: newPostbox(), stores: func(*testing.T) stores { return inner }})
	f.user = f.server.user("ada")
	accepted(t, f.client().send("POST", "/api/auth/password/forgot", forgetting(f.user.Email)))
	_, f.mailed = f.link(f.box.ofKind(t, "reset_first", 0))
	f.passkey = f.withPasskey(f.user, factor.Passkey)
	f.sent()
	return f
}

// reset uses the link, and calls do once the password is another and nothing is removed yet.
func (f *firstReset) reset(do func()) *answer {
	called := false
	now := func() {
		if !called && f.load(f.user.ID).Password != f.user.Password {
			called = true
			do()
		}
	}
	f.factors.do.Store(&now)
	r := f.client().send("POST", "/api/auth/password/reset", resetting(f.mailed, newPassword))
	f.factors.do.Store(nil)
	if !called {
		f.t.Fatal("nothing came between")
	}
	return r
}

// TestAStrangerWhoRemovesTheirPasskeyDoesNotOutliveTheFirstReset: it then finds nothing to remove, and the session that the passkey has begun
// is at another epoch.
func TestAStrangerWhoRemovesTheirPasskeyDoesNotOutliveTheFirstReset(t *testing.T) {
	t.Attr("threat", "R09")
	f := startFirstReset(t)
	thief := f.client()
	ok(t, f.reset(func() {
		ok(t, thief.send("POST", "/api/auth/passkey/login", f.assertion(f.passkey)))
		ok(t, thief.send("DELETE", fmt.Sprintf("/api/auth/factors/%x", f.passkey.ID[:8]), nil))
	}))
	f.dead(t, "the session of the passkey", thief.ticket())
	if got := f.waysLeft(f.user); got != "0 factors, 0 codes, 0 links" || !f.load(f.user.ID).HasProvenEmail() {
		t.Errorf("the account has %s; the address is proven: %v", got, f.load(f.user.ID).HasProvenEmail())
	}
	ok(t, f.client().login("ada", newPassword))
}

// TestAResetLeavesAnAccountThatAnAdministratorHasTaken in hand meanwhile: it ends nothing more, so the administrator's link still counts.
func TestAResetLeavesAnAccountThatAnAdministratorHasTaken(t *testing.T) {
	t.Attr("threat", "R09")
	f := startFirstReset(t)
	var taken string
	ok(t, f.reset(func() {
		var err error
		taken, _, err = f.api.Accounts.DeclareCompromised(t.Context(), f.user.ID)
		must(t, err)
	}))
	f.secret.add(taken)
	if f.load(f.user.ID).HasProvenEmail() {
		t.Error("the address is proven")
	}
	ok(t, f.client().send("POST", "/api/auth/password/reset", resetting(taken, "the password of the new link")))
}

// failingRemoval is a store that fails to delete a factor, once.
type failingRemoval struct {
	factor.Store
	armed atomic.Bool
}

func (f *failingRemoval) Delete(ctx context.Context, id string) error {
	if f.armed.Swap(false) {
		return storetest.ErrFault
	}
	return f.Store.Delete(ctx, id)
}

// TestARemovedFactorIsToldAlsoIfItsRowIsLeft: it counts for nothing once everything has ended, so its user must learn that it is gone, and
// the session that has removed it goes on.
func TestARemovedFactorIsToldAlsoIfItsRowIsLeft(t *testing.T) {
	t.Attr("threat", "MA05")
	inner := inMemory(t)
	factors := &failingRemoval{Store: inner.Factors}
	s := start(t, options{mail: newPostbox(), stores: func(*testing.T) stores {
		inner.Factors = factors
		return inner
	}})
	u := s.user("ada")
	d := s.withPasskey(u, factor.Passkey)
	c := s.as(u)
	path := fmt.Sprintf("/api/auth/factors/%x", d.ID[:8])
	factors.armed.Store(true)
	if r := c.send("DELETE", path, nil); !isProblem(r, 503, "unavailable") {
		t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	if got := s.waysLeft(u); got != "1 factors, 0 codes, 0 links" {
		t.Fatalf("the account has %s", got)
	}
	if r := s.client().send("POST", "/api/auth/passkey/login", s.assertion(d)); r.StatusCode != 401 {
		t.Errorf("the passkey signs in: %d %s", r.StatusCode, r.body)
	}
	if m := s.box.ofKind(t, "factor_removed", 0); m.User != u.ID {
		t.Errorf("told %s", about(m))
	}
	if !s.logged(`"msg":"authn_factor_removed"`, `"kind":"passkey"`) {
		t.Error("the removal isn't in the audit log")
	}
	c.send("DELETE", path, nil) // finishes it, and finds nothing more to remove
	if got := s.waysLeft(u); got != "0 factors, 0 codes, 0 links" {
		t.Errorf("again: the account has %s", got)
	}
	if n := s.box.count("factor_removed"); n != 1 {
		t.Errorf("the removal was told %d times", n)
	}
	ok(t, c.send("GET", "/api/auth/sessions", nil))
}

// beforeWrites calls a function once, before new recovery codes or the wish for a second step are written.
type beforeWrites struct {
	factor.Store
	do func()
}

func (b *beforeWrites) call() {
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
}

func (b *beforeWrites) SetRecoveryCodes(ctx context.Context, user string, hashes [][32]byte) error {
	b.call()
	return b.Store.SetRecoveryCodes(ctx, user, hashes)
}

func (b *beforeWrites) SetSecondStep(ctx context.Context, user string, on bool) error {
	b.call()
	return b.Store.SetSecondStep(ctx, user, on)
}

// TestNothingIsChangedAfterEverythingHasEnded: a request of a thief that is about to write when everything of the account ends gets no
// recovery codes, and doesn't switch the second step off.
func TestNothingIsChangedAfterEverythingHasEnded(t *testing.T) {
	t.Attr("threat", "M12")
	for name, send := range map[string]func(c *client) *answer{
		"new recovery codes": func(c *client) *answer { return c.send("POST", "/api/auth/factors/recovery", nil) },
		"no second step": func(c *client) *answer {
			return c.send("PATCH", "/api/auth/factors", map[string]any{"second_step": false})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inner := inMemory(t)
			factors := &beforeWrites{Store: inner.Factors}
			s := start(t, options{stores: func(*testing.T) stores {
				inner.Factors = factors
				return inner
			}})
			root, u := s.as(s.superuser("root")), s.user("ada")
			d := s.withPasskey(u, factor.Passkey)
			must(t, factors.Store.SetRecoveryCodes(t.Context(), u.ID, [][32]byte{{1}}))
			must(t, factors.Store.SetSecondStep(t.Context(), u.ID, true))
			thief := s.client()
			ok(t, thief.send("POST", "/api/auth/passkey/login", s.assertion(d)))
			factors.do = func() { ok(t, root.send("POST", adminPath+"/users/"+u.ID+"/end", nil)) }
			if r := send(thief); r.StatusCode != 401 || r.field("recovery_codes") != nil {
				t.Errorf("got %d %s", r.StatusCode, r.body)
			}
			p, err := factors.Load(t.Context(), u.ID)
			must(t, err)
			if p.RecoveryCodes > 1 || !p.SecondStep {
				t.Errorf("the account has %d codes, and wants a second step: %v", p.RecoveryCodes, p.SecondStep)
			}
		})
	}
}
