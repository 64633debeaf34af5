package jwt_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/token"
)

// meeting is a store of tokens in which the first loads wait for each other, so that the requests overlap.
type meeting struct {
	token.Store
	mu      sync.Mutex
	missing int // loads that the others wait for
	all     chan struct{}
}

func (m *meeting) await(loads int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.missing, m.all = loads, make(chan struct{})
}

func (m *meeting) Load(ctx context.Context, id token.ID) (*token.Record, error) {
	r, err := m.Store.Load(ctx, id)
	m.mu.Lock()
	if m.missing--; m.missing == 0 {
		close(m.all)
	}
	all := m.all
	m.mu.Unlock()
	select {
	case <-all:
	case <-time.After(2 * time.Minute):
		return nil, errors.New("the other requests don't load the family")
	}
	return r, err
}

// TestOneOfManyParallelUsesSucceeds: of 64 uses at the same time, on four nodes, one succeeds. The others get ErrJustUsed,
// nothing ends, and the next pair is valid.
func TestOneOfManyParallelUsesSucceeds(t *testing.T) {
	t.Attr("threat", "B6")
	t.Attr("threat", "J05")
	w := newWorld(t)
	nodes := []*jwt.Service{w.node(), w.node(), w.node(), w.node()}
	store := &meeting{Store: w.db.Tokens}
	for _, node := range nodes {
		node.Store = store
	}
	pair := w.signIn()
	for range 5 {
		errs := make([]error, 64)
		store.await(len(errs))
		var mu sync.Mutex
		var next jwt.Pair
		atOnce(64, func(i int) {
			got, err := nodes[i%4].Refresh(t.Context(), pair.Refresh)
			errs[i] = err
			if err == nil {
				mu.Lock()
				next = got
				mu.Unlock()
			}
		})
		if got := tally(errs); !only(got, map[string]int{"<nil>": 1, jwt.ErrJustUsed.Error(): 63}) {
			t.Fatalf("the results are %v, want one success and 63 of ErrJustUsed", got)
		}
		for what, text := range map[string]string{"access": next.Access, "refresh": next.Refresh} {
			if err := w.Verify(t.Context(), text, ""); err != nil {
				t.Errorf("the next %s token is refused: %v", what, err)
			}
		}
		if len(w.families()) != 1 {
			t.Fatalf("there are %d families, want 1", len(w.families()))
		}
		pair = next
	}
}

// TestALateReuseEndsTheFamily: then no token of the family is valid.
func TestALateReuseEndsTheFamily(t *testing.T) {
	t.Attr("threat", "J05")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.signIn()
		other := w.signIn()
		second := w.refresh(first)
		time.Sleep(9*time.Second + 999*time.Millisecond)
		if _, err := w.Refresh(t.Context(), first.Refresh); !errors.Is(err, jwt.ErrJustUsed) {
			t.Fatalf("reuse within the grace period: %v, want ErrJustUsed", err)
		}
		if err := w.Verify(t.Context(), second.Refresh, ""); err != nil {
			t.Fatalf("reuse within the grace period ended the family: %v", err)
		}
		time.Sleep(time.Millisecond)
		if err := w.Verify(t.Context(), first.Refresh, ""); !errors.Is(err, jwt.ErrEnded) {
			t.Errorf("Verify of a used token: %v, want ErrEnded", err)
		}
		if len(w.families()) != 2 {
			t.Fatal("Verify of a used token ended its family")
		}
		if _, err := w.Refresh(t.Context(), first.Refresh); !errors.Is(err, jwt.ErrEnded) {
			t.Fatalf("reuse after the grace period: %v, want ErrEnded", err)
		}
		for what, text := range map[string]string{
			"the first access token": first.Access, "the second": second.Access, "the first refresh token": first.Refresh, "the second one": second.Refresh,
		} {
			if err := w.Verify(t.Context(), text, ""); !errors.Is(err, jwt.ErrEnded) {
				t.Errorf("%s: %v, want ErrEnded", what, err)
			}
		}
		if _, err := w.Refresh(t.Context(), second.Refresh); !errors.Is(err, jwt.ErrEnded) {
			t.Errorf("a refresh with the second token: %v, want ErrEnded", err)
		}
		w.refresh(other)
		if !strings.Contains(w.log.String(), `"msg":"authn_token_reuse"`) {
			t.Error("the reuse wasn't logged")
		}
		w.checkNoLeak(first, second, other)
	})
}

