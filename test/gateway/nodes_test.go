package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// nodes are two programs on one database, behind a front that is configured as docs/deploy.md says.
type nodes struct {
	*front
	t         *testing.T
	addresses []string
	args      []string
	running   []*process
}

// startNodes starts the nodes, and then the front with the configuration block of the documentation. HAProxy can't ask before each request,
// so behind it the nodes themselves pass requests on to the application.
func startNodes(t *testing.T, front string) *nodes {
	t.Helper()
	n := &nodes{front: newFront(t, front), t: t}
	n.args = append(ruleFlags(), "--trusted-proxy", "127.0.0.1", "--db", pgserver.Test(t), "--stop-delay", "2s", "--data", n.data,
		"--url", "https://"+n.host, "--log-format", "json")
	if front == "haproxy" {
		n.args = append(n.args, "--upstream", n.app.URL)
	}
	for range 2 {
		n.addresses = append(n.addresses, "127.0.0.1:"+strconv.Itoa(harness.FreePort(t)))
		n.running = append(n.running, nil)
		n.start(len(n.running) - 1)
	}
	n.inner = n.addresses[0]
	switch front {
	case "nginx":
		n.runNginx(t, need(t, "nginx"), map[string]string{
			"upstream cloakroom {\n        server 127.0.0.1:8000;\n        keepalive 32;\n    }": n.documented("nginx")})
	case "caddy":
		n.runCaddy(t, need(t, "caddy"), map[string]string{"(cloakroom) {\n\tto 127.0.0.1:8000\n}": n.documented("caddyfile")})
	case "haproxy":
		n.runHAProxy(need(t, "haproxy"))
	}
	return n
}

// runHAProxy starts the example's HAProxy in front of the nodes.
func (n *nodes) runHAProxy(haproxy string) {
	n.t.Helper()
	certificate, key := n.certify(n.t)
	var both []byte // HAProxy has them in one file
	for _, name := range []string{certificate, key} {
		text, err := os.ReadFile(name)
		if err != nil {
			n.t.Fatal(err)
		}
		both = append(both, text...)
	}
	dir := n.t.TempDir()
	pem, file := filepath.Join(dir, "both.pem"), filepath.Join(dir, "haproxy.cfg")
	config := n.example(n.t, "haproxy/haproxy.cfg", map[string]string{
		"bind :443 ": "bind " + n.address + " ", "/etc/haproxy/app.example.com.pem": pem,
		"    server node1 10.0.0.11:8000": "    server node1 " + n.addresses[0], "    server node2 10.0.0.12:8000": "    server node2 " + n.addresses[1],
	})
	for name, text := range map[string][]byte{pem: both, file: []byte(config)} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			n.t.Fatal(err)
		}
	}
	if out, err := exec.Command(haproxy, "-c", "-f", file).CombinedOutput(); err != nil || strings.Contains(string(out), "WARNING") {
		n.t.Fatalf("HAProxy complains of the example: %v\n%s", err, out)
	}
	n.proxy = run(n.t, haproxy, "-db", "-f", file)
	n.proxy.listening(n.address)
}

// documented returns the documentation's block for several nodes, with the addresses of these nodes.
func (n *nodes) documented(language string) string {
	n.t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "deploy.md"))
	if err != nil {
		n.t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Several nodes")
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(section)
	if block == nil || strings.Count(block[1], "10.0.0.11:8000") != 1 || strings.Count(block[1], "10.0.0.12:8000") != 1 {
		n.t.Fatalf("docs/deploy.md has no block for two nodes in the language %s", language)
	}
	return strings.NewReplacer("10.0.0.11:8000", n.addresses[0], "10.0.0.12:8000", n.addresses[1]).Replace(block[1])
}

