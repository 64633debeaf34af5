package server_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/faultproxy"
	"github.com/cloakroom-auth/cloakroom/internal/oidc/oidctest"
	"github.com/cloakroom-auth/cloakroom/internal/totp"
	"github.com/cloakroom-auth/cloakroom/redis"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// metricsPage is the table of metrics in the docs: for each name its labels, and for each label the values that it can have, where
// the page lists them.
type metricsPage map[string]map[string][]string

var (
	metricRow = regexp.MustCompile("(?m)^\\| `cloakroom_(\\w+)` \\|(.*?)\\|")
	word      = regexp.MustCompile("`(\\w+)`")
)

func readMetricsPage(t *testing.T) metricsPage {
	t.Helper()
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	p := metricsPage{}
	for _, row := range metricRow.FindAllStringSubmatch(string(text), -1) {
		labels := map[string][]string{}
		for label := range strings.SplitSeq(row[2], ";") {
			name, list, _ := strings.Cut(label, ":")
			var values []string
			for _, value := range word.FindAllStringSubmatch(list, -1) {
				values = append(values, value[1])
			}
			for _, name := range word.FindAllStringSubmatch(name, -1) {
				labels[name[1]] = slices.Sorted(slices.Values(values))
			}
		}
		p[row[1]] = labels
	}
	return p
}

