package fronttest_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slowly counts what an application has to do with clients that take their time.
type slowly struct {
	open, uploaded atomic.Int64
}

// serve takes what is uploaded, and then answers without an end, as fast as it is taken.
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

// slowClient sends a byte of its upload at a time, and then takes the answer likewise.
type slowClient struct {
	net.Conn
	left int // bytes of the upload still to send
	head bool
}

const slowUpload = 20

// step does as little as a client can do. The answer begins with its status.
func (c *slowClient) step() error {
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

// openSlow begins a request. Every other one uploads.
func (f *front) openSlow(i int) (*slowClient, error) {
	conn, err := (&net.Dialer{Control: likeANetwork, Timeout: patience}).Dial("tcp", f.inner)
	if err != nil {
		return nil, err
	}
	c := &slowClient{Conn: conn}
	method, more := "GET", ""
	if i%2 == 1 {
		c.left = slowUpload
		method, more = "POST", fmt.Sprintf("Content-Length: %d\r\nOrigin: https://%s\r\n", c.left, f.host)
	}
	_, err = fmt.Fprintf(c, "%s /open/slow HTTP/1.1\r\nHost: %s\r\n%s\r\n", method, f.host, more)
	return c, err
}

// firstClients is what the program needs for itself and for the first clients, in bytes.
const firstClients = 70 << 20

func TestSlowClientsTakeLittleMemory(t *testing.T) {
	clients := 1000
	if long {
		clients = 5000
	}
	f := newFront(t, "gateway")
	f.inner = f.address
	f.serve(t, append(ruleFlags(), "--upstream", f.app.URL)...)
	var application slowly
	f.app.routes["/open/slow"] = application.serve
	empty := memory(t, f.server)
	var open []*slowClient
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for i := range clients {
		c, err := f.openSlow(i)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	all := func() bool { return application.open.Load() == int64(clients) }
	if !eventually(all) {
		t.Fatalf("the application has %d requests at once, want %d", application.open.Load(), clients)
	}
	for range 2 * slowUpload {
		stepAll(t, open)
	}
	if want := int64(clients / 2 * slowUpload); !eventually(func() bool { return application.uploaded.Load() == want }) || !all() {
		t.Errorf("uploaded %d bytes, want %d; %d requests are open", application.uploaded.Load(), want, application.open.Load())
	}
	most := memory(t, f.server)
	t.Logf("%d clients: %d MB, %d kB each", clients, most>>20, (most-empty)>>10/int64(clients))
	// 5,000 of them fit into 400 MB. The first few hundred have larger buffers, for speed.
	if each := (400<<20 - firstClients) / 5000; !raceDetector && most > int64(firstClients+clients*each) {
		t.Errorf("%d clients take %d MB, %d kB each", clients, most>>20, (most-empty)>>10/int64(clients))
	}
	if r := f.question(t, "/health"); r.status != 200 {
		t.Errorf("another client meanwhile: %s", r)
	}
}

// stepAll lets each client do a step, some of them at a time.
func stepAll(t *testing.T, open []*slowClient) {
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

// eventually waits until something is so.
func eventually(so func() bool) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if so() {
			return true
		}
	}
	return false
}
