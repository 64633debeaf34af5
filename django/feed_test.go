package django_test

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/token"
)

// newFed starts a pair on PostgreSQL whose Cloakroom answers from memory.
func newFed(t testing.TB) *pair {
	t.Helper()
	return newPair(t, postgresAddress(t), nil).fed(t)
}

// fed installs the feed and starts Cloakroom again.
func (p *pair) fed(t testing.TB) *pair {
	t.Helper()
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

// locked calls do while Django's tables are locked against reading.
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

// remembers waits until Cloakroom answers all of these from memory. What has just changed is read from the database for a
// while longer.
func (p *pair) remembers(t testing.TB, all ...*person) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		for _, b := range all {
			b.ours.Do(t, "GET", "/api/me", nil, nil)
		}
		answered := 0
		p.locked(t, func() {
			for answered < len(all) && all[answered].isRemembered() {
				answered++
			}
		})
		if answered == len(all) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("Cloakroom doesn't answer from memory")
		}
	}
}

// stays checks that Cloakroom answers the browser from memory while Django's tables can't be read: an entry that has left
// the cache can't come back then.
func (b *person) stays(t testing.TB) {
	t.Helper()
	b.p.locked(t, func() {
		for range 20 {
			if b.isRemembered() {
				return
			}
		}
		t.Error("it isn't remembered any more")
	})
}

// isRemembered reports whether Cloakroom answers the browser while it can't read the tables.
func (b *person) isRemembered() bool {
	quick := *b.ours.Client
	quick.Timeout = 300 * time.Millisecond
	ours := *b.ours
	ours.Client = &quick
	return ours.TryDo("GET", "/api/me") == http.StatusOK
}

func TestWithTheFeedChecksAreAnsweredFromMemory(t *testing.T) {
	t.Parallel()
	p := newFed(t)
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	b.is(name)
	p.remembers(t, b)
}

// This is the matrix with a Cloakroom that answers from memory.
func TestEachSideSeesWhatTheOtherDoesThroughTheFeed(t *testing.T) {
	t.Attr("threat", "B7")
	t.Parallel()
	newFed(t).agreesInEachCell(t)
}

// A change removes the entries that it concerns from memory at once, and no others.
func TestTheFeedNotifiesOfEachTable(t *testing.T) {
	t.Parallel()
	p := newFed(t)
	for _, changes := range [][]struct{ what, change string }{
		{
			{"a session is deleted", `DELETE FROM django_session WHERE session_key = $1`},
			{"a session is emptied", `UPDATE django_session SET session_data = 'x' WHERE session_key = $1`},
			{"the user is disabled", `UPDATE auth_user SET is_active = false WHERE username = $2 AND $1 <> ''`},
			{"the user has another password", `UPDATE auth_user SET password = '!' WHERE username = $2 AND $1 <> ''`},
			{"hundreds of sessions are deleted", `DELETE FROM django_session WHERE session_key LIKE 'bulk1__' OR session_key = $1`},
		},
		{{"thousands of sessions are deleted", `DELETE FROM django_session WHERE session_key LIKE 'bulk%' OR session_key = $1`}},
		{{"all sessions are removed", `TRUNCATE django_session`}},
	} {
		p.execute(t, `INSERT INTO django_session SELECT 'bulk' || n, 'x', now() FROM generate_series(1, 3000) n ON CONFLICT DO NOTHING`)
		var names []string
		var all []*person
		for range changes {
			name, _ := p.user(t)
			b := p.person(t)
			b.signsIn("Cloakroom", name, good)
			names, all = append(names, name), append(all, b)
		}
		p.remembers(t, all...)
		for n, c := range changes {
			t.Run(c.what, func(t *testing.T) {
				all[n].stays(t)
				p.execute(t, c.change, all[n].key(), names[n])
				all[n].isAnonymous()
			})
		}
	}
}

