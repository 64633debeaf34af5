package server_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/test/harness"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	names "github.com/prometheus/common/model"
)

// figures are the metrics as Prometheus reads them.
type figures map[string]*dto.MetricFamily

func scrape(t *testing.T, addr string) figures {
	t.Helper()
	answer, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(names.UTF8Validation)
	all, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", answer.Status, err)
	}
	return all
}

// sum adds up the values of a family with a label's value; if both are empty, all values.
func (f figures) sum(name, label, value string) (sum float64) {
	for _, m := range f["cloakroom_"+name].GetMetric() {
		matches := label == ""
		for _, l := range m.GetLabel() {
			matches = matches || l.GetName() == label && l.GetValue() == value
		}
		if matches {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// TestMetricsMove does one of each action and checks that the metrics count it.
func TestMetricsMove(t *testing.T) {
	t.Parallel()
	addr := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	s := start(t, "--metrics-listen", addr, "--sessions", startRedis(t).URL())
	user := s.person("ann").Username
	before := scrape(t, addr)
	v := s.signedIn(user)
	v.demand(http.StatusOK, "signed in")
	for began := time.Now(); scrape(t, addr).sum("checks_total", "source", "memory") == 0; {
		v.demand(http.StatusOK, "signed in")
		if time.Since(began) > patience {
			t.Fatal("no check is answered from memory")
		}
	}
	for range 11 {
		v.must(s.visitor().signIn(user, "no user's password"))
	}
	v.must(v.signOut())
	after := scrape(t, addr)
	for _, moved := range []struct{ name, label, value string }{
		{"checks_total", "result", "live"}, {"checks_total", "source", "store"},
		{"store_seconds", "store", "sessions"}, {"store_seconds", "store", "accounts"}, {"store_seconds", "store", "throttles"},
		{"store_seconds", "store", "audit"},
		{"revocations_total", "cause", "signed_out"}, {"revocation_seconds", "", ""}, {"fence_wait_seconds", "", ""},
		{"throttle_refusals_total", "", ""}, {"feed_messages_heard_total", "", ""},
	} {
		if a, b := before.sum(moved.name, moved.label, moved.value), after.sum(moved.name, moved.label, moved.value); b <= a {
			t.Errorf("%s %s=%q went from %v to %v", moved.name, moved.label, moved.value, a, b)
		}
	}
	if after.sum("feed_up", "", "") != 1 || after.sum("password_hashes_workers", "", "") < 1 || after.sum("store_outages_total", "", "") != 0 {
		t.Errorf("feed_up %v, workers %v, outages %v", after.sum("feed_up", "", ""), after.sum("password_hashes_workers", "", ""), after.sum("store_outages_total", "", ""))
	}
	// The server's own address doesn't answer them.
	if a := v.must(v.get("/metrics")); a.status != http.StatusNotFound {
		t.Errorf("/metrics on the public address: %s", a)
	}
}

// waitForCount waits until a gauge that is counted in the database has a value. If a count takes long, the next comes a minute later.
func waitForCount(t *testing.T, addr, name string, want float64) {
	t.Helper()
	for began := time.Now(); scrape(t, addr).sum(name, "", "") != want; time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > 3*time.Minute {
			t.Fatalf("%s never becomes %v", name, want)
		}
	}
}

// TestEveryDatabaseCountsLiveSessions on every node alike.
func TestEveryDatabaseCountsLiveSessions(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T, args ...string) *server{
		"SQLite": start, "PostgreSQL": startOnPostgres,
		"Redis": func(t *testing.T, args ...string) *server {
			return start(t, append(args, "--sessions", startRedis(t).URL())...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
			s := open(t, "--metrics-listen", addr)
			user := s.person("ann").Username
			live := func(want float64) {
				t.Helper()
				waitForCount(t, addr, "sessions_live", want)
			}
			live(0)
			first, second := s.signedIn(user), s.signedIn(user)
			live(2)
			first.must(first.signOut())
			live(1)
			second.must(second.signOut())
			live(0)
			if f := scrape(t, addr); f["cloakroom_signins_pending"] == nil {
				t.Error("pending sign-ins aren't counted")
			}
		})
	}
}

// TestMetricsShowSignInsThatWaitForAHasher sends more sign-ins at once than the pool hashes at a time.
func TestMetricsShowSignInsThatWaitForAHasher(t *testing.T) {
	addr := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	s := start(t, "--metrics-listen", addr)
	users := s.people("wil", 20)
	var group sync.WaitGroup
	for _, user := range users {
		group.Go(func() { _, _ = s.visitor().signIn(user.Username, goodPassword) })
	}
	waited := false
	eventually(t, "a sign-in waits", func() bool {
		f := scrape(t, addr)
		waited = waited || f.sum("password_hashes_waiting", "", "") > 0 && f.sum("password_hashes_running", "", "") > 0
		return waited
	})
	group.Wait()
	eventually(t, "no sign-in waits", func() bool { return scrape(t, addr).sum("password_hashes_waiting", "", "") == 0 })
}
