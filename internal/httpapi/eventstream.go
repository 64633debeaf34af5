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
	// heartbeatEvery is well below the minute after which proxies close an idle connection.
	heartbeatEvery = 20 * time.Second
	// sendTimeout bounds the sending of an event.
	sendTimeout = time.Second
)

// page is the server's end of an event stream.
//
// Over HTTP/1 it takes the connection over from net/http, whose buffers and goroutines need thirty times the memory of a
// stream. Over HTTP/2 the handler runs as long as the stream.
type page struct {
	done chan struct{} // closed at the end of the stream
	once sync.Once     // closes done
	conn atomic.Pointer[net.Conn]

	mu        sync.Mutex
	write     func([]byte) error // nil until the head of the response is sent
	pending   []byte             // events to send after the head
	heartbeat *time.Timer
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

func (p *page) closed() bool {
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
	if p.closed() {
		return net.ErrClosed
	}
	if p.write == nil {
		p.pending = append(p.pending, b...)
		return nil
	}
	return p.write(b)
}

// serve sends the stream. It calls closed when the client has disconnected or the stream has ended. That may be after serve
// returns.
func (p *page) serve(w http.ResponseWriter, r *http.Request, closed func()) {
	controller := http.NewResponseController(w)
	if r.ContentLength == 0 { // otherwise the rest of the body would have to be read first
		if conn, _, err := controller.Hijack(); err == nil {
			p.serveConn(conn, w.Header(), closed)
			return
		}
	}
	p.serveHandler(w, r, controller)
	closed()
}

// serveConn sends the stream on a connection that was taken over. The response has no length; it ends with the connection.
func (p *page) serveConn(conn net.Conn, h http.Header, closed func()) {
	var head bytes.Buffer
	h.Del("Connection")
	fmt.Fprintf(&head, "HTTP/1.1 200 OK\r\nDate: %s\r\nConnection: close\r\n", time.Now().UTC().Format(http.TimeFormat))
	_ = h.Write(&head) // writing to a Buffer never fails
	head.WriteString("\r\n")
	p.conn.Store(&conn)
	if p.closed() {
		p.Close() // an earlier Close didn't have the connection
	}
	p.begin(head.Bytes(), func(b []byte) error {
		_ = conn.SetWriteDeadline(time.Now().Add(sendTimeout))
		_, err := conn.Write(b)
		return err
	})
	go func() {
		var b [1]byte
		_, _ = conn.Read(b[:]) // the client sends nothing more, so this returns when it disconnects
		closed()
	}()
}

// begin sends the head of the response and the pending events, and starts the heartbeat.
func (p *page) begin(head []byte, write func([]byte) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write = write
	if write(slices.Concat(head, retryField(), p.pending)) != nil {
		p.Close()
		return
	}
	p.pending = nil
	p.heartbeat = time.AfterFunc(heartbeatEvery, p.sendHeartbeat)
}

func (p *page) sendHeartbeat() {
	if p.send(heartbeat) != nil {
		p.Close()
		return
	}
	p.heartbeat.Reset(heartbeatEvery)
}

// serveHandler sends the stream through net/http, on a connection that has other requests too.
func (p *page) serveHandler(w http.ResponseWriter, r *http.Request, controller *http.ResponseController) {
	p.begin(nil, func(b []byte) error {
		_ = controller.SetWriteDeadline(time.Now().Add(sendTimeout))
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
	p.mu.Lock() // waits for a send that still runs; the next one fails
	defer p.mu.Unlock()
	_ = controller.SetWriteDeadline(time.Time{})
}

// retryField returns the field that begins a stream. It says how long the client waits before it connects again. The time is
// random, so that not all clients connect at the same moment after a restart.
func retryField() []byte { return fmt.Appendf(nil, "retry: %d\n\n", 1000+rand.IntN(4000)) }

var heartbeat = []byte(":\n\n")

// encode returns an event in the format of the standard. JSON has no line breaks, so it fits into one data field.
func encode(e events.Event) []byte {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err) // our own types always encode
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", e.Name(), data)
}
