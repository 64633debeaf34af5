package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// againstGateway compares the gateways of both commands with a proxy that checks nothing.
func (b *bench) againstGateway(ctx context.Context, paths map[string]string) error {
	application := application()
	defer application.Close()
	var fronts []*child
	defer func() { stopAll(fronts) }()
	for name, path := range paths {
		c, _, err := b.startCommand(ctx, command{name: name, path: path, data: "gateway", database: "sqlite", revocation: "fenced", flags: []string{"--upstream", application.URL}})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fronts = append(fronts, c)
	}
	s, err := b.spec(ctx, bareProxy)
	if err != nil {
		return err
	}
	s.Upstream = application.URL
	bare, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	fronts = append(fronts, bare)
	both, err := b.beside(ctx, fronts)
	if err != nil {
		return err
	}
	b.compareBuilds(both, "front", "gateway", []string{bareProxy})
	return nil
}

// againstAuthRequest compares the example's nginx that asks either command with one that asks a server that answers 200 at once. The figures
// include the server that is asked.
func (b *bench) againstAuthRequest(ctx context.Context, paths map[string]string) error {
	application := application()
	defer application.Close()
	var fronts []*child
	defer func() { stopAll(fronts) }()
	front := func(name string, ask func(public string) (*child, error)) error {
		public, err := freeAddress()
		if err != nil {
			return err
		}
		asked, err := ask(public)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c, err := b.nginxBefore(ctx, name, public, asked, application.URL)
		if err != nil {
			asked.stop()
			return fmt.Errorf("nginx before %s: %w", name, err)
		}
		fronts = append(fronts, c)
		return nil
	}
	for name, path := range paths {
		err := front(name, func(public string) (*child, error) {
			listen, err := freeAddress()
			if err != nil {
				return nil, err
			}
			c, _, err := b.startCommand(ctx, command{name: name, path: path, data: "auth-request", database: "sqlite", revocation: "fenced", listen: listen, public: public})
			return c, err
		})
		if err != nil {
			return err
		}
	}
	headers, err := b.authHeaders(ctx, fronts)
	if err != nil {
		return err
	}
	for name, header := range map[string]http.Header{limitAuthRequest: nil, limitSameHeaders: headers} {
		err := front(name, func(string) (*child, error) {
			s, err := b.spec(ctx, name)
			if err != nil {
				return nil, err
			}
			s.Header = header
			return b.start(ctx, s)
		})
		if err != nil {
			return err
		}
	}
	both, err := b.beside(ctx, fronts)
	if err != nil {
		return err
	}
	b.compareBuilds(both, "front", "auth-request", []string{limitAuthRequest, limitSameHeaders})
	return nil
}

// authHeaders returns what this command, which one of the proxies asks, answers to a question about a user who is signed in.
func (b *bench) authHeaders(ctx context.Context, fronts []*child) (http.Header, error) {
	i := slices.IndexFunc(fronts, func(c *child) bool { return c.name == thisBuild })
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+fronts[i].asked.served.Addr+"/api/authz/auth-request", nil)
	if err != nil {
		return nil, err
	}
	name, value := split(fronts[i].served.Credentials[0])
	r.Header.Set(name, value)
	r.Header.Set("X-Original-Method", http.MethodGet)
	r.Header.Set("X-Original-URL", "http://"+fronts[i].served.Addr+"/orders")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the question about a request is answered by %s", answer.Status)
	}
	answer.Header.Del("Date")
	answer.Header.Del("Content-Length")
	return answer.Header, nil
}

