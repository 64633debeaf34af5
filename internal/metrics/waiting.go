package metrics

import (
	"context"
	"math"
	"time"
)

// scrapeTimeout bounds what a scrape asks of a database.
const scrapeTimeout = time.Second

// WatchStreams shows how many event streams are open: one for each browser with a page of a signed-in user.
func (m *Metrics) WatchStreams(open func() int) {
	m.gauge("event_streams", "Open event streams: one for each browser that shows a page to a signed-in user.", func() float64 { return float64(open()) })
}

// WatchMail shows how many messages wait. It asks the store at each scrape.
func (m *Metrics) WatchMail(waiting func(context.Context) (int, error)) {
	m.gauge("mail_waiting", "Messages that wait for the mail server; NaN if the database can't be read.", func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
		defer cancel()
		n, err := waiting(ctx)
		if err != nil {
			return math.NaN()
		}
		return float64(n)
	})
}
