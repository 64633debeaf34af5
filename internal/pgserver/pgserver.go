//go:build unix

// Package pgserver starts temporary PostgreSQL servers for tests and measurements: the real server, on a free port of
// 127.0.0.1 and in its own directory, with fsync on. The server ends, and its directory is removed, with the process that
// started it, even if that process crashes.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience limits the start and the end of the server.
const patience = 60 * time.Second

// Server is a PostgreSQL server. Its methods may be called concurrently, except Start, Stop, Kill and Close.
type Server struct {
	Addr string // HOST:PORT; the same after Stop, Kill and Start

	bin, dir string
	owner    *syscall.Credential // the user that runs the server; nil: the present user
	settings []string
	watcher  io.Closer // the watching process removes the directory once this is closed
	watched  *exec.Cmd
	command  *exec.Cmd
	ended    chan struct{}

	copies atomic.Int64 // of prepared databases

	mu   sync.Mutex
	made int      // databases
	free []string // addresses of databases that were given back
}

// New makes a server in a new directory, and starts it. settings are added to its own, such as "max_connections=20". Close
// it when done.
func New(ctx context.Context, settings ...string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	if s.owner, err = owner(); err != nil {
		return nil, err
	}
	if err := s.make(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for try := 0; ; try++ {
		port, err := freePort()
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		s.settings = append([]string{
			"port=" + strconv.Itoa(port), "listen_addresses=127.0.0.1", "unix_socket_directories=" + s.dir, "max_connections=200",
			"shared_buffers=64MB", "fsync=on", "synchronous_commit=on", "logging_collector=off", "log_min_messages=warning",
		}, settings...)
		if err = s.Start(ctx); err == nil {
			return s, nil
		}
		if try == 5 || !strings.Contains(s.log(), "Address already in use") {
			return nil, errors.Join(err, s.Close())
		}
	}
}

// binaries returns the directory of the server's programs.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	// Debian doesn't put them into the PATH.
	for version := 30; version >= 13; version-- {
		dir := fmt.Sprintf("/usr/lib/postgresql/%d/bin", version)
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("the PostgreSQL server is needed and not here; on Debian: apt-get install postgresql-15")
}

// make makes the directory, arranges its removal, and has the files of a server put into it.
func (s *Server) make(ctx context.Context) error {
	made, err := template()
	if err != nil {
		return err
	}
	if err := s.makeDir(); err != nil {
		return err
	}
	if out, err := s.program(ctx, "/bin/cp", "-R", made.data(), s.data()).CombinedOutput(); err != nil {
		return fmt.Errorf("copy the files of a new PostgreSQL: %w\n%s", err, out)
	}
	return nil
}

// template has the files of a new server, which never runs. initdb takes ten times as long as copying them.
var template = sync.OnceValues(func() (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	if s.owner, err = owner(); err != nil {
		return nil, err
	}
	if err := s.makeDir(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	initdb := s.program(context.Background(), "initdb", "--pgdata", s.data(), "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), s.Close())
	}
	return s, nil
})

// makeDir makes the server's directory, and arranges its removal.
func (s *Server) makeDir() (err error) {
	if s.dir, err = os.MkdirTemp("", "cloakroom-postgres-*"); err != nil {
		return fmt.Errorf("make a directory for PostgreSQL: %w", err)
	}
	if s.owner != nil {
		if err := os.Chown(s.dir, int(s.owner.Uid), int(s.owner.Gid)); err != nil {
			return fmt.Errorf("give the directory to PostgreSQL's user: %w", err)
		}
	}
	return s.watch()
}

// watch starts a process that waits for the end of this one, and then ends the server and removes its directory. It notices
// the end by a pipe, which the system closes even if this process is killed.
func (s *Server) watch() error {
	const script = `read -r _
pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
rm -rf "$0"`
	s.watched = exec.Command("/bin/sh", "-c", script, s.dir)
	s.watched.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that Ctrl-C on a terminal doesn't end it
	pipe, err := s.watched.StdinPipe()
	if err != nil {
		return fmt.Errorf("watch over PostgreSQL: %w", err)
	}
	if err := s.watched.Start(); err != nil {
		return fmt.Errorf("watch over PostgreSQL: %w", err)
	}
	s.watcher = pipe
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) log() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(text)
}

// program prepares a program of PostgreSQL, or one at a path, to be run by the server's user.
func (s *Server) program(ctx context.Context, name string, args ...string) *exec.Cmd {
	if !filepath.IsAbs(name) {
		name = filepath.Join(s.bin, name)
	}
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = s.dir
	command.Env = append(os.Environ(), "LC_ALL=C")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.owner}
	return command
}

// URL returns the address of a database on this server.
func (s *Server) URL(name string) string { return "postgres://postgres@" + s.Addr + "/" + name }

// Database returns the address of an empty database: a new one, or one that was given back.
func (s *Server) Database(ctx context.Context) (url string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.free) - 1; last >= 0 {
		url, s.free = s.free[last], s.free[:last]
		return url, nil
	}
	s.made++
	name := fmt.Sprintf("test%d", s.made)
	return s.URL(name), run(ctx, s.URL("postgres"), "CREATE DATABASE "+name)
}

// dropSchemas drops all schemas except the system's, so that nothing is left for the next test.
const dropSchemas = `DO $$ DECLARE name text; BEGIN
	FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
		EXECUTE format('DROP SCHEMA %I CASCADE', name);
	END LOOP;
END $$`

// GiveBack ends all connections to a database from Database, and empties it. It waits for their end, because a pooler might hand
// one that is about to end to the next test. The database isn't dropped, since the server would then write everything to the disk.
func (s *Server) GiveBack(ctx context.Context, url string) error {
	name := url[strings.LastIndexByte(url, '/')+1:]
	err := run(ctx, url, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "+
		"WHERE datname = current_database() AND pid <> pg_backend_pid()",
		dropSchemas, "CREATE SCHEMA public", "GRANT USAGE ON SCHEMA public TO PUBLIC", "ALTER DATABASE "+name+" RESET ALL")
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, url)
	return nil
}

// run runs statements as the server's administrator.
func run(ctx context.Context, url string, statements ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, failed := conn.Exec(ctx, statement); failed != nil && err == nil {
			err = fmt.Errorf("%s: %w", statement, failed)
		}
	}
	return errors.Join(err, conn.Close(ctx))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Tool returns a command that runs one of PostgreSQL's own tools, such as pg_dump.
func Tool(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		dir, err := binaries()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(dir, name)
	}
	return exec.CommandContext(ctx, path, args...), nil
}
