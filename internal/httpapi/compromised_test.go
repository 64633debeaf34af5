package httpapi_test

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/token"
)

// compromised declares the account of a user compromised, and returns the secret of the link.
func (s *server) compromised(root *client, u *account.User) string {
	s.t.Helper()
	return s.linkSecret(root.send("POST", adminPath+"/users/"+u.ID+"/compromised", nil))
}

// TestOnlyTheLinkOpensACompromisedAccount over HTTP: the password, a link from before and the session are dead at once, and
// the user's page is told.
func TestOnlyTheLinkOpensACompromisedAccount(t *testing.T) {
	t.Attr("threat", "X10")
	onEveryEngine(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		root := s.as(s.superuser("root"))
		u := s.user("ada")
		browser := s.client()
		ok(t, browser.login("ada", goodPassword))
		before, ticket, device := s.resetSecret(u), browser.ticket(), browser.cookie("cloakroom_device")
		stream := browser.listens()

		secret := s.compromised(root, u)
		s.dead(t, "the user's session", ticket)
		stream.ends("the user's page", "administrator")
		if n := len(s.records(u.ID)); n != 0 {
			t.Errorf("%d sessions of the user are left", n)
		}
		if r := s.client().login("ada", goodPassword); !isProblem(r, 401, "invalid_credentials") {
			t.Errorf("the password, while the link is out: %d %s", r.StatusCode, r.body)
		}
		if r := s.client().send("POST", "/api/auth/password/reset", resetting(before, newPassword)); !isProblem(r, 403, "reset_link_invalid") {
			t.Errorf("a link from before: %d %s", r.StatusCode, r.body)
		}
		if r := root.send("GET", adminPath+"/users/"+u.ID, nil); r.field("has_password") != false || r.field("is_active") != true {
			t.Errorf("the user is shown as %d %s", r.StatusCode, r.body)
		}
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)))
		if r := s.client().login("ada", goodPassword); !isProblem(r, 401, "invalid_credentials") {
			t.Errorf("the former password: %d %s", r.StatusCode, r.body)
		}
		ok(t, browser.login("ada", newPassword))
		if browser.cookie("cloakroom_device") == device {
			t.Error("the browser is remembered from before")
		}
	})
}

// TestNoMailedCodeOpensACompromisedAccount: the attacker may read its mailbox. The link opens it, and codes work again then.
func TestNoMailedCodeOpensACompromisedAccount(t *testing.T) {
	t.Attr("threat", "X10")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: codeBox(), stores: open})
		root := s.as(s.superuser("root"))
		u := s.proven("ada")
		early, ask := s.client(), s.client()
		early.askCode(u.Email)
		code := s.code(s.box.ofKind(t, "code", 0))
		secret := s.compromised(root, u)
		if r := early.enterCode(code); !isProblem(r, 400, "invalid") {
			t.Errorf("a code from before: got %d %s", r.StatusCode, r.body)
		}
		ask.askCode(u.Email)
		if m := s.box.ofKind(t, "code_withheld", 0); m.To != u.Email || mailedCode.MatchString(m.Text) {
			t.Errorf("sent %s:\n%s", about(m), m.Text)
		}
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)))
		again := s.client()
		again.askCode(u.Email)
		ok(t, again.enterCode(s.code(s.box.ofKind(t, "code", 1))))
	})
}

// TestADisabledAccountIsTakenBackToo and stays disabled: enabling it opens neither the old password nor anything but the link.
func TestADisabledAccountIsTakenBackToo(t *testing.T) {
	t.Attr("threat", "X10")
	onEveryEngine(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		root := s.as(s.superuser("root"))
		u := s.user("ada")
		ok(t, root.send("POST", adminPath+"/users/"+u.ID+"/disable", nil))
		secret := s.compromised(root, u)
		if r := root.send("GET", adminPath+"/users/"+u.ID, nil); r.field("is_active") != false {
			t.Errorf("the user was enabled: %s", r.body)
		}
		reset := func() *answer {
			return s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword))
		}
		if r := reset(); !isProblem(r, 403, "reset_link_invalid") {
			t.Errorf("the link of a disabled user: %d %s", r.StatusCode, r.body)
		}
		ok(t, root.send("POST", adminPath+"/users/"+u.ID+"/enable", nil))
		if r := s.client().login("ada", goodPassword); !isProblem(r, 401, "invalid_credentials") {
			t.Errorf("enabling has opened the old password: %d %s", r.StatusCode, r.body)
		}
		ok(t, reset())
		ok(t, s.client().login("ada", newPassword))
	})
}

