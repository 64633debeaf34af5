package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/gateway"
	"pgregory.net/rapid"
)

// signer returns what it signed, numbered.
type signer struct {
	mu    sync.Mutex
	count int
	err   error
}

func (s *signer) SignAssertion(_ context.Context, claims []byte, life time.Duration) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	return fmt.Sprintf("%d %s %v", s.count, claims, life), s.err
}

func TestAnAssertionIsReusedOnlyForEqualClaims(t *testing.T) {
	t.Attr("threat", "C10")
	rapid.Check(t, func(t *rapid.T) {
		s := &signer{}
		a := gateway.NewAssertions(s)
		word := rapid.StringOf(rapid.SampledFrom([]rune(`ab|,"\:/`)))
		one := gateway.Claims{Subject: word.Draw(t, "user"), Session: word.Draw(t, "session"), Method: word.Draw(t, "method"),
			Path: word.Draw(t, "path"), Username: word.Draw(t, "name"), Groups: gateway.EncodeGroups(rapid.SliceOfN(word, 0, 2).Draw(t, "groups"))}
		two := one
		switch what := rapid.IntRange(0, 7).Draw(t, "what differs"); what {
		case 0, 1, 2, 3, 4:
			*[]*string{&two.Subject, &two.Session, &two.Method, &two.Path, &two.Username}[what] = word.Draw(t, "another")
		case 5:
			two.Groups = gateway.EncodeGroups(rapid.SliceOfN(word, 0, 2).Draw(t, "other groups"))
		case 6: // the same letters, divided otherwise
			both := one.Subject + one.Session
			at := rapid.IntRange(0, len(both)).Draw(t, "at")
			two.Subject, two.Session = both[:at], both[at:]
		}
		first, _ := a.Of(t.Context(), one)
		second, _ := a.Of(t.Context(), two)
		if same := fmt.Sprintf("%#v", one) == fmt.Sprintf("%#v", two); same != (first == second) {
			t.Fatalf("%#v and %#v: same %v, told %s and %s", one, two, same, first, second)
		}
	})
}

func TestAnAssertionHasHalfItsLifeLeftAtLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &signer{}
		a := gateway.NewAssertions(s)
		tell := func() string {
			text, err := a.Of(t.Context(), gateway.Claims{Subject: "1"})
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		first := tell()
		if !strings.HasSuffix(first, " 1m0s") {
			t.Errorf("signed for %s", first)
		}
		time.Sleep(29 * time.Second)
		if tell() != first {
			t.Error("signed anew after 29 s")
		}
		time.Sleep(time.Second)
		if tell() == first {
			t.Error("told again with 30 s left")
		}
	})
}

func TestTheNumberOfCachedAssertionsIsLimited(t *testing.T) {
	s := &signer{}
	a := gateway.NewAssertions(s)
	for i := range 50_000 {
		if _, err := a.Of(t.Context(), gateway.Claims{Path: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := a.Len(); n > 2*4096 {
		t.Errorf("%d are remembered", n)
	}
	s.err = context.Canceled
	if _, err := a.Of(t.Context(), gateway.Claims{Path: "new"}); err == nil {
		t.Error("an outage is no error")
	}
}
