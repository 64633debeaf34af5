package authenticator_test

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/internal/totp"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// harness is a Service on memory, with one user.
type harness struct {
	*authenticator.Service
	t        *testing.T
	set      store.Set
	accounts *account.Service
	user     string
	ring     *keyring.Ring
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	ring, err := keyring.Create(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	set := memory.New().Set
	u := &account.User{Username: "ada", Password: "a hash", IsActive: true, Epoch: "first"}
	if err := set.Accounts.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, set: set, user: u.ID, ring: ring}
	return h.on(set)
}

// on returns the same on other stores.
func (h *harness) on(set store.Set) *harness {
	log := slog.New(slog.DiscardHandler)
	other := *h
	other.accounts = &account.Service{Store: set.Accounts}
	other.Service = &authenticator.Service{
		Factors: set.Factors, Steps: &secondstep.Service{Factors: set.Factors, Signins: set.Signins, Accounts: set.Accounts, Log: log},
		Keys: keyring.NewDataKeys(h.ring, set.Sealed), Guard: &throttle.Guard{Store: set.Throttles}, Issuer: "app.example.com",
		Tags: func() [][]byte { return h.ring.Derive("enrolment") }, Log: log,
	}
	return &other
}

func (h *harness) load() *account.User {
	h.t.Helper()
	u, err := h.set.Accounts.Load(context.WithoutCancel(h.t.Context()), h.user)
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

// end is what ends everything from before: it moves the epoch.
func (h *harness) end(ctx context.Context, u *account.User) (*account.User, error) {
	return h.accounts.RenewEpoch(ctx, u.ID, u.Epoch)
}

func (h *harness) profile() *factor.Profile {
	h.t.Helper()
	p, err := h.Profile(h.t.Context(), h.user)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// enrol adds an authenticator app, and returns its secret and the recovery codes.
func (h *harness) enrol() (secret []byte, codes []string) {
	h.t.Helper()
	e, err := h.BeginApp(h.t.Context(), h.load(), "session")
	if err != nil {
		h.t.Fatal(err)
	}
	secret = secretOf(h.t, e)
	_, c, err := h.ConfirmApp(h.t.Context(), h.load(), "session", e.ID, now(secret), "Phone", h.end)
	if err != nil {
		h.t.Fatal(err)
	}
	return secret, c.RecoveryCodes
}

func secretOf(t *testing.T, e *authenticator.Enrolment) []byte {
	t.Helper()
	secret, err := base32.StdEncoding.DecodeString(e.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func now(secret []byte) string { return totp.Code(secret, totp.Step(time.Now())) }

func key(n int, kind factor.Kind) *factor.Factor {
	return &factor.Factor{Kind: kind, Name: fmt.Sprint("Key ", n), Credential: []byte(fmt.Sprint(n)), RPID: "localhost"}
}

func (h *harness) add(f *factor.Factor) *authenticator.Change {
	h.t.Helper()
	c, err := h.Add(h.t.Context(), h.load(), f, h.end)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *harness) verify(code string) (authenticator.Verified, error) {
	return h.Verify(h.t.Context(), h.user, authenticator.Attempt{Code: code, Address: netip.MustParseAddr("192.0.2.1")})
}

// TestOnlyAChangeOfTheDemandEndsWhatWasBefore goes through each change of what a user has.
func TestOnlyAChangeOfTheDemandEndsWhatWasBefore(t *testing.T) {
	t.Attr("threat", "M06")
	wish := func(on bool) func(h *harness) error {
		return func(h *harness) error {
			_, err := h.SetSecondStep(h.t.Context(), h.load(), on, h.end)
			return err
		}
	}
	add := func(n int, kind factor.Kind) func(h *harness) error {
		return func(h *harness) error {
			c, err := h.Add(h.t.Context(), h.load(), key(n, kind), h.end)
			if err == nil && (c.User.Epoch != h.load().Epoch || (len(c.RecoveryCodes) == 10) != (len(h.profile().Factors) == 1)) {
				err = fmt.Errorf("%+v", c)
			}
			return err
		}
	}
	app := func(h *harness) error { h.enrol(); return nil }
	remove := func(h *harness) error {
		_, c, err := h.Remove(h.t.Context(), h.load(), h.profile().Factors[0].ID, false, h.end)
		if err == nil && (!c.Ended || c.User.Epoch != h.load().Epoch) {
			err = fmt.Errorf("%+v", c)
		}
		return err
	}
	type step struct {
		what string
		do   func(*harness) error
		ends bool
	}
	for _, steps := range [][]step{
		{{"first app", app, true}, {"passkey beside it", add(1, factor.Passkey), false}, {"wish beside it", wish(true), false}, {"app removed", remove, true}},
		{{"first security key", add(1, factor.SecurityKey), true}, {"second", add(2, factor.SecurityKey), false}, {"app", app, false}, {"removed", remove, true}, {"removed", remove, true}},
		{{"first passkey", add(1, factor.Passkey), false}, {"second", add(2, factor.Passkey), false}, {"wish", wish(true), true}, {"wish repeated", wish(true), true}, {"third", add(3, factor.Passkey), false}, {"wish withdrawn", wish(false), false}, {"removed", remove, true}},
		{{"wish without a factor", wish(true), false}, {"then a passkey", add(1, factor.Passkey), true}},
		{{"passkey", add(1, factor.Passkey), false}, {"first app", app, true}},
	} {
		h := newHarness(t)
		for _, s := range steps {
			before := h.load().Epoch
			if err := s.do(h); err != nil {
				t.Fatalf("%s: %v", s.what, err)
			}
			if ended := h.load().Epoch != before; ended != s.ends {
				t.Errorf("%s: what was before has ended: %t; want %t", s.what, ended, s.ends)
			}
			for _, f := range h.profile().Factors {
				if f.State != factor.Active {
					t.Errorf("%s: a factor is %s", s.what, f.State)
				}
			}
		}
	}
}

func TestRecoveryCodesComeWithTheFirstFactorAndGoWithTheLast(t *testing.T) {
	h := newHarness(t)
	if _, err := h.NewRecoveryCodes(t.Context(), h.user); !errors.Is(err, authenticator.ErrNone) {
		t.Errorf("without a factor: %v", err)
	}
	first := h.add(key(1, factor.Passkey)).RecoveryCodes
	if len(first) != 10 {
		t.Fatalf("the first factor brings %d", len(first))
	}
	if second := h.add(key(2, factor.Passkey)).RecoveryCodes; second != nil {
		t.Errorf("the second brings %d", len(second))
	}
	renewed, err := h.NewRecoveryCodes(t.Context(), h.user)
	if err != nil || len(renewed) != 10 {
		t.Fatalf("renewed: %d, %v", len(renewed), err)
	}
	if _, err := h.verify(first[0]); !errors.Is(err, authenticator.ErrWrongCode) {
		t.Errorf("a code from before: %v", err)
	}
	if v, err := h.verify(renewed[0]); err != nil || v.Left != 9 || v.Method != signin.RecoveryCode {
		t.Errorf("a new one: %+v, %v", v, err)
	}
	if _, err := h.SetSecondStep(t.Context(), h.load(), true, h.end); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, _, err := h.Remove(t.Context(), h.load(), h.profile().Factors[0].ID, false, h.end); err != nil {
			t.Fatal(err)
		}
		p := h.profile()
		if last := i == 1; (p.RecoveryCodes == 0) != last || p.SecondStep == last {
			t.Errorf("after removal %d: %d codes, second step %t", i+1, p.RecoveryCodes, p.SecondStep)
		}
	}
	if _, _, err := h.Remove(t.Context(), h.load(), "other", false, h.end); !errors.Is(err, authenticator.ErrNotFound) {
		t.Errorf("an unknown factor: %v", err)
	}
}

func TestTenKeysAndOneApp(t *testing.T) {
	h := newHarness(t)
	h.Patience = time.Minute // what one addition undoes, another must not take for interrupted
	h.enrol()
	if _, err := h.BeginApp(t.Context(), h.load(), "session"); !errors.Is(err, authenticator.ErrExists) {
		t.Errorf("a second app: %v", err)
	}
	var all sync.WaitGroup
	var added atomic.Int32
	u := h.load()
	for n := range 30 {
		all.Go(func() {
			switch _, err := h.Add(t.Context(), u, key(n, factor.Passkey), h.end); {
			case err == nil:
				added.Add(1)
			case !errors.Is(err, factor.ErrTooManyKeys):
				t.Error(err)
			}
		})
	}
	all.Wait()
	for n := 30; added.Load() < 10; n++ { // of many at once, some may have made room for none
		h.add(key(n, factor.SecurityKey))
		added.Add(1)
	}
	if p := h.profile(); len(p.Factors) != 11 {
		t.Errorf("%d factors", len(p.Factors))
	}
	if _, err := h.Add(t.Context(), h.load(), key(99, factor.SecurityKey), h.end); !errors.Is(err, factor.ErrTooManyKeys) {
		t.Errorf("the eleventh: %v", err)
	}
	if _, err := h.Add(t.Context(), h.load(), key(0, factor.TOTP), h.end); !errors.Is(err, authenticator.ErrExists) {
		t.Errorf("a second app: %v", err)
	}
}

// TestOneOfFiftyUsesOfACodeCounts, and afterwards the code, an earlier one, and one from too far away don't.
func TestOneOfFiftyUsesOfACodeCounts(t *testing.T) {
	t.Attr("threat", "M07")
	h := newHarness(t)
	secret, _ := h.enrol()
	if _, err := h.verify(now(secret)); !errors.Is(err, authenticator.ErrWrongCode) {
		t.Errorf("the code that enrolled: %v", err)
	}
	step := totp.Step(time.Now())
	counted := h.together(50, totp.Code(secret, step+1))
	if counted != 1 {
		t.Errorf("of 50 parallel uses %d counted", counted)
	}
	for _, offset := range []int64{-2, -1, 0, 1, 3, 4} {
		h.forget()
		if _, err := h.verify(totp.Code(secret, step+offset)); !errors.Is(err, authenticator.ErrWrongCode) {
			t.Errorf("then the code of step %+d: %v", offset, err)
		}
	}
}

func TestOneOfFiftyUsesOfARecoveryCodeCounts(t *testing.T) {
	t.Attr("threat", "M08")
	h := newHarness(t)
	_, codes := h.enrol()
	if counted := h.together(50, codes[3]); counted != 1 {
		t.Errorf("of 50 parallel uses %d counted", counted)
	}
	h.forget()
	for i, spelling := range []func(string) string{
		strings.ToLower, func(s string) string { return strings.ReplaceAll(s, "-", "") }, func(s string) string { return " " + strings.ReplaceAll(s, "-", "  ") + "\n" },
		func(s string) string { return strings.NewReplacer("0", "o", "1", "l").Replace(s) },
	} {
		if v, err := h.verify(spelling(codes[4+i])); err != nil || v.Left != 8-i {
			t.Errorf("%q: %+v, %v", spelling(codes[4+i]), v, err)
		}
	}
	other := &account.User{Username: "bob", IsActive: true, Epoch: "first"}
	if err := h.set.Accounts.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Verify(t.Context(), other.ID, authenticator.Attempt{Code: codes[0]}); !errors.Is(err, authenticator.ErrWrongCode) {
		t.Errorf("another user with it: %v", err)
	}
	if v, err := h.verify(codes[0]); err != nil || v.Left != 4 {
		t.Errorf("and then its owner: %+v, %v", v, err)
	}
}

// together uses a code n times at once, and returns how often it counted.
func (h *harness) together(n int, code string) int {
	h.t.Helper()
	var counted atomic.Int32
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			switch _, err := h.verify(code); {
			case err == nil:
				counted.Add(1)
			case !isThrottled(err) && !errors.Is(err, authenticator.ErrWrongCode):
				h.t.Error(err)
			}
		})
	}
	all.Wait()
	return int(counted.Load())
}

