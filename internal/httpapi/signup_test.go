package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// openTo returns a postbox whose server lets people sign up.
func openTo(domains ...string) *postbox {
	box := newPostbox()
	box.signUps = letters.SignUps{Open: true, Domains: domains}
	return box
}

func signingUp(address string) map[string]string { return map[string]string{"email": address} }

func completing(secret, username, password string) map[string]string {
	return map[string]string{"secret": secret, "username": username, "password": password}
}

// signUpLink asks for an account with an address, and returns the secret of the link in the message.
func (s *server) signUpLink(email string) string {
	s.t.Helper()
	n := s.box.count("signup")
	accepted(s.t, s.client().send("POST", "/api/auth/signup", signingUp(email)))
	m := s.box.ofKind(s.t, "signup", n)
	address, secret := s.link(m)
	if m.Kind != "signup" || m.User != "" || address != s.public+"/auth/welcome" {
		s.t.Fatalf("the message is %s, with a link to %s", about(m), address)
	}
	return secret
}

// TestAnAccountIsMadeByALinkToItsAddress, in another browser than the one that asked, which signs that browser in.
func TestAnAccountIsMadeByALinkToItsAddress(t *testing.T) {
	t.Attr("threat", "SU01")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: openTo(), stores: open})
		s.superuser("root")
		secret := s.signUpLink(" Ada@Example.COM ")
		if _, err := s.stores.Accounts.Find(t.Context(), "ada@example.com"); !errors.Is(err, account.ErrNotFound) {
			t.Fatalf("there is an account before its address is proven: %v", err)
		}
		c := s.client()
		r := c.send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword))
		ok(t, r)
		u, err := s.stores.Accounts.Find(t.Context(), "ada@example.com")
		must(t, err)
		if u.Username != "ada" || u.Email != "Ada@example.com" || !u.HasProvenEmail() || !u.IsActive || u.IsStaff || u.IsSuperuser || len(u.Permissions) > 0 {
			t.Errorf("the account is %+v", u)
		}
		ok(t, c.send("GET", "/api/auth/sessions", nil)) // signed in
		ok(t, s.client().login("ada", goodPassword))
		if !s.logged(`"msg":"user_created"`, `"login":"ada"`, `"method":"signup"`) {
			t.Error("the account isn't in the audit log")
		}
	})
}

// TestALinkOfASignUpWorksOnce: of several links to one address, and of several requests with one, the first makes the account.
func TestALinkOfASignUpWorksOnce(t *testing.T) {
	t.Attr("threat", "SU02")
	onEachSignUpStore(t, openTo, func(t *testing.T, s *server) {
		secrets := []string{s.signUpLink("ada@example.com"), s.signUpLink("ADA@example.com")}
		var all sync.WaitGroup
		var made atomic.Int32
		for n := range 8 {
			all.Go(func() {
				r := s.client().send("POST", "/api/auth/signup/complete", completing(secrets[n%2], fmt.Sprint("ada", n), goodPassword))
				switch {
				case r.StatusCode == 200:
					made.Add(1)
				case !isProblem(r, 403, "link_invalid"):
					t.Errorf("request %d: got %d %s", n, r.StatusCode, r.body)
				}
			})
		}
		all.Wait()
		if made.Load() != 1 {
			t.Errorf("%d accounts were made", made.Load())
		}
		for _, secret := range append(secrets, "AAAAAAAAAAAAAAAAAAAAAAAAAA", "") {
			if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "eve", goodPassword)); r.StatusCode != 403 && r.StatusCode != 400 {
				t.Errorf("%q: got %d %s", secret, r.StatusCode, r.body)
			}
		}
	})
}

