package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/session"
)

func TestAUserSeesAndEndsTheirSessions(t *testing.T) {
	t.Attr("threat", "S10")
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		begin := time.Now()
		phone, laptop, other := &visitor{t: t, m: m}, &visitor{t: t, m: m}, &visitor{t: t, m: m}
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("User-Agent", "Phone/1")
		r.RemoteAddr = "[2001:db8::1]:4711"
		phone.send(r, func(w http.ResponseWriter, r *http.Request) {
			if _, err := m.SignIn(w, r, session.SignIn{User: "1", Method: "password", Fresh: true}); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Hour)
		s := laptop.signIn(session.SignIn{User: "1", Method: "basic", Address: "192.0.2.7", BrowserSession: true})
		other.signIn(session.SignIn{User: "2"})
		time.Sleep(10 * time.Minute)
		phone.alive()
		listed, err := m.List(t.Context(), "1")
		if err != nil || len(listed) != 2 {
			t.Fatalf("%v, %v", listed, err)
		}
		l, p := listed[0], listed[1] // the newest first
		if l.ID != s.ID || l.IP != "192.0.2.7" || l.Method != "basic" || !l.Browser || !l.ReauthenticatedAt.IsZero() || !l.CreatedAt.Equal(begin.Add(time.Hour)) {
			t.Errorf("laptop: %+v", l)
		}
		if p.UserAgent != "Phone/1" || p.IP != "2001:db8::1" || !p.ReauthenticatedAt.Equal(begin) || !p.LastSeenAt.Equal(time.Now()) || !p.ExpiresAt.Equal(time.Now().Add(14*day)) {
			t.Errorf("phone: %+v", p)
		}
		if all, err := m.List(t.Context(), ""); err != nil || len(all) != 3 {
			t.Errorf("sessions of all users: %v, %v", all, err)
		}
		if err := m.Revoke(t.Context(), "1", l.ID); err != nil || laptop.alive() || !phone.alive() || !other.alive() {
			t.Errorf("end of one: %v", err)
		}
		if _, err := m.RevokeAll(t.Context(), "1", nil); err != nil || phone.alive() || !other.alive() {
			t.Errorf("end of all: %v", err)
		}
	})
}

func TestDeadSessionsAreNotListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		epochs := &accounts{epochs: map[string]string{"1": "1", "2": "1", "gone": "1"}}
		m.Accounts = epochs
		for _, in := range []session.SignIn{
			{User: "1", Method: "expired", BrowserSession: true}, {User: "1", Method: "outdated", Epoch: "0"}, {User: "1", Method: "outdated", Epoch: "0"},
			{User: "1", Method: "live"}, {User: "1", Method: "live"}, {User: "2", Method: "live"}, {User: "gone", Method: "orphaned"}, {User: "gone", Method: "orphaned"},
		} {
			(&visitor{t: t, m: m}).signIn(in)
		}
		delete(epochs.epochs, "gone")
		time.Sleep(time.Hour)
		for user, want := range map[string]int{"1": 2, "2": 1, "gone": 0, "": 3} {
			epochs.asked = 0
			listed, err := m.List(t.Context(), user)
			if err != nil || len(listed) != want {
				t.Errorf("%q has %d sessions, want %d; %v", user, len(listed), want, err)
			}
			for _, s := range listed {
				if s.Method != "live" {
					t.Errorf("%s session is listed", s.Method)
				}
			}
			if most := 3; epochs.asked > most || (user != "" && epochs.asked > 1) {
				t.Errorf("%q: %d look-ups of the epoch", user, epochs.asked)
			}
		}
	})
}

func TestASignInTooManyEndsTheOldest(t *testing.T) {
	t.Attr("threat", "S11")
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.MaxSessions = 3
		bob := &visitor{t: t, m: m}
		bob.signIn(session.SignIn{User: "bob"})
		var anns []*visitor
		for i := range 6 {
			ann := &visitor{t: t, m: m}
			ann.signIn(session.SignIn{User: "ann"})
			anns = append(anns, ann)
			time.Sleep(time.Second)
			for j, before := range anns {
				if got, want := before.alive(), i-j < m.MaxSessions; got != want {
					t.Errorf("after sign-in %d: session %d alive is %v", i+1, j+1, got)
				}
			}
		}
		anns[5].signIn(session.SignIn{User: "ann"}) // this replaces the session, and adds none
		if !anns[3].alive() || !anns[4].alive() || !anns[5].alive() || !bob.alive() {
			t.Error("a sign-in in the place of a session ended another")
		}
	})
}

func TestALimitOfOneLeavesTheNewSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.MaxSessions = 1
		first, second := &visitor{t: t, m: m}, &visitor{t: t, m: m}
		for range 20 { // within the same second, in which no clock tells who came first
			first.signIn(session.SignIn{User: "1"})
			second.signIn(session.SignIn{User: "1"})
			if first.alive() || !second.alive() {
				t.Fatal("the session that was just started ended")
			}
		}
	})
}

// TestSignInsAtOnceDoNotEndEachOther holds that after many sign-ins at once as many sessions live as the limit allows.
func TestSignInsAtOnceDoNotEndEachOther(t *testing.T) {
	t.Attr("threat", "S11")
	for _, most := range []int{1, 3} {
		m := newManager()
		m.MaxSessions = most
		m.Store = &watched{Store: m.Store, before: func(string) error { time.Sleep(time.Millisecond); return nil }}
		var anns [20]*visitor
		var all sync.WaitGroup
		for i := range anns {
			anns[i] = &visitor{t: t, m: m}
			all.Go(func() { anns[i].signIn(session.SignIn{User: "ann"}) })
		}
		all.Wait()
		alive := 0
		for _, ann := range anns {
			if ann.alive() {
				alive++
			}
		}
		if alive != most {
			t.Errorf("%d sessions live, of %d allowed", alive, most)
		}
	}
}

// TestOnEndIsCalledOnceForEachEnd checks that the call comes once, after the session has ended.
func TestOnEndIsCalledOnceForEachEnd(t *testing.T) {
	m := newManager()
	var events []session.EndEvent
	m.OnEnd = func(e session.EndEvent) {
		if e.ID != "" && slices.ContainsFunc(rows(t, m.Store), func(r *session.Record) bool { return r.PublicID == e.ID }) {
			t.Errorf("%+v is still there", e)
		}
		events = append(events, e)
	}
	a, b, c := &visitor{t: t, m: m}, &visitor{t: t, m: m}, &visitor{t: t, m: m}
	first := a.signIn(session.SignIn{User: "1"})
	second := a.signIn(session.SignIn{User: "1"})
	if _, err := a.signOut(); err != nil {
		t.Fatal(err)
	}
	third, fourth := b.signIn(session.SignIn{User: "1"}), c.signIn(session.SignIn{User: "1"})
	if _, err := m.RevokeAll(session.WithReason(t.Context(), "disabled"), "1", fourth); err != nil {
		t.Fatal(err)
	}
	if err := m.Revoke(t.Context(), "1", fourth.ID); err != nil {
		t.Fatal(err)
	}
	if err := m.Revoke(t.Context(), "1", third.ID); !errors.Is(err, session.ErrEnded) {
		t.Fatal(err)
	}
	want := []session.EndEvent{
		{User: "1", ID: first.ID, Reason: endreason.SignedInAgain},
		{User: "1", ID: second.ID, Reason: endreason.SignedOut},
		{User: "1", Except: fourth.ID, Reason: "disabled"},
		{User: "1", ID: fourth.ID, Reason: endreason.EndedElsewhere},
	}
	if !slices.Equal(events, want) {
		t.Errorf("events\n%+v, want\n%+v", events, want)
	}
}

