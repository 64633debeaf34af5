package session_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

const day = 24 * time.Hour

// passive makes no check of the Manager count as a use of the session.
func passive(m *session.Manager) *session.Manager {
	return &session.Manager{
		Store: m.Store, Accounts: m.Accounts, Passive: func(*http.Request) bool { return true },
		Idle: m.Idle, Lifetime: m.Lifetime, BrowserIdle: m.BrowserIdle, BrowserLifetime: m.BrowserLifetime,
	}
}

func TestTheIdleLimitIsKeptByTheServer(t *testing.T) {
	t.Attr("threat", "T01")
	for _, idle := range []time.Duration{10 * time.Second, 15 * time.Minute, time.Hour, 14 * day} {
		synctest.Test(t, func(t *testing.T) {
			m := newManager()
			m.Idle, m.Lifetime = idle, 100*idle
			v := &visitor{t: t, m: m} // a browser that never forgets a cookie
			v.signIn(session.SignIn{User: "1"})
			for range 3 { // each use counts anew
				time.Sleep(idle - time.Second)
				if !v.alive() {
					t.Fatalf("idle limit %v: over a second early", idle)
				}
			}
			time.Sleep(idle + time.Second)
			if v.alive() {
				t.Fatalf("idle limit %v: alive a second late", idle)
			}
		})
	}
}

func TestTheAbsoluteLimitFiresDespiteUse(t *testing.T) {
	t.Attr("threat", "E09")
	t.Attr("threat", "T02")
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Idle, m.Lifetime = time.Hour, 8*time.Hour
		v := &visitor{t: t, m: m}
		use := func(total time.Duration) {
			for range int(total / (10 * time.Minute)) {
				if !v.alive() {
					t.Fatal("over although in use")
				}
				time.Sleep(10 * time.Minute)
			}
		}
		v.signIn(session.SignIn{User: "1"})
		use(7 * time.Hour)
		if _, err := v.reauthenticate(""); err != nil { // counts both limits from now
			t.Fatal(err)
		}
		s, err := v.look()
		if err != nil || time.Until(s.ExpiresAt) != time.Hour {
			t.Fatalf("%+v, %v", s, err)
		}
		use(8*time.Hour - 10*time.Minute)
		time.Sleep(10*time.Minute - time.Second)
		if s, err = v.look(); err != nil || s == nil || time.Until(s.ExpiresAt) != time.Second {
			t.Fatalf("a second before the end: %+v, %v", s, err)
		}
		time.Sleep(time.Second)
		if v.alive() {
			t.Fatal("alive at the absolute limit")
		}
	})
}

func TestTheDefaultsAreThePresets(t *testing.T) {
	t.Attr("threat", "T03")
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		for _, c := range []struct {
			browser        bool
			idle, lifetime time.Duration
		}{
			{false, 14 * day, 30 * day},       // NIST SP 800-63B-4, AAL1: at most 30 days
			{true, time.Hour, 12 * time.Hour}, // AAL2: at most an hour idle, 24 hours overall
		} {
			v := &visitor{t: t, m: m}
			v.signIn(session.SignIn{User: "1", BrowserSession: c.browser})
			r, err := m.Store.List(t.Context(), session.Query{User: "1"})
			if err != nil || len(r) != 1 {
				t.Fatal(r, err)
			}
			idle, lifetime := time.Duration(r[0].Idle)*time.Second, time.Duration(r[0].Deadline-r[0].Created)*time.Second
			if idle != c.idle || lifetime != c.lifetime || r[0].Expires != r[0].Created+r[0].Idle {
				t.Errorf("browser session %v: idle %v, lifetime %v, %+v", c.browser, idle, lifetime, r[0])
			}
			if _, err := v.signOut(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestEachLimitEndsToTheSecond(t *testing.T) {
	t.Attr("threat", "B13")
	limits := session.Manager{Idle: 100 * time.Second, Lifetime: 1000 * time.Second, BrowserIdle: 70 * time.Second, BrowserLifetime: 700 * time.Second}
	for name, c := range map[string]struct {
		browser bool
		used    time.Duration // how often; 0: never
		end     time.Duration
	}{
		"idle": {false, 0, limits.Idle}, "lifetime": {false, 50 * time.Second, limits.Lifetime},
		"browser idle": {true, 0, limits.BrowserIdle}, "browser lifetime": {true, 35 * time.Second, limits.BrowserLifetime},
	} {
		for _, off := range []time.Duration{-time.Second, 0, time.Second} {
			synctest.Test(t, func(t *testing.T) {
				m := passive(&limits)
				m.Passive, m.Store = nil, newManager().Store
				v := &visitor{t: t, m: m}
				v.signIn(session.SignIn{User: "1", BrowserSession: c.browser})
				end := time.Now().Add(c.end)
				for c.used > 0 && time.Until(end) > c.used {
					time.Sleep(c.used)
					if !v.alive() {
						t.Fatalf("%s: over %v before the end", name, time.Until(end))
					}
				}
				time.Sleep(time.Until(end) + off)
				if got, want := v.alive(), off < 0; got != want {
					t.Errorf("%s %+v: alive is %v", name, off, got)
				}
			})
		}
	}
}

func TestARotatedTicketHasNoGrace(t *testing.T) {
	t.Attr("threat", "T06")
	synctest.Test(t, func(t *testing.T) {
		v := &visitor{t: t, m: newManager()}
		v.signIn(session.SignIn{User: "1"})
		for range 10 {
			old := *v
			if _, err := v.reauthenticate(""); err != nil {
				t.Fatal(err)
			}
			if old.alive() || !v.alive() {
				t.Fatal("the old ticket lives beside the new one, or neither does")
			}
		}
	})
}

func TestASteppedClockNeitherExtendsNorEndsAll(t *testing.T) {
	t.Attr("threat", "T08")
	// A clock that was an hour ahead has left its times in the store; then it was set right.
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		v := &visitor{t: t, m: m}
		v.signIn(session.SignIn{User: "1"})
		deadline := time.Now().Add(30 * day)
		r := rows(t, m.Store)[0]
		ahead := time.Now().Add(time.Hour).Unix()
		if err := m.Store.Touch(t.Context(), []session.LastUse{{ID: r.ID, At: ahead, Expires: min(ahead+r.Idle, r.Deadline)}}); err != nil {
			t.Fatal(err)
		}
		if !v.alive() {
			t.Fatal("ended by the step back")
		}
		for time.Until(deadline) > 10*day {
			time.Sleep(10 * day)
			if !v.alive() {
				t.Fatal("over although in use")
			}
		}
		time.Sleep(time.Until(deadline))
		if v.alive() {
			t.Fatal("the step extended the absolute limit")
		}
	})
	// Another program has set Expires to a time after the deadline: the deadline counts.
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		v := &visitor{t: t, m: m}
		v.signIn(session.SignIn{User: "1"})
		old := rows(t, m.Store)[0]
		wrong := *old
		wrong.Expires = old.Deadline + 3600
		if err := m.Store.Replace(t.Context(), old, &wrong); err != nil {
			t.Fatal(err)
		}
		v.m = passive(m) // a use would set the end right
		time.Sleep(30*day - time.Second)
		if !v.alive() {
			t.Fatal("over a second early")
		}
		time.Sleep(time.Second)
		if v.alive() {
			t.Fatal("alive after the deadline")
		}
	})
	// A step forward of an hour ends only what had less than an hour left, also for the purge.
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		long, short := &visitor{t: t, m: m}, &visitor{t: t, m: m}
		long.signIn(session.SignIn{User: "1"})
		short.signIn(session.SignIn{User: "1", BrowserSession: true})
		time.Sleep(time.Hour)
		if _, err := m.Store.DeleteExpired(t.Context(), time.Now().Unix(), 100); err != nil {
			t.Fatal(err)
		}
		if !long.alive() || short.alive() {
			t.Error("the long session ended, or the short one did not")
		}
	})
}

func TestPassiveRequestsDontCountAsUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Idle = 10 * time.Minute
		m.Passive = func(r *http.Request) bool { return strings.Contains(r.URL.RawQuery, "slide=false") }
		v := &visitor{t: t, m: m}
		v.signIn(session.SignIn{User: "1"})
		before := *rows(t, m.Store)[0]
		for range 9 {
			time.Sleep(time.Minute)
			if s, err := v.poll(); err != nil || s == nil || s.LastSeenAt.Unix() != before.Seen || s.ExpiresAt.Unix() != before.Expires {
				t.Fatalf("%+v, %v", s, err)
			}
		}
		if after := rows(t, m.Store)[0]; after.Seen != before.Seen || after.Expires != before.Expires {
			t.Errorf("polling counted as use: %+v", after)
		}
		time.Sleep(time.Minute)
		if s, err := v.poll(); err != nil || s != nil {
			t.Errorf("polling kept the session alive: %+v, %v", s, err)
		}
	})
}

// TestASessionCountsFromTheProof holds that the lifetime starts at the proof, if another party vouches for an earlier one.
func TestASessionCountsFromTheProof(t *testing.T) {
	t.Attr("threat", "S13")
	t.Attr("threat", "T02")
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Idle, m.Lifetime = time.Hour, 8*time.Hour
		v := &visitor{t: t, m: m}
		proved := time.Now()
		time.Sleep(7*time.Hour + 30*time.Minute)
		s := v.signIn(session.SignIn{User: "1", AuthenticatedAt: proved})
		if !s.CreatedAt.Equal(proved) || time.Until(s.ExpiresAt) != 30*time.Minute || !s.ReauthenticatedAt.IsZero() {
			t.Fatalf("%+v", s)
		}
		time.Sleep(30*time.Minute - time.Second)
		if !v.alive() {
			t.Error("over a second early")
		}
		time.Sleep(time.Second)
		if v.alive() {
			t.Error("it outlives its lifetime")
		}
		v.serve(func(w http.ResponseWriter, r *http.Request) {
			if _, err := m.SignIn(w, r, session.SignIn{User: "1", AuthenticatedAt: proved}); !errors.Is(err, session.ErrEnded) {
				t.Errorf("a proof of long ago: %v", err)
			}
			if len(w.Header()["Set-Cookie"]) > 0 {
				t.Error("a cookie for it")
			}
		})
		ahead := time.Now().Add(time.Hour)
		if s := v.signIn(session.SignIn{User: "1", AuthenticatedAt: ahead}); s.CreatedAt.After(time.Now()) || time.Until(s.ExpiresAt) != time.Hour {
			t.Errorf("a proof of the future: %+v", s)
		}
	})
}