// ours returns the names of the program's own families, without the prefix.
func (f figures) ours() (names []string) {
	for name := range f {
		if short, ok := strings.CutPrefix(name, "cloakroom_"); ok {
			names = append(names, short)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// labels returns the labels of a family, and those of their values whose count has changed.
func (f figures) labels(name string) map[string][]string {
	seen := map[string]map[string]bool{}
	for _, m := range f["cloakroom_"+name].GetMetric() {
		for _, l := range m.GetLabel() {
			if seen[l.GetName()] == nil {
				seen[l.GetName()] = map[string]bool{}
			}
			if m.GetCounter().GetValue() > 0 || m.GetHistogram().GetSampleCount() > 0 {
				seen[l.GetName()][l.GetValue()] = true
			}
		}
	}
	labels := map[string][]string{}
	for label, values := range seen {
		labels[label] = slices.Sorted(maps.Keys(values))
	}
	return labels
}

// hold compares the page with a server on which everything that the page lists has happened.
func (p metricsPage) hold(t *testing.T, f figures) {
	t.Helper()
	if documented, scraped := slices.Sorted(maps.Keys(p)), f.ours(); !slices.Equal(documented, scraped) {
		t.Errorf("the page names\n%q\nand the server\n%q", documented, scraped)
	}
	for name, labels := range p {
		shown := f.labels(name)
		if a, b := slices.Sorted(maps.Keys(labels)), slices.Sorted(maps.Keys(shown)); !slices.Equal(a, b) {
			t.Errorf("%s has the labels %q, and on the page %q", name, b, a)
		}
		for label, values := range labels {
			if name == "checks_total" { // without https no session is bound to a browser, so none lacks the proof
				values = slices.DeleteFunc(values, func(value string) bool { return value == "unproven" })
			}
			if len(values) > 0 && !slices.Equal(values, shown[label]) {
				t.Errorf("%s has moved for the %s %q; the page lists %q", name, label, shown[label], values)
			}
		}
		if f.sum(name, "", "") == 0 && !flood.MatchString(name) {
			t.Errorf("%s has not moved", name)
		}
	}
}

// flood are the metrics that change only under overload, while a mail server is away, in a Go program whose OnEvent is slow, and after
// three days. Four have tests of their own.
var flood = regexp.MustCompile(`^(mail_waiting|password_hashes_(waiting|running)|audit_events_(waiting|left_out_total|unseen_total)|webhook_dropped_total)$`)

// rich is a server with sessions that are about to end.
type rich struct {
	*server
	sessions *redis.DB
	root     *visitor // an administrator
}

// put makes a session that is a minute old and ends at a given time, and returns its visitor.
func (s *rich) put(u *account.User, expires time.Time) *visitor {
	s.t.Helper()
	secret := make([]byte, 32)
	rand.Read(secret)
	now := time.Now().Unix()
	s.must(s.sessions.Sessions.Create(s.t.Context(), &session.Record{
		ID: sha256.Sum256(secret), PublicID: rand.Text(), User: u.ID, Epoch: u.Epoch, Method: session.Intern("password"),
		Created: now - 60, ReauthenticatedAt: now - 60, Seen: now - 60, Idle: 3600, Deadline: now + 36000, Expires: expires.Unix(),
	}))
	return s.holding(base64.RawURLEncoding.EncodeToString(secret))
}

// change edits a user beside the server, as another node would.
func (s *rich) change(name string, change func(*account.User)) {
	s.t.Helper()
	db := s.stores()
	defer db.Close()
	u, err := db.Accounts.Find(s.t.Context(), name)
	s.must(err)
	_, err = db.Accounts.Change(s.t.Context(), u.ID, func(u *account.User) error { change(u); return nil })
	s.must(err)
}

// act sends a request that must be answered with a status.
func (v *visitor) act(status int, method, path string, body any) {
	v.s.t.Helper()
	if a := v.must(v.send(method, path, body)); a.status != status {
		v.s.t.Errorf("%s %s: %s, want %d", method, path, a, status)
	}
}

// endings end a session of user u, which visitor v has, each for another cause.
func (s *rich) endings() map[string]func(u *account.User, v *visitor) {
	admin := func(method, path string) func(*account.User, *visitor) {
		return func(u *account.User, _ *visitor) {
			s.root.act(http.StatusOK, method, "/api/auth/admin/users/"+u.ID+path, nil)
		}
	}
	return map[string]func(u *account.User, v *visitor){
		"signed_out":      func(_ *account.User, v *visitor) { v.act(http.StatusOK, "POST", "/api/auth/logout", nil) },
		"signed_in_again": func(u *account.User, v *visitor) { v.must(v.signIn(u.Username, goodPassword)) },
		"ended_elsewhere": func(u *account.User, _ *visitor) {
			s.signedIn(u.Username).act(http.StatusOK, "DELETE", "/api/auth/sessions", nil)
		},
		"replaced": func(u *account.User, _ *visitor) { s.signedIn(u.Username); s.signedIn(u.Username) },
		"password_changed": func(u *account.User, _ *visitor) {
			v := s.signedIn(u.Username)
			if a := v.must(v.changePassword(goodPassword, "another good one of five words")); a.status != http.StatusOK {
				s.t.Errorf("change of the password: %s", a)
			}
		},
		"account_changed": func(u *account.User, _ *visitor) {
			v := s.signedIn(u.Username)
			var app struct{ ID, Secret string }
			a := v.must(v.send("POST", "/api/auth/factors/totp", nil))
			s.must(json.Unmarshal(a.body, &app))
			secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(app.Secret)
			s.must(err)
			v.act(http.StatusOK, "POST", "/api/auth/factors/totp/confirm", map[string]string{
				"id": app.ID, "code": totp.Code(secret, totp.Step(time.Now())),
			})
		},
		"disabled":      admin("POST", "/disable"),
		"deleted":       admin("DELETE", ""),
		"administrator": admin("DELETE", "/sessions"),
	}
}

// TestEachCauseAndEachMetricOfTheDocsIsSeen causes everything that the documentation of the metrics lists, and compares names,
// labels and their values on both sides.
func TestEachCauseAndEachMetricOfTheDocsIsSeen(t *testing.T) {
	t.Parallel()
	addr := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	redisServer := startRedis(t)
	net, err := faultproxy.New(redisServer.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { net.Close() })
	provider := oidctest.New(t)
	s := &rich{server: start(t, providerFlags(provider, echo(t), "--metrics-listen", addr, "--sessions", "redis://"+net.Addr, "--max-sessions", "2", newReceiver(t).flag())...)}
	db, err := redis.Open(t.Context(), redisServer.URL())
	s.must(err)
	t.Cleanup(func() { db.Close() })
	s.sessions = db
	boss := s.person("root")
	s.change(boss.Username, func(u *account.User) { u.IsStaff, u.IsSuperuser = true, true })
	s.root = s.signedIn(boss.Username)

	for cause, end := range s.endings() {
		user := s.person("u_" + cause)
		former := s.put(user, time.Now().Add(time.Hour))
		former.demand(http.StatusOK, "before "+cause)
		before := scrape(t, addr).sum("revocations_total", "cause", cause)
		end(user, s.holding(former.ticket()))
		former.demand(http.StatusUnauthorized, "after "+cause)
		if after := scrape(t, addr).sum("revocations_total", "cause", cause); after != before+1 {
			t.Errorf("%s went from %v to %v", cause, before, after)
		}
	}

	provider.SetLife(1)
	there := newBrowser(t, s.server, s.base)
	there.signIn()
	provider.Forget()
	eventually(t, "the provider doesn't renew the token", func() bool { return there.send("GET", "/things/1", nil).status == http.StatusUnauthorized })

	ann := s.person("ann")
	live := s.put(ann, time.Now().Add(time.Hour))
	eventually(t, "a check is answered from memory", func() bool {
		live.demand(http.StatusOK, "live")
		return scrape(t, addr).sum("checks_total", "source", "memory") > 0
	})
	s.put(ann, time.Now().Add(-time.Second)).demand(http.StatusUnauthorized, "expired")
	moved := s.person("eve")
	dead := s.put(moved, time.Now().Add(time.Hour))
	s.change(moved.Username, func(u *account.User) { u.Epoch = "another" })
	dead.demand(http.StatusUnauthorized, "the epoch has moved")
	for range 11 {
		v := s.visitor()
		v.must(v.signIn(ann.Username, "no user's password"))
	}
	token, err := http.NewRequest("GET", s.base+"/api/me", nil)
	s.must(err)
	token.Header.Set("Authorization", "Token 0123456789012345678901234567890123456789")
	s.visitor().must(s.visitor().do(token))
	s.change(ann.Username, func(u *account.User) { u.Email, u.EmailProven = "ann@example.com", "ann@example.com" })
	v := s.visitor()
	if a := v.must(v.send("POST", "/api/auth/password/forgot", map[string]string{"email": "ann@example.com"})); a.status != http.StatusAccepted {
		t.Errorf("a message for a new password: %s", a)
	}
	eventually(t, "the message is sent", func() bool { return scrape(t, addr).sum("mail_total", "outcome", "sent") > 0 })
	eventually(t, "the audit log is written", func() bool { return scrape(t, addr).sum("store_seconds", "store", "audit") > 0 })
	if f := scrape(t, addr); f.sum("feed_up", "", "") != 1 || f.sum("feed_losses_total", "", "") != 0 || f.sum("store_outages_total", "", "") != 0 {
		t.Errorf("all is well, and feed_up is %v, feed_losses_total %v, store_outages_total %v",
			f.sum("feed_up", "", ""), f.sum("feed_losses_total", "", ""), f.sum("store_outages_total", "", ""))
	}

	eventually(t, "an endpoint accepts some events, and refuses some", func() bool {
		f := scrape(t, addr)
		return f.sum("webhook_deliveries_total", "", "") > 0 && f.sum("webhook_failures_total", "", "") > 0
	})

	net.Freeze()
	if a := live.must(live.signOut()); a.status != http.StatusServiceUnavailable {
		t.Errorf("a sign-out that can't be published: %s", a)
	}
	eventually(t, "an outage", func() bool {
		a, err := live.me()
		return err == nil && a.status == http.StatusServiceUnavailable
	})
	eventually(t, "the outage in the figures", func() bool {
		f := scrape(t, addr)
		return f.sum("checks_total", "result", "unavailable") > 0 && f.sum("store_outages_total", "store", "sessions") > 0 &&
			f.sum("feed_up", "", "") == 0 && f.sum("feed_losses_total", "", "") > 0 && f.sum("feed_send_failures_total", "", "") > 0
	})
	net.Thaw()
	eventually(t, "the feed again", func() bool { return scrape(t, addr).sum("feed_up", "", "") == 1 })
	stream, err := http.NewRequestWithContext(t.Context(), "GET", s.base+"/api/auth/events", nil)
	s.must(err)
	stream.Header.Set("Cookie", sessionCookie+"="+s.signedIn(s.person("bea").Username).ticket())
	page, err := http.DefaultClient.Do(stream)
	s.must(err)
	t.Cleanup(func() { page.Body.Close() })
	eventually(t, "the stream", func() bool { return scrape(t, addr).sum("event_streams", "", "") == 1 })
	enrolled := s.visitor() // has an app since "account_changed"
	if a := enrolled.must(enrolled.signIn("u_account_changed0", goodPassword)); a.code() != "second_factor_required" {
		t.Errorf("a password that is not enough: %s", a)
	}
	waitForCount(t, addr, "signins_pending", 1)
	readMetricsPage(t).hold(t, scrape(t, addr))
}
