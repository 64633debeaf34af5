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

// TestOneOfManyParallelUsesSucceeds: 64 at the same time, on four nodes. The others are told so, nothing ends, and
// the successor goes on to count.
func TestOneOfManyParallelUsesSucceeds(t *testing.T) {
	t.Attr("threat", "B6")
	t.Attr("threat", "J05")
	w := newWorld(t)
	nodes := []*jwt.Service{w.node(), w.node(), w.node(), w.node()}
	pair := w.signIn()
	for range 5 {
		errs := make([]error, 64)
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
			t.Fatal(got)
		}
		for what, text := range map[string]string{"access": next.Access, "refresh": next.Refresh} {
			if err := w.Verify(t.Context(), text, ""); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if len(w.families()) != 1 {
			t.Fatalf("%d families", len(w.families()))
		}
		pair = next
	}
}

// TestALateReuseEndsTheFamily, for whoever holds any token of it.
func TestALateReuseEndsTheFamily(t *testing.T) {
	t.Attr("threat", "J05")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.signIn()
		other := w.signIn()
		second := w.refresh(first)
		time.Sleep(9*time.Second + 999*time.Millisecond)
		if _, err := w.Refresh(t.Context(), first.Refresh); !errors.Is(err, jwt.ErrJustUsed) {
			t.Fatalf("within the grace period: %v", err)
		}
		if err := w.Verify(t.Context(), second.Refresh, ""); err != nil {
			t.Fatalf("a re-use within the grace period has ended something: %v", err)
		}
		time.Sleep(time.Millisecond)
		if err := w.Verify(t.Context(), first.Refresh, ""); !errors.Is(err, jwt.ErrEnded) {
			t.Errorf("verify of a used token: %v", err)
		}
		if len(w.families()) != 2 {
			t.Fatal("to look at a token has ended a family")
		}
		if _, err := w.Refresh(t.Context(), first.Refresh); !errors.Is(err, jwt.ErrEnded) {
			t.Fatalf("after the grace period: %v", err)
		}
		for what, text := range map[string]string{
			"the first access token": first.Access, "the second": second.Access, "the first refresh token": first.Refresh, "the second one": second.Refresh,
		} {
			if err := w.Verify(t.Context(), text, ""); !errors.Is(err, jwt.ErrEnded) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := w.Refresh(t.Context(), second.Refresh); !errors.Is(err, jwt.ErrEnded) {
			t.Errorf("the thief, or the owner, goes on: %v", err)
		}
		w.refresh(other)
		if !strings.Contains(w.log.String(), `"msg":"authn_token_reuse"`) {
			t.Error("nothing was logged")
		}
		w.quiet(first, second, other)
	})
}

// TestAChainOfTabsIsNoTheft: a tab that comes with the token before the last, moments later, ends nothing either.
func TestAChainOfTabsIsNoTheft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.signIn()
		last := first
		for range 5 {
			time.Sleep(time.Second)
			last = w.refresh(last)
		}
		if _, err := w.Refresh(t.Context(), first.Refresh); !errors.Is(err, jwt.ErrJustUsed) {
			t.Errorf("five tokens ago: %v", err)
		}
		w.refresh(last)
	})
}

// TestAReuseLongAgoEndsTheFamilyToo: of a token that the family no longer remembers.
func TestAReuseLongAgoEndsTheFamilyToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.signIn()
		last := first
		for range 40 {
			time.Sleep(10 * time.Minute)
			last = w.refresh(last)
		}
		if r := w.families()[0]; len(r.Data) > 300 {
			t.Errorf("the record grows: %d bytes", len(r.Data))
		}
		if _, err := w.Refresh(t.Context(), first.Refresh); !errors.Is(err, jwt.ErrEnded) {
			t.Error(err)
		}
		if err := w.Verify(t.Context(), last.Access, ""); !errors.Is(err, jwt.ErrEnded) {
			t.Error(err)
		}
		// However often within the grace period, it remembers only so many.
		last = w.signIn()
		for range 100 {
			last = w.refresh(last)
		}
		if r := w.families()[0]; len(r.Data) > 2000 {
			t.Errorf("the record grows: %d bytes", len(r.Data))
		}
	})
}