// TestSeveralTabsAreNotATheft: within the grace period, the use of a token that is several refreshes old ends nothing.
func TestSeveralTabsAreNotATheft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.signIn()
		last := first
		for range 5 {
			time.Sleep(time.Second)
			last = w.refresh(last)
		}
		if _, err := w.Refresh(t.Context(), first.Refresh); !errors.Is(err, jwt.ErrJustUsed) {
			t.Errorf("a token that is five refreshes old: %v, want ErrJustUsed", err)
		}
		w.refresh(last)
	})
}

// TestReuseOfAForgottenTokenEndsTheFamilyToo: the record holds only the last few used tokens, and stays small.
func TestReuseOfAForgottenTokenEndsTheFamilyToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.signIn()
		last := first
		for range 40 {
			time.Sleep(10 * time.Minute)
			last = w.refresh(last)
		}
		if r := w.families()[0]; len(r.Data) > 300 {
			t.Errorf("the record has %d bytes after 40 refreshes, want at most 300", len(r.Data))
		}
		if _, err := w.Refresh(t.Context(), first.Refresh); !errors.Is(err, jwt.ErrEnded) {
			t.Errorf("reuse of the first token: %v, want ErrEnded", err)
		}
		if err := w.Verify(t.Context(), last.Access, ""); !errors.Is(err, jwt.ErrEnded) {
			t.Errorf("the last access token after the reuse: %v, want ErrEnded", err)
		}
		// The record stays small for many refreshes within the grace period, too.
		last = w.signIn()
		for range 100 {
			last = w.refresh(last)
		}
		if r := w.families()[0]; len(r.Data) > 2000 {
			t.Errorf("the record has %d bytes after 100 quick refreshes, want at most 2000", len(r.Data))
		}
	})
}

// refresh returns the next pair, and fails the test if there is none.
func (w *world) refresh(pair jwt.Pair) jwt.Pair {
	w.t.Helper()
	next, err := w.Refresh(w.t.Context(), pair.Refresh)
	if err != nil {
		w.t.Fatal(err)
	}
	return next
}

// checkNoLeak fails the test if the log or the store holds a token.
func (w *world) checkNoLeak(pairs ...jwt.Pair) {
	w.t.Helper()
	for _, p := range pairs {
		for _, text := range []string{p.Access, p.Refresh} {
			signature := text[strings.LastIndex(text, ".")+1:]
			if strings.Contains(w.log.String(), signature) {
				w.t.Error("the log holds a token")
			}
			for _, r := range w.families() {
				if strings.Contains(string(r.Data), signature) {
					w.t.Error("the store holds a token")
				}
			}
		}
	}
}

func TestTokensExpireToTheSecond(t *testing.T) {
	t.Attr("threat", "B13")
	for what, row := range map[string]struct {
		life time.Duration
		text func(w *world) (text, audience string)
	}{
		"access":  {5 * time.Minute, func(w *world) (string, string) { return w.signIn().Access, "" }},
		"refresh": {24 * time.Hour, func(w *world) (string, string) { return w.signIn().Refresh, "" }},
		"minted":  {5 * time.Minute, func(w *world) (string, string) { return w.mint(w.session(), "reports"), "reports" }},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			text, audience := row.text(w)
			time.Sleep(row.life - time.Second)
			if err := w.Verify(t.Context(), text, audience); err != nil {
				t.Errorf("%s, a second before its end: %v", what, err)
			}
			time.Sleep(time.Second)
			if err := w.Verify(t.Context(), text, audience); !errors.Is(err, jwt.ErrExpired) {
				t.Errorf("%s, at its end: %v, want ErrExpired", what, err)
			}
		})
	}
}

