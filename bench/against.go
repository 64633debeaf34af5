package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The two commands that are compared.
const (
	formerBuild = "former"
	thisBuild   = "this"
)

// against compares the command at a path with that of this source: size, start, memory, and /api/me from memory and from each
// database. The commands take turns on the same data of their own, in rounds of changing order.
func (b *bench) against(ctx context.Context, former string) error {
	former, err := filepath.Abs(former)
	if err != nil {
		return err
	}
	this := filepath.Join(b.dir, "cloakroom")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", this, "./cmd/cloakroom")
	build.Dir, build.Stderr = "..", os.Stderr // this program is run in its own directory
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the command: %w", err)
	}
	paths := map[string]string{formerBuild: former, thisBuild: this}
	sizes := map[string]float64{}
	for name, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		sizes[name] = float64(info.Size()) / 1e6
	}
	b.versus("binary", "MB", sizes)
	for _, database := range []string{"sqlite", "postgres", "redis"} {
		if err := b.againstOnDatabase(ctx, paths, database); err != nil {
			return err
		}
	}
	for _, s := range []section{
		{"gateway", func(ctx context.Context) error { return b.againstGateway(ctx, paths) }},
		{"auth-request", func(ctx context.Context) error { return b.againstAuthRequest(ctx, paths) }},
		{"sign-ins", func(ctx context.Context) error { return b.againstSignIns(ctx, paths) }},
	} {
		if !b.wanted(s.name) {
			continue
		}
		b.say("measuring %s of both commands", s.name)
		if err := s.do(ctx); err != nil {
			b.miss("against/"+s.name, err)
		}
	}
	return nil
}

// againstOnDatabase measures what depends on the database: /api/me and the start.
func (b *bench) againstOnDatabase(ctx context.Context, paths map[string]string, database string) error {
	if database == "postgres" && b.postgre == nil || database == "redis" && b.redis == nil {
		b.miss("against/"+database, errors.New("its database server was not started"))
		return nil
	}
	for _, revocation := range []string{"fenced", "strict"} {
		if !b.wanted(database + "/" + revocation) {
			continue
		}
		if err := b.againstOn(ctx, paths, database, revocation); err != nil {
			return fmt.Errorf("%s/%s: %w", database, revocation, err)
		}
	}
	if database == "redis" || !b.wanted("start/"+database) {
		return nil
	}
	return b.againstStart(ctx, paths, database)
}

// versus adds the figures of both commands, and their ratio.
func (b *bench) versus(name, unit string, of map[string]float64) {
	b.add("against/"+name+"/"+formerBuild, of[formerBuild], unit, "", 0)
	b.add("against/"+name+"/"+thisBuild, of[thisBuild], unit, formerBuild, of[thisBuild]/of[formerBuild])
}

