package httpapi_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/token"
)

const deletePath, dataPath = "/api/auth/account/delete", "/api/auth/account/data"

func naming(username string) map[string]string { return map[string]string{"username": username} }

// isGone reports whether a user is deleted.
func (s *server) isGone(u *account.User) bool {
	s.t.Helper()
	_, err := s.stores.Accounts.Load(s.t.Context(), u.ID)
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		s.t.Fatal(err)
	}
	return err != nil
}

// TestADeletedAccountLeavesNothing that opens anything, or says anything about its user.
func TestADeletedAccountLeavesNothing(t *testing.T) {
	t.Attr("threat", "PD02")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open, mail: newPostbox(), appTokens: true})
		boss, u, bob := s.superuser("root"), s.user("ada"), s.user("bob")
		s.linked(u, "ada-1")
		device := s.withPasskey(u, factor.Passkey)
		must(t, s.stores.Factors.SetRecoveryCodes(t.Context(), u.ID, [][32]byte{{1}}))
		c, other, bobs := s.as(u), s.as(u), s.as(bob)
		access := []string{s.issue(u, token.Params{Kind: token.Personal, Name: "script", TTL: time.Hour}), s.issue(u, token.Params{Kind: token.Knox})}
		family := (&scenario{s: s, actor: u}).family(t)
		accepted(t, c.send("POST", "/api/auth/email/verify/send", nil))
		_, verifies := s.link(s.box.ofKind(t, "verify", 0))
		revert := sha256.Sum256([]byte("revert"))
		must(t, s.stores.Mail.PutSecret(t.Context(), &mail.LinkSecret{Hash: revert, Kind: "revert", User: u.ID, Expires: time.Now().Unix() + 1000}))
		must(t, s.stores.Mail.PutInvitation(t.Context(), &mail.Invitation{ID: "i", Login: "x@example.com", Inviter: u.ID, Hash: sha256.Sum256([]byte("i")), Expires: time.Now().Unix() + 1000}))

		ok(t, s.client().login("ada", goodPassword)) // sets the cookie of a known device
		r := c.send("POST", deletePath, naming("ada"), "Cookie: cloakroom_device=x")
		ok(t, r)
		if !s.isGone(u) {
			t.Fatal("the account is there")
		}
		for _, name := range []string{c.cookieName(), "cloakroom_device"} {
			if cookie := r.cookie(name); cookie == nil || cookie.MaxAge >= 0 {
				t.Errorf("the cookie %s is %+v; want it deleted", name, cookie)
			}
		}
		if r.Header.Get("Clear-Site-Data") == "" {
			t.Error("the browser keeps what the pages have stored")
		}
		for name, browser := range map[string]*client{"this browser": c, "another browser": other} {
			if r := browser.send("GET", "/api/me", nil); r.StatusCode != 401 {
				t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
			}
		}
		for _, text := range append(access, family.Access) {
			for _, scheme := range []string{"Token", "Bearer"} {
				if r := s.program().send("GET", "/api/me", nil, "Authorization: "+scheme+" "+text); r.StatusCode != 401 {
					t.Errorf("a token: got %d %s", r.StatusCode, r.body)
				}
			}
		}
		if r := s.program().send("POST", "/api/auth/jwt/refresh", map[string]string{"refresh": family.Refresh}); r.StatusCode != 401 {
			t.Errorf("a refresh token: got %d %s", r.StatusCode, r.body)
		}
		if r := s.client().login("ada", goodPassword); !isProblem(r, 401, "invalid_credentials") {
			t.Errorf("the password: got %d %s", r.StatusCode, r.body)
		}
		if r := s.client().send("POST", "/api/auth/passkey/login", s.assertion(device)); r.StatusCode != 401 {
			t.Errorf("the passkey: got %d %s", r.StatusCode, r.body)
		}
		if r := bobs.send("POST", "/api/auth/email/verify", proving(verifies)); !isProblem(r, 403, "link_invalid") {
			t.Errorf("a link: got %d %s", r.StatusCode, r.body)
		}
		ok(t, bobs.send("GET", "/api/me", nil))

		sessions, tokens := s.records(u.ID), s.tokensOf(u)
		p, err := s.stores.Factors.Load(t.Context(), u.ID)
		must(t, err)
		links, err := s.stores.Links.List(t.Context(), u.ID)
		must(t, err)
		if len(sessions)+len(tokens)+len(p.Factors)+p.RecoveryCodes+len(links) > 0 || p.Handle != nil {
			t.Errorf("left are %d sessions, %d tokens, %d links, and %+v", len(sessions), len(tokens), len(links), p)
		}
		for _, kind := range []string{"verify", "revert"} {
			if left, err := s.stores.Mail.SecretsOf(t.Context(), u.ID, kind); err != nil || len(left) > 0 {
				t.Errorf("of links to %s, %d are left, %v", kind, len(left), err)
			}
		}
		if left, err := s.stores.Mail.Invitations(t.Context(), "", 10); err != nil || len(left) > 0 {
			t.Errorf("%d invitations are left, %v", len(left), err)
		}
		if m := s.box.ofKind(t, "account_deleted", 0); m.To != u.Email || m.User != u.ID {
			t.Errorf("the message is %s", about(m))
		}
		var events []string
		for _, e := range s.eventsOf(s.as(boss), r) {
			if e["event"] == "user_deleted" || e["event"] == "session_expired" {
				events = append(events, fmt.Sprintln(e["event"], e["actor_id"], e["user_id"], e["login"], e["detail"]))
			}
		}
		slices.Sort(events)
		want := []string{fmt.Sprintln("session_expired", u.ID, u.ID, "", "map[method:password reason:logout]"), fmt.Sprintln("session_expired", u.ID, u.ID, "", "map[reason:revoked sessions:2]"), fmt.Sprintln("user_deleted", u.ID, u.ID, "ada", "map[reason:the user's own wish]")}
		if !slices.Equal(events, want) {
			t.Errorf("the events are %q, want %q", events, want)
		}
		again := s.user("ada") // the name and the address are free
		if again.ID == u.ID {
			t.Error("another user has the ID")
		}
	})
}

