// Package pages serves the built-in pages: sign-in, account, administration, password reset by a one-time link, and first
// setup.
//
// The pages are one small React program. Its build is committed in dist and embedded in the binary. Every path returns the
// same document, and the program chooses the page by the path. It loads all data from the JSON API, so the document contains
// no user's data.
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

// adminPaths matches the paths of the administration.
var adminPaths = regexp.MustCompile(`^/auth/admin(/(users(/[^/]+)?|groups|sessions|audit))?/?$`)

// contentTypes maps the extensions of files in a build to media types. The standard library's table depends on the machine.
var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml; charset=utf-8",
	".woff2": "font/woff2",
}

// headers are set on every answer. The Content-Security-Policy forbids inline scripts, inline styles, eval, anything from
// another origin, framing the pages, and scripts that turn text into markup.
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

// Match reports whether ServeHTTP serves path: a page, with or without a trailing slash, or a file of the build. It doesn't
// clean the path: "/./signin" doesn't match.
func (Site) Match(path string) bool {
	_, ok := file(path)
	return ok
}

// ServeHTTP serves GET and HEAD of the paths that Match reports. Caches may store a file of the build for a year, since its
// name contains a hash of its content, but not the document. Any other path gets 404 and any other method 405, as
// application/problem+json with a code.
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
	w.Write(body) // net/http doesn't send the body of an answer to HEAD
}

// refuse answers with a problem in the API's format. Its request_id is the X-Request-Id header that the answer already has.
func refuse(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	// An error means that the client has closed the connection.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": status,
		"code": code, "detail": detail, "request_id": w.Header().Get("X-Request-Id"),
	})
}

// file returns the embedded file for a path. ok is false for a path that is not served: an unknown page, a directory, a file
// without a known type, the licences, and index.html under its own name.
func file(urlPath string) (name string, ok bool) {
	switch strings.TrimSuffix(urlPath, "/") {
	case "/signin", "/auth/account", "/auth/setup", "/auth/reset", "/auth/forgot", "/auth/verify", "/auth/signup", "/auth/welcome":
		return "dist/index.html", true
	}
	if adminPaths.MatchString(urlPath) {
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