// refresh returns the next pair, which must be there.
func (w *world) refresh(pair jwt.Pair) jwt.Pair {
	w.t.Helper()
	next, err := w.Refresh(w.t.Context(), pair.Refresh)
	if err != nil {
		w.t.Fatal(err)
	}
	return next
}

// quiet fails the test if the log or the store holds a token.
func (w *world) quiet(pairs ...jwt.Pair) {
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

// TestTokensExpireToTheSecond.
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
				t.Errorf("%s, a second before: %v", what, err)
			}
			time.Sleep(time.Second)
			if err := w.Verify(t.Context(), text, audience); !errors.Is(err, jwt.ErrExpired) {
				t.Errorf("%s, at the end: %v", what, err)
			}
		})
	}
}

// TestAFamilyEndsAfterThirtyDaysWhateverHappens.
func TestAFamilyEndsAfterThirtyDaysWhateverHappens(t *testing.T) {
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
				t.Fatalf("auth_time moved to %v", got)
			}
		}
		end := began.Add(30 * 24 * time.Hour).Unix()
		time.Sleep(time.Until(time.Unix(end-2, 0)))
		pair = w.refresh(pair)
		for what, text := range map[string]string{"access": pair.Access, "refresh": pair.Refresh} {
			if got := seconds(t, text, "exp"); got.Unix() != end {
				t.Errorf("%s: ends at %v", what, got)
			}
		}
		time.Sleep(2 * time.Second)
		if _, err := w.Refresh(t.Context(), pair.Refresh); !errors.Is(err, jwt.ErrExpired) {
			t.Error(err)
		}
	})
}

// TestTokensDieWithWhatTheyWereMadeFrom: the epoch, the family, the account, the session.
func TestTokensDieWithWhatTheyWereMadeFrom(t *testing.T) {
	t.Attr("threat", "X01")
	t.Attr("threat", "X02")
	t.Attr("threat", "X03")
	t.Attr("threat", "B7")
	for what, row := range map[string]struct {
		end     func(w *world, p jwt.Pair) error
		want    error
		refresh error
	}{
		"the family is over": {func(w *world, p jwt.Pair) error { return w.Blacklist(context.Background(), p.Refresh) }, jwt.ErrEnded, jwt.ErrEnded},
		"all of the user's are over": {func(w *world, _ jwt.Pair) error {
			_, err := w.db.Tokens.DeleteUser(context.Background(), "1", token.Refresh)
			return err
		}, jwt.ErrEnded, jwt.ErrEnded},
		"the epoch moved":     {func(w *world, _ jwt.Pair) error { w.accounts["1"] = "second"; return nil }, jwt.ErrEnded, jwt.ErrEnded},
		"the account is gone": {func(w *world, _ jwt.Pair) error { delete(w.accounts, "1"); return nil }, jwt.ErrNoAccount, jwt.ErrNoAccount},
	} {
		w := newWorld(t)
		pair := w.signIn()
		if err := row.end(w, pair); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{pair.Access, pair.Refresh} {
			if err := w.Verify(t.Context(), text, ""); !errors.Is(err, row.want) {
				t.Errorf("%s: verify: %v", what, err)
			}
		}
		if _, err := w.Refresh(t.Context(), pair.Refresh); !errors.Is(err, row.refresh) {
			t.Errorf("%s: refresh: %v", what, err)
		}
	}
	for what, end := range map[string]func(w *world) error{
		"the session is over": func(w *world) error { _, err := w.sessions.RevokeAll(context.Background(), "1", nil); return err },
		"the epoch moved":     func(w *world) error { w.accounts["1"] = "second"; return nil },
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
			t.Errorf("%s: before: %v", what, err)
		}
		if err := end(w); err != nil {
			t.Fatal(err)
		}
		if err := w.Verify(t.Context(), text, "reports"); !errors.Is(err, jwt.ErrEnded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	w := newWorld(t)
	text := w.mint(w.session(), "reports")
	delete(w.accounts, "1")
	if err := w.Verify(t.Context(), text, "reports"); !errors.Is(err, jwt.ErrNoAccount) {
		t.Errorf("the account is gone: %v", err)
	}
}

// TestAuthenticateSaysWhatTheCallerMustCompare.
func TestAuthenticateSaysWhatTheCallerMustCompare(t *testing.T) {
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
			t.Errorf("%+v", c)
		}
	})
}