// tokensOf returns the stored tokens of a user.
func (s *server) tokensOf(u *account.User) []*token.Record {
	s.t.Helper()
	all, err := s.stores.Tokens.List(s.t.Context(), token.Query{User: u.ID})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// TestOnlyAFullSignInDeletesAnAccount or takes its data: neither a session that isn't fresh, nor the password alone where a sign-in asks for
// more, nor a token. A deletion needs the name as well.
func TestOnlyAFullSignInDeletesAnAccount(t *testing.T) {
	t.Attr("threat", "PD01")
	s := start(t, options{mail: newPostbox()})
	u := s.user("ada")
	c := s.as(u)
	refused := func(how string, r *answer, status int, code string) {
		t.Helper()
		if !isProblem(r, status, code) || s.isGone(u) {
			t.Errorf("%s: got %d %s; the account is gone: %v", how, r.StatusCode, r.body, s.isGone(u))
		}
	}
	for _, path := range []string{deletePath, dataPath} {
		var body any
		if path == deletePath {
			body = naming("ada")
		}
		refused("a visitor", s.client().send("POST", path, body), 401, "not_authenticated")
		refused("a token", s.program().send("POST", path, body, "Authorization: Bearer "+s.issue(u, token.Params{Kind: token.Personal, Name: "x", TTL: time.Hour})), 403, "session_required")
		refused("another site", c.send("POST", path, body, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example"), 403, "csrf_failed")
		stale := s.as(u)
		s.change(u.ID, func(r *session.Record) { r.ReauthenticatedAt -= 601 })
		refused("a session that isn't fresh", stale.send("POST", path, body), 403, "full_sign_in_required")
		s.change(u.ID, func(r *session.Record) { r.ReauthenticatedAt += 601 })
	}
	s.withPasskey(u, factor.Passkey)
	must(t, s.stores.Factors.SetSecondStep(t.Context(), u.ID, true))
	half := s.as(u) // as a thief of a session with the password
	refused("the password alone", half.send("POST", deletePath, naming("ada")), 403, "full_sign_in_required")
	refused("the password alone", half.send("POST", dataPath, nil), 403, "full_sign_in_required")
	must(t, s.stores.Factors.SetSecondStep(t.Context(), u.ID, false))
	for _, body := range []any{nil, map[string]any{}, naming(""), naming("bob"), naming("ada@example.com"), map[string]any{"username": nil}} {
		refused(fmt.Sprint(body), c.send("POST", deletePath, body), 400, "invalid")
	}
	if n := s.box.count("account_deleted"); n != 0 {
		t.Errorf("%d messages say that the account is deleted", n)
	}
	ok(t, c.send("POST", deletePath, naming(" ADA ")))
	if !s.isGone(u) {
		t.Error("the account is there")
	}
}

// TestTheLastSuperuserStays, so that there is always one who can do everything; of two that are deleted at the same time one stays.
func TestTheLastSuperuserStays(t *testing.T) {
	t.Attr("threat", "PD03")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		s.user("ada")
		root, off := s.superuser("root"), s.with(s.superuser("off"), func(u *account.User) { u.IsActive = false })
		if r := s.as(root).send("POST", deletePath, naming("root")); !isProblem(r, 409, "last_administrator") || s.isGone(root) {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		s.with(off, func(u *account.User) { u.IsActive = true })
		ok(t, s.as(root).send("POST", deletePath, naming("root")))
		if r := s.as(off).send("POST", deletePath, naming("off")); !isProblem(r, 409, "last_administrator") || s.isGone(off) {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		for n := range 5 {
			two := []*account.User{s.superuser(fmt.Sprint("one", n)), s.superuser(fmt.Sprint("two", n))}
			s.with(off, func(u *account.User) { u.IsActive = false })
			clients := []*client{s.as(two[0]), s.as(two[1])}
			var both sync.WaitGroup
			answers := make([]*answer, 2)
			for i, c := range clients {
				both.Go(func() { answers[i] = c.send("POST", deletePath, naming(two[i].Username)) })
			}
			both.Wait()
			if s.isGone(two[0]) == s.isGone(two[1]) {
				t.Errorf("gone are %v and %v: %s %s", s.isGone(two[0]), s.isGone(two[1]), answers[0].body, answers[1].body)
			}
			s.with(off, func(u *account.User) { u.IsActive = true })
			for i, u := range two {
				if !s.isGone(u) {
					ok(t, clients[i].send("POST", deletePath, naming(u.Username)))
				}
			}
		}
	})
}

// TestWhatIsSwitchedOffIsNotFound, and the pages are told.
func TestWhatIsSwitchedOffIsNotFound(t *testing.T) {
	t.Attr("threat", "PD04")
	for _, off := range []struct{ deletion, data bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		s := start(t, options{change: func(a *httpapi.API) { a.NoAccountDeletion, a.NoAccountData = off.deletion, off.data }})
		u := s.user("ada")
		methods := s.client().send("GET", "/api/auth/methods", nil)
		if methods.field("account_deletion") != !off.deletion || methods.field("account_data") != !off.data {
			t.Errorf("%+v: got %s", off, methods.body)
		}
		for _, c := range []*client{s.client(), s.as(u)} {
			if r := c.send("POST", dataPath, nil); isProblem(r, 404, "not_found") != off.data {
				t.Errorf("%+v: got %d %s", off, r.StatusCode, r.body)
			}
			if r := c.send("POST", deletePath, naming("ada")); isProblem(r, 404, "not_found") != off.deletion {
				t.Errorf("%+v: got %d %s", off, r.StatusCode, r.body)
			}
		}
		if s.isGone(u) == off.deletion {
			t.Errorf("%+v: gone is %v", off, s.isGone(u))
		}
	}
}

// TestADeletionIsToldWheneverAStoreFails, and only if it has happened: each call to a store fails, done or not, alone or with all later ones.
func TestADeletionIsToldWheneverAStoreFails(t *testing.T) {
	t.Attr("threat", "PD05")
	for _, how := range []struct{ after, rest bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		for n := 1; ; n++ {
			inner := inMemory(t)
			plan := &storetest.FaultPlan{Call: n, After: how.after, Rest: how.rest}
			box := newPostbox()
			box.idle = true
			s := start(t, options{mail: box, stores: func(*testing.T) stores { return inner }})
			u := s.proven("ada")
			s.belongings(u)
			c := s.as(u)
			first := s.user("first")
			accepted(t, s.as(first).send("POST", "/api/auth/email/verify/send", nil)) // makes the data key
			broken := faulty(inner, plan)
			s.api.Accounts.Store, s.api.Sessions.Store, s.api.Tokens.Store, s.api.Links = broken.Accounts, broken.Sessions, broken.Tokens, broken.Links
			s.api.Steps.Factors, s.api.Steps.Signins, s.api.Letters.Secrets, s.api.Letters.Outbox = broken.Factors, broken.Signins, broken.Mail, s.outbox(broken.Mail)
			r := c.send("POST", deletePath, naming("ada"))
			s.api.Accounts.Store, s.api.Letters.Secrets = inner.Accounts, inner.Mail
			gone := s.isGone(u)
			if r.StatusCode == 200 && !gone || r.StatusCode != 200 && r.StatusCode < 500 {
				t.Errorf("call %d, %+v: got %d %s, gone is %v", n, how, r.StatusCode, r.body, gone)
			}
			queued, err := inner.Mail.List(t.Context(), "", 10)
			must(t, err)
			for _, q := range queued { // a minute later
				must(t, inner.Mail.Postpone(t.Context(), q.ID, time.Now().Unix()))
			}
			ctx, stop := context.WithCancel(t.Context())
			running := make(chan struct{})
			go func() { defer close(running); _ = s.outbox(inner.Mail).Run(ctx) }()
			s.sent()
			stop()
			<-running
			if told := box.count("account_deleted"); (told == 1) != gone || told > 1 {
				t.Errorf("call %d, %+v: gone is %v, and the user was told %d times", n, how, gone, told)
			}
			if !how.rest && s.logged(`"msg":"user_deleted"`, `"user":"`+u.ID+`"`) != gone {
				t.Errorf("call %d, %+v: gone is %v, and the event %v", n, how, gone, !gone)
			}
			if len(plan.Calls()) < n {
				break
			}
			if call := plan.Calls()[n-1]; !how.rest && gone && strings.HasPrefix(call, "account.") {
				if left := s.leftOf(u); r.StatusCode != 200 || left != 0 {
					t.Errorf("%s, %+v: got %d %s, and %d things are left", call, how, r.StatusCode, r.body, left)
				}
			}
		}
	}
}

// belongings gives a user a link, a passkey, recovery codes, a mailed link and an invitation.
func (s *server) belongings(u *account.User) {
	s.t.Helper()
	s.linked(u, "ada-1")
	s.withPasskey(u, factor.Passkey)
	must(s.t, s.stores.Factors.SetRecoveryCodes(s.t.Context(), u.ID, [][32]byte{{1}}))
	must(s.t, s.stores.Mail.PutSecret(s.t.Context(), &mail.LinkSecret{Hash: sha256.Sum256([]byte("r")), Kind: "revert", User: u.ID, Expires: time.Now().Unix() + 1000}))
	must(s.t, s.stores.Mail.PutInvitation(s.t.Context(), &mail.Invitation{ID: "i", Login: "x@example.com", Inviter: u.ID, Hash: sha256.Sum256([]byte("i")), Expires: time.Now().Unix() + 1000}))
}

// leftOf returns how many of these are left, and sessions.
func (s *server) leftOf(u *account.User) int {
	s.t.Helper()
	p, err := s.stores.Factors.Load(s.t.Context(), u.ID)
	must(s.t, err)
	links, err := s.stores.Links.List(s.t.Context(), u.ID)
	must(s.t, err)
	secrets, err := s.stores.Mail.SecretsOf(s.t.Context(), u.ID, "revert")
	must(s.t, err)
	invitations, err := s.stores.Mail.Invitations(s.t.Context(), "", 10)
	must(s.t, err)
	return len(p.Factors) + p.RecoveryCodes + len(links) + len(secrets) + len(invitations) + len(s.records(u.ID))
}

// TestAnAdministratorsDeletionIsDoneWheneverAStoreFails: once the account is gone the answer says so, since it can't be repeated, and the audit
// log has it. A commit whose answer is lost leaves nothing.
func TestAnAdministratorsDeletionIsDoneWheneverAStoreFails(t *testing.T) {
	t.Attr("threat", "PD02")
	for _, after := range []bool{false, true} {
		lost := false
		for n := 1; ; n++ {
			inner := inMemory(t)
			plan := &storetest.FaultPlan{Call: n, After: after}
			s := start(t, options{idle: true, mail: newPostbox(), stores: func(*testing.T) stores { return inner }})
			u := s.user("ada")
			s.belongings(u)
			s.as(u)
			c := s.as(s.superuser("root"))
			broken := faulty(inner, plan)
			s.api.Accounts.Store, s.api.Sessions.Store, s.api.Tokens.Store, s.api.Links = broken.Accounts, broken.Sessions, broken.Tokens, broken.Links
			s.api.Steps.Factors, s.api.Steps.Signins, s.api.Letters.Secrets = broken.Factors, broken.Signins, broken.Mail
			r := c.send("DELETE", "/api/auth/admin/users/"+u.ID, nil)
			s.api.Accounts.Store, s.api.Letters.Secrets = inner.Accounts, inner.Mail
			gone := s.isGone(u)
			if (r.StatusCode < 300) != gone || !gone && r.StatusCode < 500 {
				t.Errorf("call %d, %v: got %d %s, gone is %v", n, after, r.StatusCode, r.body, gone)
			}
			if s.logged(`"msg":"user_deleted"`, `"user":"`+u.ID+`"`) != gone {
				t.Errorf("call %d, %v: gone is %v, and the event %v", n, after, gone, !gone)
			}
			if len(plan.Calls()) < n {
				break
			}
			if call := plan.Calls()[n-1]; gone && strings.HasPrefix(call, "account.") {
				lost = lost || after
				if left := s.leftOf(u); left != 0 {
					t.Errorf("%s, %v: %d things are left", call, after, left)
				}
			}
		}
		if lost != after {
			t.Errorf("the answer of a commit was lost: %v, want %v", lost, after)
		}
	}
}

// TestWhatWaitsForADeletedUserIsWithdrawn if it asks for something; what tells of something that has happened is still sent.
func TestWhatWaitsForADeletedUserIsWithdrawn(t *testing.T) {
	t.Attr("threat", "PD02")
	box := newPostbox()
	box.idle = true
	s := start(t, options{mail: box})
	u, bob := s.user("ada"), s.user("bob")
	for _, user := range []*account.User{u, bob} {
		accepted(t, s.as(user).send("POST", "/api/auth/email/verify/send", nil))
		accepted(t, s.client().send("POST", "/api/auth/password/forgot", signingUp(user.Email)))
		must(t, s.api.Letters.Notify(t.Context(), user, letters.FactorAdded, letters.About{}))
	}
	ok(t, s.as(u).send("POST", deletePath, naming("ada")))
	left, err := s.stores.Mail.List(t.Context(), "", 100)
	if err != nil || len(left) != 5 {
		t.Errorf("%d messages wait, %v; want two for ada, and the three for bob", len(left), err)
	}
	inBackground(t, s.api.Letters.Outbox.Run)
	s.sent()
	got := map[string]int{}
	for _, m := range box.all() {
		got[m.Kind+" "+m.To]++
	}
	want := map[string]int{"factor_added ada@example.com": 1, "account_deleted ada@example.com": 1, "verify bob@example.com": 1, "reset_first bob@example.com": 1, "factor_added bob@example.com": 1}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("sent are %v, want %v", got, want)
	}
}

// TestAnAccountThatTheProgramNeedsStays: beside Django, rows of its tables can keep a user from being deleted. Their names aren't for users.
func TestAnAccountThatTheProgramNeedsStays(t *testing.T) {
	s := start(t, options{mail: newPostbox(), stores: func(t *testing.T) stores {
		st := inMemory(t)
		st.Accounts = protecting{st.Accounts}
		return st
	}})
	u := s.user("ada")
	c := s.as(u)
	r := c.send("POST", deletePath, naming("ada"))
	if !isProblem(r, 409, "account_needed") || s.isGone(u) {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	ok(t, c.send("GET", "/api/me", nil))
	s.sent()
	if n := s.box.count("account_deleted"); n != 0 {
		t.Errorf("the user was told %d times", n)
	}
}

// protecting is a store that deletes no user.
type protecting struct{ account.Store }

func (p protecting) Transact(ctx context.Context, do func(account.Tx) error) error {
	return p.Store.Transact(ctx, func(tx account.Tx) error { return do(protectingTx{tx}) })
}

type protectingTx struct{ account.Tx }

func (protectingTx) Delete(string) error {
	return &account.InvalidError{Fields: map[string][]password.Problem{"": {{Code: "protected", Message: "shop_orders"}}}}
}

// TestADeletionThatIsRepeatedIsOfAnEndedSession.
func TestADeletionThatIsRepeatedIsOfAnEndedSession(t *testing.T) {
	t.Attr("threat", "PD02")
	s := start(t, options{})
	c := s.as(s.user("ada"))
	ticket := c.ticket()
	ok(t, c.send("POST", deletePath, naming("ada")))
	if r := s.client().hold(ticket).send("POST", deletePath, naming("ada")); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
}
