package metrics_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/feed/feedtest"
	"github.com/cloakroom-auth/cloakroom/internal/metrics"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// TestStoresKeepTheirPromises runs the store tests on measured stores, before and behind a cache.
func TestStoresKeepTheirPromises(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Stores {
		db, m := memory.New(), newMetrics(t)
		set := m.Stores(db.Set)
		set.Sessions = m.Revocations(set.Sessions)
		return storetest.Stores{Set: set}
	})
}

func TestFeedKeepsItsPromises(t *testing.T) {
	feedtest.Run(t, func(t *testing.T) feedtest.Broadcast {
		f, m := feed.NewLocal(), newMetrics(t)
		return feedtest.Broadcast{Join: func(*testing.T) feed.Feed { return m.Feed(f) }}
	})
}

func TestNilMeasuresNothing(t *testing.T) {
	var m measured
	db := memory.New()
	if m.Stores(db.Set) != db.Set || m.Revocations(db.Sessions) != db.Sessions {
		t.Fatal("a nil Metrics stands before a store")
	}
}

// measured is the Metrics of a test, and the registry that they are in.
type measured struct {
	*metrics.Metrics
	registry *prometheus.Registry
}

func newMetrics(t *testing.T) measured {
	t.Helper()
	registry := prometheus.NewRegistry()
	m, err := metrics.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	return measured{m, registry}
}

// scrape returns the metrics as Prometheus reads them.
func scrape(t *testing.T, m measured) map[string]*dto.MetricFamily {
	t.Helper()
	gathered, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families := map[string]*dto.MetricFamily{}
	for _, f := range gathered {
		families[f.GetName()] = f
	}
	return families
}

func TestASecondServerInOneRegistryIsAnError(t *testing.T) {
	m := newMetrics(t)
	if _, err := metrics.New(m.registry); err == nil {
		t.Error("New registered the same metrics twice")
	}
	if len(scrape(t, m)) == 0 {
		t.Error("the second New has removed the metrics of the first")
	}
	if err := m.Unregister(); err != nil {
		t.Error(err)
	}
	if left := scrape(t, m); len(left) > 0 {
		t.Errorf("after Unregister the registry has %d metrics", len(left))
	}
	if _, err := metrics.New(m.registry); err != nil {
		t.Errorf("New after Unregister: %v", err)
	}
}

// value returns the value of a counter or a gauge, or the number of values of a histogram, with these labels.
func value(families map[string]*dto.MetricFamily, name string, labels ...string) (sum float64) {
	for _, m := range families["cloakroom_"+name].GetMetric() {
		has := map[string]string{}
		for _, l := range m.GetLabel() {
			has[l.GetName()] = l.GetValue()
		}
		for i := 0; i < len(labels); i += 2 {
			if has[labels[i]] != labels[i+1] {
				has = nil
			}
		}
		if has != nil {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

func expect(t *testing.T, m measured, want float64, name string, labels ...string) {
	t.Helper()
	if got := value(scrape(t, m), name, labels...); got != want {
		t.Errorf("%s%q is %v, want %v", name, labels, got, want)
	}
}

// signedIn returns a manager with all metrics, and a signed-in request.
func signedIn(t *testing.T, m measured, store session.Store) (*session.Manager, *http.Request) {
	t.Helper()
	manager := &session.Manager{Store: store, InsecureHTTP: true, OnCheck: m.Checked, OnEnd: m.Ended}
	w := httptest.NewRecorder()
	if _, err := manager.SignIn(w, httptest.NewRequest("POST", "/", nil), session.SignIn{User: "1", Epoch: "e"}); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	return manager, r
}

// check has the manager check a request, and passes it on.
func check(t *testing.T, manager *session.Manager, r *http.Request, then func(r *http.Request)) {
	t.Helper()
	manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = session.FromContext(r.Context()) // twice: one check
		_, _ = session.FromContext(r.Context())
		then(r)
	})).ServeHTTP(httptest.NewRecorder(), r)
}

func nothing(*http.Request) {}

func TestChecksByResultAndSource(t *testing.T) {
	m, plan := newMetrics(t), &storetest.FaultPlan{}
	db := memory.New()
	faulty := storetest.Faulty(db.Set, plan)
	f := feed.NewLocal()
	cache := nearcache.New(nearcache.Config{Feed: m.Feed(f)})
	store := m.Revocations(cache.Sessions(m.Stores(faulty).Sessions))
	manager, r := signedIn(t, m, store)
	check(t, manager, r, nothing) // the cache doesn't run, so the store is asked
	check(t, manager, r, nothing)
	expect(t, m, 2, "checks_total", "result", "live", "source", "store")
	expect(t, m, 0, "checks_total", "source", "memory")

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cache.Run(ctx) }()
	for began := time.Now(); value(scrape(t, m), "checks_total", "result", "live", "source", "memory") == 0; {
		check(t, manager, r, nothing)
		if time.Since(began) > 20*time.Second {
			t.Fatal("no check is answered from memory")
		}
	}
	expect(t, m, 1, "feed_up")
	if value(scrape(t, m), "feed_messages_heard_total") == 0 || value(scrape(t, m), "feed_send_seconds") == 0 {
		t.Error("no message was heard")
	}

	check(t, manager, r, func(r *http.Request) {
		if err := manager.SignOut(httptest.NewRecorder(), r); err != nil {
			t.Error(err)
		}
	})
	expect(t, m, 1, "revocations_total", "cause", endreason.SignedOut)
	expect(t, m, 1, "revocation_seconds")
	expect(t, m, 1, "fence_wait_seconds")
	check(t, manager, r, nothing)
	expect(t, m, 1, "checks_total", "result", "unknown")
	stop()
	<-ended
	expect(t, m, 0, "feed_up")
	expect(t, m, 1, "feed_losses_total")
}

