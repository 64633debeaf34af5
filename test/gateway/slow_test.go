package gateway_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// slowly counts the requests that an application has with slow clients.
type slowly struct {
	open, uploaded atomic.Int64
}

// serve reads the upload, and then sends an endless answer as fast as the client reads.
func (s *slowly) serve(w http.ResponseWriter, r *http.Request) {
	s.open.Add(1)
	defer s.open.Add(-1)
	buffer := make([]byte, 1<<10)
	for {
		n, err := r.Body.Read(buffer)
		s.uploaded.Add(int64(n))
		if err == io.EOF {
			break
		}
		if err != nil {
			return
		}
	}
	for {
		if _, err := w.Write(buffer); err != nil {
			return
		}
	}
}

// slowClient does as little as possible at each step: it sends one byte of its upload, or reads one byte of the answer.
type slowClient interface {
	step() error
	Close() error
}

const slowUpload = 20

// dialSlow opens a connection with socket buffers as small as those of a distant client. next is the protocol over TLS; "":
// HTTP/1.1 without TLS.
func (f *front) dialSlow(next string) (net.Conn, error) {
	conn, err := (&net.Dialer{Control: likeANetwork, Timeout: patience}).Dial("tcp", f.address)
	if err != nil || next == "" {
		return conn, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	c := tls.Client(conn, &tls.Config{RootCAs: f.roots, ServerName: "localhost", NextProtos: []string{next}})
	return c, c.Handshake()
}

// slowH1 speaks HTTP/1.1.
type slowH1 struct {
	net.Conn
	left int // bytes of the upload still to send
	head bool
}

// openSlowH1 begins a request.
func (f *front) openSlowH1(next string, uploads bool) (slowClient, error) {
	conn, err := f.dialSlow(next)
	if err != nil {
		return nil, err
	}
	c := &slowH1{Conn: conn}
	method, more := "GET", ""
	if uploads {
		c.left = slowUpload
		method, more = "POST", fmt.Sprintf("Content-Length: %d\r\nOrigin: https://%s\r\n", c.left, f.host)
	}
	_, err = fmt.Fprintf(c, "%s /open/slow HTTP/1.1\r\nHost: %s\r\n%s\r\n", method, f.host, more)
	return c, err
}

func (c *slowH1) step() error {
	_ = c.SetDeadline(time.Now().Add(patience))
	if c.left > 0 {
		c.left--
		_, err := c.Write([]byte("u"))
		return err
	}
	some := make([]byte, 1)
	if !c.head {
		c.head, some = true, make([]byte, len("HTTP/1.1 200 "))
	}
	_, err := io.ReadFull(c, some)
	if want := "HTTP/1.1 200 "; err == nil && len(some) > 1 && string(some) != want {
		return fmt.Errorf("answered %q", some)
	}
	return err
}

// slowH2 speaks HTTP/2: one request over a connection of its own. The server may send it as much at a time as the client
// allows, which is a byte.
type slowH2 struct {
	net.Conn
	framer *http2.Framer
	left   int
	head   bool
}

func (f *front) openSlowH2(uploads bool) (slowClient, error) {
	conn, err := f.dialSlow("h2")
	if err != nil {
		return nil, err
	}
	// One record and one packet: the preface, the settings and the request.
	var first bytes.Buffer
	first.WriteString(http2.ClientPreface)
	to := http2.NewFramer(&first, nil)
	c := &slowH2{Conn: conn, framer: http2.NewFramer(conn, conn)}
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4<<10, nil)
	method := "GET"
	if uploads {
		method, c.left = "POST", slowUpload
	}
	fields := [][2]string{{":method", method}, {":scheme", "https"}, {":authority", f.host}, {":path", "/open/slow"}, {"origin", "https://" + f.host}}
	if uploads {
		fields = append(fields, [2]string{"content-length", strconv.Itoa(slowUpload)})
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range fields {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	err = errors.Join(
		to.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}),
		to.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: !uploads}),
	)
	if err == nil {
		_, err = conn.Write(first.Bytes())
	}
	return c, err
}

func (c *slowH2) step() error {
	_ = c.SetDeadline(time.Now().Add(patience))
	if c.left > 0 {
		c.left--
		return c.framer.WriteData(1, c.left == 0, []byte("u"))
	}
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			if frame.PseudoValue("status") != "200" {
				return fmt.Errorf("answered %v", frame.Fields)
			}
			c.head = true
			return nil
		case *http2.DataFrame:
			return c.framer.WriteWindowUpdate(1, 1)
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return fmt.Errorf("ended: %v", frame)
		}
	}
}

// firstClients is the memory of the program itself and of the first clients, in bytes.
const firstClients = 70 << 20

func TestSlowClientsTakeLittleMemory(t *testing.T) {
	clients := 500
	if long {
		clients = 5000
	}
	t.Run("h1", func(t *testing.T) {
		f := newFront(t, "gateway")
		f.inner = f.address
		f.serve(t, append(ruleFlags(), "--upstream", f.app.URL)...)
		f.withSlow(t, clients, 400<<20, func(uploads bool) (slowClient, error) { return f.openSlowH1("", uploads) })
	})
	t.Run("h1 over TLS", func(t *testing.T) {
		f := startGateway(t)
		f.withSlow(t, clients, 500<<20, func(uploads bool) (slowClient, error) { return f.openSlowH1("http/1.1", uploads) })
	})
	t.Run("h2", func(t *testing.T) {
		f := startGateway(t)
		f.withSlow(t, clients, 600<<20, f.openSlowH2)
	})
}

// withSlow opens slow clients, every other of which uploads. It fails the test unless 5,000 of them would fit into limit
// bytes.
func (f *front) withSlow(t *testing.T, clients, room int, start func(uploads bool) (slowClient, error)) {
	t.Helper()
	var application slowly
	f.app.routes["/open/slow"] = application.serve
	empty := memory(t, f.server)
	var open []slowClient
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for i := range clients {
		c, err := start(i%2 == 1)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	for range 2 * slowUpload {
		stepAll(t, open)
	}
	all := func() bool { return application.open.Load() == int64(clients) }
	if want := int64(clients / 2 * slowUpload); !eventually(func() bool { return application.uploaded.Load() == want }) || !all() {
		t.Errorf("uploaded %d bytes, want %d; %d requests are open", application.uploaded.Load(), want, application.open.Load())
	}
	most := memory(t, f.server)
	t.Logf("%d clients: %d MB, %d kB each", clients, most>>20, (most-empty)>>10/int64(clients))
	// The first few hundred have larger buffers, for speed.
	if each := (room - firstClients) / 5000; most > int64(firstClients+clients*each) {
		t.Errorf("%d clients take %d MB, %d kB each", clients, most>>20, (most-empty)>>10/int64(clients))
	}
	ask := ask{method: "GET", path: "/health", host: f.host}
	if c, err := f.dialSlow(map[bool]string{true: "http/1.1"}[f.roots != nil]); err != nil {
		t.Error(err)
	} else if r, err := sendH1(c, ask); err != nil || r.status != 200 {
		t.Errorf("another client meanwhile: %s, %v", r, err)
	}
}

// stepAll lets each client do one step, several of them at a time.
func stepAll(t *testing.T, open []slowClient) {
	t.Helper()
	var workers sync.WaitGroup
	const many = 8
	for worker := range many {
		workers.Go(func() {
			for i := worker; i < len(open); i += many {
				if err := open[i].step(); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
			}
		})
	}
	workers.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// eventually waits until a condition holds.
func eventually(so func() bool) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if so() {
			return true
		}
	}
	return false
}
