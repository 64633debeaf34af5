package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/oidc/oidctest"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

const (
	atTheEnd    = 20              // requests at the same time once a token has ended
	shortLife   = 2 * time.Second // of such a token
	tokenRounds = 3
	perPath     = 2000 // requests with a token, and as many without
)

// tokenServer is a gateway in this process. The application behind /things gets the token of a provider, and that behind /others none.
type tokenServer struct {
	*cloakroom.Server
	handler http.Handler
	url     string
	stop    func() error
}

// newTokenServer starts a server on an address of this machine, which browsers know as url; "": as its own.
func newTokenServer(ctx context.Context, c cloakroom.Config, url string) (*tokenServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &tokenServer{url: "http://" + listener.Addr().String()}
	if c.URL = url; url == "" {
		c.URL = s.url
	}
	c.Log = slog.New(slog.DiscardHandler)
	if s.Server, err = cloakroom.New(ctx, c); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.handler = s.Handler(nil)
	ctx, cancel := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	web := &http.Server{Handler: s.handler}
	go func() { _ = web.Serve(listener) }()
	s.stop = func() error {
		cancel()
		return errors.Join(web.Close(), <-ran, s.Close())
	}
	return s, nil
}

// providerTokens measures what the token of a provider adds to a request through the gateway, and how often a provider is asked for a new
// one once it has ended.
func (b *bench) providerTokens(ctx context.Context) error {
	provider, err := oidctest.Start(b.fail)
	if err != nil {
		return err
	}
	defer provider.Stop()
	application, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer application.Close()
	go answerAll(application)
	settings := filepath.Join(b.sub("provider"), "example.json")
	if err := provider.WriteSettings(settings, `"keep_tokens":true`); err != nil {
		return err
	}
	config := func(name string) cloakroom.Config {
		return cloakroom.Config{
			Data: b.sub(name), Providers: []string{"example=" + settings}, UpstreamTokens: []string{"/things=example"},
			Upstreams: []string{"/things=http://" + application.Addr().String(), "/others=http://" + application.Addr().String()},
		}
	}
	if err := b.tokenCost(ctx, config("token-cost")); err != nil {
		return err
	}
	if err := b.renewals(ctx, "one-node", provider, config("renewals-1"), 1); err != nil {
		return err
	}
	if b.postgre == nil {
		b.miss("renewals on three nodes", errors.New("its database server was not started"))
		return nil
	}
	three := config("renewals-3")
	if three.DB, err = b.postgre.Database(ctx); err != nil {
		return err
	}
	return b.renewals(ctx, "three-nodes", provider, three, 3)
}

// answerAll is an application that reads no more of a request than where it ends, so that it allocates nothing for a header.
func answerAll(l net.Listener) {
	whole := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(orders), orders)
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for r := bufio.NewReader(c); ; {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) > len("\r\n") {
					continue
				}
				if _, err := c.Write(whole); err != nil {
					return
				}
			}
		}()
	}
}

func (b *bench) fail(format string, args ...any) { b.say("the provider: "+format, args...) }