// forget resets all counts of failures.
func (h *harness) forget() { h.Guard = &throttle.Guard{Store: memory.New().Throttles} }

func TestAnOutageIsNoWrongCode(t *testing.T) {
	h := newHarness(t)
	secret, codes := h.enrol()
	code := totp.Code(secret, totp.Step(time.Now())+1)
	for _, typed := range []string{code, codes[0]} {
		for n := 1; ; n++ {
			plan := &storetest.FaultPlan{Call: n}
			_, err := h.on(storetest.Faulty(h.set, plan)).verify(typed)
			if len(plan.Calls()) < n {
				if n < 4 || err != nil {
					t.Errorf("%d calls, %v", n, err)
				}
				break
			}
			// The success of the throttle is the last call, so the code is used up then.
			if last := plan.Calls()[n-1] == "throttle.Update" && n > 1; !errors.Is(err, storetest.ErrFault) || last {
				if !last {
					t.Errorf("call %d (%s) fails: %v", n, plan.Calls()[n-1], err)
				}
				break
			}
		}
	}
}

// TestGuessesOfBothKindsShareOneCount: after ten wrong codes of either kind, a right one of the other kind has to wait, except
// from a device that the user has signed in from.
func TestGuessesOfBothKindsShareOneCount(t *testing.T) {
	t.Attr("threat", "M09")
	h := newHarness(t)
	secret, codes := h.enrol()
	for i := range 10 {
		typed := "000000"
		if i%2 == 1 {
			typed = strings.Repeat("0", 24)
		}
		if _, err := h.verify(typed); !errors.Is(err, authenticator.ErrWrongCode) {
			t.Fatalf("guess %d: %v", i+1, err)
		}
	}
	for _, typed := range []string{codes[0], totp.Code(secret, totp.Step(time.Now())+1)} {
		if _, err := h.verify(typed); !isThrottled(err) {
			t.Errorf("a right code after ten wrong ones: %v", err)
		}
	}
	known := authenticator.Attempt{Code: codes[0], Address: netip.MustParseAddr("192.0.2.1"), Device: "laptop"}
	if _, err := h.Verify(t.Context(), h.user, known); err != nil {
		t.Errorf("from a known device: %v", err)
	}
}