// Django may connect as a role that has no rights on Cloakroom's schema.
func TestTheFeedWorksForAnyRole(t *testing.T) {
	t.Parallel()
	p := newFed(t)
	first, second := p.person(t), p.person(t)
	name, _ := p.user(t)
	first.signsIn("Cloakroom", name, good)
	second.signsIn("Cloakroom", name, good)
	p.remembers(t, first, second)
	t.Cleanup(func() {
		if _, err := p.raw(t).Exec(`DROP OWNED BY site_of_django; DROP ROLE site_of_django`); err != nil {
			t.Error(err)
		}
	})
	for _, statement := range []string{
		`CREATE ROLE site_of_django`, `GRANT USAGE ON SCHEMA public TO site_of_django`, `GRANT SELECT, UPDATE, DELETE ON django_session TO site_of_django`,
		`BEGIN; SET LOCAL ROLE site_of_django; DELETE FROM django_session WHERE session_key = '` + first.key() + `'; COMMIT`,
	} {
		p.execute(t, statement)
	}
	first.isAnonymous()
	second.stays(t)
}

// After its removal, the database's schema is byte for byte what it was.
func TestTheFeedLeavesNoTrace(t *testing.T) {
	t.Parallel()
	address := postgresAddress(t)
	site := djangoserver.New(t, djangoserver.Config{Database: address, Keys: keys})
	db := opened(t, django.Config{Database: address, Keys: keys})
	before := schemaDump(t, address)
	if _, err := db.InstallFeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	installed := schemaDump(t, address)
	if installed == before || strings.Count(installed, "CREATE TRIGGER") < 4*8-3 {
		t.Errorf("nothing is installed:\n%s", installed)
	}
	if tables, err := db.InstallFeed(t.Context()); err != nil || len(tables) < 8 || schemaDump(t, address) != installed {
		t.Errorf("installed once more, %v: %v", tables, err)
	}
	site.Manage(t, "migrate", "--check")
	if err := db.RemoveFeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := schemaDump(t, address); after != before {
		t.Errorf("the schema was\n%s\nand is\n%s", before, after)
	}
	if err := db.RemoveFeed(t.Context()); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	if has, err := db.HasFeed(t.Context()); has || err != nil {
		t.Errorf("has a feed: %v, %v", has, err)
	}
}

// Django's migrations go on with the feed installed. A column that Cloakroom reads and that came later makes the feed outdated.
func TestTheFeedLetsUsersBeMigrated(t *testing.T) {
	t.Parallel()
	address := postgresAddress(t)
	djangoserver.New(t, djangoserver.Config{Database: address, Keys: keys})
	p := &pair{config: cloakroom.Config{DB: "django+" + address}}
	p.execute(t, `ALTER TABLE auth_user DROP COLUMN is_staff`)
	install := func() {
		t.Helper()
		if _, err := opened(t, django.Config{Database: address, Keys: keys}).InstallFeed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	has := func() bool {
		t.Helper()
		has, err := opened(t, django.Config{Database: address, Keys: keys}).HasFeed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return has
	}
	install()
	if !has() {
		t.Error("the feed is outdated right away")
	}
	p.execute(t, `ALTER TABLE auth_user ALTER COLUMN first_name TYPE varchar(200)`)
	if !has() {
		t.Error("the feed is outdated by another type")
	}
	p.execute(t, `ALTER TABLE auth_user DROP COLUMN last_name`)
	p.execute(t, `ALTER TABLE auth_user ADD COLUMN is_staff boolean NOT NULL DEFAULT false`)
	if has() {
		t.Error("the feed counts as installed, and doesn't tell of is_staff")
	}
	install()
	if !has() {
		t.Error("the feed is still outdated after another install-feed")
	}
}

// schemaDump returns pg_dump's output without the rows.
func schemaDump(t testing.TB, address string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "pg_dump", "--schema-only", "--dbname", address).CombinedOutput()
	if err != nil {
		t.Fatalf("pg_dump, on Debian in postgresql-client: %v\n%s", err, out)
	}
	return regexp.MustCompile(`(?m)^\\(un)?restrict .*\n`).ReplaceAllString(string(out), "") // a random word of newer versions
}

