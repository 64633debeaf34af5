package gateway_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// upload is a request whose body is on the way.
type upload interface {
	send(piece string, last bool) error
	answer() (reply, error)
}

// begin sends the headers of a POST, and returns when the front asks for the body: by then it has checked the request. length
// -1 announces no length.
func (f *front) begin(t *testing.T, protocol, path string, length int, header ...string) upload {
	t.Helper()
	c := f.dial(t, protocol)
	t.Cleanup(func() { c.Close() })
	header = append(header, "Origin: https://"+f.host, "Expect: 100-continue")
	if length >= 0 {
		header = append(header, "Content-Length: "+strconv.Itoa(length))
	}
	if protocol == "h2" {
		return beginH2(t, c, f.host, path, header)
	}
	if length < 0 {
		header = append(header, "Transfer-Encoding: chunked")
	}
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", path, f.host, strings.Join(header, "\r\n")); err != nil {
		t.Fatal(err)
	}
	u := &uploadH1{c, bufio.NewReader(c), length < 0}
	if line, err := u.from.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("%s: %q, %v", path, line, err)
	}
	if _, err := u.from.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return u
}

type uploadH1 struct {
	net.Conn
	from    *bufio.Reader
	chunked bool
}

func (u *uploadH1) send(piece string, last bool) error {
	if u.chunked && piece != "" {
		piece = fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
	}
	if u.chunked && last {
		piece += "0\r\n\r\n"
	}
	_, err := io.WriteString(u, piece)
	return err
}

func (u *uploadH1) answer() (reply, error) { return readH1(u.from, "POST") }

type uploadH2 struct{ framer *http2.Framer }

func beginH2(t *testing.T, c net.Conn, host, path string, header []string) upload {
	t.Helper()
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	u := &uploadH2{http2.NewFramer(c, c)}
	u.framer.ReadMetaHeaders = hpack.NewDecoder(64<<10, nil)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", host}, {":path", path}} {
		_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		_ = encoder.WriteField(hpack.HeaderField{Name: strings.ToLower(name), Value: value})
	}
	if err := u.framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := u.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := u.framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = u.framer.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			if status := frame.PseudoValue("status"); status != "100" {
				t.Fatalf("%s: answered %s", path, status)
			}
			return u
		}
	}
}

func (u *uploadH2) send(piece string, last bool) error {
	return u.framer.WriteData(1, last, []byte(piece))
}

func (u *uploadH2) answer() (reply, error) { return readH2(u.framer) }

// ending is a way in which a caller can lose the right to a request under way.
type ending struct {
	path   string
	refuse int // what the request is answered with
	end    func(t *testing.T, f *front, name, credential string)
}

var endings = map[string]ending{
	"sign-out": {"/private", 401, func(t *testing.T, f *front, _, credential string) {
		r := f.send(t, "h1", ask{method: "POST", path: "/api/auth/logout", header: []string{credential, "Origin: https://" + f.host}})
		if r.status != 200 {
			t.Fatal(r)
		}
	}},
	"disabled": {"/private", 401, func(t *testing.T, f *front, name, _ string) { f.command(t, "", "user", "disable", name) }},
	"deleted":  {"/private", 401, func(t *testing.T, f *front, name, _ string) { f.command(t, "", "user", "delete", name, "--yes") }},
	"fresh":    {"/fresh/x", 401, func(t *testing.T, f *front, name, _ string) { f.command(t, "", "session", "revoke-all", name) }},
	"lost permission": {"/admin/x", 403, func(t *testing.T, f *front, name, _ string) {
		f.command(t, "", "user", "set", name, "--no-superuser")
	}},
}

