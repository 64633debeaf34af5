package server_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// TestALongRun mixes everything on three nodes for an hour, or CLOAKROOM_RUN. Every twenty minutes the database's standby takes over, every
// ten it is restarted, and in each other minute a node is killed. What was acknowledged holds at each node at the end of each minute, and the first node,
// which lives through all of it, grows neither in memory nor in goroutines nor in connections. CLOAKROOM_PICTURE names a file for a picture
// of the run. TestAFailoverLosesNothing and the tests of kills show in a short time what each of the three does.
func TestALongRun(t *testing.T) {
	t.Attr("threat", "B5")
	if !long {
		t.Skip("takes an hour: CLOAKROOM_LONG=1 turns it on")
	}
	t.Parallel()
	minute, minutes, restart, takeover := time.Minute, 60, 10, 20
	if set := os.Getenv("CLOAKROOM_RUN"); set != "" {
		d, err := time.ParseDuration(set)
		if err != nil {
			t.Fatal(err)
		}
		minutes = max(1, int(d/minute))
	}
	r := newRun(t)
	for n := 1; n <= minutes; n++ {
		var what string
		var disturb func()
		switch {
		case n%takeover == 0:
			what, disturb = "failover", r.failOver
		case n%restart == 0:
			what, disturb = "restart", r.restart
		default:
			what, disturb = "kill", r.kill
		}
		r.minute(minute, what, disturb)
	}
	r.end()
	if file := os.Getenv("CLOAKROOM_PICTURE"); file != "" {
		if err := os.WriteFile(file, []byte(r.picture()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// run is three nodes on a primary with a standby, and who uses them.
type run struct {
	t                *testing.T
	all              []*server
	metrics          string // where the first node shows its metrics
	primary, standby *pgserver.Server

	crowd   *crowd
	ender   *ender
	keepers []*visitor // who stay signed in
	streams *streams
	opened  int64
	through atomic.Int64 // requests of keepers that came through the gateway

	samples []sample
}

// sample is the first node at the end of a minute.
type sample struct {
	after                       string // what happened in this minute
	memory, goroutines, files   float64
	ins, rotations, outs, ended int64
}

func newRun(t *testing.T) *run {
	t.Helper()
	r := &run{t: t, primary: pgserver.TestServer(t)}
	standby, err := pgserver.NewStandby(t.Context(), r.primary)
	if err != nil {
		t.Fatal(err)
	}
	r.standby = standby
	t.Cleanup(func() {
		if err := standby.Close(); err != nil {
			t.Error(err)
		}
	})
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-User")) }))
	t.Cleanup(application.Close)
	r.metrics = net.JoinHostPort("127.0.0.1", strconv.Itoa(harness.FreePort(t)))
	url := strings.Replace(r.primary.URL("postgres"), r.primary.Addr, r.primary.Addr+","+standby.Addr, 1)
	gateway := []string{"--upstream", "/things=" + application.URL}
	r.all = apart(t, url, append([]string{"--metrics-listen", r.metrics}, gateway...), gateway, gateway)
	balanced := *r.all[0]
	balanced.through = &nodes{all: r.all}
	s := &balanced
	r.crowd = newCrowd(s, s.people("flo", 40), 40)
	r.ender = newEnder(t, s)
	keepers := s.people("kim", 20)
	for _, ticket := range s.give(keepers...) {
		r.keepers = append(r.keepers, s.holding(ticket))
	}
	r.streams = &streams{}
	cookies, _ := r.all[0].sessions(keepers)
	for _, cookie := range cookies {
		if _, err := r.streams.open(r.all[0], cookie); err != nil {
			t.Fatal(err)
		}
	}
	r.opened = r.streams.alive.Load()
	return r
}

// minute lets everyone work for so long, with a disturbance after a quarter of it, and then demands that what was acknowledged holds.
func (r *run) minute(lasts time.Duration, what string, disturb func()) {
	r.t.Helper()
	began := time.Now()
	r.crowd.seed()
	r.ender.seed(r.crowd.s.give(r.crowd.members[0].user, r.crowd.members[1].user, r.crowd.members[2].user))
	ctx, cancel := context.WithCancel(r.t.Context())
	var group sync.WaitGroup
	for _, m := range r.crowd.members {
		group.Go(func() {
			for ctx.Err() == nil {
				r.crowd.act(m)
				time.Sleep(rand.N(lasts / 15))
			}
		})
	}
	for _, k := range r.keepers {
		group.Go(func() {
			for ctx.Err() == nil {
				r.keep(k)
				time.Sleep(rand.N(200 * time.Millisecond))
			}
		})
	}
	group.Go(r.ender.endAll)
	time.Sleep(lasts / 4)
	disturb()
	time.Sleep(time.Until(began.Add(lasts)))
	cancel()
	group.Wait()
	eventually(r.t, "all nodes look sessions up", func() bool { return answersAll(r.all) })
	for range r.all {
		r.crowd.check()
		r.crowd.checkDead()
	}
	for _, m := range r.crowd.members {
		m.buried = m.buried[max(0, len(m.buried)-10):]
	}
	for _, k := range r.keepers {
		k.demand(http.StatusOK, "a session that was never ended")
	}
	if n, told := r.streams.alive.Load(), r.streams.told.Load(); n != r.opened || told > 0 {
		r.t.Errorf("%s: %d of %d event streams are open, and %d told that their session had ended", what, n, r.opened, told)
	}
	r.sample(what)
}

// keep asks as someone who is signed in: for the account, and through the gateway.
func (r *run) keep(k *visitor) {
	path := []string{"/api/me", "/things"}[rand.IntN(2)]
	a, err := k.get(path)
	switch {
	case err != nil || a.status == http.StatusServiceUnavailable:
	case a.status != http.StatusOK:
		r.t.Errorf("a session that was never ended is told %s at %s", a, path)
	case path == "/things":
		r.through.Add(1)
	}
}

// kill kills a node other than the first, and starts it again at its address.
func (r *run) kill() {
	node := r.all[1+rand.IntN(len(r.all)-1)]
	node.kill()
	node.launch(node.host())
	if !node.ready() {
		r.t.Fatalf("the node doesn't start again:\n%s", node.log.Tail(20))
	}
}

func (r *run) restart() {
	if err := r.primary.Stop(); err != nil {
		r.t.Fatal(err)
	}
	if err := r.primary.Start(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// failOver kills the primary, promotes its standby, and makes what was the primary the new standby.
func (r *run) failOver() {
	if err := r.primary.Kill(); err != nil {
		r.t.Fatal(err)
	}
	if err := r.standby.Promote(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.primary, r.standby = r.standby, r.primary
	if err := r.standby.Follow(r.t.Context(), r.primary); err != nil {
		r.t.Fatal(err)
	}
}

func (r *run) sample(what string) {
	r.t.Helper()
	first := r.all[0]
	s := sample{
		after: what, memory: float64(first.memory().resident) / (1 << 20), files: float64(first.files()),
		goroutines: scrape(r.t, r.metrics)["go_goroutines"].GetMetric()[0].GetGauge().GetValue(),
		ins:        r.crowd.ins.Load(), rotations: r.crowd.rotations.Load(), outs: r.crowd.outs.Load(), ended: r.ender.acknowledged.Load(),
	}
	r.samples = append(r.samples, s)
	r.t.Logf("%2d %-8s %3.0f MB, %3.0f goroutines, %3.0f files; %d sign-ins, %d rotations, %d sign-outs, %d sessions ended; %d outages told, %d answers lost",
		len(r.samples), what, s.memory, s.goroutines, s.files, s.ins, s.rotations, s.outs, s.ended, r.crowd.outages.Load(), r.crowd.lost.Load())
}

// end demands that the run was one, and that the first node has not grown: what it had at most in the last quarter, it had before.
func (r *run) end() {
	r.ender.stop()
	last := r.samples[len(r.samples)-1]
	if last.ins+last.rotations < 4 || last.outs < 4 || last.ended < 3 || r.ender.asked.Load() == 0 || r.through.Load() == 0 {
		r.t.Errorf("too little happened: %+v; asked for ended sessions %d times, %d requests through the gateway", last, r.ender.asked.Load(), r.through.Load())
	}
	quarter := len(r.samples) / 4
	if quarter < 2 {
		return
	}
	early, late := r.samples[quarter:2*quarter], r.samples[len(r.samples)-quarter:]
	for name, of := range map[string]func(sample) float64{
		"MB of memory": func(s sample) float64 { return s.memory },
		"goroutines":   func(s sample) float64 { return s.goroutines },
		"files":        func(s sample) float64 { return s.files },
	} {
		before, after := most(early, of), most(late, of)
		if after > 1.25*before+20 {
			r.t.Errorf("the first node had at most %.0f %s in the second quarter of the run, and %.0f in the last", before, name, after)
		}
	}
}

func most(samples []sample, of func(sample) float64) float64 {
	return of(slices.MaxFunc(samples, func(a, b sample) int { return int(of(a) - of(b)) }))
}

// picture shows the first node over time, below what happened.
func (r *run) picture() string {
	const left, right, high = 60, 20, 90
	const width = 760
	x := func(i int) float64 { return left + float64(i)*(width-left-right)/float64(max(1, len(r.samples)-1)) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12">
<style>
.paper { fill: #fff } text { fill: #1f2328 } .dim { fill: #59636e } .grid { stroke: #d1d9e0 }
.line { fill: none; stroke: #0969da; stroke-width: 2 } .restart { stroke: #bf8700 } .failover { stroke: #cf222e; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117 } text { fill: #f0f6fc } .dim { fill: #9198a1 } .grid { stroke: #3d444d }
.line { stroke: #4493f8 } .restart { stroke: #d29922 } .failover { stroke: #f85149 }
}
</style>
<rect class="paper" width="%d" height="%d" rx="8"/><text x="20" y="28" font-size="15" font-weight="600">One node through %d minutes of mixed load</text>
<text class="dim" x="20" y="46">another node is killed in each other minute; yellow: the database is restarted; red: its standby takes over</text>
`, width, 4*high+50, width, 4*high+50, len(r.samples))
	for row, of := range []struct {
		name  string
		value func(sample) float64
	}{
		{"MB", func(s sample) float64 { return s.memory }},
		{"goroutines", func(s sample) float64 { return s.goroutines }},
		{"files", func(s sample) float64 { return s.files }},
	} {
		bottom := float64(60 + (row+1)*(high+20))
		top := max(1, most(r.samples, of.value))
		for i, s := range r.samples {
			if s.after != "kill" {
				fmt.Fprintf(&b, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", s.after, x(i), x(i), bottom, bottom-high)
			}
		}
		fmt.Fprintf(&b, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"dim\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text><text class=\"dim\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">0</text><text x=\"%d\" y=\"%.1f\">%s</text>\n",
			left, width-right, bottom, bottom, left-8, bottom-high+10, top, left-8, bottom, left+6, bottom-high+1, of.name)
		b.WriteString(`<polyline class="line" points="`)
		for i, s := range r.samples {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(i), bottom-of.value(s)/top*(high-14))
		}
		b.WriteString("\"/>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}