// tokenCost compares requests with a token and without one, in turn.
func (b *bench) tokenCost(ctx context.Context, c cloakroom.Config) error {
	var statements atomic.Int64
	stores := storetest.Faulty(memory.New().Set, &storetest.FaultPlan{Before: func(string) error { statements.Add(1); return nil }})
	c.Stores = &stores
	s, err := newTokenServer(ctx, c, "")
	if err != nil {
		return err
	}
	defer s.stop()
	cookies, err := s.signIn(ctx)
	if err != nil {
		return err
	}
	type cost struct {
		took                    []time.Duration
		statements, allocations uint64
	}
	ask := func(path string, n int, to *cost) error {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		asked := statements.Load()
		for range n {
			r := httptest.NewRequestWithContext(ctx, "GET", s.url+path, nil)
			for _, c := range cookies {
				r.AddCookie(c)
			}
			w, began := httptest.NewRecorder(), time.Now()
			s.handler.ServeHTTP(w, r)
			to.took = append(to.took, time.Since(began))
			if w.Code != http.StatusOK {
				return fmt.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		to.statements += uint64(statements.Load() - asked)
		runtime.ReadMemStats(&after)
		to.allocations += after.Mallocs - before.Mallocs
		return nil
	}
	var with, without, warm cost
	if err := errors.Join(ask("/things/1", 200, &warm), ask("/others/1", 200, &warm)); err != nil {
		return err
	}
	const rounds = 20
	for range rounds {
		if err := errors.Join(ask("/things/1", perPath/rounds, &with), ask("/others/1", perPath/rounds, &without)); err != nil {
			return err
		}
	}
	microseconds := func(c cost) float64 { return float64(quantile(c.took, .5)) / float64(time.Microsecond) }
	b.add("provider-token/time", microseconds(with), "µs/request", "without", microseconds(with)/microseconds(without))
	b.add("provider-token/statements-more", (float64(with.statements)-float64(without.statements))/perPath, "statements/request", "", 0)
	b.add("provider-token/allocations-more", (float64(with.allocations)-float64(without.allocations))/perPath, "allocations/request", "", 0)
	return nil
}

// renewals sends requests at the same time to all nodes once the token has ended. The figures are those of the worst round.
func (b *bench) renewals(ctx context.Context, name string, provider *oidctest.OP, c cloakroom.Config, nodes int) error {
	var all []*tokenServer
	defer func() {
		for _, s := range all {
			_ = s.stop()
		}
	}()
	first := ""
	for range nodes {
		s, err := newTokenServer(ctx, c, first)
		if err != nil {
			return err
		}
		all = append(all, s)
		first = all[0].url
	}
	most, slowest := 0, time.Duration(0)
	for n := 0; b.more(n, tokenRounds); n++ {
		provider.SetLife(int64(shortLife / time.Second))
		cookies, err := all[0].signIn(ctx)
		if err != nil {
			return err
		}
		provider.SetLife(3600)
		time.Sleep(shortLife)
		before, _ := provider.Count()
		var group errgroup.Group
		var mu sync.Mutex
		for i := range atTheEnd {
			group.Go(func() error {
				r, err := http.NewRequestWithContext(ctx, "GET", all[i%nodes].url+"/things/1", nil)
				if err != nil {
					return err
				}
				r.Host = strings.TrimPrefix(first, "http://")
				for _, c := range cookies {
					r.AddCookie(c)
				}
				began := time.Now()
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					return err
				}
				defer answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					return errors.New(answer.Status)
				}
				mu.Lock()
				defer mu.Unlock()
				slowest = max(slowest, time.Since(began))
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		after, _ := provider.Count()
		most = max(most, after-before)
	}
	b.add("provider-renewals/"+name, float64(most), fmt.Sprintf("renewals for %d requests", atTheEnd), "", 0)
	b.add("provider-renewals-wait/"+name, milliseconds(slowest), "ms at most", "", 0)
	return nil
}

// signIn signs in at the provider, and returns the cookies of the session.
func (s *tokenServer) signIn(ctx context.Context) ([]*http.Cookie, error) {
	if needed, err := s.Accounts.NeedsSetup(ctx); err != nil || needed {
		_, failed := s.Accounts.Create(ctx, account.NewUser{Username: "root", Password: goodPassword, IsSuperuser: true})
		if err := errors.Join(err, failed); err != nil {
			return nil, err
		}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Jar: jar}
	begun, err := client.Post(s.url+"/api/auth/oidc/example/start", "application/json", strings.NewReader(`{"next":"/api/auth/me"}`))
	if err != nil {
		return nil, err
	}
	defer begun.Body.Close()
	var to struct{ Location string }
	if err := json.NewDecoder(begun.Body).Decode(&to); err != nil {
		return nil, err
	}
	ended, err := client.Get(to.Location)
	if err != nil {
		return nil, err
	}
	defer ended.Body.Close()
	if _, err := io.Copy(io.Discard, ended.Body); err != nil || ended.StatusCode != http.StatusOK {
		return nil, errors.Join(err, fmt.Errorf("the sign-in at the provider: %s", ended.Status))
	}
	return jar.Cookies(begun.Request.URL), nil
}