func isThrottled(err error) bool {
	_, ok := errors.AsType[*throttle.Error](err)
	return ok
}

func TestATextThatIsNoCodeIsNoTry(t *testing.T) {
	h := newHarness(t)
	_, codes := h.enrol()
	for range 20 {
		for _, typed := range []string{"", "12345", "1234567", "password", codes[0] + "0", "１２３４５６"} {
			if _, err := h.verify(typed); !errors.Is(err, authenticator.ErrNotACode) {
				t.Fatalf("%q: %v", typed, err)
			}
		}
	}
	if _, err := h.verify(codes[0]); err != nil {
		t.Error(err)
	}
}

// TestWhatEndsAnEnrolment: the ID counts for the user, in the session and at the epoch in which it was made, for a quarter of an hour.
func TestWhatEndsAnEnrolment(t *testing.T) {
	t.Attr("threat", "M10")
	for name, c := range map[string]struct {
		do   func(h *harness, u *account.User, id *string, holder *string)
		want error
	}{
		"nothing":         {func(*harness, *account.User, *string, *string) {}, nil},
		"another session": {func(_ *harness, _ *account.User, _, holder *string) { *holder = "another" }, authenticator.ErrEnrolmentEnded},
		"another user":    {func(_ *harness, u *account.User, _, _ *string) { u.ID = "99" }, authenticator.ErrEnrolmentEnded},
		"another epoch":   {func(_ *harness, u *account.User, _, _ *string) { u.Epoch = "second" }, authenticator.ErrEnrolmentEnded},
		"a longer life":   {func(_ *harness, _ *account.User, id, _ *string) { *id = change(*id, 30) }, authenticator.ErrEnrolmentEnded},
		"another secret":  {func(_ *harness, _ *account.User, id, _ *string) { *id = change(*id, 3) }, authenticator.ErrEnrolmentEnded},
		"another tag":     {func(_ *harness, _ *account.User, id, _ *string) { *id = change(*id, 50) }, authenticator.ErrEnrolmentEnded},
		"a piece":         {func(_ *harness, _ *account.User, id, _ *string) { *id = (*id)[:40] }, authenticator.ErrEnrolmentEnded},
		"no text":         {func(_ *harness, _ *account.User, id, _ *string) { *id = "" }, authenticator.ErrEnrolmentEnded},
		"time":            {func(*harness, *account.User, *string, *string) { time.Sleep(15 * time.Minute) }, authenticator.ErrEnrolmentEnded},
		"a rotation of the key": {func(h *harness, _ *account.User, _, _ *string) {
			former := h.Tags()
			h.Tags = func() [][]byte { return append([][]byte{[]byte("new")}, former...) }
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				u := h.load()
				e, err := h.BeginApp(t.Context(), u, "session")
				if err != nil {
					t.Fatal(err)
				}
				id, holder := e.ID, "session"
				c.do(h, u, &id, &holder)
				_, _, err = h.ConfirmApp(t.Context(), u, holder, id, now(secretOf(t, e)), "Phone", h.end)
				if !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
			})
		})
	}
}

