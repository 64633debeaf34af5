// Package assistant has passwords hashed by a process of its own, of the lowest priority: a hash takes a processor for a
// while and 19 MB of garbage, and those who are signed in already shall notice neither.
package assistant

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Question is what is to be computed.
type Question struct {
	Kind     Kind
	Password string
	Salt     string // of Make
	Encoded  string // of Verify and MakeLike
	Standard string // of Verify: what it comes to at the least
}

// Kind says what a Question asks for.
type Kind int

const (
	Verify   Kind = iota // whether the password matches a hash
	Make                 // a new hash
	MakeLike             // a new hash by the rules of another
)

// Answer is what came out, and what it cost.
type Answer struct {
	Match   bool   // of Verify
	Encoded string // of Make and MakeLike
	TooLong int    // of MakeLike, if not 0: the algorithm doesn't look at more bytes than that
	Spent   int64
}

// Process is a program that calls [Serve], as often as it has to be started. Safe for concurrent use.
type Process struct {
	Program []string // path and arguments

	mu      sync.Mutex
	current *running
	closed  bool
	hurried time.Time // until then it is started with ordinary priority
}

const (
	// slow is when a process of the lowest priority has been given too little of the processors: a hash takes a tenth of it.
	slow = time.Second

	// hurry is for how long it then has an ordinary priority.
	hurry = time.Minute

	// stuck is when even that has taken too long.
	stuck = time.Minute

	// attempts is how often a question is asked: of a process that is slow, of one that is killed, and once more.
	attempts = 3
)

var (
	errClosed = errors.New("closed")
	errSlow   = errors.New("no answer in time")
)

// Start starts the process, unless it runs.
func (p *Process) Start() error {
	_, err := p.running()
	return err
}

// Ask has the question answered. A process that has died, or takes too long, is replaced, and the next one asked.
func (p *Process) Ask(q Question) (Answer, error) {
	var failure error
	for range attempts {
		r, err := p.running()
		if err != nil {
			return Answer{}, err
		}
		a, err := r.ask(q)
		if _, answered := errors.AsType[rpc.ServerError](err); err == nil || answered {
			return a, err
		}
		failure = err
		p.replace(r, err)
	}
	return Answer{}, fmt.Errorf("ask process that hashes passwords: %w", failure)
}

// Close ends the process once it has answered what it was asked.
func (p *Process) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.current == nil {
		return nil
	}
	defer func() { p.current = nil }()
	return p.current.retire()
}

// PID returns the number of the process that runs; 0: none. For tests.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return 0
	}
	return p.current.command.Process.Pid
}

// running returns the process, which it starts if need be. One that need no longer hurry is replaced.
func (p *Process) running() (*running, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	hurried := time.Now().Before(p.hurried)
	if p.current != nil && (hurried || !p.current.hurried) {
		return p.current, nil
	}
	next, err := start(p.Program, hurried)
	if err != nil {
		return nil, fmt.Errorf("start process that hashes passwords: %w", err)
	}
	if p.current != nil {
		_ = p.current.retire() // it ends by itself when it has answered
	}
	p.current = next
	return next, nil
}

// replace ends a process that failed.
func (p *Process) replace(r *running, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.kill()
	if p.current != r {
		return
	}
	p.current = nil
	if errors.Is(why, errSlow) {
		p.hurried = time.Now().Add(hurry)
	}
}

// running is a process that has been started.
type running struct {
	command *exec.Cmd
	client  *rpc.Client
	hurried bool // it has an ordinary priority
}

// The arguments after the program's own.
const (
	humbly    = "lowest-priority"
	hurriedly = "ordinary-priority"
)

// start gives the program nothing of this one's environment.
func start(program []string, hurried bool) (*running, error) {
	manner := humbly
	if hurried {
		manner = hurriedly
	}
	command := exec.Command(program[0], append(program[1:len(program):len(program)], manner)...)
	command.Env, command.Stderr = []string{}, os.Stderr
	questions, toIt, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer questions.Close()
	fromIt, answers, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, toIt.Close())
	}
	defer answers.Close()
	command.Stdin, command.Stdout = questions, answers
	if err := command.Start(); err != nil {
		return nil, errors.Join(err, toIt.Close(), fromIt.Close())
	}
	go func() { _ = command.Wait() }() // how it ended shows in the answers that don't come
	return &running{command, rpc.NewClient(&line{fromIt, toIt}), hurried}, nil
}

func (r *running) patience() time.Duration {
	if r.hurried {
		return stuck
	}
	return slow
}

func (r *running) ask(q Question) (Answer, error) {
	answer := new(Answer)
	call := r.client.Go(service+".Compute", q, answer, make(chan *rpc.Call, 1))
	late := time.NewTimer(r.patience())
	defer late.Stop()
	select {
	case <-call.Done:
		return *answer, call.Error
	case <-late.C:
		return Answer{}, errSlow
	}
}

// retire asks nothing more. The process ends when it has answered what it was asked before.
func (r *running) retire() error {
	if err := r.client.Close(); err != nil && !errors.Is(err, rpc.ErrShutdown) {
		return err
	}
	return nil
}

func (r *running) kill() {
	_ = r.command.Process.Kill() // it may have ended
	_ = r.retire()
}

// line leads to the process. Closing it closes the way there alone, so that the last answers arrive.
type line struct {
	io.ReadCloser
	to io.WriteCloser
}

func (l *line) Read(b []byte) (int, error) {
	n, err := l.ReadCloser.Read(b)
	if err != nil {
		_ = l.ReadCloser.Close() // nothing more comes
	}
	return n, err
}

func (l *line) Write(b []byte) (int, error) { return l.to.Write(b) }
func (l *line) Close() error                { return l.to.Close() }