func TestAFamilyEndsAfterThirtyDaysHoweverOftenItIsRefreshed(t *testing.T) {
	t.Attr("threat", "T02")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		pair := w.signIn()
		for range 30*24/23 + 1 {
			if next := time.Now().Add(23 * time.Hour); next.Sub(began) >= 30*24*time.Hour {
				break
			}
			time.Sleep(23 * time.Hour)
			pair = w.refresh(pair)
			if got := seconds(t, pair.Access, "auth_time"); got.Unix() != began.Unix() {
				t.Fatalf("a refresh changed auth_time to %v", got)
			}
		}
		end := began.Add(30 * 24 * time.Hour).Unix()
		time.Sleep(time.Until(time.Unix(end-2, 0)))
		pair = w.refresh(pair)
		for what, text := range map[string]string{"access": pair.Access, "refresh": pair.Refresh} {
			if got := seconds(t, text, "exp"); got.Unix() != end {
				t.Errorf("the %s token expires at %v, want %v", what, got, time.Unix(end, 0))
			}
		}
		time.Sleep(2 * time.Second)
		if _, err := w.Refresh(t.Context(), pair.Refresh); !errors.Is(err, jwt.ErrExpired) {
			t.Errorf("a refresh after 30 days: %v, want ErrExpired", err)
		}
	})
}

// TestTokensEndWithTheirSource: the epoch, the family, the account, and the session.
func TestTokensEndWithTheirSource(t *testing.T) {
	t.Attr("threat", "X01")
	t.Attr("threat", "X02")
	t.Attr("threat", "X03")
	t.Attr("threat", "B7")
	for what, row := range map[string]struct {
		end     func(w *world, p jwt.Pair) error
		want    error
		refresh error
	}{
		"the family was ended": {func(w *world, p jwt.Pair) error { return w.Blacklist(context.Background(), p.Refresh) }, jwt.ErrEnded, jwt.ErrEnded},
		"all families of the user were ended": {func(w *world, _ jwt.Pair) error {
			_, err := w.db.Tokens.DeleteUser(context.Background(), "1", token.Refresh)
			return err
		}, jwt.ErrEnded, jwt.ErrEnded},
		"the epoch changed":       {func(w *world, _ jwt.Pair) error { w.accounts["1"] = "second"; return nil }, jwt.ErrEnded, jwt.ErrEnded},
		"the account was deleted": {func(w *world, _ jwt.Pair) error { delete(w.accounts, "1"); return nil }, jwt.ErrNoAccount, jwt.ErrNoAccount},
	} {
		w := newWorld(t)
		pair := w.signIn()
		if err := row.end(w, pair); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{pair.Access, pair.Refresh} {
			if err := w.Verify(t.Context(), text, ""); !errors.Is(err, row.want) {
				t.Errorf("%s: Verify returned %v, want %v", what, err, row.want)
			}
		}
		if _, err := w.Refresh(t.Context(), pair.Refresh); !errors.Is(err, row.refresh) {
			t.Errorf("%s: Refresh returned %v, want %v", what, err, row.refresh)
		}
	}
	for what, end := range map[string]func(w *world) error{
		"the session was ended": func(w *world) error { _, err := w.sessions.RevokeAll(context.Background(), "1", nil); return err },
		"the epoch changed":     func(w *world) error { w.accounts["1"] = "second"; return nil },
		"the password changed, and the session stays": func(w *world) error {
			all, err := w.db.Sessions.List(context.Background(), sessionsOf("1"))
			if err != nil {
				return err
			}
			next := *all[0]
			next.Epoch = "second"
			w.accounts["1"] = "second"
			return w.db.Sessions.Replace(context.Background(), all[0], &next)
		},
	} {
		w := newWorld(t)
		text := w.mint(w.session(), "reports")
		if err := w.Verify(t.Context(), text, "reports"); err != nil {
			t.Errorf("%s: Verify before it returned %v, want nil", what, err)
		}
		if err := end(w); err != nil {
			t.Fatal(err)
		}
		if err := w.Verify(t.Context(), text, "reports"); !errors.Is(err, jwt.ErrEnded) {
			t.Errorf("%s: Verify returned %v, want ErrEnded", what, err)
		}
	}
	w := newWorld(t)
	text := w.mint(w.session(), "reports")
	delete(w.accounts, "1")
	if err := w.Verify(t.Context(), text, "reports"); !errors.Is(err, jwt.ErrNoAccount) {
		t.Errorf("the account was deleted: Verify returned %v, want ErrNoAccount", err)
	}
}

