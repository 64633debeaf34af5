package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// upstream is a server to which requests are passed on.
type upstream struct {
	g         *Gateway
	name      string // its address as configured, without the prefix
	prefix    string // "": all paths that no other backend has
	scheme    string // http or https
	host      string
	provider  string // whose access tokens it gets; "": none
	transport *http.Transport
}

// openUpstreams returns the upstreams, the longest prefix first.
func (g *Gateway) openUpstreams(texts []string) ([]*upstream, error) {
	var all []*upstream
	for _, text := range texts {
		u, err := g.parseUpstream(text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		if slices.ContainsFunc(all, func(o *upstream) bool { return o.prefix == u.prefix }) {
			return nil, fmt.Errorf("%q: there is another upstream for the same paths", text)
		}
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b *upstream) int { return len(b.prefix) - len(a.prefix) })
	return all, nil
}

func (g *Gateway) parseUpstream(text string) (*upstream, error) {
	u := &upstream{g: g, name: text}
	if strings.HasPrefix(text, "/") {
		prefix, address, ok := strings.Cut(text, "=")
		if !ok {
			return nil, errors.New("want [PREFIX=]URL, such as http://127.0.0.1:3000 or /api=http://127.0.0.1:3000")
		}
		path, err := plainPath(prefix)
		if err != nil {
			return nil, fmt.Errorf("the prefix %s is not a plain path", prefix)
		}
		u.name, u.prefix = address, strings.TrimSuffix(path, "/")
		if u.prefix != "" && g.owns(u.prefix) {
			return nil, fmt.Errorf("%s belongs to Cloakroom itself", u.prefix)
		}
	}
	return u, u.connect(g.c.UpstreamTimeout)
}

// connect makes the transport.
func (u *upstream) connect(timeout time.Duration) error {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	u.transport = &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: timeout,
		ExpectContinueTimeout: time.Second, MaxIdleConnsPerHost: 256, IdleConnTimeout: idleUpstream,
		MaxResponseHeaderBytes: 256 << 10, DisableCompression: true, ForceAttemptHTTP2: true,
		ReadBufferSize: headBuffer, WriteBufferSize: headBuffer,
	}
	if path, ok := strings.CutPrefix(u.name, "unix:"); ok {
		if path == "" {
			return errors.New("want unix:PATH")
		}
		u.scheme, u.host = "http", "localhost"
		u.transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		}
		return nil
	}
	at, err := url.Parse(u.name)
	if err != nil || at.Host == "" || at.Opaque != "" || !slices.Contains([]string{"http", "https", "h2c"}, at.Scheme) {
		return errors.New("not an address such as http://127.0.0.1:3000, https://api.internal, h2c://127.0.0.1:3000 or unix:/run/app.sock")
	}
	if at.Path != "" && at.Path != "/" || at.RawQuery != "" || at.Fragment != "" || at.User != nil {
		return errors.New("must be scheme, host and port alone: an upstream gets each path as it came")
	}
	u.scheme, u.host = at.Scheme, at.Host
	if at.Scheme == "h2c" {
		u.scheme = "http"
		u.transport.Protocols = new(http.Protocols)
		u.transport.Protocols.SetUnencryptedHTTP2(true)
	}
	return nil
}

// headBuffer is the size, in bytes, of the buffers for headers. It suffices for usual requests and answers; bodies don't
// use it. The default is twice as much.
const headBuffer = 2 << 10

// idleUpstream is how long an idle connection to an upstream is kept. It is shorter than the keep-alive time of usual
// servers (gunicorn 2 s, Node and uvicorn 5 s), because a request with a streamed body can't be repeated if its connection
// turns out to be closed.
const idleUpstream = 1500 * time.Millisecond

func (u *upstream) covers(path string) bool {
	rest, ok := strings.CutPrefix(path, u.prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// defaultRequirement is a sign-in.
func (*upstream) defaultRequirement() requirement { return signedIn }

func (u *upstream) serve(w http.ResponseWriter, r *http.Request, c caller) {
	if err := c.checkExpressible(); err != nil {
		u.g.deny(w, r, err)
		return
	}
	x := &exchange{u: u, caller: c}
	x.serve(w, r)
}

// buffers are for copying the bodies of answers.
var buffers = &bufferPool{}

// bufferPool returns large buffers, unless many are in use. Then most belong to slow clients, for which little memory
// matters more than few copies.
type bufferPool struct {
	large, small sync.Pool
	out          atomic.Int64
}

const (
	largeBuffer = 32 << 10
	smallBuffer = 2 << 10
	// manyBuffers limits, approximately, the large buffers in use.
	manyBuffers = 256
)

func (p *bufferPool) Get() []byte {
	if p.out.Add(1) > manyBuffers {
		if b, ok := p.small.Get().(*[smallBuffer]byte); ok {
			return b[:]
		}
		return make([]byte, smallBuffer)
	}
	if b, ok := p.large.Get().(*[largeBuffer]byte); ok {
		return b[:]
	}
	return make([]byte, largeBuffer)
}

func (p *bufferPool) Put(b []byte) {
	p.out.Add(-1)
	if len(b) == largeBuffer {
		p.large.Put((*[largeBuffer]byte)(b))
	} else {
		p.small.Put((*[smallBuffer]byte)(b))
	}
}