// TestAnAccessTokenIsExchangedOnce, however many try at the same time, and whatever text it has.
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
		t.Error(got)
	}
	marks, err := w.db.Tokens.List(t.Context(), token.Query{Kind: token.UsedJTI})
	if err != nil || len(marks) != 1 || marks[0].Expires != c.ExpiresAt.Unix() {
		t.Fatal(marks, err)
	}
	if _, err := w.db.Tokens.DeleteExpired(t.Context(), c.ExpiresAt.Unix()-1, 10); err != nil || !errors.Is(w.Spend(t.Context(), c), jwt.ErrSpent) {
		t.Error("the mark is gone before the token is")
	}
	if n, err := w.db.Tokens.DeleteExpired(t.Context(), c.ExpiresAt.Unix(), 10); err != nil || n != 1 {
		t.Error("the mark outlives the token")
	}
	if err := w.Verify(t.Context(), pair.Access, ""); err != nil {
		t.Errorf("the exchange has ended the token: %v", err)
	}
}

// TestBlacklistEndsTheFamilyWithAUsedTokenToo: whoever signs out with an old copy means to sign out.
func TestBlacklistEndsTheFamilyWithAUsedTokenToo(t *testing.T) {
	w := newWorld(t)
	first := w.signIn()
	second := w.refresh(first)
	if err := w.Blacklist(t.Context(), first.Refresh); err != nil {
		t.Fatal(err)
	}
	if err := w.Blacklist(t.Context(), second.Refresh); !errors.Is(err, jwt.ErrEnded) {
		t.Error(err)
	}
	if len(w.families()) != 0 {
		t.Error("the family is still there")
	}
}

// failing fails the n-th call.
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

// TestAnOutageIsNeitherARefusalNorAnEnd: each call to the store fails in turn.
func TestAnOutageIsNeitherARefusalNorAnEnd(t *testing.T) {
	t.Attr("threat", "B4")
	for what, do := range map[string]func(w *world, p jwt.Pair, used jwt.Pair) error{
		"create": func(w *world, _, _ jwt.Pair) error {
			return second(w.Create(w.t.Context(), jwt.SignIn{User: "1", Epoch: "first"}))
		},
		"refresh":      func(w *world, p, _ jwt.Pair) error { return second(w.Refresh(w.t.Context(), p.Refresh)) },
		"a re-use":     func(w *world, _, u jwt.Pair) error { return second(w.Refresh(w.t.Context(), u.Refresh)) },
		"blacklist":    func(w *world, p, _ jwt.Pair) error { return w.Blacklist(w.t.Context(), p.Refresh) },
		"verify":       func(w *world, p, _ jwt.Pair) error { return w.Verify(w.t.Context(), p.Access, "") },
		"authenticate": func(w *world, p, _ jwt.Pair) error { _, err := w.Authenticate(w.t.Context(), p.Access); return err },
		"spend":        func(w *world, _, _ jwt.Pair) error { return w.Spend(w.t.Context(), &jwt.Claims{ID: "x"}) },
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
					t.Errorf("%s, call %d: %d families", what, n, len(w.families()))
				}
			} else if _, refused := errors.AsType[*jwt.Refusal](err); refused && what != "a re-use" {
				t.Errorf("%s, call %d: %v", what, n, err)
			}
			w.Store = w.db.Tokens
			if errors.Is(err, errDown) && w.Verify(t.Context(), pair.Refresh, "") != nil {
				t.Errorf("%s, call %d: the token is dead", what, n)
			}
		}
		if failed == 0 {
			t.Errorf("%s: nothing failed", what)
		}
	}
}

func second(_ jwt.Pair, err error) error { return err }

// TestARotationThatRacesAnEndRevivesNothing: sign-outs and refreshes at the same time, many times over.
func TestARotationThatRacesAnEndRevivesNothing(t *testing.T) {
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
			t.Fatal("a family has come back")
		}
	}
}