func TestTheFeedStaysWhileAServerNeedsIt(t *testing.T) {
	t.Parallel()
	p := newFed(t)
	db := opened(t, django.Config{Database: p.config.DB[len("django+"):], Keys: keys})
	p.agree(t, func() string {
		if err := db.RemoveFeed(t.Context()); !errors.Is(err, django.ErrFeedInUse) {
			return fmt.Sprintf("the feed is removed under a server that needs it: %v", err)
		}
		return ""
	})
	p.stop()
	if err := db.RemoveFeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := dump(t, p.raw(t), `SELECT tgname FROM pg_trigger WHERE tgname LIKE 'cloakroom%' UNION SELECT proname FROM pg_proc WHERE proname LIKE 'django%'`)
	if left != "" {
		t.Errorf("left are\n%s", left)
	}
	p.start() // and answers from the database
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Cloakroom", name, good)
	p.feed = false // so that all is seen at once
	p.execute(t, `DELETE FROM django_session WHERE session_key = $1`, b.key())
	b.isAnonymous()
}

func TestOnSQLiteThereIsNoFeed(t *testing.T) {
	t.Parallel()
	db := opened(t, django.Config{Database: sqliteSite(t), Keys: keys})
	if _, err := db.InstallFeed(t.Context()); !errors.Is(err, django.ErrFeedUnsupported) {
		t.Errorf("install: %v", err)
	}
	if err := db.RemoveFeed(t.Context()); !errors.Is(err, django.ErrFeedUnsupported) {
		t.Errorf("remove: %v", err)
	}
	if has, err := db.HasFeed(t.Context()); has || err != nil {
		t.Errorf("has a feed: %v, %v", has, err)
	}
}

// It reports a missing feed, a complete one, and one whose trigger is disabled on a table.
func TestInspectReportsTheFeed(t *testing.T) {
	t.Parallel()
	address := postgresAddress(t)
	djangoserver.New(t, djangoserver.Config{Database: address, Keys: keys})
	db := opened(t, django.Config{Database: address, Keys: keys})
	p := &pair{config: cloakroom.Config{DB: "django+" + address}}
	for _, c := range []struct {
		do   func() error
		want string
	}{
		{func() error { return nil }, "{info every check reads the database: the feed of Django's changes isn't installed"},
		{func() error { _, err := db.InstallFeed(t.Context()); return err }, "{info checks are answered from memory"},
		{func() error {
			p.execute(t, `ALTER TABLE auth_user DISABLE TRIGGER cloakroom_feed_update`)
			return nil
		}, "{warning every check reads the database: the feed's triggers are missing, disabled or outdated on auth_user "},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		found, err := db.Inspect(t.Context(), time.Now().Unix())
		if err != nil || !strings.Contains(fmt.Sprint(found), c.want) {
			t.Errorf("Inspect doesn't report %q: %v, %v", c.want, found, err)
		}
	}
}

// A server doesn't wait for a notice of what it has done itself: Django's triggers send none here.
func TestASessionEndedHereIsRefusedAtOnce(t *testing.T) {
	t.Attr("threat", "X01")
	t.Parallel()
	p := newFed(t)
	type ending struct {
		what string
		end  func(id string) error
		name string
		id   string
		b    *person
		text string // a token of REST framework's
	}
	cases := []*ending{
		{what: "everything is ended", end: func(id string) error { return p.server.Accounts.RevokeAll(t.Context(), id) }},
		{what: "the user is disabled", end: func(id string) error { return p.server.Accounts.SetActive(t.Context(), id, false) }},
		{what: "the password is new", end: func(id string) error { return p.server.Accounts.SetPassword(t.Context(), id, better) }},
		{what: "all sessions are ended", end: func(id string) error {
			_, err := p.server.Sessions.RevokeAll(t.Context(), id, nil)
			return err
		}},
	}
	var all []*person
	for _, c := range cases {
		name, id := p.user(t)
		owner, err := p.server.Accounts.Store.Load(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		c.text, _, err = p.server.Tokens.Create(t.Context(), token.Params{User: id, Epoch: owner.Epoch, Kind: token.DRF})
		if err != nil {
			t.Fatal(err)
		}
		c.name, c.id, c.b = name, id, p.person(t)
		c.b.signsIn("Cloakroom", name, good) // of a session of Django's the first use would be written down, and told
		all = append(all, c.b)
	}
	p.remembers(t, all...)
	for _, c := range cases {
		p.opens(t, c.text, c.name)
	}
	for _, table := range []string{"django_session", "auth_user", "authtoken_token"} {
		p.execute(t, `ALTER TABLE `+table+` DISABLE TRIGGER USER`)
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			c.b.stays(t)
			if err := c.end(c.id); err != nil {
				t.Fatal(err)
			}
			if status := c.b.ours.Do(t, "GET", "/api/me", nil, nil); status != http.StatusUnauthorized {
				t.Errorf("right afterwards: %d", status)
			}
			if who := p.with(t, p.url, "/api/me", c.text); who != "" && c.what != "all sessions are ended" {
				t.Errorf("right afterwards the token is %s's", who)
			}
		})
	}
}