// start starts a node, and waits until it is ready.
func (n *nodes) start(i int) {
	n.t.Helper()
	n.running[i] = run(n.t, n.binary, append([]string{"serve", "--listen", n.addresses[i]}, n.args...)...)
	n.running[i].listening(n.addresses[i])
	if !eventually(func() bool {
		answer, err := http.Get("http://" + n.addresses[i] + "/readyz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}) {
		n.t.Fatal("the node isn't ready")
	}
}

// restart stops a node as a supervisor does, and starts it again.
func (n *nodes) restart(i int) {
	n.t.Helper()
	if err := n.running[i].command.Process.Signal(syscall.SIGTERM); err != nil {
		n.t.Fatal(err)
	}
	select {
	case <-n.running[i].done:
	case <-time.After(patience):
		n.t.Fatal("the node doesn't stop")
	}
	n.start(i)
}

// TestARestartOfOneNodeAfterTheOtherLosesNoRequest runs what is documented for several nodes, under load: pages of the
// application, checks, sign-ins and sign-outs.
func TestARestartOfOneNodeAfterTheOtherLosesNoRequest(t *testing.T) {
	for _, front := range []string{"nginx", "caddy", "haproxy"} {
		t.Run(front, func(t *testing.T) {
			t.Parallel() // it mostly waits
			n := startNodes(t, front)
			n.takesLongHeaders()
			var users []string
			for i := range 8 {
				users = append(users, fmt.Sprintf("user%d", i))
				n.command(t, goodPassword+"\n", "user", "add", users[i], "--password-stdin", "--db", n.args[len(ruleFlags())+3])
			}
			ctx, stop := context.WithCancel(t.Context())
			var group sync.WaitGroup
			var answers atomic.Int64
			defer func() { stop(); group.Wait() }()
			for i, user := range users {
				protocol := []string{"h1", "h2"}[i%2]
				group.Go(func() { n.work(ctx, user, protocol, &answers) })
			}
			traffic := func() {
				before := answers.Load()
				if !eventually(func() bool { return answers.Load() > before+200 }) {
					t.Fatal("no traffic")
				}
			}
			for i := range n.addresses {
				traffic()
				n.restart(i)
			}
			traffic()
			stop()
			group.Wait()
			t.Logf("%d requests answered", answers.Load())
		})
	}
}

// takesLongHeaders checks that the front passes on more headers than some do by default, such as many cookies of other programs.
func (n *nodes) takesLongHeaders() {
	n.t.Helper()
	ask, err := http.NewRequest("GET", "https://"+n.host+"/api/me", nil)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, name := range []string{"X-First", "X-Second"} {
		ask.Header.Set(name, strings.Repeat("x", 14_000))
	}
	answer, err := n.clientOf("h1").Do(ask)
	if err != nil {
		n.t.Fatal(err)
	}
	defer answer.Body.Close()
	if code := answer.StatusCode; code != http.StatusUnauthorized {
		n.t.Errorf("a request with 28 kB of headers is answered %d, want 401", code)
	}
}

// work repeats what a user does until ctx ends.
func (n *nodes) work(ctx context.Context, user, protocol string, answers *atomic.Int64) {
	client := n.clientOf(protocol)
	defer client.CloseIdleConnections()
	send := func(method, path, ticket, body string) (r reply) {
		ask, err := http.NewRequest(method, "https://"+n.host+path, strings.NewReader(body))
		if err != nil {
			n.t.Error(err)
			return r
		}
		ask.Header.Set("Origin", "https://"+n.host)
		ask.Header.Set("Content-Type", "application/json")
		ask.Header.Set("Cookie", ticket)
		answer, err := client.Do(ask)
		if err != nil {
			n.t.Errorf("%s %s: %v", method, path, err)
			return r
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			n.t.Errorf("%s %s: %v", method, path, err)
		}
		answers.Add(1)
		return reply{answer.StatusCode, answer.Header, text}
	}
	demand := func(status int, method, path, ticket, body string) {
		if r := send(method, path, ticket, body); r.status != status {
			n.t.Errorf("%s %s: %s, want %d", method, path, r, status)
		}
	}
	for ctx.Err() == nil && !n.t.Failed() {
		var in reply
		eventually(func() bool { // on a machine that is busy with other things, there is no time for a password now and then
			in = send("POST", "/api/auth/login", "", `{"username":"`+user+`","password":"`+goodPassword+`"}`)
			return in.code() != "busy"
		})
		ticket := ""
		for _, line := range in.header.Values("Set-Cookie") {
			if value, ok := strings.CutPrefix(line, sessionCookie+"="); ok {
				value, _, _ := strings.Cut(value, ";")
				ticket = sessionCookie + "=" + value
			}
		}
		if in.status != 200 || ticket == "" {
			n.t.Errorf("sign-in: %s", in)
			return
		}
		for range 20 {
			demand(200, "GET", "/private", ticket, "")
			demand(200, "GET", "/api/me", ticket, "")
			demand(200, "POST", "/private", ticket, "x")
			time.Sleep(50 * time.Millisecond) // many requests in each moment of a restart are enough
		}
		demand(200, "POST", "/api/auth/logout", ticket, "{}")
		demand(401, "GET", "/private", ticket, "")
	}
}