// TestAMistakeInASignUpCostsNoLink: the answer names each wrong field, and the link works afterwards.
func TestAMistakeInASignUpCostsNoLink(t *testing.T) {
	t.Attr("threat", "SU03")
	s := start(t, options{mail: openTo()})
	s.superuser("root")
	secret := s.signUpLink("ada@example.com")
	for field, wrong := range map[string]map[string]string{
		"password": completing(secret, "ada", "short"),
		"username": completing(secret, "root", goodPassword),
	} {
		r := s.client().send("POST", "/api/auth/signup/complete", wrong)
		if !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), `"`+field+`":[`) {
			t.Errorf("%s: got %d %s", field, r.StatusCode, r.body)
		}
	}
	// A name that looks like an address would let its owner wait under another person's address.
	for _, name := range []string{"victim@example.com", "ada@example.com.", "＠ada", "a＠b"} {
		r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, name, goodPassword))
		if !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), `"username":[`) {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
		}
	}
	ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ADA@example.com", goodPassword))) // her own
}

// TestNoSignUpBeforeThereIsAnAdministrator, nor where it is closed.
func TestNoSignUpBeforeThereIsAnAdministrator(t *testing.T) {
	t.Attr("threat", "SU04")
	closed := newPostbox()
	for name, s := range map[string]*server{
		"closed": start(t, options{mail: closed}), "no mail": start(t, options{}), "no administrator": start(t, options{mail: openTo()}),
	} {
		if name == "closed" {
			s.superuser("root")
		}
		if r := s.client().send("POST", "/api/auth/signup", signingUp("ada@example.com")); !isProblem(r, 403, "signup_closed") {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
		}
		r := s.client().send("POST", "/api/auth/signup/complete", completing("AAAAAAAAAAAAAAAAAAAAAAAAAA", "ada", goodPassword))
		if !isProblem(r, 403, "signup_closed") {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
		}
		if r := s.client().send("GET", "/api/auth/methods", nil); r.field("signup") != "closed" {
			t.Errorf("%s: methods say %s", name, r.body)
		}
	}
	s := start(t, options{mail: openTo()})
	s.superuser("root")
	if r := s.client().send("GET", "/api/auth/methods", nil); r.field("signup") != "open" {
		t.Errorf("methods say %s", r.body)
	}
	// A link doesn't outlive the end of sign-up.
	secret := s.signUpLink("ada@example.com")
	s.api.Letters.SignUps.Open = false
	if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)); !isProblem(r, 403, "signup_closed") {
		t.Errorf("after the end: got %d %s", r.StatusCode, r.body)
	}
}

// signedUp are addresses whose requests must not differ, and what is sent to them.
func signedUp(s *server) map[string]string {
	s.t.Helper()
	s.superuser("root")
	all := forgotten(s)
	for address := range all {
		all[address] = "signup_known"
	}
	all["unknown@example.com"], all["disabled@example.com"] = "signup", ""
	all["moved@example.com"], all["victim@example.com"] = "signup_taken", "signup_taken" // usernames of accounts with another address, or none
	return all
}

// TestASignUpTellsNothingAboutAccounts: answers, calls of the store and rows are the same for every address.
func TestASignUpTellsNothingAboutAccounts(t *testing.T) {
	t.Attr("threat", "SU05")
	box := openTo()
	box.idle = true
	open, plan := counting(t)
	s := start(t, options{mail: box, stores: open})
	addresses := signedUp(s)
	s.tellsNothing(plan, "/api/auth/signup", func(address string) any { return signingUp(address) }, addresses, "[account.List throttle.Update mail.Put]")
}