// change flips a bit of byte n of base64.
func change(id string, n int) string {
	at := n * 4 / 3
	b := []byte(id)
	if b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	return string(b)
}

// TestASecretOpensInItsPlaceOnly: one user's secret in another's row, or in another factor's, doesn't open, and still demands the
// second step.
func TestASecretOpensInItsPlaceOnly(t *testing.T) {
	t.Attr("threat", "M11")
	h := newHarness(t)
	secret, codes := h.enrol()
	stored := h.profile().Factors[0]
	if strings.Contains(string(stored.Data), string(secret)) || strings.Contains(string(stored.Data), totp.Text(secret)) {
		t.Error("the secret is stored in the clear")
	}
	for _, moved := range []*factor.Factor{
		{ID: stored.ID + "2", User: "bob", Kind: factor.TOTP, State: factor.Active, Data: stored.Data},
		{ID: "other", User: "eve", Kind: factor.TOTP, State: factor.Active, Data: stored.Data},
	} {
		if err := h.set.Factors.Add(t.Context(), moved); err != nil {
			t.Fatal(err)
		}
		code := totp.Code(secret, totp.Step(time.Now())+1)
		if _, err := h.Verify(t.Context(), moved.User, authenticator.Attempt{Code: code}); !errors.Is(err, authenticator.ErrKeyLost) {
			t.Errorf("%s: %v", moved.User, err)
		}
		if demand, err := h.Steps.Needs(t.Context(), moved.User); err != nil || len(demand.Ways) == 0 {
			t.Errorf("%s needs %v, %v", moved.User, demand, err)
		}
	}
	if _, err := h.verify(codes[0]); err != nil {
		t.Errorf("its owner's recovery code: %v", err)
	}
}

