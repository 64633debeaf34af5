package gateway

import (
	"net/http"
	"net/url"
	"strings"
)

// navigates reports whether a browser will show the answer as a page. Browsers say so in Sec-Fetch-Mode and
// Sec-Fetch-Dest (W3C Fetch Metadata); of those that don't, only one that shows a page prefers HTML.
func navigates(r *http.Request) bool {
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	if mode != "" {
		return mode == "navigate" && (dest == "document" || dest == "")
	}
	return isRead(r.Method) && wantsHTML(r.Header.Get("Accept")) && r.Header.Get("X-Requested-With") == ""
}

// wantsHTML reports whether HTML is named before any other type.
func wantsHTML(accept string) bool {
	first, _, _ := strings.Cut(accept, ",")
	kind, _, _ := strings.Cut(first, ";")
	kind = strings.TrimSpace(kind)
	return strings.EqualFold(kind, "text/html") || strings.EqualFold(kind, "application/xhtml+xml")
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// longestNext bounds how long an address is led back to.
const longestNext = 2048

// signIn is where a browser signs in, and from where it then comes back to the page that it asked for: a path of this
// host, with nothing in it that a browser could take for another host. A request that was more than reading isn't repeated.
func (g *Gateway) signIn(r *http.Request) string {
	if !g.isOwnHost(r.Host) {
		return g.c.URL + "/signin"
	}
	next := r.URL.EscapedPath()
	if _, err := plainPath(next); err != nil || !isRead(r.Method) {
		return "/signin"
	}
	if r.URL.RawQuery != "" {
		next += "?" + r.URL.RawQuery
	}
	if len(next) > longestNext {
		return "/signin"
	}
	return "/signin?next=" + url.QueryEscape(next)
}