// TestASignInUnderWayDoesNotOutliveTheMeasure stops each way to sign in with a password before each of its calls to the
// store of accounts, and declares the account compromised meanwhile.
func TestASignInUnderWayDoesNotOutliveTheMeasure(t *testing.T) {
	t.Attr("threat", "X10")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		inner := open(t)
		s := start(t, options{stores: func(*testing.T) stores { return inner }})
		root := s.as(s.superuser("root"))
		gate := &pausing{Store: inner.Accounts}
		slow := start(t, options{stores: func(*testing.T) stores {
			slowly := inner
			slowly.Accounts = gate
			return slowly
		}})
		users := 0
		for path, credential := range map[string]func(c *client, r *answer) string{
			"/api/auth/login":      func(c *client, _ *answer) string { return "Cookie: " + c.cookieName() + "=" + c.ticket() },
			"/api/auth/token":      func(_ *client, r *answer) string { return fmt.Sprint("Authorization: Token ", r.field("token")) },
			"/api/auth/jwt/create": func(_ *client, r *answer) string { return fmt.Sprint("Authorization: Bearer ", r.field("access")) },
		} {
			for n := 1; ; n++ {
				users++
				u := s.user(fmt.Sprint("user", users))
				c := slow.client()
				reached, release := gate.arm(n)
				late := make(chan *answer, 1)
				go func() {
					late <- c.send("POST", path, map[string]string{"username": u.Username, "password": goodPassword})
				}()
				var r *answer
				stopped := false
				select {
				case <-reached:
					stopped = true
					s.compromised(root, u)
					close(release)
					r = <-late
				case r = <-late:
				}
				if !stopped {
					if r.StatusCode != 200 || n == 1 {
						t.Errorf("%s, not stopped before call %d: got %d %s", path, n, r.StatusCode, r.body)
					}
					break
				}
				if r.StatusCode == 200 {
					// The other server couldn't verify a JWT of this one, which has another secret.
					if r := slow.program().send("GET", "/api/me", nil, credential(c, r)); r.StatusCode != 401 {
						t.Errorf("%s, stopped before call %d: /api/me with the credential: got %d %s", path, n, r.StatusCode, r.body)
					}
				}
			}
		}
	})
}

// TestTwoAdministratorsTakeOneAccountBack at once: both get a link, and the later one is the only way in.
func TestTwoAdministratorsTakeOneAccountBack(t *testing.T) {
	t.Attr("threat", "X10")
	onEveryEngine(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		roots := [2]*client{s.as(s.superuser("one")), s.as(s.superuser("two"))}
		u := s.user("ada")
		var answers [2]*answer
		var all sync.WaitGroup
		for i, root := range roots {
			all.Go(func() { answers[i] = root.send("POST", adminPath+"/users/"+u.ID+"/compromised", nil) })
		}
		all.Wait()
		good, void := 0, 0
		for _, r := range answers {
			r := s.client().send("POST", "/api/auth/password/reset", resetting(s.linkSecret(r), newPassword))
			switch {
			case r.StatusCode == 200:
				good++
			case isProblem(r, 403, "reset_link_invalid"):
				void++
			default:
				t.Errorf("%d %s", r.StatusCode, r.body)
			}
		}
		if good != 1 || void != 1 {
			t.Errorf("%d links were good, and %d void", good, void)
		}
		if r := s.client().login("ada", goodPassword); !isProblem(r, 401, "invalid_credentials") {
			t.Errorf("the former password: %d %s", r.StatusCode, r.body)
		}
	})
}