// TestAnAccountIsToldOfASignUpWithItsAddress, and nothing that was typed reaches anyone else.
func TestAnAccountIsToldOfASignUpWithItsAddress(t *testing.T) {
	t.Attr("threat", "SU05")
	s := start(t, options{mail: openTo()})
	addresses := signedUp(s)
	want := map[string]string{}
	for address, kind := range addresses {
		accepted(t, s.client().send("POST", "/api/auth/signup", signingUp(strings.ToUpper(address[:1])+address[1:])))
		if kind != "" {
			want[address] = kind
		}
	}
	s.sent()
	got := map[string]string{}
	for _, m := range s.box.all() {
		got[strings.ToLower(m.To)] = m.Kind
		if m.Kind != "signup" && strings.Contains(m.Text, "#") {
			t.Errorf("%s has a secret:\n%s", about(m), m.Text)
		}
		if m.Kind == "signup_known" && m.To != strings.ToLower(m.To) {
			t.Errorf("%s went to what was typed", about(m))
		}
	}
	if !maps.Equal(got, want) || len(s.box.all()) != len(want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

// TestNoAccountWaitsForItsOwner: a stranger who asks for an account with a victim's address has nothing of what the victim then makes, and
// an account that was made under the address before isn't taken over by signing up.
func TestNoAccountWaitsForItsOwner(t *testing.T) {
	t.Attr("threat", "SU06")
	s := start(t, options{mail: openTo()})
	s.superuser("root")
	stranger := s.client()
	accepted(t, stranger.send("POST", "/api/auth/signup", signingUp("victim@example.com")))
	_, secret := s.link(s.box.next(t, 0))
	ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(secret, "victim", goodPassword)))
	if r := stranger.send("GET", "/api/auth/sessions", nil); r.StatusCode != 401 {
		t.Errorf("the stranger's browser: got %d %s", r.StatusCode, r.body)
	}
	// An administrator has written the address into another's account, after the link was mailed.
	secret = s.signUpLink("late@example.com")
	other := s.user("late")
	r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "later", newPassword))
	if !isProblem(r, 403, "link_invalid") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	if u := s.load(other.ID); u.Username != "late" || u.HasProvenEmail() {
		t.Errorf("the account is %+v", u)
	}
	ok(t, s.client().login("late", goodPassword))
	// Or the address was made another's username.
	secret = s.signUpLink("name@example.com")
	s.with(s.user("namesake"), func(u *account.User) { u.Username = "Name@example.com" })
	if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "later", newPassword)); !isProblem(r, 403, "link_invalid") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
}

// TestAnAddressThatMayNotSignUpMakesNoAccount, because of its domain or of the program, at both steps.
func TestAnAddressThatMayNotSignUpMakesNoAccount(t *testing.T) {
	t.Attr("threat", "SU07")
	var refused, down atomic.Bool
	box := openTo("example.com", "bücher.example")
	box.signUps.Allow = func(_ context.Context, address string) (bool, error) {
		if down.Load() {
			return true, errors.New("the directory is down")
		}
		return address != "eve@example.com" && !refused.Load(), nil
	}
	s := start(t, options{mail: box})
	s.superuser("root")
	for _, address := range []string{"eve@example.com", "ada@sub.example.com", "ada@example.org", "ada@notexample.com", "example.com@example.org"} {
		r := s.client().send("POST", "/api/auth/signup", signingUp(address))
		if !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), `"email":[`) {
			t.Errorf("%s: got %d %s", address, r.StatusCode, r.body)
		}
	}
	accepted(t, s.client().send("POST", "/api/auth/signup", signingUp("ada@BÜCHER.example")))
	_, secret := s.link(s.box.next(t, 0))
	refused.Store(true)
	if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)); !isProblem(r, 400, "invalid") {
		t.Errorf("an address that isn't allowed any more: got %d %s", r.StatusCode, r.body)
	}
	down.Store(true)
	if r := s.client().send("POST", "/api/auth/signup", signingUp("bob@example.com")); r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("while the check is down: got %d %s", r.StatusCode, r.body)
	}
	refused.Store(false)
	down.Store(false)
	ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)))
}

// TestALinkOfASignUpLastsADay.
func TestALinkOfASignUpLastsADay(t *testing.T) {
	t.Attr("threat", "SU02")
	s := start(t, options{mail: openTo()})
	s.superuser("root")
	secret := s.signUpLink("ada@example.com")
	lastsFor(t, 24*time.Hour, s.stores.Mail.DeleteSecrets)
	if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)); !isProblem(r, 403, "link_invalid") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
}

// TestALinkOfAnotherKindSignsNoOneUp, and the link of a sign-up does nothing else.
func TestALinkOfAnotherKindSignsNoOneUp(t *testing.T) {
	t.Attr("threat", "SU02")
	s := start(t, options{mail: openTo()})
	s.superuser("root")
	u := s.user("ada")
	verification := s.verification(s.as(u), 0)
	u = s.with(u, func(u *account.User) { u.Email = "moved@example.com" }) // the address of the link is free
	signUp := s.signUpLink("eve@example.com")
	for path, body := range map[string]any{
		"/api/auth/signup/complete": completing(verification, "eve", goodPassword),
		"/api/auth/email/verify":    proving(signUp),
		"/api/auth/password/reset":  resetting(signUp, goodPassword),
	} {
		if r := s.as(u).send("POST", path, body); r.StatusCode != 403 {
			t.Errorf("%s: got %d %s", path, r.StatusCode, r.body)
		}
	}
}