func TestAuthenticateReturnsTheClaimsToCompare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now().Unix()
		pair := w.signIn()
		time.Sleep(time.Hour)
		pair = w.refresh(pair)
		c, err := w.Authenticate(t.Context(), pair.Access)
		if err != nil {
			t.Fatal(err)
		}
		if c.User != "1" || c.Epoch != "first" || c.Family != w.families()[0].PublicID || c.AuthenticatedAt.Unix() != began ||
			c.ExpiresAt.Unix() != began+3900 || c.ID != claim(t, pair.Access, "jti") {
			t.Errorf("the claims are %+v, want user 1, epoch first, auth_time %d and exp %d", c, began, began+3900)
		}
	})
}

// TestAnAccessTokenIsExchangedOnce: of concurrent exchanges one succeeds, and the mark lasts as long as the token.
func TestAnAccessTokenIsExchangedOnce(t *testing.T) {
	w := newWorld(t)
	pair := w.signIn()
	c, err := w.Authenticate(t.Context(), pair.Access)
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 64)
	atOnce(64, func(i int) { errs[i] = w.Spend(t.Context(), c) })
	if got := tally(errs); !only(got, map[string]int{"<nil>": 1, jwt.ErrSpent.Error(): 63}) {
		t.Errorf("the results are %v, want one success and 63 of ErrSpent", got)
	}
	marks, err := w.db.Tokens.List(t.Context(), token.Query{Kind: token.UsedJTI})
	if err != nil || len(marks) != 1 || marks[0].Expires != c.ExpiresAt.Unix() {
		t.Fatalf("the marks are %v (%v), want one that expires with the token", marks, err)
	}
	if _, err := w.db.Tokens.DeleteExpired(t.Context(), c.ExpiresAt.Unix()-1, 10); err != nil || !errors.Is(w.Spend(t.Context(), c), jwt.ErrSpent) {
		t.Error("the mark was purged before the token expired")
	}
	if n, err := w.db.Tokens.DeleteExpired(t.Context(), c.ExpiresAt.Unix(), 10); err != nil || n != 1 {
		t.Error("the mark outlives the token")
	}
	if err := w.Verify(t.Context(), pair.Access, ""); err != nil {
		t.Errorf("the exchange ended the token: %v", err)
	}
}

// TestBlacklistEndsTheFamilyWithAUsedTokenToo: a client that signs out with an old token wants to sign out, too.
func TestBlacklistEndsTheFamilyWithAUsedTokenToo(t *testing.T) {
	w := newWorld(t)
	first := w.signIn()
	second := w.refresh(first)
	if err := w.Blacklist(t.Context(), first.Refresh); err != nil {
		t.Fatal(err)
	}
	if err := w.Blacklist(t.Context(), second.Refresh); !errors.Is(err, jwt.ErrEnded) {
		t.Errorf("Blacklist of the second token: %v, want ErrEnded", err)
	}
	if len(w.families()) != 0 {
		t.Error("the store still has the family")
	}
}

// failing is a store whose n-th call fails.
type failing struct {
	token.Store
	n int
}