func TestResealComesToEverySecret(t *testing.T) {
	h := newHarness(t)
	secrets := map[string][]byte{}
	for n := range 5 {
		u := &account.User{Username: fmt.Sprint("user", n), IsActive: true, Epoch: "first"}
		if err := h.set.Accounts.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		h.user = u.ID
		secrets[u.ID], _ = h.enrol()
	}
	before, err := h.set.Factors.List(t.Context(), factor.TOTP, "", 99)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := h.Keys.Reseal(t.Context(), authenticator.Column(h.set.Factors)); err != nil || n != 5 {
		t.Fatalf("%d were sealed anew, %v", n, err)
	}
	after, err := h.set.Factors.List(t.Context(), factor.TOTP, "", 99)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range after {
		if slices.Equal(f.Data[:8], before[i].Data[:8]) {
			t.Errorf("user %s: the data key is the former one", f.User)
		}
		code := totp.Code(secrets[f.User], totp.Step(time.Now())+1)
		if _, err := h.Verify(t.Context(), f.User, authenticator.Attempt{Code: code}); err != nil {
			t.Errorf("user %s: %v", f.User, err)
		}
	}
}

// TestAChangeIsWholeOrCanBeFinished fails each call of the stores once, before and after it takes effect. The caller gets the
// fault; afterwards either nothing has changed, or everything that the change ends has ended.
func TestAChangeIsWholeOrCanBeFinished(t *testing.T) {
	t.Attr("threat", "M06")
	for name, change := range map[string]func(h *harness, u *account.User) error{
		"add": func(h *harness, u *account.User) error {
			_, err := h.Add(t.Context(), u, key(2, factor.SecurityKey), h.end)
			return err
		},
		"remove": func(h *harness, u *account.User) error {
			p, err := h.set.Factors.Load(t.Context(), h.user)
			if err == nil {
				_, _, err = h.Remove(t.Context(), u, p.Factors[0].ID, false, h.end)
			}
			return err
		},
		"wish": func(h *harness, u *account.User) error {
			_, err := h.SetSecondStep(t.Context(), u, true, h.end)
			return err
		},
	} {
		for n := 1; ; n++ {
			calls := 0
			for _, after := range []bool{false, true} {
				h := newHarness(t)
				h.add(key(1, factor.Passkey))
				u := h.load()
				before, epoch := h.describe(), u.Epoch
				plan := &storetest.FaultPlan{Call: n, After: after}
				err := change(h.on(storetest.Faulty(h.set, plan)), u)
				calls = len(plan.Calls())
				if (err != nil) != (calls >= n) {
					t.Errorf("%s, call %d of %d failed: the error is %v", name, n, calls, err)
				}
				if _, err := h.Settle(t.Context(), h.load(), h.end); err != nil {
					t.Fatal(err)
				}
				if then := h.describe(); then != before && h.load().Epoch == epoch {
					t.Errorf("%s, call %d failed: %s became %s, and nothing has ended", name, n, before, then)
				}
				for _, f := range h.profile().Factors {
					if f.State != factor.Active {
						t.Errorf("%s, call %d failed: a factor is %s", name, n, f.State)
					}
				}
			}
			if calls < n {
				if n < 4 {
					t.Errorf("%s: only %d calls", name, calls)
				}
				break
			}
		}
	}
}

