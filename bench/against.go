package main

import (
	"bytes"
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
		if database == "postgres" && b.postgre == nil || database == "redis" && b.redis == nil {
			b.miss("against/"+database, errors.New("its database server was not started"))
			continue
		}
		for _, revocation := range []string{"fenced", "strict"} {
			if !b.wanted(database + "/" + revocation) {
				continue
			}
			if err := b.againstOn(ctx, paths, database, revocation); err != nil {
				return fmt.Errorf("%s/%s: %w", database, revocation, err)
			}
		}
	}
	return nil
}

// versus adds the figures of both commands, and their ratio.
func (b *bench) versus(name, unit string, of map[string]float64) {
	b.add("against/"+name+"/"+formerBuild, of[formerBuild], unit, "", 0)
	b.add("against/"+name+"/"+thisBuild, of[thisBuild], unit, formerBuild, of[thisBuild]/of[formerBuild])
}

// againstOn compares the commands on one kind of database.
func (b *bench) againstOn(ctx context.Context, paths map[string]string, database, revocation string) error {
	kind := database + "/" + revocation
	b.say("measuring %s of both commands", kind)
	both := &bench{samples: map[string][]sample{}}
	started, resident := map[string]float64{}, map[string]float64{}
	for name, path := range paths {
		c, ready, err := b.startCommand(ctx, path, name+"/"+kind, database, revocation)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer c.stop()
		both.peers = append(both.peers, c)
		c.name = name
		started[name] = milliseconds(ready)
		if resident[name], err = residentMB(c.command.Process.Pid); err != nil {
			return err
		}
	}
	others, err := b.companions(ctx, both.peers[0], database, revocation)
	for _, c := range others {
		defer c.stop()
	}
	if err != nil {
		return err
	}
	both.peers = append(both.peers, others...)
	for _, c := range both.peers {
		if _, err := c.burst(ctx, young); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	both.plan = b.plan
	if err := both.rounds(ctx, b.plan.rounds/6); err != nil {
		return err
	}
	if revocation == "fenced" {
		b.versus("start/"+database, "ms", started)
		b.versus("resident/"+database, "MB", resident)
	}
	for _, m := range []struct {
		name, unit string
		of         func(sample) float64
	}{{"me", "requests/s", rate}, {"me-cpu", "µs/request", cpu}} {
		name := "against/" + m.name + "/" + kind
		b.add(name+"/"+formerBuild, both.median(formerBuild, m.of), m.unit, "", 0)
		b.add(name+"/"+thisBuild, both.median(thisBuild, m.of), m.unit, formerBuild, both.ratio(thisBuild, formerBuild, m.of))
		b.results[len(b.results)-1].Spread = spread(both.ratios(thisBuild, formerBuild, m.of))
	}
	for _, c := range others {
		name := "against/me-cpu/" + kind + "/" + c.name
		b.add(name, both.median(c.name, cpu), "µs/request", formerBuild, both.ratio(c.name, formerBuild, cpu))
		b.results[len(b.results)-1].Spread = spread(both.ratios(c.name, formerBuild, cpu))
	}
	if n := len(both.samples[thisBuild]); b.againstRounds == 0 || n < b.againstRounds {
		b.againstRounds = n
	}
	return nil
}

// companions starts what both commands are compared with: the bare handler and, for strict checks, the limit of the database. They write what
// the first command answers.
func (b *bench) companions(ctx context.Context, first *child, database, revocation string) (all []*child, err error) {
	if err := b.bytes(first); err != nil {
		return nil, err
	}
	names := []string{"bare"}
	if limit := limits[database]; limit != "" && revocation == "strict" {
		names = append(names, limit)
	}
	for _, name := range names {
		c, err := b.begin(ctx, name)
		if err != nil {
			return all, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// startCommand starts a command on an empty database, creates a user, and starts it again. It returns how long the second start
// took until the server was ready.
func (b *bench) startCommand(ctx context.Context, path, name, database, revocation string) (c *child, ready time.Duration, err error) {
	data := b.sub("against/" + name)
	db := "sqlite:" + filepath.Join(data, "cloakroom.db")
	var sessions []string
	if database == "redis" {
		b.againstRedis++
		sessions = []string{"--sessions", b.redis.URL() + "/" + strconv.Itoa(b.againstRedis)}
	}
	if database == "postgres" {
		if db, err = b.postgre.Database(ctx); err != nil {
			return nil, 0, err
		}
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, 0, err
	}
	start := func() (*child, time.Duration, error) {
		args := append([]string{"-c", "0", path, "serve", "--data", data, "--db", db, "--listen", addr, "--revocation", revocation}, sessions...)
		command := exec.CommandContext(ctx, "taskset", args...)
		if os.Getenv(pinned) == "" {
			command = exec.CommandContext(ctx, path, args[3:]...)
		}
		began := time.Now()
		in, err := command.StdinPipe()
		if err == nil {
			err = command.Start()
		}
		if err != nil {
			return nil, 0, err
		}
		c := &child{name: name, command: command, stdin: in, pids: []int{command.Process.Pid}, served: served{Addr: addr}}
		if err := waitUntilReady(ctx, addr); err != nil {
			c.stop()
			return nil, 0, err
		}
		return c, time.Since(began), nil
	}
	first, _, err := start()
	if err != nil {
		return nil, 0, err
	}
	ticket, err := setUp(ctx, addr, data)
	_ = first.command.Process.Signal(os.Interrupt)
	_ = first.command.Wait() // it was interrupted
	if err != nil {
		return nil, 0, err
	}
	if c, ready, err = start(); err == nil {
		c.served.Credentials = []string{ticket}
	}
	return c, ready, err
}

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

// setUp creates the first user on the link in the data directory, and returns the header line of the session.
func setUp(ctx context.Context, addr, data string) (string, error) {
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
	r.Header.Set("Origin", "http://"+addr)
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