func TestOnlySignInStartsASession(t *testing.T) {
	t.Attr("threat", "S12")
	m := newManager()
	v := &visitor{t: t, m: m}
	v.alive()
	if _, err := v.reauthenticate(""); err == nil {
		t.Error("a renewal without a session succeeds")
	}
	if _, err := v.signOut(); err != nil {
		t.Error(err)
	}
	if _, err := m.List(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if _, err := m.Update(t.Context(), v.ended(), func(session.Values) error { return nil }); err == nil {
		t.Error("an update without a session succeeds")
	}
	if all := rows(t, m.Store); len(all) != 0 {
		t.Errorf("there are sessions without a sign-in: %v", all)
	}
}

func TestStrangersLeaveNoTrace(t *testing.T) {
	t.Attr("threat", "S14")
	t.Attr("threat", "B14")
	m := newManager()
	ann := &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "1"})
	before := fmt.Sprint(*rows(t, m.Store)[0])
	looks := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s, err := session.FromContext(r.Context()); s != nil || err != nil {
			t.Errorf("%v, %v", s, err)
		}
	})
	h := m.Handler(looks)
	for i := range 100_000 {
		r := &http.Request{Method: "GET", Header: http.Header{}}
		switch i % 4 {
		case 1:
			r.Header.Set("Cookie", session.CookieName+"=garbage")
		case 2:
			r.Header.Set("Cookie", fmt.Sprintf("%s=%s%05d%s", session.CookieName, unknownTicket[:20], i, unknownTicket[25:]))
		case 3:
			if err := m.SignOut(nowhere{http.Header{}}, r); err != nil {
				t.Fatal(err)
			}
			continue
		}
		h.ServeHTTP(nowhere{}, r)
	}
	if all := rows(t, m.Store); len(all) != 1 || fmt.Sprint(*all[0]) != before {
		t.Errorf("the store holds %d rows: %v", len(all), all)
	}
}

func TestBeforeSignInThereIsNoCookieOfOurs(t *testing.T) {
	t.Attr("threat", "S15")
	m := newManager()
	v := &visitor{t: t, m: m}
	answer := v.serve(func(_ http.ResponseWriter, r *http.Request) { _, _ = session.FromContext(r.Context()) })
	if len(answer.Header) != 0 {
		t.Errorf("an anonymous request is answered with %v", answer.Header)
	}
}

func TestTheAgentIsKeptWithinBounds(t *testing.T) {
	m := newManager()
	for _, agent := range []string{"", "Phone/1", strings.Repeat("ä", 256), "x" + strings.Repeat("ä", 256), strings.Repeat("x", 1<<20), "\xff\xfe broken", strings.Repeat("\xff", 600)} {
		v := &visitor{t: t, m: m}
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("User-Agent", agent)
		v.send(r, func(w http.ResponseWriter, r *http.Request) {
			s, err := m.SignIn(w, r, session.SignIn{User: "1"})
			if err != nil || len(s.UserAgent) > 512 || !utf8.ValidString(s.UserAgent) || (agent != "" && s.UserAgent == "") {
				t.Errorf("%.20q… became %q, %v", agent, s.UserAgent, err)
			}
			if len(agent) <= 512 && utf8.ValidString(agent) && s.UserAgent != agent {
				t.Errorf("%q became %q", agent, s.UserAgent)
			}
		})
	}
	addresses := []string{}
	for _, remote := range []string{"192.0.2.1:80", "[2001:db8::1]:80", "192.0.2.2", "2001:db8::2", "@", "/run/peer.sock", "pipe", ""} {
		r := httptest.NewRequest("POST", "/", nil)
		r.RemoteAddr = remote
		s, err := m.SignIn(nowhere{http.Header{}}, r, session.SignIn{User: "1"})
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, s.IP)
	}
	if !slices.Equal(addresses, []string{"192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2", "", "", "", ""}) {
		t.Errorf("addresses: %q", addresses)
	}
}

func TestALimitThatCannotBeKeptLeavesTheSignIn(t *testing.T) {
	m := newManager()
	m.MaxSessions = 1
	log := logTo(m)
	inner := m.Store
	first, second := &visitor{t: t, m: m}, &visitor{t: t, m: m}
	first.signIn(session.SignIn{User: "1"})
	m.Store = &watched{Store: inner, before: func(method string) error {
		if method == "List" {
			return errOutage
		}
		return nil
	}}
	second.signIn(session.SignIn{User: "1"})
	if !second.alive() || !strings.Contains(log.String(), "session limit not enforced") {
		t.Errorf("the log: %s", log)
	}
	m.Store = inner
	(&visitor{t: t, m: m}).signIn(session.SignIn{User: "1"})
	if first.alive() || second.alive() {
		t.Error("the next sign-in doesn't make up for it")
	}
}