// TestTooManySignUps are limited like forgotten passwords, and together with them.
func TestTooManySignUps(t *testing.T) {
	t.Attr("threat", "R05")
	box := openTo()
	box.idle, box.perHour = true, 60 // six for a network
	s := start(t, options{mail: box})
	s.superuser("root")
	rows := func(want int) {
		t.Helper()
		all, err := s.stores.Mail.List(t.Context(), "", 100)
		must(t, err)
		if len(all) != want {
			t.Fatalf("%d messages wait, want %d", len(all), want)
		}
	}
	accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting("ada@example.com")))
	for range 4 {
		accepted(t, s.client().send("POST", "/api/auth/signup", signingUp("ada@example.com")))
	}
	rows(3)
	for n := range 3 {
		accepted(t, s.client().send("POST", "/api/auth/signup", signingUp(fmt.Sprintf("user%d@example.com", n))))
	}
	rows(6)
	if r := s.client().send("POST", "/api/auth/signup", signingUp("more@example.com")); !isProblem(r, 429, "throttled") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	rows(6)
}

// TestAFailingStoreIsNoAnswerToASignUp: 503, and the link works once the store does.
func TestAFailingStoreIsNoAnswerToASignUp(t *testing.T) {
	for n := 1; ; n++ {
		inner, plan := inMemory(t), &storetest.FaultPlan{Call: n}
		box := openTo()
		box.idle = true
		s := start(t, options{mail: box, stores: func(*testing.T) stores { return faulty(inner, plan) }})
		must(t, inner.Accounts.Create(t.Context(), &account.User{Username: "root", IsActive: true, IsSuperuser: true, Epoch: "x"}))
		r := s.client().send("POST", "/api/auth/signup", signingUp("ada@example.com"))
		all, err := inner.Mail.List(t.Context(), "", 9)
		must(t, err)
		if len(plan.Calls()) < n {
			accepted(t, r)
			break
		}
		if (r.StatusCode == 202) != (len(all) == 1) || r.StatusCode != 202 && r.StatusCode != 503 {
			t.Errorf("call %d fails: got %d %s, and %d messages wait", n, r.StatusCode, r.body, len(all))
		}
	}
	for n := 1; ; n++ {
		inner := inMemory(t)
		s := start(t, options{mail: openTo(), stores: func(*testing.T) stores { return inner }})
		s.superuser("root")
		secret := s.signUpLink("ada@example.com")
		s.sent()
		plan := &storetest.FaultPlan{Call: n}
		st := faulty(inner, plan)
		s.api.Letters.Secrets, s.api.Accounts.Store = st.Mail, st.Accounts
		r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword))
		s.api.Letters.Secrets, s.api.Accounts.Store = inner.Mail, inner.Accounts
		if len(plan.Calls()) < n {
			ok(t, r)
			break
		}
		_, err := inner.Accounts.Find(t.Context(), "ada")
		if r.StatusCode != 503 && !(r.StatusCode == 200 && err == nil) {
			t.Errorf("call %d fails: got %d %s", n, r.StatusCode, r.body)
		}
		if err != nil {
			ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)))
		} else {
			ok(t, s.client().login("ada", goodPassword))
		}
	}
}

// apart is a database of accounts alone: links and passkeys are in another.
type apart struct{ account.Store }

func (s apart) Transact(ctx context.Context, do func(account.Tx) error) error {
	return s.Store.Transact(ctx, func(tx account.Tx) error { return do(apartTx{tx}) })
}

type apartTx struct{ account.Tx }

func (apartTx) SpendLink(string, account.SignUpByLink) error {
	return account.UnsupportedErrors.SpendLink
}

// unaware is a database of accounts that has links as well, but not those that are mailed.
type unaware struct{ account.Store }