// againstSignIns compares sign-ins on SQLite with the hash of the same password alone.
func (b *bench) againstSignIns(ctx context.Context, paths map[string]string) error {
	both := &bench{samples: map[string][]sample{}}
	requests := map[string][][]byte{}
	defer func() { stopAll(both.peers) }()
	for name, path := range paths {
		c, _, err := b.startCommand(ctx, command{name: name, path: path, data: "sign-ins", database: "sqlite", revocation: "fenced"})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		both.peers = append(both.peers, c)
		body := fmt.Sprintf(`{"username":"ada","password":%q}`, goodPassword)
		requests[name] = [][]byte{request("POST", "/api/auth/login", c.served.Addr, "", body)}
	}
	hash, err := b.begin(ctx, "hash")
	if err != nil {
		return err
	}
	both.peers, requests["hash"] = append(both.peers, hash), [][]byte{request("GET", "/", hash.served.Addr, "", "")}
	for range b.plan.hashes {
		for _, c := range both.peers {
			s, err := c.many(ctx, 1, requests[c.name], time.Second/2)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			both.samples[c.name] = append(both.samples[c.name], s)
		}
	}
	b.compareBuilds(both, "sign-in", "sqlite", []string{"hash"})
	return nil
}

// starts is how often each program is started.
const starts = 15

// start is one start of a program.
type start struct {
	ready    float64 // milliseconds until it answered /readyz
	cpu      float64 // milliseconds of processor time until then
	resident float64 // MB
}

// againstStart compares the starts of both commands on a database that has their schema and a user with that of the limit: a program that only
// opens such a database, reads a row and answers. They take turns.
func (b *bench) againstStart(ctx context.Context, paths map[string]string, database string) error {
	b.say("measuring starts of both commands on %s", database)
	limit := "limit/start-" + database
	begin := map[string]func() (*child, error){}
	for name, path := range paths {
		c, start, err := b.startCommand(ctx, command{name: name, path: path, data: "start-" + database, database: database, revocation: "fenced"})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		_ = c.command.Process.Signal(os.Interrupt)
		_ = c.command.Wait() // it was interrupted
		begin[name] = start
	}
	var err error
	if begin[limit], err = b.startLimit(ctx, limit, database); err != nil {
		return err
	}
	all := map[string][]start{}
	for range starts {
		for name, begin := range begin {
			s, err := startAndEnd(begin)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			all[name] = append(all[name], s)
		}
	}
	for _, m := range []struct {
		name, unit string
		of         func(start) float64
	}{
		{"start", "ms", func(s start) float64 { return s.ready }}, {"start-cpu", "ms", func(s start) float64 { return s.cpu }},
		{"resident", "MB", func(s start) float64 { return s.resident }},
	} {
		figure := func(name string) float64 {
			var figures []float64
			for _, s := range all[name] {
				figures = append(figures, m.of(s))
			}
			return median(figures)
		}
		b.versus(m.name+"/"+database, m.unit, map[string]float64{formerBuild: figure(formerBuild), thisBuild: figure(thisBuild)})
		b.add("against/"+m.name+"/"+database+"/"+limit, figure(limit), m.unit, formerBuild, figure(limit)/figure(formerBuild))
	}
	return nil
}

// startAndEnd starts a program and ends it.
func startAndEnd(begin func() (*child, error)) (s start, err error) {
	began := time.Now()
	c, err := begin()
	if err != nil {
		return s, err
	}
	s.ready = milliseconds(time.Since(began))
	s.cpu = float64(cpuTime(c.pids)) / 1e6
	s.resident, err = residentMB(c.command.Process.Pid)
	_ = c.command.Process.Signal(os.Interrupt)
	_ = c.command.Wait() // it was interrupted
	return s, err
}

// startLimit builds the limit for a database, as the command is built, and returns how to start it on the database of this command.
func (b *bench) startLimit(ctx context.Context, name, database string) (func() (*child, error), error) {
	program := filepath.Join(b.sub("limit"), database)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./limits/"+database)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("build the limit: %w", err)
	}
	db := filepath.Join(b.sub(strings.Join([]string{"against", thisBuild, "start-" + database}, "/")), "cloakroom.db")
	if database == "postgres" {
		var err error
		if db, err = b.postgre.Database(ctx); err != nil {
			return nil, err
		}
	}
	return func() (*child, error) {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		return startProgram(ctx, name, addr, program, addr, db)
	}, nil
}
