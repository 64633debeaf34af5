package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// exchange is one request that is passed on to an upstream, and its answer.
type exchange struct {
	u *upstream
	caller
	assertion string

	authorization []string // what the upstream gets as Authorization; nil: what the client sends, unless it is a credential of ours

	in       *http.Request
	body     *body
	buffered *bufferedBody // the part of the body that was read in advance; nil: none
	cancel   context.CancelCauseFunc
	tickets  requestTickets
	stream   *stream // nil: the caller isn't signed in
}

func (x *exchange) serve(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	x.in, x.cancel = r, cancel
	defer x.hold()()
	out := r.WithContext(ctx)
	p := newDeadlines(w, r.ProtoMajor, x.u.g.c.Stall)
	defer p.end()
	x.body = &body{ReadCloser: r.Body, deadlines: p, left: r.ContentLength}
	if err := x.take(out); err != nil {
		x.failed(w, out, err)
		return
	}
	defer x.free()
	if err := x.attach(r); err != nil {
		x.u.g.deny(w, r, err)
		return
	}
	var err error
	if x.assertion, err = x.u.g.assertion(r, x.caller); err != nil { // last, since what is before may wait and find other rights
		x.u.g.deny(w, r, err)
		return
	}
	if x.who != nil {
		x.stream = x.u.g.streams.add(r, x.caller, x.cut)
		defer x.u.g.streams.remove(x.stream)
	}
	answer := &answer{ResponseWriter: w, deadlines: p, header: http.Header{}}
	proxy := httputil.ReverseProxy{
		Rewrite: x.rewrite, Transport: x.u.transport, BufferPool: buffers,
		ModifyResponse: x.answered, ErrorHandler: x.failed, ErrorLog: discard,
	}
	proxy.ServeHTTP(answer, out)
	answer.trailers()
}

// take sets the body of out. If the body was read whole (see wholeBody), the transport may send it again when an idle
// connection turns out to be closed.
func (x *exchange) take(out *http.Request) error {
	r := x.in
	if r.ContentLength == 0 || r.Body == nil {
		x.body.deadlines.reading(false) // otherwise net/http's own limit would end the request while it waits for the answer
		return nil
	}
	out.Body = x.body
	most := int64(0)
	switch {
	case x.who != nil && !twoWay(r):
		most = wholeBody
	case x.who == nil && r.ContentLength > 0:
		most = smallBody
	}
	whole := false
	if r.ContentLength <= most && most > 0 {
		x.buffered = &bufferedBody{budget: &x.u.g.budget}
		var err error
		if whole, err = x.buffered.fill(x.body, r.ContentLength, most); err != nil {
			x.free()
			return err
		}
		out.Body = x.buffered.reader(x.body)
	}
	if !whole {
		if x.who != nil {
			x.body.judge = x.judge
		}
		return nil
	}
	x.body.deadlines.reading(false)
	out.GetBody = func() (io.ReadCloser, error) { return x.buffered.reader(http.NoBody), nil }
	out.Body, _ = out.GetBody()
	out.ContentLength, out.TransferEncoding = x.buffered.size, nil
	var err error
	if x.caller, err = x.u.g.readmit(r, x.caller); err == nil {
		err = x.checkExpressible()
	}
	if err != nil {
		x.free()
		return &cutError{err}
	}
	return nil
}

// free releases the memory of a body that was read whole.
func (x *exchange) free() {
	if x.buffered != nil {
		x.buffered.free()
	}
}

// cut ends the exchange. It stops the reading of the body too, because the transport doesn't end a request before that.
func (x *exchange) cut(err *cutError) {
	x.cancel(err)
	x.body.deadlines.stop()
}

// judge returns why the caller may no longer do what they could when the request began, and then ends the exchange.
func (x *exchange) judge() error {
	err := x.u.g.lost(x.in.Context(), x.caller)
	if err != nil {
		err = &cutError{err}
		x.cancel(err)
	}
	return err
}

// rewrite makes the request that the upstream sees. ReverseProxy has already removed the headers that the client's
// Connection header names.
func (x *exchange) rewrite(p *httputil.ProxyRequest) {
	out, in := p.Out, p.In
	out.URL.Scheme, out.URL.Host, out.Host = x.u.scheme, x.u.host, in.Host
	out.URL.RawQuery, out.URL.ForceQuery = in.URL.RawQuery, in.URL.ForceQuery // unchanged: no rule depends on it
	out.Trailer = nil
	h := out.Header
	scrub(h)
	if out.GetBody != nil {
		delete(h, "Expect") // the body is there already
	}
	if kind := upgrade(in); kind == "" {
		// Any protocol other than WebSocket would be a tunnel for further requests that bypass the checks (h2c smuggling).
		delete(h, "Connection")
		delete(h, "Upgrade")
	}
	if x.authorization != nil {
		delete(h, "Authorization") // before it is looked at: the client's own is nothing to this upstream
	}
	x.u.g.hideCredentials(in.Context(), h, x.who)
	if x.authorization != nil {
		h["Authorization"] = x.authorization
	}
	x.u.g.describe(h, x.caller, x.assertion)
	x.u.g.forwarded(h, in)
}