func TestOutagesAreCountedAndAnswersAreNot(t *testing.T) {
	m, plan := newMetrics(t), &storetest.FaultPlan{}
	db := memory.New()
	stores := storetest.Faulty(db.Set, plan)
	store := m.Stores(stores).Sessions
	if _, err := store.Load(t.Context(), session.ID{1}); err == nil {
		t.Fatal("found")
	}
	expect(t, m, 1, "store_seconds", "store", "sessions", "call", "load")
	expect(t, m, 0, "store_outages_total")
	manager, r := signedIn(t, m, store)
	plan.Call, plan.Rest = len(plan.Calls())+1, true
	check(t, manager, r, nothing)
	expect(t, m, 2, "checks_total", "result", "unavailable", "source", "store")
	expect(t, m, 2, "store_outages_total", "store", "sessions", "call", "load")
}

// TestTheAuditLogIsMeasured checks the metrics of waiting events, dropped events, and outages.
func TestTheAuditLogIsMeasured(t *testing.T) {
	m, plan := newMetrics(t), &storetest.FaultPlan{}
	log := &audit.Log{Store: m.Stores(storetest.Faulty(store.Set{Audit: memory.New().Audit}, plan)).Audit}
	m.WatchAudit(log)
	for range 1100 {
		log.Record(t.Context(), audit.LoginKinds.Fail, slog.String("login", "ada"))
	}
	expect(t, m, 1000, "audit_events_waiting")
	expect(t, m, 100, "audit_events_left_out_total")
	plan.Call = len(plan.Calls()) + 1
	if err := log.Flush(t.Context()); err == nil {
		t.Fatal("the plan didn't fail")
	}
	expect(t, m, 1, "store_outages_total", "store", "audit", "call", "append")
	if err := log.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, m, 0, "audit_events_waiting")
	expect(t, m, 100, "audit_events_left_out_total")
	expect(t, m, 0, "audit_events_unseen_total")
}

func TestEventsThatAProgramMissesAreCounted(t *testing.T) {
	m := newMetrics(t)
	log := &audit.Log{Store: m.Stores(memory.New().Set).Audit}
	log.Observe(func(audit.Event) {})
	m.WatchAudit(log)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := log.Run(ctx); err != nil { // the program sees nothing after its end
		t.Fatal(err)
	}
	log.Record(t.Context(), audit.LoginKinds.Fail, slog.String("login", "ada"))
	if err := log.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, m, 1, "audit_events_unseen_total")
}

func TestRefusedTriesAreCounted(t *testing.T) {
	m := newMetrics(t)
	g := &throttle.Guard{Store: m.Stores(memory.New().Set).Throttles}
	for range 12 {
		if try, err := g.Reserve(t.Context(), throttle.Attempt{Account: "ann"}); err == nil {
			_ = try.Failed(t.Context())
		}
	}
	expect(t, m, 2, "throttle_refusals_total")
	expect(t, m, 0, "store_outages_total")
}

func TestHashesThatRunAreShown(t *testing.T) {
	m, h := newMetrics(t), &password.Hasher{Workers: 1}
	m.Watch(h)
	expect(t, m, 1, "password_hashes_workers")
	expect(t, m, 0, "password_hashes_running")
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = h.Hash(context.Background(), "correct horse battery staple")
			}
		}
	}()
	for value(scrape(t, m), "password_hashes_running") == 0 {
	}
	close(stop)
	<-done
	expect(t, m, 0, "password_hashes_running")
}

// TestARefusalOfTheCallerIsNoOutage covers every function that a caller gives a measured store.
func TestARefusalOfTheCallerIsNoOutage(t *testing.T) {
	m, db := newMetrics(t), memory.New()
	stores := m.Stores(db.Set)
	u := &account.User{Username: "ada", Epoch: "e"}
	if err := stores.Accounts.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	if _, err := stores.Accounts.Change(t.Context(), u.ID, func(*account.User) error { return refused }); err != refused {
		t.Errorf("Change returned %v, want the caller's own error", err)
	}
	if err := stores.Throttles.Update(t.Context(), []string{"k"}, func([]throttle.Counter) error { return refused }); err != refused {
		t.Errorf("Update returned %v, want the caller's own error", err)
	}
	expect(t, m, 1, "store_seconds", "store", "accounts", "call", "change")
	expect(t, m, 1, "store_seconds", "store", "throttles", "call", "update")
	expect(t, m, 0, "store_outages_total")
}
