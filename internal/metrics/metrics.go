// Package metrics measures what the server does, for Prometheus. It wraps stores and feeds, and registers hooks; the packages
// that it measures don't import it.
package metrics

import (
	"cmp"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Metrics are the metrics of one server. The methods of a nil *Metrics return stores and feeds unchanged. It is safe for concurrent
// use.
type Metrics struct {
	registry   prometheus.Registerer
	registered []prometheus.Collector
	err        error // of registering

	checks      map[string][2]prometheus.Counter // by result; [1]: a store was asked
	calls       *prometheus.HistogramVec
	outages     *prometheus.CounterVec
	refusals    prometheus.Counter
	revocations *prometheus.CounterVec
	lag         prometheus.Histogram
	waits       prometheus.Histogram
	feeds       feedMetrics
	requests    requestMetrics
	audited     eventMetrics
}

// fast are the buckets of histograms, from 20 microseconds to 10 seconds.
var fast = []float64{.00002, .00005, .0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}

// New returns Metrics that are registered with a registry; nil if the registry is nil. It returns an error if the registry already
// has the metrics of another server. The caller must call Unregister when the server has been closed.
func New(registry prometheus.Registerer) (*Metrics, error) {
	if registry == nil {
		return nil, nil
	}
	m := &Metrics{registry: registry, checks: map[string][2]prometheus.Counter{}}

	checks := counters(m, "checks_total", "Checks of a session's ticket, by what they found and what was asked.", "result", "source")
	for _, result := range []string{"live", "unknown", "expired", "revoked", "unproven", "unavailable"} {
		m.checks[result] = [2]prometheus.Counter{checks.WithLabelValues(result, "memory"), checks.WithLabelValues(result, "store")}
	}
	m.calls = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "store_seconds", Help: "How long calls of a store took.", Buckets: fast,
	}, []string{"store", "call"})
	m.register(m.calls)
	m.outages = counters(m, "store_outages_total", "Calls that a store couldn't answer.", "store", "call")
	m.refusals = counter(m, "throttle_refusals_total", "Tries of a password that were refused because there had been too many.")
	m.revocations = counters(m, "revocations_total", "What has ended sessions, by cause.", "cause")
	m.lag = histogram(m, "revocation_seconds", "How long it took from the wish to end something until it had ended everywhere.")
	m.waits = histogram(m, "fence_wait_seconds", "How much of that was waiting until no node remembered it any more.")
	m.feeds.register(m)
	m.requests.register(m)
	m.audited.register(m)
	if m.err != nil {
		return nil, errors.Join(m.err, m.Unregister())
	}
	return m, nil
}

// register keeps the first error.
func (m *Metrics) register(c prometheus.Collector) {
	err := m.registry.Register(c)
	if err == nil {
		m.registered = append(m.registered, c)
	} else if _, twice := errors.AsType[prometheus.AlreadyRegisteredError](err); twice {
		err = errors.New("the registry already has the metrics of another server: give each server one of its own, such as " +
			"prometheus.WrapRegistererWith(prometheus.Labels{\"server\": NAME}, registry)")
	}
	m.err = cmp.Or(m.err, err)
}

// Unregister removes the metrics from the registry, so that it can have those of another server. It returns nil.
func (m *Metrics) Unregister() error {
	if m == nil {
		return nil
	}
	for _, c := range m.registered {
		m.registry.Unregister(c)
	}
	m.registered = nil
	return nil
}

const namespace = "cloakroom"

func counter(m *Metrics, name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	m.register(c)
	return c
}

func counters(m *Metrics, name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.register(c)
	return c
}

func histogram(m *Metrics, name, help string) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: fast})
	m.register(h)
	return h
}

func (m *Metrics) gauge(name, help string, value func() float64) {
	m.register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, value))
}

func (m *Metrics) counterFunc(name, help string, value func() float64) {
	m.register(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, value))
}

// Checked counts a check. It is for session.Manager.OnCheck.
func (m *Metrics) Checked(result string, stored bool) {
	source := 0
	if stored {
		source = 1
	}
	m.checks[result][source].Inc()
}

// Ended counts ended sessions. It is for session.Manager.OnEnd.
func (m *Metrics) Ended(e session.EndEvent) { m.revocations.WithLabelValues(e.Reason).Inc() }

// Watch shows how many passwords wait for a hasher.
func (m *Metrics) Watch(h *password.Hasher) {
	m.gauge("password_hashes_running", "Passwords that are being hashed.", func() float64 { return float64(h.Stats().Running) })
	m.gauge("password_hashes_waiting", "Passwords that wait for their turn to be hashed.", func() float64 { return float64(h.Stats().Waiting) })
	m.gauge("password_hashes_workers", "How many passwords are hashed at a time.", func() float64 { return float64(h.Stats().Workers) })
}