// forwarded sets the X-Forwarded headers: the client's address, and the host and scheme that it asked for.
func (g *Gateway) forwarded(h http.Header, in *http.Request) {
	if client := g.c.Client.Addr(in); client.IsValid() {
		h["X-Forwarded-For"] = []string{client.String()}
	}
	scheme, _, _ := strings.Cut(g.c.URL, "://")
	values := []string{in.Host, scheme, reqinfo.ID(in.Context())} // one allocation for all
	h["X-Forwarded-Host"], h["X-Forwarded-Proto"], h["X-Request-Id"] = values[:1:1], values[1:2:2], values[2:3:3]
}

// upgrade returns "websocket" if the request asks for one; "" for every other protocol.
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

// answered changes an upstream's answer into one of ours.
func (x *exchange) answered(res *http.Response) error {
	x.free() // the body won't be sent again
	h := res.Header
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(h, name) // only our own list of origins decides who may read
		}
	}
	delete(h, "Alt-Svc")
	if lines := h["Set-Cookie"]; lines != nil {
		h["Set-Cookie"] = x.withoutStale(withoutSetCookies(lines, x.u.g.c.Cookies))
	}
	if lines := h["Clear-Site-Data"]; lines != nil {
		h["Clear-Site-Data"] = withoutCookieClearing(lines)
	}
	if (x.who != nil || h["Set-Cookie"] != nil) && h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private") // caches by themselves keep only answers to Authorization private
	}
	if x.who == nil {
		return nil
	}
	h.Add("Vary", "Cookie")
	if res.StatusCode == http.StatusSwitchingProtocols || res.ContentLength < 0 {
		x.u.g.streams.endless(x.stream)
	}
	return nil
}

// withoutSetCookies drops cookies with our names: an upstream can neither set nor delete a session.
func withoutSetCookies(lines, names []string) []string {
	var kept []string
	for _, line := range lines {
		name, _, _ := strings.Cut(line, "=")
		if !containsFold(name, names) {
			kept = append(kept, line)
		}
	}
	return kept
}

// withoutCookieClearing drops what would have the browser delete our cookies: a session would seem to have ended that goes on.
func withoutCookieClearing(lines []string) []string {
	var kept []string
	for kind := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		switch kind = strings.TrimSpace(kind); kind {
		case "", `"cookies"`:
		case `"*"`:
			kept = append(kept, `"cache"`, `"storage"`, `"executionContexts"`)
		default:
			kept = append(kept, kind)
		}
	}
	if kept == nil {
		return nil
	}
	return []string{strings.Join(kept, ", ")}
}

var (
	errUpstreamDown = problem.New(http.StatusBadGateway, "upstream_down", "The application behind this address doesn't answer just now.")
	errUpstreamSlow = problem.New(http.StatusGatewayTimeout, "upstream_timeout", "The application behind this address didn't answer in time.")
	errBodyLate     = problem.New(http.StatusRequestTimeout, "body_unreadable", "The body of the request didn't come in time.")
	errBodyBroken   = problem.New(http.StatusBadRequest, "body_unreadable", "The body of the request ended early, or isn't well formed.")
)

// failed answers if the upstream doesn't.
func (x *exchange) failed(w http.ResponseWriter, r *http.Request, err error) {
	cut, isCut := errors.AsType[*cutError](err)
	if !isCut {
		cut, isCut = errors.AsType[*cutError](context.Cause(r.Context()))
	}
	switch {
	case isCut && cut.why != nil: // before the next case, because a read that was stopped ends the request's context too
		x.u.g.deny(w, x.in, cut.why)
		return
	case isCut, x.in.Context().Err() != nil:
		panic(http.ErrAbortHandler) // the client is gone, or there is nothing to say
	}
	p := errUpstreamDown
	var timeout net.Error
	switch failure := x.body.failed(); {
	case errors.Is(failure, os.ErrDeadlineExceeded):
		p = errBodyLate
	case failure != nil:
		p = errBodyBroken
	case errors.As(err, &timeout) && timeout.Timeout():
		p = errUpstreamSlow
	}
	x.u.g.c.Log.LogAttrs(x.in.Context(), slog.LevelWarn, "upstream failed", slog.String("upstream", x.u.name),
		slog.String("code", p.Code), slog.Any("error", err))
	refuse(w, r, x.withStillSignedIn(p))
}

// discard drops the log of ReverseProxy: failed logs the same, and the rest are mistakes of clients.
var discard = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