// TestAdministratorsWhoTakeEachOthersAccountsBack at once: one of them is first, and the other has no session any more.
func TestAdministratorsWhoTakeEachOthersAccountsBack(t *testing.T) {
	t.Attr("threat", "X10")
	onEveryEngine(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		users := [2]*account.User{s.superuser("one"), s.superuser("two")}
		clients := [2]*client{s.as(users[0]), s.as(users[1])}
		var answers [2]*answer
		var all sync.WaitGroup
		for i, c := range clients {
			all.Go(func() { answers[i] = c.send("POST", adminPath+"/users/"+users[1-i].ID+"/compromised", nil) })
		}
		all.Wait()
		done := 0
		for i, r := range answers {
			if r.StatusCode == 200 {
				done++
				s.linkSecret(r)
			} else if r.StatusCode != 401 {
				t.Errorf("%d %s", r.StatusCode, r.body)
			}
			u, err := s.stores.Accounts.Load(t.Context(), users[1-i].ID)
			must(t, err)
			if u.HasPassword() != (r.StatusCode != 200) {
				t.Errorf("answered %d, and the other has a password: %v", r.StatusCode, u.HasPassword())
			}
		}
		if done != 1 {
			t.Errorf("%d of them did it", done)
		}
	})
}

// TestACompromisedAccountKeepsNoWayInOfAnAttacker goes through the struct of stores: nothing is left that an attacker could have added.
// It fails when a store is added, until the test says what becomes of its rows.
func TestACompromisedAccountKeepsNoWayInOfAnAttacker(t *testing.T) {
	t.Attr("threat", "X10")
	onEveryEngine(t, func(t *testing.T, open func(*testing.T) stores) {
		box := newPostbox()
		box.idle = true
		s := start(t, options{mail: box, stores: open})
		root := s.as(s.superuser("root"))
		u := s.user("ada")
		s.as(u)
		s.issue(u, token.Params{Kind: token.Personal, Name: "x"})
		must(t, s.stores.Factors.Add(t.Context(), &factor.Factor{ID: "app", User: u.ID, Kind: factor.TOTP, State: factor.Active, Epoch: u.Epoch}))
		must(t, s.stores.Factors.SetRecoveryCodes(t.Context(), u.ID, [][32]byte{{1}}))
		must(t, s.stores.Links.Add(t.Context(), &federation.Link{ID: "link", User: u.ID, Issuer: "https://a.example", Subject: "one"}))
		must(t, s.stores.Links.AddOrigin(t.Context(), &federation.SessionOrigin{Session: "s", User: u.ID, Issuer: "https://a.example", Subject: "one", Expires: 1 << 40}))
		for _, kind := range []string{"revert", "change"} { // links that were mailed to addresses of the attacker
			must(t, s.stores.Mail.PutSecret(t.Context(), &mail.LinkSecret{Hash: sha256.Sum256([]byte(kind)), Kind: kind, User: u.ID, Epoch: u.Epoch, Expires: 1 << 40}))
		}
		if r := s.client().login("ada", goodPassword); !isProblem(r, 401, "second_factor_required") {
			t.Fatalf("got %d %s; want 401 second_factor_required", r.StatusCode, r.body)
		}
		secret := s.compromised(root, u)
		left := map[string]func() (any, bool){
			"Sessions": func() (any, bool) { all := s.records(u.ID); return all, len(all) == 0 },
			"Accounts": func() (any, bool) { u := s.load(u.ID); return u, !u.HasPassword() },
			"Tokens": func() (any, bool) {
				all, err := s.stores.Tokens.List(t.Context(), token.Query{User: u.ID})
				return all, err == nil && len(all) == 0
			},
			"Factors": func() (any, bool) {
				p, err := s.stores.Factors.Load(t.Context(), u.ID)
				return p, err == nil && len(p.Factors) == 0 && p.RecoveryCodes == 0
			},
			"Links": func() (any, bool) {
				all, err := s.stores.Links.List(t.Context(), u.ID)
				origins, failed := s.stores.Links.Origins(t.Context(), "https://a.example", "one", "")
				return len(all) + len(origins), err == nil && failed == nil && len(all) == 0 && len(origins) == 0
			},
			"Signins": func() (any, bool) {
				n, err := s.stores.Signins.DeleteUser(t.Context(), u.ID)
				return n, err == nil && n == 0
			},
			"Mail": func() (any, bool) {
				left := s.changeSecrets("revert", "change")
				return left, len(left) == 0
			},
			"Throttles": nil, "Sealed": nil, "Audit": nil, "Webhooks": nil, "Grants": nil, // nothing in them opens an account
		}
		for field := range reflect.TypeFor[stores]().Fields() {
			check, known := left[field.Name]
			if !known {
				t.Errorf("what becomes of the rows of store.Set.%s?", field.Name)
			} else if check != nil {
				if got, gone := check(); !gone {
					t.Errorf("store.Set.%s still has %+v", field.Name, got)
				}
			}
		}
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)))
		ok(t, s.client().login("ada", newPassword))
	})
}

