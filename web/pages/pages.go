// Package pages serves the built-in pages: sign-in, one's own account, the administration, a new password from a one-time
// link, and the first setup.
//
// They are one small React program, built into dist, committed, and embedded in the binary. All
// paths give the same document; the program looks at its address. What it shows it gets from the
// JSON API, so that the documents hold nobody's data.
package pages

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

//go:embed all:dist
var dist embed.FS

const assets = "/auth/assets/"

// administration are the paths of administrators' pages.
var administration = regexp.MustCompile(`^/auth/admin(/(users(/[^/]+)?|groups|sessions|audit))?/?$`)

// contentTypes names the type of each kind of file that a build may have. It is a table of our own
// because the standard library's depends on the machine.
var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml; charset=utf-8",
	".woff2": "font/woff2",
}

// headers are set on every answer. The policy allows no inline script and no inline style, no
// eval, nothing from another origin, no frame around the pages, and no text turned into markup by
// a script.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
		"object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
	"Referrer-Policy":              "same-origin",
	"X-Content-Type-Options":       "nosniff",
}

// Site serves the pages. Its zero value is ready, and safe for concurrent use.
type Site struct{}

// Handler returns the pages.
func Handler() Site { return Site{} }

// Match reports whether path is one that ServeHTTP serves: a page, with or without a slash at its
// end, or a file of the build. The path is compared as it is; one that needs cleaning is none.
func (Site) Match(path string) bool {
	_, ok := file(path)
	return ok
}

// ServeHTTP serves the paths that Match reports, to GET and HEAD. A file whose name carries the
// hash of its content may be kept for a year, a document is not stored at all. For every other path
// it answers 404 and for every other method 405, as application/problem+json with a code.
func (Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	w.Header().Set("Cache-Control", "no-store")
	name, ok := file(r.URL.Path)
	if !ok {
		refuse(w, http.StatusNotFound, "not_found", "There is no such page.")
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "method_not_allowed", "This page can only be read.")
		return
	}
	body, err := dist.ReadFile(name)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "server_error", "The page could not be read.")
		return
	}
	if strings.HasPrefix(r.URL.Path, assets) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Header().Set("Content-Type", contentTypes[path.Ext(name)])
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) // net/http drops the body of an answer to HEAD
}

// refuse answers as the API does. The request's name is the one that the answer already has, if any.
func refuse(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	// The client may be gone by now; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": status,
		"code": code, "detail": detail, "request_id": w.Header().Get("X-Request-Id"),
	})
}

// file finds what is served at a path. Only regular files of a known type count: a folder, the
// licences of the build's parts, and the document under its own name are not served.
func file(urlPath string) (name string, ok bool) {
	switch strings.TrimSuffix(urlPath, "/") {
	case "/signin", "/auth/account", "/auth/setup", "/auth/reset":
		return "dist/index.html", true
	}
	if administration.MatchString(urlPath) {
		return "dist/index.html", true
	}
	rest, ok := strings.CutPrefix(urlPath, assets)
	if !ok || contentTypes[path.Ext(rest)] == "" {
		return "", false
	}
	name = "dist/assets/" + rest
	info, err := fs.Stat(dist, name)
	return name, err == nil && info.Mode().IsRegular()
}
