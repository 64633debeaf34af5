// Package courier delivers the events of the audit log to endpoints, signed as Standard Webhooks 1.0 says (standardwebhooks.com).
//
// An event is stored in the audit log once; an endpoint is a position in it. So no event waits in a second queue, one that was
// recorded by another process is delivered as well, and an endpoint that doesn't answer costs nothing but its own delay. Each endpoint
// gets its events one after the other, from one process at a time. After a crash it may get the last one once more, with the same ID.
package courier

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/webhook"
)

const (
	// Retention is how long an event is tried to be delivered.
	Retention = 72 * time.Hour

	pollEvery   = 5 * time.Second  // for events of other processes
	answerFor   = 5 * time.Second  // until an endpoint must have answered
	claimFor    = 30 * time.Second // longer than an attempt and its calls of the store, so that no other process delivers meanwhile
	storeFor    = 5 * time.Second
	batch       = 100
	maxAnswer   = 4 << 10 // bytes of an answer's body that are read and ignored, so that the connection can be used again
	contentType = "application/json"
)

// pauses are those after the first, second … failed attempt; the last one is repeated.
var pauses = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute}

// Endpoint is an address and the keys that sign what is sent there.
type Endpoint struct {
	URL  string
	Keys [][]byte
}

// Name returns what errors and logs may show of a URL: neither its query nor a password, which are secrets of its owner.
func Name(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "an address"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// CheckURL returns an error if events must not be sent to a URL: they go by https, or to this machine.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it is no address such as https://app.example.com/hooks")
	case u.User != nil:
		return errors.New("it has a name or a password in it, which logs would show: the signature proves who sends")
	case u.Fragment != "":
		return errors.New("it has a part after #, which is never sent")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return errors.New("it is plain http to another machine: use https")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Service delivers events. It is safe for concurrent use, also by several processes with one store.
type Service struct {
	store  webhook.Store
	log    *slog.Logger
	routes []*route
	client *http.Client

	delivered, failed, dropped atomic.Int64
}

// route is the way to one endpoint. Only its own goroutine uses the fields but wake.
type route struct {
	Endpoint
	name   string // for logs
	holder string
	wake   chan struct{}
	failed bool   // this process has made an attempt, and the last one failed
	seen   string // the last event that was read, if none until then is for the endpoint
}

// New returns a Service; nil if there are no endpoints. A nil transport means one of its own.
func New(store webhook.Store, endpoints []Endpoint, transport http.RoundTripper, log *slog.Logger) *Service {
	if len(endpoints) == 0 {
		return nil
	}
	if transport == nil {
		transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	s := &Service{store: store, log: log, client: &http.Client{
		Transport: transport,
		Timeout:   answerFor,
		// What was signed for one address must not be sent to another that it names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, e := range endpoints {
		s.routes = append(s.routes, &route{Endpoint: e, name: Name(e.URL), holder: rand.Text(), wake: make(chan struct{}, 1)})
	}
	return s
}

// Stats are counts since the process began.
type Stats struct {
	Delivered, Failed, Dropped int // Failed: attempts
}

// Stats returns the counts. A nil *Service has delivered nothing.
func (s *Service) Stats() Stats {
	if s == nil {
		return Stats{}
	}
	return Stats{int(s.delivered.Load()), int(s.failed.Load()), int(s.dropped.Load())}
}

// Begin adds the endpoints that are new, so that they get the events from now on.
func (s *Service) Begin(ctx context.Context) error {
	if s == nil {
		return nil
	}
	for _, r := range s.routes {
		if err := s.store.AddEndpoint(ctx, r.URL); err != nil {
			return err
		}
	}
	return nil
}

// Audit returns the store of the audit log. What is appended to it is delivered at once.
func (s *Service) Audit(store audit.Store) audit.Store {
	if s == nil {
		return store
	}
	return waking{store, s}
}

type waking struct {
	audit.Store
	service *Service
}

func (w waking) Append(ctx context.Context, all []*audit.Event) error {
	err := w.Store.Append(ctx, all)
	for _, e := range all {
		if err == nil && Delivers(e) {
			w.service.wakeAll()
			break
		}
	}
	return err
}

func (s *Service) wakeAll() {
	for _, r := range s.routes {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// Run delivers until ctx ends. Endpoints don't wait for each other.
func (s *Service) Run(ctx context.Context) error {
	if s == nil {
		<-ctx.Done()
		return nil
	}
	var g errgroup.Group
	for _, r := range s.routes {
		g.Go(func() error {
			s.run(ctx, r)
			return nil
		})
	}
	return g.Wait()
}

func (s *Service) run(ctx context.Context, r *route) {
	for {
		err := s.deliverDue(ctx, r)
		if err != nil && ctx.Err() == nil && !errors.Is(err, webhook.ErrNotFound) {
			s.log.LogAttrs(ctx, slog.LevelWarn, "webhooks unavailable", slog.String("endpoint", r.name), slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-time.After(pollEvery):
		}
	}
}

// deliverDue delivers what waits for an endpoint, if it is due and no other process delivers to it. An error is one of the store.
func (s *Service) deliverDue(ctx context.Context, r *route) error {
	e, err := s.find(ctx, r.URL)
	if errors.Is(err, webhook.ErrNotFound) { // it was removed, and is wanted here
		return s.store.AddEndpoint(ctx, r.URL)
	}
	if err != nil || e.Due > time.Now().Unix() {
		return err
	}
	if waits, err := s.look(ctx, r, e.Position); !waits || err != nil {
		return err
	}
	if e, err = s.claim(ctx, r); err != nil {
		return err
	}
	err = s.deliverAll(ctx, r, e)
	if !errors.Is(err, webhook.ErrNotFound) { // it is ours still
		err = errors.Join(err, s.save(ctx, r, e, 0))
	}
	return err
}

// look reports whether something waits for an endpoint. It writes nothing, and reads no event twice that isn't for the endpoint.
func (s *Service) look(ctx context.Context, r *route, position string) (bool, error) {
	if r.seen == "" || earlier(r.seen, position) {
		r.seen = position
	}
	for ctx.Err() == nil {
		events, err := s.events(ctx, r.seen)
		if err != nil || len(events) == 0 {
			return false, err
		}
		for _, e := range events {
			if Delivers(e) {
				return true, nil
			}
			r.seen = e.ID
		}
	}
	return false, nil
}

// earlier reports whether the event a was recorded before b.
func earlier(a, b string) bool { return len(a) < len(b) || len(a) == len(b) && a < b }

// deliverAll delivers until nothing waits or an attempt fails. It changes e as it goes.
func (s *Service) deliverAll(ctx context.Context, r *route, e *webhook.Endpoint) error {
	for ctx.Err() == nil {
		events, err := s.events(ctx, e.Position)
		if err != nil || len(events) == 0 {
			return err
		}
		events, err = s.dropOld(ctx, r, e, events)
		if err != nil {
			return err
		}
		for _, event := range events {
			if Delivers(event) && (ctx.Err() != nil || !s.deliver(ctx, r, e, event)) {
				return nil
			}
			e.Position = event.ID
			if Delivers(event) {
				if err := s.save(ctx, r, e, claimFor); err != nil {
					return err
				}
			}
		}
		// Many that are not for the endpoint may take longer than the claim.
		if err := s.save(ctx, r, e, claimFor); err != nil {
			return err
		}
	}
	return nil
}

// dropOld drops the events that are too old while attempts of this process fail, and returns the others. A process that begins tries
// first, however long no server ran: the endpoint may be well.
func (s *Service) dropOld(ctx context.Context, r *route, e *webhook.Endpoint, events []*audit.Event) ([]*audit.Event, error) {
	oldest, dropped := time.Now().Add(-Retention).UnixMilli(), 0
	for r.failed && len(events) > 0 && events[0].At < oldest {
		if Delivers(events[0]) {
			dropped++
		}
		e.Position, events = events[0].ID, events[1:]
	}
	if dropped == 0 {
		return events, nil
	}
	e.Dropped += dropped
	if err := s.save(ctx, r, e, claimFor); err != nil {
		return nil, err
	}
	s.dropped.Add(int64(dropped))
	s.log.LogAttrs(ctx, slog.LevelError, "webhook events dropped, because the endpoint has not accepted them in time",
		slog.String("endpoint", r.name), slog.Int("events", dropped), slog.String("until_event", e.Position))
	return events, nil
}

// deliver makes one attempt, and reports whether the endpoint has accepted the event.
func (s *Service) deliver(ctx context.Context, r *route, e *webhook.Endpoint, event *audit.Event) bool {
	id, body := messageOf(event)
	err := s.send(ctx, r, id, body)
	if err == nil {
		e.Tries, r.failed = 0, false
		s.delivered.Add(1)
		return true
	}
	if ctx.Err() != nil {
		return false // the server stops; the next one tries at once
	}
	r.failed = true
	e.Tries++
	pause := pauses[min(e.Tries, len(pauses))-1]
	e.Due = time.Now().Add(pause).Unix()
	s.failed.Add(1)
	s.log.LogAttrs(ctx, slog.LevelWarn, "webhook not delivered, will be tried again", slog.String("endpoint", r.name),
		slog.String("webhook_id", id), slog.String("event", event.Name), slog.Int("tries", e.Tries), slog.Any("error", err))
	return false
}

// send makes the request. If the server stops meanwhile, it may take as long as it may: its fate would be unknown otherwise.
func (s *Service) send(ctx context.Context, r *route, id string, body []byte) error {
	at := time.Now().Unix()
	q, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, r.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", contentType)
	q.Header.Set("User-Agent", "Cloakroom")
	q.Header.Set("Webhook-Id", id)
	q.Header.Set("Webhook-Timestamp", strconv.FormatInt(at, 10))
	q.Header.Set("Webhook-Signature", signatures(r.Keys, id, at, body))
	answer, err := s.client.Do(q)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // the rest of the text is the URL once more
		}
		return err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("it answers %d", answer.StatusCode)
	}
	return nil
}

func (s *Service) find(ctx context.Context, url string) (*webhook.Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, storeFor)
	defer cancel()
	return s.store.Find(ctx, url)
}

func (s *Service) claim(ctx context.Context, r *route) (*webhook.Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, storeFor)
	defer cancel()
	now := time.Now()
	return s.store.Claim(ctx, r.URL, r.holder, now.Unix(), now.Add(claimFor).Unix())
}

func (s *Service) events(ctx context.Context, after string) ([]*audit.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, storeFor)
	defer cancel()
	return s.store.Events(ctx, after, batch)
}

// save stores an endpoint, also while the server stops, and keeps it for a time; 0 gives it back.
func (s *Service) save(ctx context.Context, r *route, e *webhook.Endpoint, keep time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeFor)
	defer cancel()
	until := int64(0)
	if keep > 0 {
		until = time.Now().Add(keep).Unix()
	}
	return s.store.Save(ctx, e, r.holder, until)
}

// Oldest returns the time of the first event that waits for an endpoint; the zero time if none does.
func Oldest(ctx context.Context, store webhook.Store, e *webhook.Endpoint) (time.Time, error) {
	for after := e.Position; ; {
		events, err := store.Events(ctx, after, batch)
		if err != nil || len(events) == 0 {
			return time.Time{}, err
		}
		for _, event := range events {
			if Delivers(event) {
				return time.UnixMilli(event.At), nil
			}
			after = event.ID
		}
	}
}
