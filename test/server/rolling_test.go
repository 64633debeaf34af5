package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// balancer is a reverse proxy without stickiness. It polls the readiness of each node and repeats no request, so a request
// that a node loses is lost.
type balancer struct {
	t     *testing.T
	front *server // what visitors see
	turn  atomic.Int64

	mu    sync.Mutex
	nodes []*server
	ready []*server
}

// stopDelay is longer than the balancer needs to notice that a node isn't ready.
const stopDelay = "1s"

// balance starts n nodes behind a balancer. Visitors use only its address.
func balance(t *testing.T, n int) *balancer {
	t.Helper()
	b := &balancer{t: t}
	listener := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: b.rewrite, FlushInterval: -1, Transport: &http.Transport{MaxIdleConnsPerHost: 200},
	})
	t.Cleanup(listener.Close)
	first := startWith(t, t.TempDir()+"/data", pgserver.Test(t), "--stop-delay", stopDelay, "--url", listener.URL)
	b.nodes = []*server{first}
	for len(b.nodes) < n {
		b.nodes = append(b.nodes, startWith(t, first.data, first.db, first.args...))
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 200}
	b.front = &server{t: t, base: listener.URL, through: transport, log: first.log}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	t.Cleanup(func() { stop(); group.Wait() })
	b.look(ctx)
	group.Go(func() {
		for ctx.Err() == nil {
			time.Sleep(50 * time.Millisecond)
			b.look(ctx)
		}
	})
	return b
}

// look polls each node over a new connection.
func (b *balancer) look(ctx context.Context) {
	var ready []*server
	for _, node := range b.nodes {
		r, err := http.NewRequestWithContext(ctx, "GET", node.base+"/readyz", nil)
		if err != nil {
			b.t.Error(err)
			return
		}
		r.Close = true
		if answer, err := node.transport.RoundTrip(r); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				ready = append(ready, node)
			}
		}
	}
	b.mu.Lock()
	b.ready = ready
	b.mu.Unlock()
}

func (b *balancer) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ready)
}

func (b *balancer) rewrite(r *httputil.ProxyRequest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ready) == 0 {
		b.t.Error("no node is ready")
		b.ready = b.nodes
	}
	node := b.ready[int(b.turn.Add(1))%len(b.ready)]
	r.Out.URL = &url.URL{Scheme: "http", Host: node.host(), Path: r.In.URL.Path, RawQuery: r.In.URL.RawQuery}
	r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
}

// listener is a page that keeps an event stream open, and reconnects as a browser does.
type listener struct {
	v     *visitor
	opens atomic.Int64
	lives atomic.Int64 // streams that are open: 0 or 1
	told  chan string  // the reason why the session has ended
}

// listen opens a stream, again and again until the session has ended.
func (b *balancer) listen(ctx context.Context, group *sync.WaitGroup, ticket string) *listener {
	l := &listener{v: b.front.holding(ticket), told: make(chan string, 1)}
	group.Go(func() {
		for ctx.Err() == nil {
			retry, reason, err := l.stream(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				b.t.Errorf("an events stream: %v", err)
				return
			case reason != "":
				l.told <- reason
				return
			}
			time.Sleep(retry)
		}
	})
	return l
}

// stream reads one stream to its end, which must be between two events. It returns when to connect again, or why the
// session has ended.
func (l *listener) stream(ctx context.Context) (retry time.Duration, reason string, err error) {
	r, err := http.NewRequestWithContext(ctx, "GET", l.v.s.base+"/api/auth/events", nil)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Cookie", sessionCookie+"="+l.v.ticket())
	answer, err := l.v.s.through.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return 0, "", errors.New(answer.Status)
	}
	l.opens.Add(1)
	l.lives.Add(1)
	defer l.lives.Add(-1)
	lines, last := bufio.NewScanner(answer.Body), ""
	for lines.Scan() {
		last = lines.Text()
		if ms, ok := strings.CutPrefix(last, "retry: "); ok {
			retry, err = time.ParseDuration(ms + "ms")
		}
		if data, ok := strings.CutPrefix(last, "data: "); ok {
			var ended struct{ Reason string }
			err = json.Unmarshal([]byte(data), &ended)
			reason = ended.Reason
		}
		if err != nil {
			return 0, "", err
		}
	}
	if lines.Err() != nil || last != "" || retry == 0 {
		return 0, "", fmt.Errorf("the stream broke off after %q: %v", last, lines.Err())
	}
	return retry, reason, nil
}

// check calls /api/me until ctx ends.
func (b *balancer) check(ctx context.Context, ticket string, answers *atomic.Int64) {
	for v := b.front.holding(ticket); ctx.Err() == nil; answers.Add(1) {
		v.expect(http.StatusOK, "while nodes are replaced")
		time.Sleep(20 * time.Millisecond)
	}
}

