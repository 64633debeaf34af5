package gateway_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// ask is a request that is sent unchanged.
type ask struct {
	method string // "": GET
	path   string // the target, as it goes over the wire
	host   string // "": the front's own
	header []string
	body   string
}

// reply is the answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) String() string { return fmt.Sprintf("%d %.300s", r.status, bytes.TrimSpace(r.body)) }

// code returns the code of a problem answer; "" for others.
func (r reply) code() string {
	var problem struct{ Code string }
	if json.Unmarshal(r.body, &problem) != nil {
		return ""
	}
	return problem.Code
}

// seen returns the application's report; false if another server answered.
func (r reply) seen() (s seen, ok bool) {
	if r.header.Get("X-Application") == "" {
		return seen{}, false
	}
	return s, json.Unmarshal(r.body, &s) == nil
}

// send sends a request with the protocol "h1" or "h2" over a new connection.
func (f *front) send(t testing.TB, protocol string, a ask) reply {
	t.Helper()
	if a.method == "" {
		a.method = "GET"
	}
	if a.host == "" {
		a.host = f.host
	}
	c := f.dial(t, protocol)
	defer c.Close()
	var r reply
	var err error
	if protocol == "h2" {
		r, err = sendH2(c, a)
	} else {
		r, err = sendH1(c, a)
	}
	if err != nil {
		t.Fatalf("%s by %s: %s %q: %v", f.name, protocol, a.method, a.path, err)
	}
	return r
}

// dial opens a connection that speaks the protocol.
func (f *front) dial(t testing.TB, protocol string) net.Conn {
	t.Helper()
	next := map[string]string{"h1": "http/1.1", "h2": "h2"}[protocol]
	c, err := tls.Dial("tcp", f.address, &tls.Config{RootCAs: f.roots, ServerName: "localhost", NextProtos: []string{next}})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.ConnectionState().NegotiatedProtocol; got != next {
		t.Fatalf("%s speaks %q, want %q", f.name, got, next)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func sendH1(c net.Conn, a ask) (reply, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", a.method, a.path, a.host)
	for _, line := range a.header {
		b.WriteString(line + "\r\n")
	}
	if a.body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(a.body))
	}
	if _, err := io.WriteString(c, b.String()+"\r\n"+a.body); err != nil {
		return reply{}, err
	}
	return readH1(bufio.NewReader(c), a.method)
}

// readH1 reads one answer.
func readH1(from *bufio.Reader, method string) (reply, error) {
	answer, err := http.ReadResponse(from, &http.Request{Method: method})
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header, body}, err
}

// sendH2 speaks HTTP/2 by hand: nothing keeps it from pseudo-headers and names that a library would refuse to send.
func sendH2(c net.Conn, a ask) (reply, error) {
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		return reply{}, err
	}
	framer := http2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(64<<10, nil)
	if err := framer.WriteSettings(); err != nil {
		return reply{}, err
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", a.method}, {":scheme", "https"}, {":authority", a.host}, {":path", a.path}} {
		_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	for _, line := range a.header {
		name, value, _ := strings.Cut(line, ":")
		if !strings.EqualFold(name, "Connection") { // which HTTP/2 doesn't have
			_ = encoder.WriteField(hpack.HeaderField{Name: strings.ToLower(name), Value: strings.TrimSpace(value)})
		}
	}
	if a.body != "" {
		_ = encoder.WriteField(hpack.HeaderField{Name: "content-length", Value: strconv.Itoa(len(a.body))})
	}
	head := http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: a.body == ""}
	if err := framer.WriteHeaders(head); err != nil {
		return reply{}, err
	}
	if a.body != "" {
		if err := framer.WriteData(1, true, []byte(a.body)); err != nil {
			return reply{}, err
		}
	}
	return readH2(framer)
}

// errReset says that the server reset the stream.
var errReset = errors.New("the stream was reset")

func readH2(framer *http2.Framer) (r reply, err error) {
	r.header = http.Header{}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return r, err
		}
		ended := false
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = framer.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				if field.Name == ":status" {
					r.status, _ = strconv.Atoi(field.Value)
				} else {
					r.header.Add(field.Name, field.Value)
				}
			}
			ended = f.StreamEnded()
		case *http2.DataFrame:
			r.body = append(r.body, f.Data()...)
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			if f.StreamID == 1 && r.status == 0 {
				return reply{status: 400}, nil // that is how HTTP/2 says it
			}
			return r, errReset
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo {
				return reply{status: 400}, nil
			}
		}
		if ended && r.status >= 200 {
			return r, nil
		}
	}
}