// A small body is read before the request is passed on, and then the request is checked again. So the application doesn't
// act for a caller who lost the right meanwhile, however slowly the body arrived.
func TestABodyThatComesAfterTheEndIsNotPassedOn(t *testing.T) {
	t.Attr("threat", "X21")
	t.Attr("threat", "X01")
	t.Attr("threat", "X02")
	t.Attr("threat", "X09")
	f := startGateway(t)
	for name, c := range endings {
		for _, protocol := range []string{"h1", "h2"} {
			for _, length := range []int{2, -1} {
				if name != "sign-out" && (protocol == "h1") != (length > 0) {
					continue
				}
				what := fmt.Sprintf("%s %s %d", name, protocol, length)
				person := strings.ReplaceAll(strings.ReplaceAll(what, " ", "."), "-", "m")
				f.person(t, person)
				f.command(t, "", "user", "set", person, "--superuser")
				credential := ""
				if protocol == "h2" && (name == "deleted" || name == "lost permission") {
					credential = "Authorization: Bearer " + f.token(t, person)
				} else {
					credential = f.signIn(t, person)
				}
				u := f.begin(t, protocol, c.path, length, credential)
				if err := u.send("a", false); err != nil {
					t.Fatal(err)
				}
				passed := f.app.requests.Load()
				c.end(t, f, person, credential)
				if err := u.send("b", true); err != nil {
					t.Fatal(err)
				}
				if r, err := u.answer(); err != nil || r.status != c.refuse {
					t.Errorf("%s: %s, %v", what, r, err)
				}
				if f.app.requests.Load() != passed {
					t.Errorf("%s: the application was asked", what)
				}
			}
		}
	}
	credential := f.signedIn(t, "stays")
	for _, protocol := range []string{"h1", "h2"} {
		for _, length := range []int{2, -1} {
			u := f.begin(t, protocol, "/private", length, credential)
			_ = u.send("a", false)
			_ = u.send("b", true)
			r, err := u.answer()
			if s, ok := r.seen(); err != nil || !ok || s.Body != 2 || s.CGI["HTTP_REMOTE_USER"] != "stays" || s.CGI["HTTP_EXPECT"] != "" {
				t.Errorf("%s %d: %s, %v", protocol, length, r, err)
			}
		}
	}
}

// On a public path the request is passed on without an identity.
func TestABodyThatComesAfterTheEndIsAStrangers(t *testing.T) {
	t.Attr("threat", "X21")
	t.Attr("threat", "X01")
	f := startGateway(t)
	credential := f.signedIn(t, "ada")
	u := f.begin(t, "h1", "/open/x", 2, credential)
	_ = u.send("a", false)
	endings["sign-out"].end(t, f, "ada", credential)
	_ = u.send("b", true)
	r, err := u.answer()
	if s, ok := r.seen(); err != nil || !ok || s.Body != 2 || s.CGI["HTTP_REMOTE_USER"] != "" || s.CGI["HTTP_CLOAKROOM_ASSERTION"] != "" {
		t.Errorf("%s, %v", r, err)
	}
}

// A re-authentication in another tab gives the session a new ticket. The request that came with the old one goes on.
func TestABodyOutlivesANewTicket(t *testing.T) {
	f := startGateway(t)
	credential := f.signedIn(t, "ada")
	u := f.begin(t, "h1", "/private", 2, credential)
	_ = u.send("a", false)
	r := f.send(t, "h1", ask{method: "POST", path: "/api/auth/reauthenticate", body: `{"password":"` + goodPassword + `"}`,
		header: []string{credential, "Content-Type: application/json", "Origin: https://" + f.host}})
	if r.status != 200 {
		t.Fatal(r)
	}
	_ = u.send("b", true)
	r, err := u.answer()
	if s, ok := r.seen(); err != nil || !ok || s.CGI["HTTP_REMOTE_USER"] != "ada" {
		t.Errorf("%s, %v", r, err)
	}
}

// A larger body is passed on as it arrives, and cut when the right to it ends.
func TestAnUploadIsCutWhenTheRightEnds(t *testing.T) {
	t.Attr("threat", "X21")
	t.Attr("threat", "X01")
	t.Attr("threat", "X02")
	t.Attr("threat", "X09")
	f := startGateway(t)
	type outcome struct {
		whole bool
		read  int64
	}
	outcomes, begun := make(chan outcome, 1), make(chan struct{}, 1)
	take := func(w http.ResponseWriter, r *http.Request) {
		var read int64
		buffer := make([]byte, 32<<10)
		for {
			n, err := r.Body.Read(buffer)
			if read == 0 {
				begun <- struct{}{}
			}
			read += int64(n)
			if err != nil {
				outcomes <- outcome{err == io.EOF, read}
				return
			}
		}
	}
	for _, path := range []string{"/private", "/admin/x", "/fresh/x"} {
		f.app.routes[path] = take
	}
	const half = 3 << 19 // a body and a half that would be read whole
	for name, c := range endings {
		for protocol, length := range map[string]int64{"h1": 2 * half, "h2": -1} {
			what := name + " " + protocol
			person := strings.ReplaceAll(what, " ", ".")
			f.person(t, person)
			f.command(t, "", "user", "set", person, "--superuser")
			credential := f.signIn(t, person)
			body, rest := io.Pipe()
			r, err := http.NewRequest("POST", "https://"+f.host+c.path, body)
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = length
			r.Header.Set("Cookie", strings.TrimPrefix(credential, "Cookie: "))
			r.Header.Set("Origin", "https://"+f.host)
			status := make(chan string, 1)
			go func() {
				answer, err := f.clientOf(protocol).Do(r)
				if err != nil {
					status <- err.Error()
					return
				}
				answer.Body.Close()
				status <- answer.Status
			}()
			if _, err := rest.Write(make([]byte, half)); err != nil {
				t.Fatal(err)
			}
			<-begun
			c.end(t, f, person, credential)
			if got := <-outcomes; got.whole {
				t.Errorf("%s: the application took it for whole, %d bytes", what, got.read)
			}
			if got := <-status; !strings.HasPrefix(got, strconv.Itoa(c.refuse)) {
				t.Errorf("%s: answered %s", what, got)
			}
			rest.Close()
		}
	}
}