func (s unaware) Transact(ctx context.Context, do func(account.Tx) error) error {
	return s.Store.Transact(ctx, func(tx account.Tx) error { return do(unawareTx{tx}) })
}

type unawareTx struct{ account.Tx }

func (unawareTx) SpendLink(string, account.SignUpByLink) error { return account.SpentErrors.Link }

// signUpStores are accounts in the database of the links, and in another, which says so at once, when it is asked, or not at all.
var signUpStores = map[string]func(s *server){
	"one database": func(*server) {},
	"says that it can't": func(s *server) {
		s.api.Accounts.Store, s.api.Accounts.Unsupported.SpendLink = apart{s.stores.Accounts}, true
	},
	"says so when asked": func(s *server) { s.api.Accounts.Store = apart{s.stores.Accounts} },
	"doesn't say it":     func(s *server) { s.api.Accounts.Store = unaware{s.stores.Accounts} },
}

// onEachSignUpStore runs a test with each of signUpStores on each store.
func onEachSignUpStore(t *testing.T, box func(...string) *postbox, test func(t *testing.T, s *server)) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for name, change := range signUpStores {
			t.Run(name, func(t *testing.T) {
				s := start(t, options{mail: box(), stores: open})
				s.superuser("root")
				change(s)
				test(t, s)
			})
		}
	})
}

// TestALinkAndItsAccountAreOneStep: whichever call of the stores fails, before or after it is done, and in all that follow, there is the link or the
// account. So it is with a crash. The person is told that it isn't known, and what is left works.
func TestALinkAndItsAccountAreOneStep(t *testing.T) {
	t.Attr("threat", "SU12")
	for kind, link := range linksToJoin {
		for _, by := range []string{"password", "passkey"} {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprint(kind, " by ", by, ", after ", after), func(t *testing.T) {
					t.Parallel()
					for n, done := 1, false; !done; n++ {
						done = joinDuringOutage(t, link, by, &storetest.FaultPlan{Call: n, Rest: true, After: after})
					}
				})
			}
		}
	}
}

// joinDuringOutage completes a sign-up while the stores fail as planned, and reports whether the plan has failed no call.
func joinDuringOutage(t *testing.T, link func(*server) string, by string, plan *storetest.FaultPlan) bool {
	inner := inSQLite(t)
	s := start(t, options{mail: openTo(), stores: func(*testing.T) stores { return inner }})
	s.superuser("root")
	secret := link(s)
	path, body := "/api/auth/signup/complete", any(completing(secret, "ada", goodPassword))
	signIn := func() *answer { return s.client().login("ada", goodPassword) }
	if by == "passkey" {
		d, made := s.client().firstPasskey(secret, "ada")
		path, body = firstPasskeyPath, made
		signIn = func() *answer { return s.client().send("POST", "/api/auth/passkey/login", s.assertion(d)) }
	}
	down := faulty(inner, plan)
	s.api.Letters.Secrets, s.api.Accounts.Store = down.Mail, down.Accounts
	r := s.client().send("POST", path, body)
	s.api.Letters.Secrets, s.api.Accounts.Store = inner.Mail, inner.Accounts
	s.oneOf(plan.Call, r, secret, signIn)
	if len(plan.Calls()) >= plan.Call {
		return false
	}
	ok(t, r)
	return true
}

// oneOf ends the test unless the link works and there is no account, or the other way round, also once the account has another address.
func (s *server) oneOf(n int, r *answer, secret string, signIn func() *answer) {
	s.t.Helper()
	u, err := s.stores.Accounts.Find(s.t.Context(), "ada@example.com")
	made := err == nil
	if !made && !errors.Is(err, account.ErrNotFound) {
		s.t.Fatal(err)
	}
	if made {
		ok(s.t, signIn())
		s.with(u, func(u *account.User) { u.Email = "moved@example.com" })
	}
	again := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "again", goodPassword))
	if works := again.StatusCode == 200; works == made || !works && !isProblem(again, 403, "link_invalid") {
		s.t.Errorf("call %d failed with %d %s: the account is there: %v, and then the link: %d %s", n, r.StatusCode, r.body, made, again.StatusCode, again.body)
	}
}
