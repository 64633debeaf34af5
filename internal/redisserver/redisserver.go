// Package redisserver starts throw-away Redis servers, for tests and measurements: the real redis-server, on a port of
// 127.0.0.1 and in a directory of its own, with an append-only file that waits for the disk.
package redisserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// patience is how long the server may take to begin and to end.
	patience = 30 * time.Second
	program  = "redis-server"
)

// Server is a redis-server. Its methods must not be called at the same time.
type Server struct {
	Addr string // HOST:PORT; stays the same over Kill and Start

	dir     string
	args    []string
	command *exec.Cmd
	ended   chan struct{}
	log     bytes.Buffer
}

// New makes a server that keeps its files in dir, and starts it. settings are added to its command line, such as
// "--appendfsync", "no". Stop it when done; should this process crash, the server goes with it (on Linux).
func New(ctx context.Context, dir string, settings ...string) (*Server, error) {
	if _, err := exec.LookPath(program); err != nil {
		return nil, fmt.Errorf("%s is needed and not here; on Debian: apt-get install redis-server", program)
	}
	for try := 0; ; try++ {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s := &Server{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), dir: dir}
		s.args = append([]string{
			"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--unixsocket", filepath.Join(dir, "redis.sock"),
			"--appendonly", "yes", "--appendfsync", "always", "--save", "",
		}, settings...)
		if err = s.Start(ctx); err == nil {
			return s, nil
		}
		s.Kill()
		if try == 5 || !bytes.Contains(s.log.Bytes(), []byte("Address already in use")) {
			return nil, err
		}
	}
}

// URL returns the address as --sessions takes it.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Socket returns the path of the server's Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "redis.sock") }

// Start starts the server again, on the same port and files, and waits until it serves.
func (s *Server) Start(ctx context.Context) error {
	s.log.Reset()
	s.command = exec.Command(program, s.args...)
	s.command.Stdout, s.command.Stderr = &s.log, &s.log
	s.command.SysProcAttr = endWithParent()
	if err := s.command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", program, err)
	}
	s.ended = make(chan struct{})
	go func(command *exec.Cmd, ended chan struct{}) {
		_ = command.Wait() // how it ended is in its log
		close(ended)
	}(s.command, s.ended)
	return s.await(ctx)
}

// await waits until the server answers, which it does not before it has read its files.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !serves(s.Addr) {
		select {
		case <-s.ended:
			return fmt.Errorf("%s has ended:\n%s", program, s.log.Bytes())
		case <-ctx.Done():
			return fmt.Errorf("%s doesn't answer: %w", program, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// serves asks with the protocol's shortest question.
func serves(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, 8)
	n, _ := conn.Read(answer)
	return bytes.HasPrefix(answer[:n], []byte("+PONG")) || bytes.HasPrefix(answer[:n], []byte("-NOAUTH"))
}

// Signal sends a signal to the server, such as SIGSTOP.
func (s *Server) Signal(signal syscall.Signal) error { return s.command.Process.Signal(signal) }

// Kill ends the server with no chance to do anything about it (SIGKILL), and waits until it is gone.
func (s *Server) Kill() {
	if s.ended != nil {
		_ = s.command.Process.Kill() // it may have ended
		<-s.ended
	}
}

// Stop ends the server as an operator would (SIGTERM), or kills it if it takes too long.
func (s *Server) Stop() error {
	if err := s.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", program, err)
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(patience):
		s.Kill()
		return fmt.Errorf("%s didn't stop and was killed", program)
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
