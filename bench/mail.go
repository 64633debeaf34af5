package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/mail"
)

const (
	floodOf     = 10_000 // sign-ups that one network asks for, each for another address
	floodIn     = time.Minute
	othersEvery = 2 * time.Second
	timedPairs  = 2000 // requests about known addresses, and as many about unknown ones
)

// sink takes mail, and notes when it came; unless it is down.
type sink struct {
	down bool
	mu   sync.Mutex
	at   map[string]time.Time // by address
}

func (s *sink) Send(_ context.Context, m *mail.Message) error {
	if s.down {
		return errors.New("the mail server is down")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[m.To] = time.Now()
	return nil
}

// mailServer is a server that sends mail, in this process.
type mailServer struct {
	*cloakroom.Server
	url  string
	data string
	sink *sink
	stop func() error
}

// newMailServer starts a server on a file, with accounts known0@example.com and so on.
func (b *bench) newMailServer(ctx context.Context, name string, accounts, perHour int, down bool) (*mailServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &mailServer{url: "http://" + listener.Addr().String(), data: b.sub(name), sink: &sink{at: map[string]time.Time{}, down: down}}
	m.Server, err = cloakroom.New(ctx, cloakroom.Config{
		URL: m.url, Data: m.data, Signup: "open", MailCode: true, MailPerHour: perHour, SendMail: m.sink, TrustedProxies: []string{"127.0.0.1"},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	web := &http.Server{Handler: m.Handler(nil)}
	go func() { _ = web.Serve(listener) }()
	m.stop = func() error {
		cancel()
		return errors.Join(web.Close(), <-ran, m.Close())
	}
	for n := range accounts {
		address := fmt.Sprintf("known%d@example.com", n)
		err := m.Accounts.Store.Create(ctx, &account.User{
			Username: fmt.Sprintf("known%d", n), Email: address, EmailProven: address, Password: unknownHash, IsActive: true, IsSuperuser: n == 0, Epoch: "1",
		})
		if err != nil {
			return nil, errors.Join(err, m.stop())
		}
	}
	return m, nil
}

// unknownHash is a hash of a password that no one knows.
const unknownHash = "pbkdf2_sha256$1000000$saltsaltsaltsaltsaltsa$vX5mUmrCWZPcnMYg2WhIF5fOuV3ktsRGSr7gYTPoMDc="

// ask sends an address to a path, from a network, and returns the status and the time that the answer took.
func (m *mailServer) ask(ctx context.Context, path, address, from string) (int, time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", m.url+path, strings.NewReader(fmt.Sprintf(`{"email":%q}`, address)))
	if err != nil {
		return 0, 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Forwarded-For", from)
	began := time.Now()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, time.Since(began), err
}

// size returns how many bytes the files of the database have.
func (m *mailServer) size() (total int64, err error) {
	files, err := filepath.Glob(filepath.Join(m.data, "cloakroom.db*"))
	for _, file := range files {
		info, failed := os.Stat(file)
		if errors.Is(failed, fs.ErrNotExist) {
			continue
		}
		if failed != nil {
			return 0, failed
		}
		total += info.Size()
	}
	return total, err
}

// mailing measures a flood of sign-ups, and whether the time of an answer tells known addresses from others.
func (b *bench) mailing(ctx context.Context) error {
	return errors.Join(b.mailFlood(ctx), b.mailTimes(ctx))
}

// mailFlood asks for 10,000 sign-ups in a minute from one network, while other people ask for links for new passwords.
func (b *bench) mailFlood(ctx context.Context) error {
	m, err := b.newMailServer(ctx, "mail-flood", int(floodIn/othersEvery), 600, false)
	if err != nil {
		return err
	}
	defer m.stop()
	if _, _, err := m.ask(ctx, "/api/auth/signup", "first@example.com", "203.0.113.1"); err != nil { // makes the data key
		return err
	}
	before, err := m.size()
	if err != nil {
		return err
	}
	var flood, others sync.WaitGroup
	var mu sync.Mutex
	accepted, most := 0, 0
	var failed error
	note := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		failed = errors.Join(failed, err)
	}
	turns := make(chan int)
	for range 8 {
		flood.Go(func() {
			for n := range turns {
				status, _, err := m.ask(ctx, "/api/auth/signup", fmt.Sprintf("flood%d@example.org", n), "192.0.2.1")
				note(err)
				mu.Lock()
				if status == http.StatusAccepted {
					accepted++
				}
				mu.Unlock()
			}
		})
	}
	asked := map[string]time.Time{}
	others.Go(func() {
		for n := range int(floodIn / othersEvery) {
			address := fmt.Sprintf("known%d@example.com", n)
			asked[address] = time.Now()
			status, _, err := m.ask(ctx, "/api/auth/password/forgot", address, fmt.Sprintf("198.51.100.%d", n+1))
			if status != http.StatusAccepted {
				err = errors.Join(err, fmt.Errorf("another network gets %d", status))
			}
			note(err)
			waiting, err := m.WaitingMail(ctx)
			note(err)
			most = max(most, len(waiting))
			select {
			case <-time.After(othersEvery):
			case <-ctx.Done():
				return
			}
		}
	})
	began := time.Now()
	for n := range floodOf {
		turns <- n
		time.Sleep(time.Until(began.Add(floodIn * time.Duration(n+1) / floodOf)))
	}
	close(turns)
	flood.Wait()
	took := time.Since(began)
	others.Wait()
	after, err := m.size()
	if err := errors.Join(err, failed, ctx.Err()); err != nil {
		return err
	}
	var delays []time.Duration
	m.sink.mu.Lock()
	for address, at := range asked {
		if sent, ok := m.sink.at[address]; ok {
			delays = append(delays, sent.Sub(at))
		}
	}
	m.sink.mu.Unlock()
	b.add("mail-flood/asked", float64(floodOf)/took.Minutes(), "sign-ups/min", "", 0)
	b.add("mail-flood/accepted", float64(accepted), "messages", "", 0)
	b.add("mail-flood/waiting-max", float64(most), "messages", "", 0)
	b.add("mail-flood/disk", float64(after-before)/1024, "KiB", "", 0)
	b.add("mail-flood/others-sent", float64(len(delays))/float64(len(asked)), "of 1", "", 0)
	b.add("mail-flood/others-max", milliseconds(quantile(delays, 1)), "ms", "", 0)
	return nil
}

// mailTimes compares the times of answers about known addresses with those about unknown ones, in turn and in random order; also over the
// limit, and while the mail server is down. The figure is Welch's t: below 4.5 the times don't tell them apart.
func (b *bench) mailTimes(ctx context.Context) error {
	for _, c := range []struct {
		name, path string
		perHour    int
		down       bool
		status     int
	}{
		{"forgot", "/api/auth/password/forgot", 1 << 30, false, http.StatusAccepted},
		{"signup", "/api/auth/signup", 1 << 30, false, http.StatusAccepted},
		{"code", "/api/auth/code", 1 << 30, false, http.StatusAccepted},
		{"over-the-limit", "/api/auth/password/forgot", 1, false, http.StatusTooManyRequests},
		{"server-down", "/api/auth/password/forgot", 1 << 30, true, http.StatusAccepted},
	} {
		name := "mail-times/" + c.name
		m, err := b.newMailServer(ctx, name, timedPairs, c.perHour, c.down)
		if err != nil {
			return err
		}
		for c.status == http.StatusTooManyRequests { // until the limit is reached
			status, _, err := m.ask(ctx, c.path, "first@example.com", "192.0.2.1")
			if err != nil {
				return errors.Join(err, m.stop())
			}
			if status == c.status {
				break
			}
		}
		var known, unknown []time.Duration
		for n := range timedPairs {
			addresses := []string{fmt.Sprintf("known%d@example.com", n), fmt.Sprintf("other%d@example.com", n)}
			first := rand.IntN(2)
			for _, i := range []int{first, 1 - first} {
				status, took, err := m.ask(ctx, c.path, addresses[i], "192.0.2.1")
				if err == nil && status != c.status {
					err = fmt.Errorf("%s: %d", name, status)
				}
				if err != nil {
					return errors.Join(err, m.stop())
				}
				if i == 0 {
					known = append(known, took)
				} else {
					unknown = append(unknown, took)
				}
			}
		}
		if err := m.stop(); err != nil {
			return err
		}
		k, u := milliseconds(quantile(known, .5)), milliseconds(quantile(unknown, .5))
		b.add(name+"/known", k, "ms", "unknown", k/u)
		b.add(name+"/welch-t", welch(known, unknown), "t", "", 0)
	}
	return nil
}

// welch returns the absolute t of Welch's test.
func welch(x, y []time.Duration) float64 {
	mx, vx := moments(x)
	my, vy := moments(y)
	return math.Abs(mx-my) / math.Sqrt(vx/float64(len(x))+vy/float64(len(y)))
}

// moments returns the mean and the variance of durations, in seconds.
func moments(all []time.Duration) (mean, variance float64) {
	for _, d := range all {
		mean += d.Seconds() / float64(len(all))
	}
	for _, d := range all {
		variance += (d.Seconds() - mean) * (d.Seconds() - mean) / float64(len(all)-1)
	}
	return mean, variance
}
