package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

func TestParallelUpdatesToDifferentKeysAllSurvive(t *testing.T) {
	m := newManager()
	v := &visitor{t: t, m: m}
	s := v.signIn(session.SignIn{User: "1", Values: session.Values{"kept": []byte("true")}})
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() { // all of them begin with the same, soon outdated session
			updated, err := m.Update(t.Context(), s, func(v session.Values) error { return v.Set(fmt.Sprint(i), i) })
			if err != nil {
				t.Error(err)
				return
			}
			var mine int
			if ok, err := updated.Values().Get(fmt.Sprint(i), &mine); !ok || err != nil || mine != i {
				t.Errorf("%d: the session returned has %d, %v, %v", i, mine, ok, err)
			}
		})
	}
	group.Wait()
	if len(s.Values()) != 1 {
		t.Errorf("the session that was passed in has changed: %v", s.Values())
	}
	now, err := v.look()
	if err != nil || len(now.Values()) != 65 {
		t.Errorf("%d of 65 values survive, %v", len(now.Values()), err)
	}
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	m := newManager()
	const large = int64(9007199254740993) // 2⁵³+1, which a float64 can't hold
	for _, theirs := range []string{
		`12345678901234567890.123456789`, `9007199254740993`, `[1e400,-0.0,1E-7]`, `{"b":[{"a":{}}],"a":null}`, `"\u2028<&>ä\ud83d\ude00"`,
	} {
		v := &visitor{t: t, m: m}
		s := v.signIn(session.SignIn{User: "1", Values: session.Values{"theirs": []byte(theirs), "": []byte("null"), "ä": []byte(`"ö"`)}})
		if _, err := m.Update(t.Context(), s, func(v session.Values) error { return v.Set("mine", large) }); err != nil {
			t.Fatal(err)
		}
		s, err := v.look()
		if err != nil {
			t.Fatal(err)
		}
		values := s.Values()
		var n int64
		if ok, err := values.Get("mine", &n); !ok || err != nil || n != large {
			t.Errorf("%d, %v, %v", n, ok, err)
		}
		if got, want := exactly(t, string(values["theirs"])), exactly(t, theirs); got != want {
			t.Errorf("a key that the program doesn't know came back as %s, want %s", got, want)
		}
		if string(values[""]) != "null" || string(values["ä"]) != `"ö"` || len(values) != 4 {
			t.Errorf("%v", values)
		}
		if ok, err := values.Get("nothing", &n); ok || err != nil {
			t.Errorf("a key that isn't there: %v, %v", ok, err)
		}
		if ok, err := values.Get("ä", &n); !ok || err == nil {
			t.Errorf("a value of another type: %v, %v", ok, err)
		}
	}
}

// exactly renders JSON with its numbers as they are written.
func exactly(t *testing.T, text string) string {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%q", v)
}

func TestASessionNeverChanges(t *testing.T) {
	m := newManager()
	v := &visitor{t: t, m: m}
	v.signIn(session.SignIn{User: "1", Values: session.Values{"k": []byte(`"value"`)}})
	v.serve(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := range 16 { // under -race: one session, many goroutines
			group.Go(func() {
				mine := s.Values()
				copy(mine["k"], `"VALUE"`)
				delete(mine, "k")
				if _, err := m.Update(r.Context(), s, func(v session.Values) error {
					copy(v["k"], `"Value"`)
					return v.Set(fmt.Sprint(i), s.User)
				}); err != nil {
					t.Error(err)
				}
				if again, err := session.FromContext(r.Context()); err != nil || again.ID != s.ID {
					t.Error(again, err)
				}
			})
		}
		group.Wait()
		if got := fmt.Sprintf("%s", s.Values()); got != `map[k:"value"]` {
			t.Errorf("the session is %s", got)
		}
	})
}