func (h *harness) describe() string {
	p := h.profile()
	text := fmt.Sprint(p.SecondStep)
	for _, f := range p.Factors {
		text += " " + f.Name
	}
	return text
}

// TestAnEndedSessionChangesNothing: the request's session ended after it was checked.
func TestAnEndedSessionChangesNothing(t *testing.T) {
	t.Attr("threat", "M06")
	h := newHarness(t)
	h.add(key(1, factor.Passkey))
	former := h.load()
	if _, err := h.accounts.RenewEpoch(t.Context(), h.user, former.Epoch); err != nil {
		t.Fatal(err)
	}
	before := h.describe()
	_, added := h.Add(t.Context(), former, key(2, factor.SecurityKey), h.end)
	_, _, removed := h.Remove(t.Context(), former, h.profile().Factors[0].ID, false, h.end)
	_, wished := h.SetSecondStep(t.Context(), former, true, h.end)
	_, passkey := h.Add(t.Context(), former, key(3, factor.Passkey), h.end) // which ends nothing
	for _, err := range []error{added, removed, wished, passkey} {
		if !errors.Is(err, account.ErrEpochChanged) {
			t.Errorf("%v", err)
		}
	}
	if after := h.describe(); after != before {
		t.Errorf("%s became %s", before, after)
	}
}