// A download of a known length and an answer that hasn't begun end with the session, like an endless stream.
func TestWhateverLastsEndsWithTheSession(t *testing.T) {
	t.Attr("threat", "X22")
	t.Attr("threat", "X01")
	t.Attr("threat", "B10")
	f := startGateway(t)
	asked, gone := make(chan struct{}, 1), make(chan struct{}, 1)
	f.app.routes["/download"] = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		_, _ = io.WriteString(w, "the first bytes")
		_ = http.NewResponseController(w).Flush()
		asked <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	}
	f.app.routes["/slow"] = func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	}
	for _, protocol := range []string{"h1", "h2"} {
		for path, want := range map[string]int{"/download": 0, "/slow": 401} {
			credential := f.signedIn(t, strings.Trim(path, "/")+protocol)
			var r reply
			var err error
			answered := make(chan struct{})
			c := f.dial(t, protocol)
			defer c.Close()
			go func() {
				defer close(answered)
				a := ask{method: "GET", path: path, host: f.host, header: []string{credential}}
				if protocol == "h2" {
					r, err = sendH2(c, a)
				} else {
					r, err = sendH1(c, a)
				}
			}()
			<-asked
			endings["sign-out"].end(t, f, "", credential)
			<-gone
			<-answered
			if want == 0 && err == nil && r.status == 200 || want != 0 && (err != nil || r.status != want) {
				t.Errorf("%s %s: %s, %v", protocol, path, r, err)
			}
		}
	}
}

// Bodies that are read whole take a bounded amount of memory together. Of strangers' bodies only the smallest are read whole.
// A body for which there is no memory is passed on as it arrives.
func TestBufferedBodiesTakeBoundedMemory(t *testing.T) {
	f := startGateway(t)
	var taken atomic.Int64
	count := func(_ http.ResponseWriter, r *http.Request) {
		buffer := make([]byte, 32<<10)
		for {
			n, err := r.Body.Read(buffer)
			taken.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
	f.app.routes["/private"], f.app.routes["/open/x"] = count, count
	credential := f.signedIn(t, "ada")
	before := memory(t, f.server)
	const clients, size = 200, 1 << 20
	for i := range clients {
		path, header := "/private", []string{credential}
		if i%2 == 0 {
			path, header = "/open/x", nil
		}
		u := f.begin(t, "h1", path, size, header...)
		if err := u.send(strings.Repeat("a", size-1), false); err != nil {
			t.Fatal(err)
		}
	}
	// The strangers' bodies, and those for which there is no memory, have arrived, except what is buffered on the way.
	if want := int64((clients - 40) * (size - 64<<10)); !eventually(func() bool { return taken.Load() >= want }) {
		t.Errorf("the application has %d bytes, want %d", taken.Load(), want)
	}
	if grown := memory(t, f.server) - before; grown > 120<<20 {
		t.Errorf("memory has grown by %d MB for %d MB of bodies", grown>>20, clients*size>>20)
	} else {
		t.Logf("memory has grown by %d MB for %d MB of bodies", grown>>20, clients*size>>20)
	}
	if r := f.send(t, "h1", ask{method: "POST", path: "/other", body: "x", header: []string{credential, "Origin: https://" + f.host}}); r.status != 200 {
		t.Errorf("another client meanwhile: %s", r)
	}
}