func TestUpdateWritesNothingIfItFails(t *testing.T) {
	m := newManager()
	v := &visitor{t: t, m: m}
	s := v.signIn(session.SignIn{User: "1", Values: session.Values{"k": []byte("1")}})
	before := fmt.Sprint(*rows(t, m.Store)[0])
	refusal := errors.New("not today")
	for name, c := range map[string]struct {
		change func(session.Values) error
		want   error
	}{
		"refused":   {func(v session.Values) error { clear(v); return refusal }, refusal},
		"too large": {func(v session.Values) error { return v.Set("k", strings.Repeat("x", 64<<10)) }, session.ErrTooLarge},
		"not JSON":  {func(v session.Values) error { v["k"] = []byte("{"); return nil }, nil},
		"no value":  {func(v session.Values) error { return v.Set("k", func() {}) }, nil},
	} {
		got, err := m.Update(t.Context(), s, c.change)
		if got != nil || err == nil || (c.want != nil && !errors.Is(err, c.want)) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if after := fmt.Sprint(*rows(t, m.Store)[0]); after != before {
		t.Errorf("the store went from %s to %s", before, after)
	}
	if _, err := m.Update(t.Context(), s, func(v session.Values) error { return v.Set("k", strings.Repeat("x", 64<<10-8)) }); err != nil {
		t.Errorf("64 KiB: %v", err)
	}
	if err := m.Revoke(t.Context(), "", s.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Update(t.Context(), s, func(session.Values) error { return nil }); !errors.Is(err, session.ErrEnded) {
		t.Errorf("of an ended session: %v", err)
	}
}

func TestSignInRefusesValuesThatDontFit(t *testing.T) {
	m := newManager()
	v := &visitor{t: t, m: m}
	for want, values := range map[error]session.Values{
		session.ErrTooLarge:     {"k": []byte(`"` + strings.Repeat("x", 64<<10) + `"`)},
		errors.New("any error"): {"k": []byte("{")},
	} {
		answer := v.serve(func(w http.ResponseWriter, r *http.Request) {
			_, err := m.SignIn(w, r, session.SignIn{User: "1", Values: values})
			if err == nil || (want == session.ErrTooLarge) != errors.Is(err, session.ErrTooLarge) {
				t.Errorf("%v", err)
			}
		})
		if len(answer.Header) != 0 || len(rows(t, m.Store)) != 0 {
			t.Errorf("%v", answer.Header)
		}
	}
}

func TestAnUpdateOfAnothersSessionDoesNotBecomeTheRequests(t *testing.T) {
	m := newManager()
	admin, ann := &visitor{t: t, m: m}, &visitor{t: t, m: m}
	admin.signIn(session.SignIn{User: "admin"})
	ann.signIn(session.SignIn{User: "ann"})
	admin.serve(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := session.FromContext(r.Context()); err != nil {
			t.Fatal(err)
		}
		listed, err := m.List(r.Context(), "ann")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Update(r.Context(), listed[0], func(v session.Values) error { return v.Set("note", "seen") }); err != nil {
			t.Fatal(err)
		}
		if s, err := session.FromContext(r.Context()); err != nil || s.User != "admin" {
			t.Errorf("the administrator's request is now %+v's, %v", s, err)
		}
	})
}

func TestAnUpdateIsSeenByTheRestOfTheRequest(t *testing.T) {
	m := newManager()
	v := &visitor{t: t, m: m}
	v.signIn(session.SignIn{User: "1"})
	v.serve(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s, err = m.Update(r.Context(), s, func(v session.Values) error { return v.Set("a", 1) }); err != nil {
			t.Fatal(err)
		}
		if again, err := session.FromContext(r.Context()); again != s || err != nil {
			t.Errorf("%+v, %v", again, err)
		}
		if err := m.SignOut(w, r); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Update(r.Context(), s, func(session.Values) error { return nil }); !errors.Is(err, session.ErrEnded) {
			t.Errorf("after the sign-out: %v", err)
		}
		if again, err := session.FromContext(r.Context()); again != nil || err != nil {
			t.Errorf("after the sign-out: %+v, %v", again, err)
		}
	})
}

func TestAnUpdateDoesNotReviveWhatExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Idle = time.Hour
		failing := &watched{Store: m.Store, before: func(method string) error {
			if method == "Touch" {
				return errOutage // the use is lost
			}
			return nil
		}}
		m.Store = failing
		v, elsewhere := &visitor{t: t, m: m}, &visitor{t: t, m: passive(m)}
		v.signIn(session.SignIn{User: "1"})
		elsewhere.cookie = v.cookie
		time.Sleep(30 * time.Minute)
		s, err := v.look()
		if err != nil || time.Until(s.ExpiresAt) != time.Hour {
			t.Fatalf("%+v, %v", s, err)
		}
		time.Sleep(30 * time.Minute)
		if elsewhere.alive() {
			t.Fatal("the use was not lost, so the test tests nothing")
		}
		if _, err := m.Update(t.Context(), s, func(v session.Values) error { return v.Set("a", 1) }); err != nil && !errors.Is(err, session.ErrEnded) {
			t.Fatal(err)
		}
		if elsewhere.alive() {
			t.Error("an expired session came back")
		}
	})
}

func TestBrokenOrMissingValuesDontPanic(t *testing.T) {
	m := newManager()
	for text, want := range map[string]bool{"": true, "{}": true, "null": true, `{"a":1}`: true, "[]": false, "{": false, "7": false} {
		v := &visitor{t: t, m: m}
		s := v.signIn(session.SignIn{User: "1"})
		old := rows(t, m.Store)[0]
		broken := *old
		broken.Values = []byte(text)
		if err := m.Store.Replace(t.Context(), old, &broken); err != nil {
			t.Fatal(err)
		}
		if s, err := v.look(); (s != nil) != want || (err == nil) != want {
			t.Errorf("values %q: %+v, %v", text, s, err)
		}
		if _, err := m.Update(t.Context(), s, func(v session.Values) error { return v.Set("a", 2) }); (err == nil) != want {
			t.Errorf("values %q: update: %v", text, err)
		}
		if _, err := v.signOut(); err != nil || len(rows(t, m.Store)) != 0 { // whatever is in it can be ended
			t.Fatalf("values %q: sign out: %v", text, err)
		}
	}
}
