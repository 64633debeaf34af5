package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// feedMetrics are the metrics of all feeds of the process.
type feedMetrics struct {
	up             prometheus.Gauge
	losses         prometheus.Counter
	heard          prometheus.Counter
	sent, failures prometheus.Counter
	send           prometheus.Histogram
}

func (f *feedMetrics) register(m *Metrics) {
	f.up = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "feed_up", Help: "How many feeds are heard. Without one every check asks the store.",
	})
	m.register(f.up)
	f.losses = counter(m, "feed_losses_total", "How often a feed was lost.")
	f.heard = counter(m, "feed_messages_heard_total", "Messages that were heard on feeds.")
	f.sent = counter(m, "feed_messages_sent_total", "Messages that were sent on feeds.")
	f.failures = counter(m, "feed_send_failures_total", "Messages that couldn't be sent.")
	f.send = histogram(m, "feed_send_seconds", "How long it took to send a message.")
}

// measured is a feed whose messages are counted and measured.
type measured struct {
	feed.Feed
	m *feedMetrics
}

// Feed returns the feed with its messages counted and measured.
func (m *Metrics) Feed(f feed.Feed) feed.Feed {
	if m == nil {
		return f
	}
	return measured{f, &m.feeds}
}

func (f measured) Send(ctx context.Context, message string) error {
	began := time.Now()
	err := f.Feed.Send(ctx, message)
	if err != nil {
		f.m.failures.Inc()
		return err
	}
	f.m.sent.Inc()
	f.m.send.Observe(time.Since(began).Seconds())
	return nil
}

func (f measured) Listen(ctx context.Context, l feed.Listener) error {
	return f.Feed.Listen(ctx, feed.Listener{
		Up:      func() { f.m.up.Inc(); l.Up() },
		Message: func(message string) { f.m.heard.Inc(); l.Message(message) },
		Down:    func(err error) { f.m.up.Dec(); f.m.losses.Inc(); l.Down(err) },
		Failed:  l.Failed,
	})
}
