package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// The servers in front of an application. Each passes the same requests on to the same application.
const (
	bareProxy   = "bare-proxy" // httputil.ReverseProxy, which checks nothing
	ourGateway  = "gateway/sqlite/fenced"
	nginxAsking = "nginx-auth-request"
	theAsked    = "authz/sqlite/fenced" // the server that nginx asks
)

// orders is what the application behind the gateways answers.
var orders = []byte(strings.Repeat(`{"id":1,"article":"Umbrella"},`, 34))

// gateway compares our gateway, and nginx that asks our server about each request, with a proxy that checks nothing. The
// application runs in this process, with the clients, on all processors but the first. Sessions are found in the cache.
func (b *bench) gateway(ctx context.Context) error {
	application := application()
	defer application.Close()
	fronts, err := b.fronts(ctx, application.URL)
	defer func() { stopAll(fronts) }()
	if err != nil {
		return err
	}
	both, err := b.beside(ctx, fronts)
	if err != nil {
		return err
	}
	b.frontRounds = len(both.samples[bareProxy])
	for _, c := range fronts {
		b.add("front/"+c.name, both.median(c.name, rate), "requests/s", bareProxy, both.ratio(c.name, bareProxy, rate))
		if both.median(c.name, cpu) > 0 {
			b.add("front-cpu/"+c.name, both.median(c.name, cpu), "µs/request", bareProxy, both.ratio(c.name, bareProxy, cpu))
		}
	}
	return nil
}

// application answers orders.
func application() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(orders)
	}))
}

func stopAll(all []*child) {
	for _, c := range all {
		c.stop()
	}
}

// fronts starts the servers in front of an application: three, or two if nginx is not installed.
func (b *bench) fronts(ctx context.Context, application string) (all []*child, err error) {
	for _, name := range []string{bareProxy, ourGateway} {
		s, err := b.spec(ctx, name)
		if err != nil {
			return all, err
		}
		s.Upstream = application
		c, err := b.start(ctx, s)
		if err != nil {
			return all, err
		}
		all = append(all, c)
	}
	nginx, err := b.startNginx(ctx, application)
	if err != nil {
		b.miss(nginxAsking, err)
		return all, nil
	}
	return append(all, nginx), nil
}

// beside measures the servers in turn.
func (b *bench) beside(ctx context.Context, fronts []*child) (*bench, error) {
	both := &bench{samples: map[string][]sample{}}
	var warm errgroup.Group
	for _, c := range fronts {
		warm.Go(func() error {
			_, err := c.burstOf(ctx, "/orders", young)
			return err
		})
	}
	if err := warm.Wait(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(b.within(b.plan.fronts, b.plan.burst)); time.Now().Before(end); {
		for _, i := range rand.Perm(len(fronts)) {
			c := fronts[i]
			s, err := c.burstOf(ctx, "/orders", b.plan.burst)
			if err != nil {
				return nil, err
			}
			both.samples[c.name] = append(both.samples[c.name], s)
		}
	}
	return both, nil
}

// buildProxy passes requests on without a check.
func buildProxy(s spec) (http.Handler, []string, error) {
	target, err := url.Parse(s.Upstream)
	if err != nil {
		return nil, nil, err
	}
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.SetXForwarded()
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
	}, []string{"Cookie: sessionid=" + strings.Repeat("x", 43)}, nil
}
