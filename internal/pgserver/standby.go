//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// NewStandby makes a server that follows a primary, and starts it. From its return on, each commit of the primary waits until
// the standby has it on disk.
func NewStandby(ctx context.Context, primary *Server) (*Server, error) {
	s := &Server{bin: primary.bin, owner: primary.owner}
	if err := s.makeDir(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	port, err := freePort()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	s.settings = []string{
		"port=" + strconv.Itoa(port), "listen_addresses=127.0.0.1", "unix_socket_directories=" + s.dir, "max_connections=200",
		"shared_buffers=64MB", "fsync=on", "synchronous_commit=on", "logging_collector=off", "log_min_messages=warning",
	}
	if err := s.Follow(ctx, primary); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Follow makes the stopped server start anew as a standby of a primary, with the primary's files. From its return on, each
// commit of the primary waits until this server has it on disk.
func (s *Server) Follow(ctx context.Context, primary *Server) error {
	if err := os.RemoveAll(s.data()); err != nil {
		return fmt.Errorf("remove the files of the former server: %w", err)
	}
	copy, err := Tool(ctx, "pg_basebackup")
	if err != nil {
		return err
	}
	if out, err := s.program(ctx, copy.Path, "--pgdata", s.data(), "--dbname", primary.URL("postgres"),
		"--write-recovery-conf", "--checkpoint", "fast", "--no-sync").CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w\n%s", err, out)
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	// After the copy, so that this server doesn't wait for a standby itself once it is promoted.
	if err := run(ctx, primary.URL("postgres"), "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	return primary.awaitFollower(ctx)
}

// awaitFollower waits until commits wait for a standby that is there.
func (s *Server) awaitFollower(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for {
		var follows bool
		err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync')`).Scan(&follows)
		if err != nil || follows {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Promote makes a standby the primary, and returns when it accepts writes.
func (s *Server) Promote(ctx context.Context) error {
	return run(ctx, s.URL("postgres"), fmt.Sprintf("SELECT pg_promote(true, %d)", int(patience.Seconds())))
}
