package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/audit"
)

const (
	eventsPerSecond = 10_000
	eventsFor       = 10 * time.Second
)

// events measures what /api/me takes while 10,000 events a second are recorded, with an OnEvent that has stopped and a webhook whose
// endpoint hangs, and whether all events are in the table afterwards.
func (b *bench) events(ctx context.Context) error {
	hang := make(chan struct{})
	endpoint := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer endpoint.Close()
	srv, err := cloakroom.New(ctx, cloakroom.Config{
		URL: "http://localhost:8000", Data: b.sub("events"), Log: slog.New(slog.DiscardHandler),
		OnEvent:  func(audit.Event) { <-hang },
		Webhooks: []cloakroom.Webhook{{URL: endpoint.URL, Secrets: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}},
	})
	if err != nil {
		return err
	}
	reads := atomic.Int64{}
	srv.Sessions.OnCheck = func(result string, asked bool) {
		if asked {
			reads.Add(1)
		}
	}
	running, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- srv.Run(running) }()
	defer func() {
		close(hang)
		stop()
		<-ran
		srv.Close()
	}()
	me, err := meOf(ctx, srv)
	if err != nil {
		return err
	}
	quiet, err := timed(ctx, me, eventsFor/5)
	if err != nil {
		return err
	}
	reads.Store(0)
	recorded := make(chan time.Duration, 1)
	go func() {
		began := time.Now()
		for n := range int(eventsPerSecond * eventsFor / time.Second) {
			srv.Audit.Record(running, audit.UserKinds.Updated, slog.String("user", fmt.Sprint(n+2)))
			time.Sleep(time.Until(began.Add(time.Second * time.Duration(n+1) / eventsPerSecond)))
		}
		recorded <- time.Since(began)
	}()
	busy, err := timed(ctx, me, eventsFor)
	took := <-recorded
	if err := errors.Join(err, srv.Audit.Flush(ctx)); err != nil {
		return err
	}
	kept, err := countEvents(ctx, srv.Audit)
	if err != nil {
		return err
	}
	all := float64(eventsPerSecond) * eventsFor.Seconds()
	b.add("events/recorded", all/took.Seconds(), "events/s", "", 0)
	b.add("events/in-the-table", float64(kept)/all, "of 1", "", 0)
	b.add("events/me-reads", float64(reads.Load())/float64(len(busy)), "reads/request", "", 0)
	median, without := quantile(busy, .5), quantile(quiet, .5)
	b.add("events/me", float64(median)/float64(time.Microsecond), "µs", "without events", float64(median)/float64(without))
	return ctx.Err()
}

// meOf makes the first user, and returns a function that asks for /api/me with their session.
func meOf(ctx context.Context, srv *cloakroom.Server) (func() error, error) {
	handler := srv.Handler(nil)
	secret, err := srv.Accounts.SetupSecret(ctx)
	if err != nil {
		return nil, err
	}
	set := httptest.NewRequest("POST", "http://localhost:8000/api/auth/setup", strings.NewReader(fmt.Sprintf(`{"secret":%q,"username":"ada","password":%q}`, secret, goodPassword)))
	set.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, set)
	r := httptest.NewRequest("GET", "http://localhost:8000/api/me", nil)
	for _, c := range answer.Result().Cookies() {
		r.AddCookie(c)
	}
	return func() error {
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); w.Code != http.StatusOK {
			return fmt.Errorf("GET /api/me: %d", w.Code)
		}
		return nil
	}, nil
}

// timed calls do up to a thousand times a second, and returns how long each call took.
func timed(ctx context.Context, do func() error, d time.Duration) (all []time.Duration, err error) {
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		began := time.Now()
		if err := do(); err != nil {
			return nil, err
		}
		all = append(all, time.Since(began))
	}
	return all, ctx.Err()
}

// countEvents returns how many changes of users are in the table.
func countEvents(ctx context.Context, log *audit.Log) (n int, err error) {
	for q := (audit.Query{Name: "user_updated"}); ; {
		page, next, err := log.Page(ctx, q, 1000)
		if n += len(page); err != nil || next == "" {
			return n, err
		}
		q.Before = next
	}
}