// use signs in and out until ctx ends, and fails the test at any wrong answer.
func (b *balancer) use(ctx context.Context, name string, answers *atomic.Int64) {
	for ctx.Err() == nil {
		v := b.front.visitor()
		if a, err := persist(func() (answer, error) { return v.signIn(name, goodPassword) }); err != nil || a.status != http.StatusOK {
			b.t.Errorf("sign-in while nodes are replaced: %s, %v", a, err)
			return
		}
		gone := b.front.holding(v.ticket())
		v.expect(http.StatusOK, "right after sign-in")
		if a, err := v.signOut(); err != nil || a.status != http.StatusOK {
			b.t.Errorf("sign-out while nodes are replaced: %s, %v", a, err)
			return
		}
		gone.expect(http.StatusUnauthorized, "right after sign-out")
		answers.Add(4)
		time.Sleep(500 * time.Millisecond) // each sign-in takes as much of a processor as hundreds of checks
	}
}

// TestARollingRestartFailsNoRequest replaces all nodes, one after the other, under load. A node fails /readyz before it stops,
// and goes on answering until its balancer has noticed. Then its event streams end, and their pages connect to another node.
// No request fails, and each page learns of a sign-out afterwards.
func TestARollingRestartFailsNoRequest(t *testing.T) {
	t.Parallel() // it mostly waits
	b := balance(t, 3)
	s := b.nodes[0]
	users := s.people("rho", 24)
	tickets := s.give(users...)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer func() { stop(); group.Wait() }()
	var pages []*listener
	for _, ticket := range tickets {
		pages = append(pages, b.listen(ctx, &group, ticket))
	}
	working, rest := context.WithCancel(ctx)
	defer rest()
	var work sync.WaitGroup
	var answers atomic.Int64
	for i := range 4 {
		work.Go(func() { b.check(working, tickets[i], &answers) })
		work.Go(func() { b.use(working, users[i].Username, &answers) })
	}
	everyoneListens := func() bool {
		for _, page := range pages {
			if page.lives.Load() != 1 {
				return false
			}
		}
		return true
	}
	for _, node := range b.nodes {
		eventually(t, "all pages listen", everyoneListens)
		before := answers.Load()
		eventually(t, "traffic", func() bool { return answers.Load() > before+100 })
		node.terminate()
		eventually(t, "the balancer notices", func() bool { return b.count() == len(b.nodes)-1 })
		if code := node.ended(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		node.again()
		eventually(t, "the balancer notices", func() bool { return b.count() == len(b.nodes) })
	}
	eventually(t, "all pages listen", everyoneListens)
	rest()
	work.Wait()
	for _, ticket := range tickets {
		v := b.front.holding(ticket)
		if a := v.must(v.signOut()); a.status != http.StatusOK {
			t.Errorf("sign-out: %s", a)
		}
	}
	moved := 0
	for _, page := range pages {
		if page.opens.Load() > 1 {
			moved++
		}
		select {
		case reason := <-page.told:
			if reason != "signed_out" && reason != "ended_elsewhere" { // the reason at the node that ended it, and at the others
				t.Errorf("told %q", reason)
			}
		case <-time.After(patience):
			t.Fatal("a page was told nothing of its sign-out")
		}
	}
	t.Logf("%d requests answered; %d of %d pages have moved", answers.Load(), moved, len(pages))
	if moved < len(pages)/2 {
		t.Error("hardly a page was on a node that was replaced")
	}
}

// TestAPageThatIsAwayWhenItsSessionEndsLearnsOfItOnItsReturn ends the session of a page between two event streams.
func TestAPageThatIsAwayWhenItsSessionEndsLearnsOfItOnItsReturn(t *testing.T) {
	t.Parallel()
	b := balance(t, 2)
	ticket := b.nodes[0].give(b.nodes[0].person("pia"))[0]
	away := make(chan error, 1)
	page := &listener{v: b.front.holding(ticket)}
	go func() {
		_, reason, err := page.stream(t.Context())
		if err == nil && reason != "" {
			err = errors.New("told " + reason)
		}
		away <- err
	}()
	eventually(t, "the page listens", func() bool { return page.lives.Load() == 1 })
	for _, node := range b.nodes {
		node.stop()
		node.again()
		eventually(t, "the balancer notices", func() bool { return b.count() == len(b.nodes) })
	}
	if err := <-away; err != nil {
		t.Fatalf("the stream of a node that was replaced: %v", err)
	}
	v := b.front.holding(ticket)
	if a := v.must(v.signOut()); a.status != http.StatusOK {
		t.Errorf("sign-out: %s", a)
	}
	if _, _, err := page.stream(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "401 ") {
		t.Errorf("the page that comes back is answered %v", err)
	}
}
