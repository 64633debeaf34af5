//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestPooler starts a PgBouncer in transaction mode in front of a server, for the length of a test, and returns its address,
// HOST:PORT. It has few connections to the server, so that many clients share each. settings are further settings of PgBouncer.
func (s *Server) TestPooler(t testing.TB, settings ...string) (addr string) {
	t.Helper()
	return s.TestPoolerAs(t, "postgres", settings...)
}

// TestPoolerAs is TestPooler with another role at the server.
func (s *Server) TestPoolerAs(t testing.TB, role string, settings ...string) (addr string) {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/pgbouncer")
	}
	switch {
	case err != nil && os.Getenv("CLOAKROOM_TESTS_NEED_ALL") == "":
		t.Skip("pgbouncer isn't installed (make test installs it)")
	case err != nil:
		t.Fatal("pgbouncer isn't installed: apt-get install pgbouncer")
	}
	if addr, err = s.pool(t, program, role, settings); err != nil {
		t.Fatal(err)
	}
	return addr
}

func (s *Server) pool(t testing.TB, program, role string, settings []string) (addr string, err error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(s.dir, "pooler-*")
	if err != nil {
		return "", fmt.Errorf("make a directory for PgBouncer: %w", err)
	}
	host, serverPort, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return "", err
	}
	config := fmt.Sprintf(`[databases]
* = host=%s port=%s user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 500
%s
`, host, serverPort, role, port, strings.Join(settings, "\n"))
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // it runs as another user
		return "", err
	}
	command := s.program(context.WithoutCancel(t.Context()), program, file)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return "", fmt.Errorf("start PgBouncer: %w", err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	return addr, awaitPooler(t.Context(), addr, log.Name())
}

func awaitPooler(ctx context.Context, addr, log string) error {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		conn, err := pgx.Connect(ctx, "postgres://postgres@"+addr+"/postgres")
		if err == nil {
			return conn.Close(ctx)
		}
		if time.Since(began) > patience {
			text, _ := os.ReadFile(log)
			return errors.Join(fmt.Errorf("PgBouncer doesn't answer: %w", err), errors.New(string(text)))
		}
	}
}
