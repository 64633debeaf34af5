package redisdb

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// errReplica means that the server is a replica. Its answers must not be used.
var errReplica = errors.New("redis is a replica; this needs the primary")

// link is the client of one server. It checks the server's role when it makes a connection, and again after each answer, because
// a server that becomes a replica keeps its connections. An answer of a replica is an error and closes all connections, so that
// the next ones go where the address leads by then.
type link struct {
	rueidis.Client
	gate   resilience.Gate
	dial   func(ctx context.Context) (net.Conn, error) // connects without sending anything
	greets []string                                    // AUTH and its arguments; nil: none
	hello  atomic.Bool                                 // HELLO shows the role, since the user may not call WAIT

	mu    sync.Mutex
	conns map[*conn]struct{}
}

// connect returns a link with its first connection.
func connect(o rueidis.ClientOption) (*link, error) {
	l := &link{conns: map[*conn]struct{}{}, greets: greeting(o)}
	l.dial = func(ctx context.Context) (net.Conn, error) { return dial(ctx, o) }
	l.gate.Probe = func(ctx context.Context) error {
		c, err := l.open(ctx)
		if err != nil {
			return err
		}
		return c.Close()
	}
	o.DialCtxFn = func(ctx context.Context, _ string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
		return resilience.Connect(ctx, &l.gate, l.open)
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		return nil, err
	}
	l.Client = client
	return l, nil
}

// dial connects to the address of the options.
func dial(ctx context.Context, o rueidis.ClientOption) (net.Conn, error) {
	network, address := "tcp", o.InitAddress[0]
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	if o.TLSConfig != nil {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		dialer := tls.Dialer{NetDialer: &o.Dialer, Config: o.TLSConfig}
		return dialer.DialContext(ctx, network, address)
	}
	return o.Dialer.DialContext(ctx, network, address)
}

func greeting(o rueidis.ClientOption) []string {
	switch {
	case o.Username != "":
		return []string{"AUTH", o.Username, o.Password}
	case o.Password != "":
		return []string{"AUTH", o.Password}
	}
	return nil
}

// open connects, authenticates and checks the server's role.
func (l *link) open(ctx context.Context) (net.Conn, error) {
	raw, err := l.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.greet(raw); err != nil {
		raw.Close()
		return nil, err
	}
	c := &conn{Conn: raw, link: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
	return c, nil
}

func (l *link) greet(raw net.Conn) error {
	if err := raw.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	answers := bufio.NewReader(raw)
	if l.greets != nil {
		if _, err := ask(raw, answers, l.greets...); err != nil {
			return err
		}
	}
	info, err := ask(raw, answers, "INFO", "replication")
	if err != nil {
		return fmt.Errorf("ask redis for its role: %w", err)
	}
	if strings.Contains(info, "role:slave") {
		return errReplica
	}
	return raw.SetDeadline(time.Time{})
}

// ask sends a command and reads an answer that is a status, an error or a bulk string.
func ask(w io.Writer, r *bufio.Reader, words ...string) (string, error) {
	var command strings.Builder
	fmt.Fprintf(&command, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&command, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(w, command.String()); err != nil {
		return "", err
	}
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	switch {
	case strings.HasPrefix(line, "-"):
		return "", errors.New(line[1:])
	case strings.HasPrefix(line, "+"):
		return line[1:], nil
	}
	size, err := strconv.Atoi(strings.TrimPrefix(line, "$"))
	if err != nil || size < 0 || size > 1<<20 {
		return "", errors.New("the server is not a Redis")
	}
	text := make([]byte, size+len("\r\n"))
	_, err = io.ReadFull(r, text)
	return string(text[:size]), err
}

// conn is a connection that is registered with its link.
type conn struct {
	net.Conn
	link *link
}

// Write lets other goroutines run first. Those that are about to call have then queued their commands, which the next Write sends at once:
// otherwise each command would be a system call of its own, here and on the server.
func (c *conn) Write(b []byte) (int, error) {
	runtime.Gosched()
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	c.link.mu.Lock()
	delete(c.link.conns, c)
	c.link.mu.Unlock()
	return c.Conn.Close()
}

// away returns an error if there is no connection and the last attempt to make one failed.
func (l *link) away() error {
	l.mu.Lock()
	none := len(l.conns) == 0
	l.mu.Unlock()
	if !none {
		return nil
	}
	return l.gate.Away()
}

// leave closes all connections.
func (l *link) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Conn.Close()
	}
}

// do runs one command. If the context has ended, it returns an error and sends nothing.
func do(ctx context.Context, l *link, command rueidis.Completed) (rueidis.RedisMessage, error) {
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > callTimeout {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	if err := errors.Join(ctx.Err(), l.away()); err != nil {
		return rueidis.RedisMessage{}, err
	}
	// The role is read on the same connection, after the command.
	results := l.DoMulti(ctx, command, l.roleQuestion())
	answer, err := results[0].ToMessage()
	switch other := l.notPrimary(results[1]); {
	case errors.Is(other, errReplica):
		l.leave()
		return rueidis.RedisMessage{}, errReplica
	case other != nil && (err == nil || rueidis.IsRedisNil(err)):
		return rueidis.RedisMessage{}, fmt.Errorf("ask redis for its role: %w", other)
	}
	return answer, err
}

// roleQuestion returns the command that shows a server's role: WAIT, which a replica refuses, and whose answer is one number. A user who may
// not call it calls HELLO, whose answer is long.
func (l *link) roleQuestion() rueidis.Completed {
	if l.hello.Load() {
		return l.B().Arbitrary("HELLO").Build()
	}
	return l.B().Arbitrary("WAIT", "0", "0").Build()
}

// notPrimary returns nil if the answer to the question is that of a primary, errReplica if it is that of a replica, and another error if it
// doesn't show the role.
func (l *link) notPrimary(result rueidis.RedisResult) error {
	m, err := result.ToMessage()
	if refused, ok := errors.AsType[*rueidis.RedisError](err); ok {
		switch text := refused.Error(); {
		case isRefusal(text):
			l.hello.Store(true)
		case strings.Contains(text, "replica"), strings.HasPrefix(text, "MASTERDOWN"):
			return errReplica
		}
	}
	if err != nil || m.IsInt64() {
		return err
	}
	about, err := m.AsMap()
	if err != nil {
		return err
	}
	field, known := about["role"] // a Sentinel has none
	if role, _ := field.ToString(); known && role != "master" {
		return errReplica
	}
	return nil
}

// chooseQuestion finds out how the role is asked for.
func (l *link) chooseQuestion(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_ = l.notPrimary(l.Do(ctx, l.roleQuestion())) // the first command that counts has the error, too
}

// run runs a script.
func run(ctx context.Context, l *link, s script, args ...string) (rueidis.RedisMessage, error) {
	text, hash := s()
	m, err := do(ctx, l, l.B().Evalsha().Sha1(hash).Numkeys(0).Arg(args...).Build())
	if e, ok := errors.AsType[*rueidis.RedisError](err); ok && e.IsNoScript() {
		m, err = do(ctx, l, l.B().Eval().Script(text).Numkeys(0).Arg(args...).Build())
	}
	if rueidis.IsRedisNil(err) {
		return m, nil // a script that returns nothing
	}
	return m, err
}

// number runs a script that returns a number.
func number(ctx context.Context, l *link, s script, args ...string) (int, error) {
	m, err := run(ctx, l, s, args...)
	if err != nil {
		return 0, err
	}
	n, err := m.AsInt64()
	return int(n), err
}
