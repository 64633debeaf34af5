package metrics

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
)

const (
	scrapeTimeout = time.Second      // bounds what a scrape waits for a database
	countTimeout  = 10 * time.Second // of one count of rows
	countPause    = time.Minute      // is at most between two counts
)

// Counter is a store that counts what has not expired by now, a Unix time in seconds, without reading all of it. A session.Store with this
// method has the gauge of live sessions. One of a signin.Store leaves out what strangers may begin: those that wait for a mailed code, and
// have no user yet.
type Counter interface {
	CountLive(ctx context.Context, now int64) (int, error)
}

// WatchStreams shows how many event streams are open: one for each browser with a page of a signed-in user.
func (m *Metrics) WatchStreams(open func() int) {
	m.gauge("event_streams", "Open event streams: one for each browser that shows a page to a signed-in user.", func() float64 { return float64(open()) })
}

// WatchAudit shows how many events wait for the store, how many were left out, and how many a program's OnEvent hasn't seen.
func (m *Metrics) WatchAudit(l *audit.Log) {
	m.gauge("audit_events_waiting", "Events that wait to be written into the audit log.", func() float64 { return float64(l.Stats().Waiting) })
	m.counterFunc("audit_events_left_out_total", "Events that the audit log had no room for; the text log has them.",
		func() float64 { return float64(l.Stats().LeftOut) })
	m.counterFunc("audit_events_unseen_total", "Events that were lost for the program's OnEvent, which was slower; the audit log has them.",
		func() float64 { return float64(l.Stats().Unseen) })
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

// WatchLive shows how many sessions and pending sign-ins have not expired. A store that is no [Counter] has no gauge.
func (m *Metrics) WatchLive(sessions, signins any) {
	if c, ok := sessions.(Counter); ok {
		m.gauge("sessions_live", "Sessions that have not expired, of all nodes; NaN if the database can't be read.", newTally(c).read)
	}
	if c, ok := signins.(Counter); ok {
		m.gauge("signins_pending", "Sign-ins that wait for a second step, of all nodes; NaN if the database can't be read.", newTally(c).read)
	}
}

// tally counts the rows of a store when it is read, but rarely if that takes long: a count is repeated after a hundred times as long as it
// took, or a minute. So counting takes a hundredth of one connection's time as long as it takes less than 0.6 s.
type tally struct {
	of Counter

	mu      sync.Mutex
	value   float64
	due     time.Time     // of the next count
	running chan struct{} // closed when the running count has ended; nil: none runs
}

func newTally(of Counter) *tally { return &tally{of: of, value: math.NaN()} }

// read returns the result of the last count. It begins one that is due, and waits for it, but no longer than a scrape may.
func (t *tally) read() float64 {
	t.mu.Lock()
	if t.running == nil && !time.Now().Before(t.due) {
		t.running = make(chan struct{})
		go t.count(t.running)
	}
	running := t.running
	t.mu.Unlock()
	if running != nil {
		select {
		case <-running:
		case <-time.After(scrapeTimeout):
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.value
}

func (t *tally) count(ended chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	began := time.Now()
	n, err := t.of.CountLive(ctx, began.Unix())
	value := float64(n)
	if err != nil {
		value = math.NaN()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	took := time.Since(began)
	t.value, t.due, t.running = value, time.Now().Add(min(100*took, countPause)), nil
	close(ended)
}
