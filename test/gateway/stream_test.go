package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serveEvents sends an event each 50 ms.
func serveEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := 0; ; i++ {
		if _, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// serveEcho becomes a WebSocket, as far as a proxy can tell, and repeats what it gets.
func serveEcho(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		http.Error(w, "not a handshake", http.StatusUpgradeRequired)
		return
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-User: %s\r\n\r\n", r.Header.Get("Remote-User"))
	_ = rw.Flush()
	_, _ = io.Copy(c, rw)
}

// stream is a connection that stays open.
type stream struct {
	net.Conn
	from *bufio.Reader
}

// open sends a request in HTTP/1.1 and leaves the connection open, once the answer has begun with the status.
func (f *front) open(t *testing.T, status int, path string, lines ...string) stream {
	t.Helper()
	c := f.dial(t, "h1")
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", path, f.host, strings.Join(lines, "\r\n"))
	s := stream{c, bufio.NewReader(c)}
	answer, err := http.ReadResponse(s.from, nil)
	if err != nil || answer.StatusCode != status {
		t.Fatalf("%s: %v, %v", path, answer, err)
	}
	return s
}

func (f *front) webSocket(t *testing.T, cookie string) stream {
	t.Helper()
	s := f.open(t, 101, "/ws", cookie, "Origin: https://"+f.host, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	s.echoes(t)
	return s
}

// echoes fails the test unless the server sends back what it gets.
func (s stream) echoes(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(s, "hello"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(s.from, b); err != nil || string(b) != "hello" {
		t.Fatalf("the WebSocket says %q, %v", b, err)
	}
}

// ends waits until the stream has been cut, and returns how long that took.
func (s stream) ends(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	if _, err := io.Copy(io.Discard, s.from); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Fatal("the stream goes on")
	}
	return time.Since(since)
}

// startStreams starts a front whose application has streams.
func startStreams(t *testing.T, start func(testing.TB, ...string) *front) *front {
	f := start(t)
	f.app.routes["/events"], f.app.routes["/ws"] = serveEvents, serveEcho
	return f
}

func TestStreamsEndWithTheSession(t *testing.T) {
	t.Attr("threat", "E09")
	t.Attr("threat", "X22")
	t.Attr("threat", "X01")
	t.Attr("threat", "B10")
	f := startStreams(t, startGateway)
	f.person(t, "ada")
	for name, end := range map[string]func(cookie string){
		"sign-out in another tab": func(cookie string) {
			r := f.send(t, "h1", ask{method: "POST", path: "/api/auth/logout", header: []string{cookie, "Origin: https://" + f.host}})
			if r.status != 200 {
				t.Fatal(r)
			}
		},
		"sign-out by an operator": func(string) { f.command(t, "", "session", "revoke-all", "ada") },
	} {
		cookie, other := f.signIn(t, "ada"), f.signedIn(t, "eve-"+name[len(name)-3:])
		socket, events := f.webSocket(t, cookie), f.open(t, 200, "/events", cookie)
		stays := f.webSocket(t, other)
		time.Sleep(1200 * time.Millisecond) // some looks find that all is well
		socket.echoes(t)
		began := time.Now()
		end(cookie)
		ended := time.Now()
		a, b := socket.ends(t, ended), events.ends(t, ended)
		t.Logf("%s: WebSocket cut after %v, events after %v; the end itself took %v", name, a, b, ended.Sub(began))
		if most := 5 * time.Second; a > most || b > most { // a second, on a machine with nothing else to do
			t.Errorf("%s: cut after %v and %v", name, a, b)
		}
		stays.echoes(t)
	}
}

func TestStreamsEndWithTheRight(t *testing.T) {
	t.Attr("threat", "X22")
	t.Attr("threat", "X09")
	f := startStreams(t, startGateway)
	f.app.routes["/admin/ws"] = serveEcho
	cookie := f.signedIn(t, "ada")
	f.command(t, "", "user", "set", "ada", "--superuser")
	handshake := []string{cookie, "Origin: https://" + f.host, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	admin, plain := f.open(t, 101, "/admin/ws", handshake...), f.webSocket(t, cookie)
	admin.echoes(t)
	f.command(t, "", "user", "set", "ada", "--no-superuser")
	admin.ends(t, time.Now())
	plain.echoes(t)
}

func TestStreamsGetThrough(t *testing.T) {
	onEachFrontH1(t, func(t *testing.T, f *front, protocol string) {
		f.app.routes["/events"], f.app.routes["/ws"] = serveEvents, serveEcho
		cookie := f.signedIn(t, "ada")
		f.webSocket(t, cookie).echoes(t)
		events := f.open(t, 200, "/events", cookie)
		for range 3 { // each at once, and not when a buffer is full
			if _, err := events.from.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Any protocol other than WebSocket would be a tunnel for requests that bypass the checks.
func TestNoOtherProtocolIsSwitchedTo(t *testing.T) {
	t.Attr("threat", "E10")
	onEachFrontH1(t, func(t *testing.T, f *front, protocol string) {
		for _, lines := range [][]string{
			{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"},
			{"Connection: Upgrade", "Upgrade: TLS/1.2"}, {"Connection: upgrade", "Upgrade: websocket, h2c"}, {"Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"},
			{"Connection: Upgrade", "Upgrade: TLS/1.2", "Upgrade: websocket"},
		} {
			r := f.send(t, protocol, ask{path: "/open/x", header: lines})
			if s, ok := r.seen(); ok && (strings.ReplaceAll(s.CGI["HTTP_UPGRADE"], "websocket", "") != "" || s.Header["Http2-Settings"] != nil) {
				t.Errorf("%v: the application is asked to switch: %s", lines, r)
			}
		}
	})
}

func TestStopEndsStreams(t *testing.T) {
	f := startStreams(t, startGateway)
	socket := f.webSocket(t, f.signedIn(t, "ada"))
	began := time.Now()
	_ = f.server.command.Process.Signal(interrupt)
	socket.ends(t, began)
	select {
	case <-f.server.done:
	case <-time.After(patience):
		t.Fatal("the server doesn't end")
	}
	if log := f.server.log.String(); strings.Contains(log, "cut off") {
		t.Errorf("the server waited for the WebSocket until its time to stop was over:\n%s", f.server.log.Tail(5))
	}
}