// BenchmarkRevocationInDjango measures how long a session that Django has ended is still honoured after the commit, by a
// client that asks without a pause.
func BenchmarkRevocationInDjango(b *testing.B) {
	p := newFed(b)
	name, _ := p.user(b)
	p.site.Run(b, "set_hash", map[string]any{"name": name, "encoded": pbkdf2(good, 1000)}, nil)
	db := p.raw(b)
	var all []*person
	for range b.N {
		who := p.person(b)
		who.signsIn("Cloakroom", name, good)
		all = append(all, who)
	}
	p.remembers(b, all...)
	var times []time.Duration
	b.ResetTimer()
	for _, who := range all {
		if _, err := db.ExecContext(b.Context(), `DELETE FROM django_session WHERE session_key = $1`, who.key()); err != nil {
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

// BenchmarkWritesOfDjango measures what the feed costs Django: 32 clients at once save sessions as SESSION_SAVE_EVERY_REQUEST
// does, in rounds without and with the feed that alternate, on a server that writes each commit to the disk.
func BenchmarkWritesOfDjango(b *testing.B) {
	const clients, rounds = 32, 4
	address := postgresAddress(b)
	djangoserver.New(b, djangoserver.Config{Database: address, Keys: keys})
	feeding := opened(b, django.Config{Database: address, Keys: keys})
	p := &pair{config: cloakroom.Config{DB: "django+" + address}}
	p.execute(b, `INSERT INTO django_session SELECT 'session number ' || n, '`+data("payload", 1)+`', now() + interval '14 days' FROM generate_series(1, 1000) n`)
	db := p.raw(b)
	db.SetMaxOpenConns(clients)
	db.SetMaxIdleConns(clients)
	save := func(n int) {
		if _, err := db.ExecContext(b.Context(), `UPDATE "django_session" SET "session_data" = $1, "expire_date" = now() + interval '14 days'
			WHERE "django_session"."session_key" = $2`, data("payload", n), fmt.Sprint("session number ", 1+n%1000)); err != nil {
			b.Error(err)
		}
	}
	perSecond := map[string]float64{}
	for range rounds {
		for _, with := range []string{"without", "with"} {
			if with == "with" {
				if _, err := feeding.InstallFeed(b.Context()); err != nil {
					b.Fatal(err)
				}
			} else if err := feeding.RemoveFeed(b.Context()); err != nil {
				b.Fatal(err)
			}
			var next atomic.Int64
			var group sync.WaitGroup
			begun := time.Now()
			for range clients {
				group.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						save(int(n))
					}
				})
			}
			group.Wait()
			perSecond[with] += float64(b.N) / time.Since(begun).Seconds() / rounds
		}
	}
	b.ReportMetric(perSecond["without"], "commits/s-without")
	b.ReportMetric(perSecond["with"], "commits/s-with")
	b.ReportMetric(perSecond["with"]/perSecond["without"], "with/without")
}