func (f *failing) fail() error {
	if f.n--; f.n == 0 {
		return errDown
	}
	return nil
}

func (f *failing) Load(ctx context.Context, id token.ID) (*token.Record, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.Load(ctx, id)
}

func (f *failing) Create(ctx context.Context, r *token.Record, l token.Limit) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.Create(ctx, r, l)
}

func (f *failing) Replace(ctx context.Context, old, new *token.Record) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.Replace(ctx, old, new)
}

func (f *failing) Delete(ctx context.Context, id token.ID) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.Delete(ctx, id)
}

// TestAnOutageIsNeitherARefusalNorAnEnd makes each call to the store fail in turn.
func TestAnOutageIsNeitherARefusalNorAnEnd(t *testing.T) {
	t.Attr("threat", "B4")
	for what, do := range map[string]func(w *world, p jwt.Pair, used jwt.Pair) error{
		"create": func(w *world, _, _ jwt.Pair) error {
			return second(w.Create(w.t.Context(), jwt.SignIn{User: "1", Epoch: "first"}))
		},
		"refresh":      func(w *world, p, _ jwt.Pair) error { return second(w.Refresh(w.t.Context(), p.Refresh)) },
		"reuse":        func(w *world, _, u jwt.Pair) error { return second(w.Refresh(w.t.Context(), u.Refresh)) },
		"blacklist":    func(w *world, p, _ jwt.Pair) error { return w.Blacklist(w.t.Context(), p.Refresh) },
		"verify":       func(w *world, p, _ jwt.Pair) error { return w.Verify(w.t.Context(), p.Access, "") },
		"authenticate": func(w *world, p, _ jwt.Pair) error { _, err := w.Authenticate(w.t.Context(), p.Access); return err },
		"spend":        func(w *world, _, _ jwt.Pair) error { return w.Spend(w.t.Context(), &token.Claims{ID: "x"}) },
	} {
		failed := 0
		for n := 1; n <= 3; n++ {
			w := newWorld(t)
			w.Grace = time.Nanosecond
			used := w.signIn()
			pair := w.refresh(used)
			w.Store = &failing{w.db.Tokens, n}
			err := do(w, pair, used)
			if errors.Is(err, errDown) {
				failed++
				if len(w.families()) != 1 {
					t.Errorf("%s, failed call %d: there are %d families, want 1", what, n, len(w.families()))
				}
			} else if _, refused := errors.AsType[*jwt.Refusal](err); refused && what != "reuse" {
				t.Errorf("%s, failed call %d: %v, want the error of the store", what, n, err)
			}
			w.Store = w.db.Tokens
			if errors.Is(err, errDown) && w.Verify(t.Context(), pair.Refresh, "") != nil {
				t.Errorf("%s, failed call %d: the outage ended the token", what, n)
			}
		}
		if failed == 0 {
			t.Errorf("%s: no call failed", what)
		}
	}
}

func second(_ jwt.Pair, err error) error { return err }

// TestARefreshDuringASignOutRevivesNothing runs sign-outs and refreshes at the same time, many times.
func TestARefreshDuringASignOutRevivesNothing(t *testing.T) {
	for range 200 {
		w := newWorld(t)
		pair := w.signIn()
		atOnce(8, func(i int) {
			if i%2 == 0 {
				if err := w.Blacklist(t.Context(), pair.Refresh); err != nil && !errors.Is(err, jwt.ErrEnded) {
					t.Error(err)
				}
				return
			}
			next, err := w.Refresh(t.Context(), pair.Refresh)
			if err == nil {
				_, err = w.Refresh(t.Context(), next.Refresh)
			}
			if err != nil && !errors.Is(err, jwt.ErrEnded) && !errors.Is(err, jwt.ErrJustUsed) {
				t.Error(err)
			}
		})
		if len(w.families()) != 0 {
			t.Fatal("a refresh revived an ended family")
		}
	}
}
