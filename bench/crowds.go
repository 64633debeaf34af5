package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
)

const (
	crowdNodes   = 3
	crowdClients = 32
	crowdPeople  = 10_000
	crowdEnds    = 6400 // sign-outs
)

// crowds measures, on three nodes on PostgreSQL, sign-outs by many clients at once, beside the NOTIFYs that as many connections get through
// there; and how long an administrator's program takes to disable ten thousand users.
func (b *bench) crowds(ctx context.Context) error {
	s, err := b.spec(ctx, "me/postgres/fenced")
	if err != nil {
		return err
	}
	s.Wide, s.People, s.Dir = true, crowdPeople, b.sub("crowds")
	c := &cluster{engine: "postgres", spec: s, nodes: make([]*child, crowdNodes)}
	defer c.stop()
	if err := b.join(ctx, c); err != nil {
		return err
	}
	time.Sleep(settling)
	notices, err := notices(ctx, s.DB, 3*time.Second)
	if err != nil {
		return err
	}
	server, err := serverOf(ctx, s.DB)
	if err != nil {
		return err
	}
	credentials := c.nodes[0].served.Credentials[:crowdEnds]
	took, nodes, database, err := c.costly(server, len(credentials), func(i int, on *conn) ([]byte, int) {
		return request("POST", "/api/auth/logout", on.addr, credentials[i], ""), http.StatusOK
	})
	if err != nil {
		return err
	}
	rate := float64(len(credentials)) / took.Seconds()
	b.add("crowd/notices", notices, "NOTIFYs/s", "", 0)
	b.add(fmt.Sprintf("crowd/sign-outs/%d-clients", crowdClients), rate, "sign-outs/s", "notices", rate/notices)
	b.add("crowd/sign-out-cpu/nodes", nodes, "µs", "", 0)
	b.add("crowd/sign-out-cpu/database", database, "µs", "", 0)
	by, users, err := administrator(ctx, s)
	if err != nil {
		return err
	}
	if err := b.disableTogether(ctx, c, server, by, users); err != nil {
		return err
	}
	took, nodes, database, err = c.costly(server, len(users), func(i int, on *conn) ([]byte, int) {
		return request("POST", "/api/auth/admin/users/"+users[i]+"/disable", on.addr, by, ""), http.StatusOK
	})
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("crowd/disable-%d-users-one-by-one", len(users)), took.Seconds(), "s", "", 0)
	b.add("crowd/disable-one-by-one-cpu/nodes", nodes, "µs", "", 0)
	b.add("crowd/disable-one-by-one-cpu/database", database, "µs", "", 0)
	return b.revokeAll(ctx, c)
}

// disableTogether measures how long an administrator's program takes to disable users by as few requests as possible, one after the other,
// and enables them again.
func (b *bench) disableTogether(ctx context.Context, c *cluster, server []int, by string, users []string) error {
	var bodies []string
	for some := range slices.Chunk(users, admin.MaxTogether) {
		body, err := json.Marshal(map[string][]string{"users": some})
		if err != nil {
			return err
		}
		bodies = append(bodies, string(body))
	}
	on := c.nodes[0].connect(1)
	addr := on[0].addr
	closeAll(on)
	pids := c.pids()
	ours, theirs, began := cpuTime(pids), cpuTime(server), time.Now()
	for _, body := range bodies {
		if err := disableMany(ctx, addr, by, body); err != nil {
			return err
		}
	}
	took := time.Since(began)
	each := func(pids []int, before int64) float64 {
		return float64(cpuTime(pids)-before) / 1000 / float64(len(users))
	}
	b.add(fmt.Sprintf("crowd/disable-%d-users", len(users)), took.Seconds(), "s", "", 0)
	b.add("crowd/disable-cpu/nodes", each(pids, ours), "µs", "", 0)
	b.add("crowd/disable-cpu/database", each(server, theirs), "µs", "", 0)
	db, err := pgx.Connect(ctx, c.spec.DB)
	if err != nil {
		return err
	}
	defer db.Close(ctx)
	var disabled int
	if err := db.QueryRow(ctx, "SELECT count(*) FROM users WHERE NOT is_active").Scan(&disabled); err != nil {
		return err
	}
	if disabled != len(users) {
		return fmt.Errorf("%d users were disabled instead of %d", disabled, len(users))
	}
	// Nothing is in memory of them that this could invalidate.
	_, err = db.Exec(ctx, "UPDATE users SET is_active = true")
	return err
}

// disableMany sends one request, whose answer is too long for a conn.
func disableMany(ctx context.Context, addr, credential, body string) error {
	r, err := http.NewRequestWithContext(ctx, "POST", "http://"+addr+"/api/auth/admin/users/disable", strings.NewReader(body))
	if err != nil {
		return err
	}
	name, value := split(credential)
	r.Header.Set(name, value)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", "http://"+addr)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	err = errors.Join(err, answer.Body.Close())
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("an act for many users is answered %d: %.200s", answer.StatusCode, text)
	}
	return err
}

// pids returns the processes of the nodes.
func (c *cluster) pids() (all []int) {
	for _, node := range c.nodes {
		all = append(all, node.pids...)
	}
	return all
}

const (
	revokeRuns  = 21
	revokeLive  = 100_000 // sessions
	revokeUsers = revokeLive / 10
)