// TestFactorsOfACompromisedAccountCanBeKept: the second step that was demanded before is demanded after the link, too, and a sign-in
// that waited for it is over.
func TestFactorsOfACompromisedAccountCanBeKept(t *testing.T) {
	t.Attr("threat", "X10")
	onEveryEngine(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		root := s.as(s.superuser("root"))
		u := s.user("ada")
		must(t, s.stores.Factors.Add(t.Context(), &factor.Factor{ID: "app", User: u.ID, Kind: factor.TOTP, State: factor.Active, Epoch: u.Epoch}))
		must(t, s.stores.Factors.SetRecoveryCodes(t.Context(), u.ID, [][32]byte{{1}}))
		must(t, s.stores.Links.Add(t.Context(), &federation.Link{ID: "link", User: u.ID, Issuer: "https://a.example", Subject: "one"}))
		path := adminPath + "/users/" + u.ID + "/compromised"
		for name, body := range map[string]map[string]any{"null": {"keep_factors": nil}, "a word": {"keep_factors": "perhaps"}, "another field": {"keep": true}} {
			if r := root.send("POST", path, body); !isProblem(r, 400, "invalid") || !s.load(u.ID).HasPassword() {
				t.Errorf("%s: got %d %s; want 400 invalid, and nothing done", name, r.StatusCode, r.body)
			}
		}
		waiting := s.client()
		if r := waiting.login("ada", goodPassword); !isProblem(r, 401, "second_factor_required") {
			t.Fatalf("got %d %s; want 401 second_factor_required", r.StatusCode, r.body)
		}
		secret := s.linkSecret(root.send("POST", path, map[string]any{"keep_factors": true}))
		if p, err := s.stores.Factors.Load(t.Context(), u.ID); err != nil || len(p.Factors) != 1 || p.RecoveryCodes != 1 {
			t.Errorf("the user has %+v, %v; want the app and the recovery code", p, err)
		}
		if all, err := s.stores.Links.List(t.Context(), u.ID); len(all) != 1 || err != nil {
			t.Errorf("the user has %d links, %v; want the one", len(all), err)
		}
		if n, err := s.stores.Signins.DeleteUser(t.Context(), u.ID); n != 0 || err != nil {
			t.Errorf("%d sign-ins still wait, %v", n, err)
		}
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)))
		if r := s.client().login("ada", newPassword); !isProblem(r, 401, "second_factor_required") {
			t.Errorf("got %d %s; want 401 second_factor_required", r.StatusCode, r.body)
		}
		if all := s.records(u.ID); len(all) != 0 {
			t.Errorf("there are sessions: %+v", all)
		}
		s.compromised(root, u)
		if p, err := s.stores.Factors.Load(t.Context(), u.ID); err != nil || len(p.Factors) != 0 || p.RecoveryCodes != 0 {
			t.Errorf("the user has %+v, %v; want nothing", p, err)
		}
	})
}