// againstOn compares /api/me of the commands on one kind of database.
func (b *bench) againstOn(ctx context.Context, paths map[string]string, database, revocation string) error {
	kind := database + "/" + revocation
	b.say("measuring %s of both commands", kind)
	both := &bench{samples: map[string][]sample{}, plan: b.plan}
	defer func() {
		for _, c := range both.peers {
			c.stop()
		}
	}()
	for name, path := range paths {
		c, _, err := b.startCommand(ctx, command{name: name, path: path, data: kind, database: database, revocation: revocation})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		both.peers = append(both.peers, c)
	}
	others := []string{"bare", limits[database]}
	if revocation == "fenced" {
		others = []string{"bare", limitFenced, "hs256"}
	}
	if err := b.companions(ctx, both, others); err != nil {
		return err
	}
	for _, c := range both.peers {
		if _, err := c.burst(ctx, young); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if err := both.rounds(ctx, b.plan.rounds/6); err != nil {
		return err
	}
	b.compareBuilds(both, "me", kind, others)
	if revocation == "fenced" {
		above := func(name string) float64 { return both.median(name, cpu) - both.median("bare", cpu) }
		name := "against/me-cpu-above-bare/" + kind + "/"
		for _, build := range []string{formerBuild, thisBuild} {
			b.add(name+build, above(build), "µs/request", "hs256", above(build)/above("hs256"))
		}
	}
	return nil
}

// compareBuilds adds the throughput and the processor time of both commands and of others, each beside the former command, and those of this
// command beside each of the others.
func (b *bench) compareBuilds(both *bench, what, kind string, others []string) {
	for _, m := range []struct {
		name, unit string
		of         func(sample) float64
	}{{what, "requests/s", rate}, {what + "-cpu", "µs/request", cpu}} {
		name := "against/" + m.name + "/" + kind + "/"
		compared := func(a, with string) {
			b.add(name+a, both.median(a, m.of), m.unit, with, both.ratio(a, with, m.of))
			b.results[len(b.results)-1].Spread = spread(both.ratios(a, with, m.of))
		}
		b.add(name+formerBuild, both.median(formerBuild, m.of), m.unit, "", 0)
		compared(thisBuild, formerBuild)
		for _, other := range others {
			compared(other, formerBuild)
			compared(thisBuild, other)
		}
	}
	if n := len(both.samples[thisBuild]); b.againstRounds == 0 || n < b.againstRounds {
		b.againstRounds = n
	}
}

// companions starts what both commands are compared with. They write what the first command answers.
func (b *bench) companions(ctx context.Context, both *bench, names []string) error {
	if err := b.bytes(both.peers[0]); err != nil {
		return err
	}
	for _, name := range names {
		c, err := b.begin(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		both.peers = append(both.peers, c)
	}
	return nil
}

// command is a command that is started.
type command struct {
	name, path string
	data       string // part of the name of its directory
	database   string // sqlite, postgres or redis
	revocation string
	listen     string   // "": localhost and a port that is free at each start
	public     string   // the host and port of --url; "": those of listen
	flags      []string // others
}

// startCommand starts a command on an empty database, creates a user, and starts it again. start starts it once more; then the first one has
// to be stopped.
func (b *bench) startCommand(ctx context.Context, c command) (started *child, start func() (*child, error), err error) {
	data := b.sub("against/" + c.name + "/" + c.data)
	db := "sqlite:" + filepath.Join(data, "cloakroom.db")
	flags := c.flags
	if c.database == "redis" {
		b.againstRedis++
		flags = append(flags, "--sessions", b.redis.URL()+"/"+strconv.Itoa(b.againstRedis))
	}
	if c.database == "postgres" {
		if db, err = b.postgre.Database(ctx); err != nil {
			return nil, nil, err
		}
	}
	args := append([]string{"serve", "--data", data, "--db", db, "--revocation", c.revocation}, flags...)
	if c.public != "" {
		args = append(args, "--url", "http://"+c.public, "--trusted-proxy", "127.0.0.1")
	}
	start = func() (*child, error) {
		listen := c.listen
		if listen == "" {
			var err error
			if listen, err = freeAddr(); err != nil {
				return nil, err
			}
		}
		return startProgram(ctx, c.name, listen, c.path, append(args, "--listen", listen)...)
	}
	first, err := start()
	if err != nil {
		return nil, nil, err
	}
	ticket, err := setUp(ctx, first.served.Addr, cmp.Or(c.public, first.served.Addr), data)
	_ = first.command.Process.Signal(os.Interrupt)
	_ = first.command.Wait() // it was interrupted
	if err != nil {
		return nil, nil, err
	}
	if started, err = start(); err == nil {
		started.served.Credentials = []string{ticket}
	}
	return started, start, err
}

// startProgram starts a program on the first processor, and waits until it answers /readyz at the address.
func startProgram(ctx context.Context, name, addr, path string, args ...string) (*child, error) {
	if os.Getenv(pinned) != "" {
		path, args = "taskset", append([]string{"-c", "0", path}, args...)
	}
	command := exec.CommandContext(ctx, path, args...)
	in, err := command.StdinPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		return nil, err
	}
	c := &child{name: name, command: command, stdin: in, pids: []int{command.Process.Pid}, served: served{Addr: addr}}
	if err := waitUntilReady(ctx, addr); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// freeAddr returns an address on which nothing listens now. It is asked for right before its use: later, the port may be that of some
// connection.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return "localhost:" + port, errors.Join(err, l.Close())
}

// waitUntilReady waits until a server is ready, or for half a minute.
func waitUntilReady(ctx context.Context, addr string) error {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		answer, err := http.Get("http://" + addr + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return fmt.Errorf("it isn't ready: %v", err)
		}
	}
}

// setUp creates the first user on the link in the data directory, and returns the header line of the session. public is the host of the URL.
func setUp(ctx context.Context, addr, public, data string) (string, error) {
	var link []byte
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if link, err = os.ReadFile(filepath.Join(data, "setup-link")); err == nil && len(link) > 0 {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) && err != nil || time.Now().After(end) {
			return "", fmt.Errorf("read the setup link: %v", err)
		}
	}
	_, secret, _ := strings.Cut(strings.TrimSpace(string(link)), "#")
	body, err := json.Marshal(map[string]string{"secret": secret, "username": "ada", "email": "ada@example.org", "password": goodPassword})
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/api/auth/setup", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", "http://"+public)
	r.Host = public
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	for _, c := range answer.Cookies() {
		if strings.HasSuffix(c.Name, "sessionid") {
			return "Cookie: " + c.Name + "=" + c.Value, nil
		}
	}
	return "", fmt.Errorf("the setup is answered by %s", answer.Status)
}

// residentMB returns the resident memory of a process.
func residentMB(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kb, err := strconv.ParseFloat(number, 64)
	return kb / 1e3, err
}
