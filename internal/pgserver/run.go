//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// owner returns the user that runs the server, which refuses to run as root.
func owner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(errUID, errGID)
	}
	return nil, errors.New("PostgreSQL doesn't run as root, and there is no user postgres or nobody")
}

// Start starts the server again, with the same port and files, and waits until it answers.
func (s *Server) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := s.start(ctx)
		// Remaining processes of a killed server end by themselves.
		if err == nil || !strings.Contains(err.Error(), "is still in use") || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *Server) start(ctx context.Context) error {
	args := []string{"-D", s.data()}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	defer log.Close()
	s.command = s.program(context.WithoutCancel(ctx), "postgres", args...)
	s.command.Stdout, s.command.Stderr = log, log
	if err := s.command.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.ended = make(chan struct{})
	go func(command *exec.Cmd, ended chan struct{}) {
		_ = command.Wait() // the log has the reason
		close(ended)
	}(s.command, s.ended)
	return s.await(ctx)
}

// await waits until the server accepts a connection.
func (s *Server) await(ctx context.Context) error {
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.ended:
			return fmt.Errorf("PostgreSQL has ended:\n%s", s.log())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL doesn't answer: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop shuts the server down as an operator does: it ends connections and writes all commits.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Kill kills all processes of the server (SIGKILL).
func (s *Server) Kill() error {
	processes := children(s.command.Process.Pid)
	err := s.end(syscall.SIGKILL)
	for _, pid := range processes {
		_ = syscall.Kill(pid, syscall.SIGKILL) // most have ended with the server
	}
	return err
}

// Pause stops the server's processes until Resume, as an overloaded machine could.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume ends what Pause began.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) error {
	var all error
	for _, pid := range append([]int{s.command.Process.Pid}, children(s.command.Process.Pid)...) {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			all = errors.Join(all, fmt.Errorf("signal PostgreSQL: %w", err))
		}
	}
	return all
}

func (s *Server) end(signal syscall.Signal) error {
	if err := s.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end PostgreSQL: %w", err)
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(patience):
		return errors.New("PostgreSQL doesn't end")
	}
}

// children returns the processes of a server on Linux. On other systems they end by themselves.
func children(pid int) (pids []int) {
	id := strconv.Itoa(pid)
	list, _ := os.ReadFile(filepath.Join("/proc", id, "task", id, "children"))
	for _, field := range strings.Fields(string(list)) {
		if child, err := strconv.Atoi(field); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// Close ends the server and removes its directory.
func (s *Server) Close() error {
	if s.watcher == nil {
		return os.RemoveAll(s.dir)
	}
	var err error
	if s.command != nil && s.command.Process != nil {
		_ = s.Resume() // a stopped process can't end
		err = s.end(syscall.SIGQUIT)
	}
	return errors.Join(err, s.watcher.Close(), s.watched.Wait())
}

// MakeStandby makes the stopped server start as a standby that has no primary.
func (s *Server) MakeStandby() error {
	return os.WriteFile(filepath.Join(s.data(), "standby.signal"), nil, 0o644)
}