// revokeAll measures the command that ends all ten sessions of a user, beside the nodes of a cluster and a hundred thousand live sessions,
// and the same command where it only shows the user.
func (b *bench) revokeAll(ctx context.Context, c *cluster) error {
	program := filepath.Join(c.spec.Dir, "cloakroom")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/cloakroom")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the command: %w: %s", err, out)
	}
	on, err := pgx.Connect(ctx, c.spec.DB)
	if err != nil {
		return err
	}
	defer on.Close(ctx)
	_, err = on.Exec(ctx, `INSERT INTO sessions (id, public_id, user_id, epoch, method, browser, created, fresh, seen, idle,
		deadline, expires, ip, agent, data, version)
		SELECT sha256(('live' || n)::bytea), ('live' || n)::bytea, (1 + n % $2::int)::text::bytea, 'first'::bytea, 'password'::bytea, false,
		1, 1, 1, 1000, $3, $3, ''::bytea, ''::bytea, ''::bytea, '' FROM generate_series(1, $1::int) n`,
		revokeLive, revokeUsers, time.Now().Add(time.Hour).Unix())
	if err != nil {
		return err
	}
	took := map[string][]time.Duration{}
	for user := range revokeRuns {
		for _, args := range [][]string{{"user", "show"}, {"session", "revoke-all"}} {
			command := exec.CommandContext(ctx, program, append(args, strconv.Itoa(user+1), "--db", c.spec.DB, "--data", c.spec.Dir)...)
			began := time.Now()
			if out, err := command.CombinedOutput(); err != nil {
				return fmt.Errorf("%v: %w: %s", args, err, out)
			}
			took[args[1]] = append(took[args[1]], time.Since(began))
		}
	}
	show, revoke := quantile(took["show"], .5), quantile(took["revoke-all"], .5)
	b.add("crowd/show", milliseconds(show), "ms", "", 0)
	b.add("crowd/revoke-all", milliseconds(revoke), "ms", "show", float64(revoke)/float64(show))
	return nil
}

// costly is all, with the processor time of the nodes and of the database's server for each request, in microseconds.
func (c *cluster) costly(server []int, n int, next func(i int, on *conn) (request []byte, status int)) (took time.Duration, nodes, database float64, err error) {
	pids := c.pids()
	ours, theirs := cpuTime(pids), cpuTime(server)
	took, err = c.all(n, next)
	each := func(pids []int, before int64) float64 { return float64(cpuTime(pids)-before) / 1000 / float64(n) }
	return took, each(pids, ours), each(server, theirs), err
}

// serverOf returns the first process of the server of a database on this machine.
func serverOf(ctx context.Context, url string) (pids []int, err error) {
	on, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer on.Close(ctx)
	var backend, parent int
	if err := on.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", backend))
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // after the name of the program
	if _, err := fmt.Sscanf(rest, "%1s %d", new(string), &parent); err != nil {
		return nil, err
	}
	return []int{parent}, nil
}

// all sends n requests to the nodes in turn, by as many clients as a crowd has, and returns how long that took.
func (c *cluster) all(n int, next func(i int, on *conn) (request []byte, status int)) (time.Duration, error) {
	var conns []*conn
	for i := range crowdClients {
		conns = append(conns, c.nodes[i%len(c.nodes)].connect(1)...)
	}
	defer closeAll(conns)
	var turn atomic.Int64
	var group errgroup.Group
	began := time.Now()
	for _, on := range conns {
		group.Go(func() error {
			for i := int(turn.Add(1)) - 1; i < n; i = int(turn.Add(1)) - 1 {
				bytes, want := next(i, on)
				if status, err := on.ask(bytes); err != nil || status != want {
					return fmt.Errorf("a request of the crowd is answered %d, %w", status, err)
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return time.Since(began), err
}

// notices returns how many NOTIFYs a second as many connections as a crowd has clients get through.
func notices(ctx context.Context, url string, lasts time.Duration) (float64, error) {
	var sent atomic.Int64
	var mu sync.Mutex
	var failed error
	var group sync.WaitGroup
	began := time.Now()
	for range crowdClients {
		group.Go(func() {
			err := notify(ctx, url, began.Add(lasts), &sent)
			mu.Lock()
			failed = errors.Join(failed, err)
			mu.Unlock()
		})
	}
	group.Wait()
	return float64(sent.Load()) / time.Since(began).Seconds(), failed
}

func notify(ctx context.Context, url string, until time.Time, sent *atomic.Int64) error {
	on, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer on.Close(ctx)
	for time.Now().Before(until) {
		if _, err := on.Exec(ctx, "SELECT pg_notify('crowd', 'a payload of some thirty letters')"); err != nil {
			return err
		}
		sent.Add(1)
	}
	return nil
}

// administrator makes an administrator with a session, and returns its cookie, and the IDs of all other users.
func administrator(ctx context.Context, s spec) (credential string, users []string, err error) {
	db, err := postgres.Open(ctx, s.DB)
	if err != nil {
		return "", nil, err
	}
	defer db.Close()
	all, err := db.Accounts.List(ctx, account.Query{})
	if err != nil {
		return "", nil, err
	}
	for _, u := range all {
		users = append(users, u.ID)
	}
	root := &account.User{Username: "root", IsActive: true, IsStaff: true, IsSuperuser: true, DateJoined: time.Now().Unix(), Epoch: "first"}
	if err := db.Accounts.Create(ctx, root); err != nil {
		return "", nil, err
	}
	w := httptest.NewRecorder()
	sessions := &session.Manager{Store: db.Sessions, InsecureHTTP: true}
	if _, err := sessions.SignIn(w, httptest.NewRequest("POST", "/", nil), session.SignIn{User: root.ID, Epoch: root.Epoch, Method: "password", Fresh: true}); err != nil {
		return "", nil, err
	}
	return cookie(w), users, nil
}
