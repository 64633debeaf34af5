package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// exchange is one request that is passed on, and its answer.
type exchange struct {
	u *upstream
	caller
	assertion string
	in        *http.Request
	body      *body
	cancel    context.CancelCauseFunc
	release   func() // forgets the stream, if it is one
	carried   carried
}

func (x *exchange) serve(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	x.in, x.cancel = r, cancel
	defer x.hold()()
	out := r.WithContext(ctx)
	p := newPace(w, r.ProtoMajor, x.u.g.c.Stall)
	defer p.end()
	x.body = &body{ReadCloser: r.Body, pace: p}
	switch {
	case r.ContentLength == 0 || r.Body == nil:
		p.reading(false) // net/http's own limit would end the request while it waits for the answer
	case 0 < r.ContentLength && r.ContentLength <= smallBody && r.Header["Expect"] == nil:
		if err := x.take(out); err != nil {
			x.failed(w, out, err)
			return
		}
	default:
		out.Body = x.body
	}
	answer := &answer{ResponseWriter: w, pace: p, header: http.Header{}}
	proxy := httputil.ReverseProxy{
		Rewrite: x.rewrite, Transport: x.u.transport, BufferPool: buffers,
		ModifyResponse: x.answered, ErrorHandler: x.failed, ErrorLog: discard,
	}
	defer func() {
		if x.release != nil {
			x.release()
		}
	}()
	proxy.ServeHTTP(answer, out)
	answer.trailers()
}

// smallBody is up to what size, in bytes, a body is taken in whole before the upstream is asked. A client that sends it
// slowly then keeps no worker of the upstream's waiting, and no connection with its buffers.
const smallBody = 16 << 10

// take reads the body, which the transport may then send again over another connection if the first has ended unused.
func (x *exchange) take(out *http.Request) error {
	all := make([]byte, x.in.ContentLength)
	if _, err := io.ReadFull(x.body, all); err != nil {
		return err
	}
	x.body.pace.reading(false)
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(all)), nil }
	out.Body, _ = out.GetBody()
	return nil
}

// rewrite makes the request that the upstream sees. What the client's Connection header names is gone by now.
func (x *exchange) rewrite(p *httputil.ProxyRequest) {
	out, in := p.Out, p.In
	out.URL.Scheme, out.URL.Host, out.Host = x.u.scheme, x.u.host, in.Host
	out.URL.RawQuery, out.URL.ForceQuery = in.URL.RawQuery, in.URL.ForceQuery // as it came: nothing here is judged by it
	out.Trailer = nil
	h := out.Header
	scrub(h)
	if kind := upgrade(in); kind == "" {
		// Any other protocol than WebSocket would be a tunnel for further requests, which nobody judges (h2c smuggling).
		delete(h, "Connection")
		delete(h, "Upgrade")
	}
	hideCredentials(h, x.u.g.c.Cookies, x.who)
	describe(h, x.caller, x.assertion)
	x.u.g.forwarded(h, in)
}

// forwarded tells the upstream what we know of the request: who sent it, to which address.
func (g *Gateway) forwarded(h http.Header, in *http.Request) {
	if client := g.c.Client.Addr(in); client.IsValid() {
		h["X-Forwarded-For"] = []string{client.String()}
	}
	scheme, _, _ := strings.Cut(g.c.URL, "://")
	values := []string{in.Host, scheme, reqinfo.From(in.Context())} // one allocation for all
	h["X-Forwarded-Host"], h["X-Forwarded-Proto"], h["X-Request-Id"] = values[:1:1], values[1:2:2], values[2:3:3]
}

// upgrade returns "websocket" if the request begins one; "" for whatever else it may want to become.
func upgrade(r *http.Request) string {
	if r.ProtoMajor == 1 && hasToken(r.Header["Connection"], "upgrade") && len(r.Header["Upgrade"]) == 1 &&
		strings.EqualFold(r.Header["Upgrade"][0], "websocket") {
		return "websocket"
	}
	return ""
}

func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for word := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(word), token) {
				return true
			}
		}
	}
	return false
}

// answered makes an upstream's answer fit to come from us. An answer without an end in sight ends with the session.
func (x *exchange) answered(res *http.Response) error {
	h := res.Header
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(h, name) // one list says which origins may read, and it is ours
		}
	}
	delete(h, "Alt-Svc")
	if lines := h["Set-Cookie"]; lines != nil {
		h["Set-Cookie"] = x.withoutStale(withoutSetCookies(lines, x.u.g.c.Cookies))
	}
	if (x.who != nil || h["Set-Cookie"] != nil) && h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private") // caches know only of Authorization that an answer is for one person
	}
	if x.who == nil {
		return nil
	}
	h.Add("Vary", "Cookie")
	if res.StatusCode == http.StatusSwitchingProtocols || res.ContentLength < 0 {
		x.release = x.u.g.streams.add(x.in, x.caller, x.cancel)
	}
	return nil
}

// withoutSetCookies drops the cookies that are ours: an upstream can neither give nor take a session.
func withoutSetCookies(lines, names []string) []string {
	var kept []string
	for _, line := range lines {
		name, _, _ := strings.Cut(line, "=")
		if !named(name, names) {
			kept = append(kept, line)
		}
	}
	return kept
}

var (
	errUpstreamDown = problem.New(http.StatusBadGateway, "upstream_down", "The application behind this address doesn't answer just now.")
	errUpstreamSlow = problem.New(http.StatusGatewayTimeout, "upstream_timeout", "The application behind this address didn't answer in time.")
	errBodyLate     = problem.New(http.StatusRequestTimeout, "body_unreadable", "The body of the request didn't come in time.")
)

// failed answers in the place of an upstream that doesn't.
func (x *exchange) failed(w http.ResponseWriter, r *http.Request, err error) {
	if x.in.Context().Err() != nil || context.Cause(r.Context()) == errEnded {
		panic(http.ErrAbortHandler) // there is nobody to answer
	}
	p := errUpstreamDown
	var timeout net.Error
	switch {
	case x.body.failed():
		p = errBodyLate
	case errors.As(err, &timeout) && timeout.Timeout():
		p = errUpstreamSlow
	}
	x.u.g.c.Log.LogAttrs(x.in.Context(), slog.LevelWarn, "upstream failed", slog.String("upstream", x.u.name),
		slog.String("code", p.Code), slog.Any("error", err))
	refuse(w, r, x.assured(p))
}

// discard silences what ReverseProxy has to say: it is said by failed, or was the client's doing.
var discard = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)

// errEnded is why a stream was cut.
var errEnded = errors.New("the session behind the stream has ended")

// body is a request's, which may take as long as it needs while it moves.
type body struct {
	io.ReadCloser
	pace *pace
	bad  bool
	done bool // it has ended, and may be closed: the transport looks once more whether there is too much
}

func (b *body) Read(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	b.pace.reading(true)
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.done = true
		b.pace.reading(false)
	case err != nil:
		b.pace.mu.Lock()
		b.bad = true
		b.pace.mu.Unlock()
	}
	return n, err
}

func (b *body) failed() bool {
	b.pace.mu.Lock()
	defer b.pace.mu.Unlock()
	return b.bad
}
