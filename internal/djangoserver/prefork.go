package djangoserver

import (
	"bufio"
	"encoding/json"
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
	"testing"
)

// preforks are processes that have imported a Django, by its path. They run the programs (see site/prefork.py).
var preforks sync.Map

// prefork is a process that forks programs.
type prefork struct {
	address string    // of its unix socket
	errors  string    // the file of its standard error
	alive   io.Closer // it ends when this pipe is closed, which the system does however this process ends
}

func preforkOf(dir string, d Django) (*prefork, error) {
	once, _ := preforks.LoadOrStore(d.path, sync.OnceValues(func() (*prefork, error) { return startPrefork(dir, d) }))
	return once.(func() (*prefork, error))()
}

var started atomic.Int64 // preforks

func startPrefork(dir string, d Django) (p *prefork, err error) {
	name := filepath.Join(dir, fmt.Sprint("prefork", started.Add(1)))
	p = &prefork{address: name + ".sock", errors: name + ".log"}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.address, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	socket, err := l.File()
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	log, err := os.Create(p.errors)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := exec.Command(python(), "prefork.py")
	c.Dir, c.Stderr, c.ExtraFiles = dir, log, []*os.File{socket}
	c.Env = append(append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "DJANGO_SETTINGS_MODULE="), d.Environ()...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.alive, err = c.StdinPipe(); err != nil {
		return nil, err
	}
	return p, c.Start()
}

// running is a program that a prefork runs.
type running struct {
	pid     int // also of its process group
	output  *locked
	ended   chan struct{} // closed when the program and its children have ended
	failure error         // then: it didn't exit with 0
}

// locked is a buffer that is written to while it is read.
type locked struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// run starts one of the site's programs. listener may be nil; the program has it as file descriptor 3.
func (s *Site) run(t testing.TB, listener *os.File, argv ...string) *running {
	t.Helper()
	p, err := preforkOf(s.dir, s.config.Django)
	if err != nil {
		t.Fatalf("start Python: %v", err)
	}
	r, err := p.run(s.environ(t), listener, argv)
	if err != nil {
		log, _ := os.ReadFile(p.errors)
		t.Fatalf("run %v with Python: %v\n%s", argv, err, log)
	}
	return r
}

func (p *prefork) run(environ []string, listener *os.File, argv []string) (*running, error) {
	env := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	message, err := json.Marshal(map[string]any{"argv": argv, "env": env})
	if err != nil {
		return nil, err
	}
	output, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	files := []int{int(w.Fd())}
	if listener != nil {
		files = append(files, int(listener.Fd()))
	}
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: p.address, Net: "unix"})
	if err != nil {
		return nil, errors.Join(err, output.Close())
	}
	n, _, err := c.WriteMsgUnix(message, syscall.UnixRights(files...), nil)
	if err == nil {
		_, err = c.Write(append(message[n:], '\n'))
	}
	answers := bufio.NewReader(c)
	r := &running{output: &locked{}, ended: make(chan struct{})}
	if err == nil {
		r.pid, err = number(answers)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close(), output.Close())
	}
	go func() {
		defer close(r.ended)
		defer c.Close()
		defer output.Close()
		_, err := io.Copy(r.output, output)
		status, failed := number(answers)
		if r.failure = errors.Join(err, failed); r.failure == nil && status != 0 {
			r.failure = fmt.Errorf("exit status %d", status)
		}
	}()
	return r, nil
}

// number reads a number that ends with its line.
func number(r *bufio.Reader) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSuffix(line, "\n"))
}

// wait waits for the end of the program and its children.
func (r *running) wait() (output string, err error) {
	<-r.ended
	return r.output.String(), r.failure
}

// kill ends the program and its children. Of those that have ended it does nothing: their process group may be another's by now.
func (r *running) kill() {
	select {
	case <-r.ended:
	default:
		_ = syscall.Kill(-r.pid, syscall.SIGKILL)
		<-r.ended
	}
}
