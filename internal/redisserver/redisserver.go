// Package redisserver starts temporary Redis servers for tests and measurements: the real redis-server, on a free port of
// 127.0.0.1 and in its own directory, with an append-only file that is synced at each write.
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
	// patience bounds the start and the end of the server.
	patience = 30 * time.Second
	program  = "redis-server"
)

// Server is a redis-server. Its methods must not be called concurrently.
type Server struct {
	Addr string // HOST:PORT; the same after Kill and Start

	dir     string
	args    []string
	command *exec.Cmd
	ended   chan struct{}
	log     bytes.Buffer
}

// New makes a server with its files in dir, and starts it. settings are added to its command line, such as
// "--appendfsync", "no". Stop it when done. On Linux the server ends with this process, even after a crash.
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

// URL returns the address in the form of --sessions.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Socket returns the path of the server's Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "redis.sock") }

// Start starts the server again, with the same port and files, and waits until it answers.
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
		_ = command.Wait() // the log has the reason
		close(ended)
	}(s.command, s.ended)
	return s.await(ctx)
}

// await waits until the server has read its files and answers.
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

// serves sends a PING.
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

// Kill kills the server (SIGKILL), and waits until it has ended.
func (s *Server) Kill() {
	if s.ended != nil {
		_ = s.command.Process.Kill() // it may have ended
		<-s.ended
	}
}

// Stop shuts the server down (SIGTERM), or kills it if it takes too long.
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