// TestAnAdditionFromBeforeTheEndOfEverythingIsDropped: a request was killed after it had written its factor. If everything was ended
// before or meanwhile, the factor may be an attacker's. Otherwise a second step that it began to demand stays demanded, and what demands
// nothing counts for nothing until it is dropped.
func TestAnAdditionFromBeforeTheEndOfEverythingIsDropped(t *testing.T) {
	t.Attr("threat", "M06")
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		counts := func() bool {
			t.Helper()
			if _, err := h.Settle(t.Context(), h.load(), h.end); err != nil {
				t.Fatal(err)
			}
			p, err := h.set.Factors.Load(t.Context(), h.user)
			if err != nil {
				t.Fatal(err)
			}
			return len(p.Factors) > 0 && p.Factors[0].State == factor.Active
		}
		for _, kind := range []factor.Kind{factor.SecurityKey, factor.Passkey} {
			for _, ended := range []bool{false, true} {
				f := key(1, kind)
				f.ID, f.User, f.State, f.Epoch, f.Created = "f", h.user, factor.Adding, h.load().Epoch, time.Now().Unix()
				if err := h.set.Factors.Add(t.Context(), f); err != nil {
					t.Fatal(err)
				}
				if ended {
					if _, err := h.end(t.Context(), h.load()); err != nil {
						t.Fatal(err)
					}
				}
				if want := kind == factor.SecurityKey && !ended; counts() != want {
					t.Errorf("%s, everything was ended: %t: the factor counts: %t", kind, ended, !want)
				}
				time.Sleep(2 * time.Minute)
				if kind == factor.Passkey {
					counts()
					if p, err := h.set.Factors.Load(t.Context(), h.user); err != nil || len(p.Factors) > 0 {
						t.Errorf("after two minutes: %+v, %v", p, err)
					}
				}
				if err := h.set.Factors.Delete(t.Context(), "f"); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestAFactorIsWrittenBeforeAnythingEnds: while everything from before ends, a sign-in already sees what the user has from now on. In
// the other order, a sign-in in between would have a session that lives on although it was begun without the new factor, or with one
// that is gone.
func TestAFactorIsWrittenBeforeAnythingEnds(t *testing.T) {
	t.Attr("threat", "M06")
	for _, first := range []factor.Kind{factor.SecurityKey, factor.TOTP} {
		h := newHarness(t)
		demandedAt := func(want bool) authenticator.End {
			return func(ctx context.Context, u *account.User) (*account.User, error) {
				if demanded, err := h.Steps.Demands(ctx, u.ID); err != nil || demanded != want {
					t.Errorf("%s: while everything ends, a second step is demanded: %t, %v; want %t", first, demanded, err, want)
				}
				return h.end(ctx, u)
			}
		}
		if _, err := h.Add(t.Context(), h.load(), key(1, first), demandedAt(true)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.Remove(t.Context(), h.load(), h.profile().Factors[0].ID, false, demandedAt(false)); err != nil {
			t.Fatal(err)
		}
		h.add(key(2, factor.Passkey))
		if _, err := h.SetSecondStep(t.Context(), h.load(), true, demandedAt(true)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestASignInLeavesAChangeToWhoHasBegunIt: a sign-in that finds a change under way waits for it, so that it doesn't end the session in
// which it is made. A change that was interrupted is finished by the next sign-in.
func TestASignInLeavesAChangeToWhoHasBegunIt(t *testing.T) {
	t.Attr("threat", "M06")
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.Patience = time.Second
		ends := 0
		slowly := func(ctx context.Context, u *account.User) (*account.User, error) {
			time.Sleep(h.Patience / 3)
			ends++
			u, err := h.end(ctx, u)
			time.Sleep(h.Patience / 3)
			return u, err
		}
		signIn := func(u *account.User) error {
			_, err := h.Settle(t.Context(), u, func(ctx context.Context, u *account.User) (*account.User, error) {
				ends++
				return h.end(ctx, u)
			})
			return err
		}
		// begins has others sign in, before and after the change has moved the epoch.
		begins := func(what string, change func() error) {
			t.Helper()
			ends = 0
			changed := make(chan error)
			u := h.load()
			go func() { changed <- change() }()
			time.Sleep(h.Patience / 6)
			early := make(chan error)
			go func() { early <- signIn(u) }()
			time.Sleep(h.Patience / 3)
			if err := signIn(h.load()); err != nil {
				t.Errorf("%s: a sign-in with the new epoch: %v", what, err)
			}
			if err := <-early; !errors.Is(err, account.ErrEpochChanged) {
				t.Errorf("%s: a sign-in with the old epoch: %v", what, err)
			}
			if err := <-changed; err != nil || ends != 1 {
				t.Errorf("%s: %v, everything was ended %d times", what, err, ends)
			}
		}
		f := key(1, factor.SecurityKey)
		begins("an addition", func() error { _, err := h.Add(t.Context(), h.load(), f, slowly); return err })
		if p := h.profile(); len(p.Factors) != 1 || p.Factors[0].State != factor.Active {
			t.Fatalf("after the addition: %+v", p.Factors)
		}
		begins("a removal", func() error { _, _, err := h.Remove(t.Context(), h.load(), f.ID, false, slowly); return err })
		if p := h.profile(); len(p.Factors) != 0 {
			t.Fatalf("after the removal: %+v", p.Factors)
		}

		f = key(2, factor.SecurityKey)
		f.ID, f.User, f.State, f.Epoch, f.Created = "f", h.user, factor.Adding, h.load().Epoch, time.Now().Unix()
		if err := h.set.Factors.Add(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		ends = 0
		if err := signIn(h.load()); err != nil || ends != 1 {
			t.Errorf("a sign-in after an interruption: %v, everything was ended %d times", err, ends)
		}
		if p := h.profile(); len(p.Factors) != 1 || p.Factors[0].State != factor.Active {
			t.Errorf("after the interruption: %+v", p.Factors)
		}
	})
}
