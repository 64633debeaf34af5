package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/events"
)

const (
	// beatEvery is well within the minute after which proxies take a silent connection for dead.
	beatEvery = 20 * time.Second
	// tellTime is what a page has to take an event.
	tellTime = time.Second
)

// page is the server's end of an events stream.
//
// Over HTTP/1 the connection is taken from net/http, whose buffers and goroutines cost thirty times what a stream needs.
// Over HTTP/2 the handler stays.
type page struct {
	done chan struct{} // closed when the stream is over
	once sync.Once     // closes it
	conn atomic.Pointer[net.Conn]

	mu    sync.Mutex
	write func([]byte) error // nil until the answer has begun
	early []byte             // what waits for that
	beat  *time.Timer
}

func newPage() *page { return &page{done: make(chan struct{})} }

// Send implements events.Page.
func (p *page) Send(e events.Event) error { return p.send(encode(e)) }

// Close implements events.Page.
func (p *page) Close() {
	p.once.Do(func() { close(p.done) })
	if conn := p.conn.Load(); conn != nil {
		(*conn).Close()
	}
}

func (p *page) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *page) send(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over() {
		return net.ErrClosed
	}
	if p.write == nil {
		p.early = append(p.early, b...)
		return nil
	}
	return p.write(b)
}

// serve begins the answer. gone is called when the page is.
func (p *page) serve(w http.ResponseWriter, r *http.Request, gone func()) {
	controller := http.NewResponseController(w)
	if r.ContentLength == 0 { // else the rest of the body would have to be read
		if conn, _, err := controller.Hijack(); err == nil {
			p.take(conn, w.Header(), gone)
			return
		}
	}
	p.stay(w, r, controller)
	gone()
}

// take answers on a connection that is ours alone from now on. It ends with the answer, so that needs no length.
func (p *page) take(conn net.Conn, h http.Header, gone func()) {
	var head bytes.Buffer
	h.Del("Connection")
	fmt.Fprintf(&head, "HTTP/1.1 200 OK\r\nDate: %s\r\nConnection: close\r\n", time.Now().UTC().Format(http.TimeFormat))
	_ = h.Write(&head) // a Buffer takes everything
	head.WriteString("\r\n")
	p.conn.Store(&conn)
	if p.over() {
		p.Close() // again: it didn't know of the connection
	}
	p.begin(head.Bytes(), func(b []byte) error {
		_ = conn.SetWriteDeadline(time.Now().Add(tellTime))
		_, err := conn.Write(b)
		return err
	})
	go func() {
		var b [1]byte
		_, _ = conn.Read(b[:]) // a page has nothing more to say: whatever comes, it is the end
		gone()
	}()
}

// begin sends the head of the answer and what has happened so far, and keeps the connection from looking dead.
func (p *page) begin(head []byte, write func([]byte) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write = write
	if write(slices.Concat(head, opening(), p.early)) != nil {
		p.Close()
		return
	}
	p.early = nil
	p.beat = time.AfterFunc(beatEvery, p.pulse)
}

func (p *page) pulse() {
	if p.send(heartbeat) != nil {
		p.Close()
		return
	}
	p.beat.Reset(beatEvery)
}

// stay answers on a connection that others use too.
func (p *page) stay(w http.ResponseWriter, r *http.Request, controller *http.ResponseController) {
	p.begin(nil, func(b []byte) error {
		_ = controller.SetWriteDeadline(time.Now().Add(tellTime))
		if _, err := w.Write(b); err != nil {
			return err
		}
		return controller.Flush()
	})
	select {
	case <-p.done:
	case <-r.Context().Done():
		p.Close()
	}
	p.mu.Lock() // nobody writes any more
	defer p.mu.Unlock()
	_ = controller.SetWriteDeadline(time.Time{})
}

// opening is the first thing that a page gets: when to connect again if the connection is lost, which is another moment
// for each, so that a restart isn't followed by all of them at once.
func opening() []byte { return fmt.Appendf(nil, "retry: %d\n\n", 1000+rand.IntN(4000)) }

var heartbeat = []byte(":\n\n")

// encode writes an event in the form of the standard. JSON has no line ends, so each is one line of data.
func encode(e events.Event) []byte {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err) // our own types always encode
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", e.Name(), data)
}
