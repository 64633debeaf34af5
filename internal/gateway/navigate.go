package gateway

import (
	"net/http"
	"net/url"
	"strings"
)

// navigates reports whether a browser will show the answer as a page. Browsers say so in Sec-Fetch-Mode and
// Sec-Fetch-Dest (W3C Fetch Metadata). Without these, a client that prefers HTML is taken for one that shows a page.
func navigates(r *http.Request) bool {
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	if mode != "" {
		return mode == "navigate" && (dest == "document" || dest == "")
	}
	return isRead(r.Method) && wantsHTML(r.Header.Get("Accept")) && r.Header.Get("X-Requested-With") == ""
}

// wantsHTML reports whether HTML is the first type in accept.
func wantsHTML(accept string) bool {
	first, _, _ := strings.Cut(accept, ",")
	kind, _, _ := strings.Cut(first, ";")
	kind = strings.TrimSpace(kind)
	return strings.EqualFold(kind, "text/html") || strings.EqualFold(kind, "application/xhtml+xml")
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// longestNext limits the length of the address to which a browser returns after the sign-in.
const longestNext = 2048

// signIn returns the address of the sign-in, which then leads back to the requested page: a path of this host, with nothing
// in it that a browser could take for another host. Only GET and HEAD requests are repeated.
func (g *Gateway) signIn(r *http.Request) string {
	page := g.c.signInPath()
	if !g.isOwnHost(r.Host) {
		return g.c.URL + page
	}
	next := r.URL.EscapedPath()
	if _, err := plainPath(next); err != nil || !isRead(r.Method) {
		return page
	}
	if r.URL.RawQuery != "" {
		next += "?" + r.URL.RawQuery
	}
	if len(next) > longestNext {
		return page
	}
	return page + "?next=" + url.QueryEscape(next)
}
