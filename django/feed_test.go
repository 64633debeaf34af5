package django_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/django"
)

// newFed is a pair on PostgreSQL whose Cloakroom answers from memory.
func newFed(t testing.TB) *pair {
	t.Helper()
	p := newPair(t, postgresAddress(t), nil)
	p.stop()
	db := opened(t, django.Config{Database: p.config.DB[len("django+"):], Keys: keys})
	if _, err := db.InstallFeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if has, err := db.HasFeed(t.Context()); !has || err != nil {
		t.Fatalf("has a feed: %v, %v", has, err)
	}
	p.feed = true
	p.start()
	return p
}

// locked calls do while nobody can read Django's tables.
func (p *pair) locked(t testing.TB, do func()) {
	t.Helper()
	tx, err := p.raw(t).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), `LOCK TABLE django_session, auth_user, auth_group, authtoken_token IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	do()
}

// remembers waits until Cloakroom answers from memory: what has changed is asked for a while longer.
func (b *person) remembers() {
	b.t.Helper()
	quick := *b.ours.Client
	quick.Timeout = 300 * time.Millisecond
	ours := *b.ours
	ours.Client = &quick
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		b.ours.Do(b.t, "GET", "/api/me", nil, nil)
		status := 0
		b.p.locked(b.t, func() { status = ours.TryDo("GET", "/api/me") })
		if status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatal("Cloakroom doesn't answer from memory")
		}
	}
}

func TestWithTheFeedChecksAreAnsweredFromMemory(t *testing.T) {
	p := newFed(t)
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	b.is(name)
	b.remembers()
}

// TestB7_EachSideSeesWhatTheOtherDoesThroughTheFeed is the matrix once more, over a memory.
func TestB7_EachSideSeesWhatTheOtherDoesThroughTheFeed(t *testing.T) {
	p := newFed(t)
	before := p.bystanders(t)
	for _, c := range cells {
		if c.what == "read" {
			continue // one's own uses are written down a few seconds later, in a batch
		}
		t.Run(c.what+", done in Django", func(t *testing.T) { c.inDjango(t, p) })
		t.Run(c.what+", done in Cloakroom", func(t *testing.T) { c.inCloakroom(t, p) })
	}
	t.Run("nothing else has changed", func(t *testing.T) { p.unchanged(t, before) })
}

// What is in memory must go at once, not only be read anew once it is asked for.
func TestTheFeedTellsOfEachTable(t *testing.T) {
	p := newFed(t)
	for what, change := range map[string]string{
		"a session is deleted":          `DELETE FROM django_session WHERE session_key = $1`,
		"a session is emptied":          `UPDATE django_session SET session_data = 'x' WHERE session_key = $1`,
		"all sessions are removed":      `TRUNCATE django_session`,
		"thousands of rows are changed": `INSERT INTO django_session SELECT 'bulk' || n, 'x', now() FROM generate_series(1, 5000) n WHERE $1 <> ''`,
		"the user is disabled":          `UPDATE auth_user SET is_active = false WHERE username = $2 AND $1 <> ''`,
		"the user has another password": `UPDATE auth_user SET password = '!' WHERE username = $2 AND $1 <> ''`,
	} {
		t.Run(what, func(t *testing.T) {
			name, _ := p.user(t)
			b := p.person(t)
			b.signsIn("Cloakroom", name, good)
			b.is(name)
			b.remembers()
			p.execute(t, change, b.key(), name)
			if what == "thousands of rows are changed" {
				p.execute(t, `DELETE FROM django_session WHERE expire_date < now() + interval '1 hour' OR session_key = $1`, b.key(), name)
			}
			b.isNobody()
		})
	}
}

func TestTheFeedLeavesNoTrace(t *testing.T) {
	p := newFed(t)
	database := p.config.DB[len("django+"):]
	db := opened(t, django.Config{Database: database, Keys: keys})
	p.agree(t, func() string {
		if err := db.RemoveFeed(t.Context()); !errors.Is(err, django.ErrListening) {
			return "the feed is removed under a server that needs it"
		}
		return ""
	})
	p.stop()
	if err := db.RemoveFeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if has, err := db.HasFeed(t.Context()); has || err != nil {
		t.Errorf("has a feed: %v, %v", has, err)
	}
	left := dump(t, p.raw(t), `SELECT tgname FROM pg_trigger WHERE NOT tgisinternal UNION SELECT proname FROM pg_proc WHERE proname LIKE 'django%'`)
	if left != "" {
		t.Errorf("left are\n%s", left)
	}
	if _, err := opened(t, django.Config{Database: sqliteSite(t), Keys: keys}).InstallFeed(t.Context()); !errors.Is(err, django.ErrNoFeed) {
		t.Errorf("SQLite: %v", err)
	}
}

// TestX01_WhatIsEndedHereIsEndedAtOnce: nobody waits for word of what this very server has done.
func TestX01_WhatIsEndedHereIsEndedAtOnce(t *testing.T) {
	p := newFed(t)
	for what, end := range map[string]func(id string) error{
		"everything is ended":  func(id string) error { return p.server.Accounts.EndEverything(t.Context(), id) },
		"the user is disabled": func(id string) error { return p.server.Accounts.SetActive(t.Context(), id, false) },
		"the password is new":  func(id string) error { return p.server.Accounts.SetPassword(t.Context(), id, better) },
		"all sessions are ended": func(id string) error {
			_, err := p.server.Sessions.RevokeAll(t.Context(), id, nil)
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			name, id := p.user(t)
			b := p.person(t)
			b.signsIn("Django", name, good)
			b.remembers()
			if err := end(id); err != nil {
				t.Fatal(err)
			}
			if status := b.ours.Do(t, "GET", "/api/me", nil, nil); status != http.StatusUnauthorized {
				t.Errorf("right afterwards: %d", status)
			}
		})
	}
}

// BenchmarkRevocationInDjango is how long a session that Django has ended is honoured here: from the commit on.
func BenchmarkRevocationInDjango(b *testing.B) {
	p := newFed(b)
	name, _ := p.user(b)
	db := p.raw(b)
	var times []time.Duration
	for b.Loop() {
		b.StopTimer()
		who := p.person(b)
		who.signsIn("Cloakroom", name, good)
		key := who.key()
		who.remembers()
		b.StartTimer()
		if _, err := db.ExecContext(b.Context(), `DELETE FROM django_session WHERE session_key = $1`, key); err != nil {
			b.Fatal(err)
		}
		committed := time.Now()
		for who.ours.TryDo("GET", "/api/me") == http.StatusOK {
		}
		times = append(times, time.Since(committed))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(times[min(len(times)-1, len(times)*99/100)].Microseconds())/1000, "ms-p99")
}
