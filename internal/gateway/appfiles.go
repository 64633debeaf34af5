package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
	"unicode"
)

// app is the folder of a built single-page app. Files outside of it are never served, even through symbolic links.
type app struct{ root *os.Root }

func openApp(dir string) (*app, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if _, err := root.Stat("index.html"); err != nil {
		return nil, fmt.Errorf("%s has no index.html: is the app built, and is this the folder with the built files?", dir)
	}
	return &app{root}, nil
}

// defaultRequirement is none: everyone may load the app's files, since the app leads to the sign-in.
func (*app) defaultRequirement() requirement { return requirement{} }

// takes reports whether the app answers instead of an upstream: it has such a file, or a browser opens a page. A path
// under /api is never a page.
func (a *app) takes(r *http.Request, urlPath string) bool {
	if !isRead(r.Method) {
		return false
	}
	if name, ok := a.file(urlPath); ok && (name != "index.html" || urlPath == "/" || urlPath == "/index.html") {
		return true
	}
	return a.isPage(r, urlPath)
}

// isPage reports whether a path that isn't a file is a page of the app's router.
func (a *app) isPage(r *http.Request, urlPath string) bool {
	return navigates(r) && urlPath != "/api" && !strings.HasPrefix(urlPath, "/api/") && contentTypes[path.Ext(urlPath)] == ""
}

// file returns the regular file for a path: the file itself, or the index.html of a folder. Names that begin with a dot
// are ignored, except .well-known (RFC 8615).
func (a *app) file(urlPath string) (name string, ok bool) {
	name = strings.Trim(urlPath, "/")
	for segment := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(segment, ".") && segment != ".well-known" {
			return "", false
		}
	}
	if name == "" {
		return "index.html", true
	}
	info, err := a.root.Stat(name)
	if err == nil && info.IsDir() {
		name += "/index.html"
		info, err = a.root.Stat(name)
	} else if strings.HasSuffix(urlPath, "/") {
		return "", false
	}
	return name, err == nil && info.Mode().IsRegular()
}

func (a *app) serve(w http.ResponseWriter, r *http.Request, c caller) {
	name, ok := a.file(c.path)
	switch {
	case !ok && isRead(r.Method) && a.isPage(r, c.path):
		name = "index.html"
	case !ok:
		refuse(w, r, errNotFound)
		return
	case !isRead(r.Method):
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, r, errReadOnly)
		return
	}
	if err := a.send(w, r, name, c.path); err != nil {
		refuse(w, r, errNotFound) // it has just been removed, because a new build replaces it
	}
}

// sniffable limits the size, in bytes, of files whose ETag is a hash of the content. Reproducible builds change neither time
// nor size of a file.
const sniffable = 1 << 20

// send sends a file. If it returns an error, it has written nothing.
func (a *app) send(w http.ResponseWriter, r *http.Request, name, urlPath string) error {
	f, err := a.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a file")
	}
	content, modified := io.ReadSeeker(f), info.ModTime()
	h := w.Header()
	if info.Size() <= sniffable {
		text, err := io.ReadAll(io.LimitReader(f, sniffable+1))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		h.Set("Etag", `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
		content, modified = bytes.NewReader(text), time.Time{}
	}
	a.describe(h, name, urlPath)
	http.ServeContent(w, r, "", modified, content)
	return nil
}

func (a *app) describe(h http.Header, name, urlPath string) {
	h.Set("X-Content-Type-Options", "nosniff")
	kind := contentTypes[strings.ToLower(path.Ext(name))]
	if kind == "" {
		kind = mime.TypeByExtension(path.Ext(name))
	}
	if kind == "" {
		kind = "application/octet-stream"
	}
	h.Set("Content-Type", kind)
	if hashed(name) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		return
	}
	h.Set("Cache-Control", "no-cache") // browsers keep the file and revalidate it each time
	if strings.HasSuffix(name, ".html") {
		h.Set("Content-Security-Policy", "frame-ancestors 'self'")
		h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
		h.Add("Vary", "Accept, Sec-Fetch-Mode, Sec-Fetch-Dest")
	}
}

// hashed reports whether a file's name has a hash of its content, as bundlers write it: index-BkV8gq3T.js (Vite),
// main.8f2a1b3c.css (webpack), chunk-5XQKDC7T.js (esbuild, Angular). In doubt it reports false: browsers then revalidate.
func hashed(name string) bool {
	if bundled[path.Ext(name)] == 0 {
		return false
	}
	base := strings.TrimSuffix(path.Base(name), path.Ext(name))
	if path.Ext(base) != "" && bundled[path.Ext(base)] != 0 {
		base = strings.TrimSuffix(base, path.Ext(base)) // main.8f2a1b3c.js.map
	}
	at := strings.LastIndexAny(base, ".-")
	return at > 0 && looksRandom(base[at+1:])
}

// bundled are the file types that bundlers name by their hash.
var bundled = map[string]int{
	".js": 1, ".mjs": 1, ".css": 1, ".map": 1, ".wasm": 1, ".woff2": 1, ".woff": 1, ".ttf": 1, ".svg": 1, ".png": 1,
	".jpg": 1, ".jpeg": 1, ".webp": 1, ".avif": 1, ".gif": 1, ".ico": 1,
}

// looksRandom reports whether a text of 8 to 64 characters isn't a word, date or version: it has both letters and digits, or
// capitals inside. If a hash looks like a word or has a hyphen, browsers only revalidate its file each time.
func looksRandom(s string) bool {
	if len(s) < 8 || len(s) > 64 {
		return false
	}
	letters, digits, capitals, changes := 0, 0, 0, 0
	for i, r := range s {
		switch {
		case '0' <= r && r <= '9':
			digits++
		case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
			letters++
			if unicode.IsUpper(r) {
				capitals++
			}
		case r != '_' && r != '-':
			return false
		}
		if i > 0 && class(rune(s[i-1])) != class(r) {
			changes++
		}
	}
	return letters > 0 && (digits > 0 || capitals == letters || capitals > 1) && (changes >= 3 || capitals == letters && changes >= 1)
}

func class(r rune) int {
	switch {
	case '0' <= r && r <= '9':
		return 0
	case 'a' <= r && r <= 'z':
		return 1
	case 'A' <= r && r <= 'Z':
		return 2
	}
	return 3
}

// contentTypes are the types of the files of apps. The standard library's table isn't used, because it depends on the
// machine.
var contentTypes = map[string]string{
	".avif": "image/avif", ".css": "text/css; charset=utf-8", ".gif": "image/gif", ".htm": "text/html; charset=utf-8",
	".html": "text/html; charset=utf-8", ".ico": "image/x-icon", ".jpeg": "image/jpeg", ".jpg": "image/jpeg",
	".js": "text/javascript; charset=utf-8", ".json": "application/json", ".map": "application/json",
	".mjs": "text/javascript; charset=utf-8", ".mp3": "audio/mpeg", ".mp4": "video/mp4", ".pdf": "application/pdf",
	".png": "image/png", ".svg": "image/svg+xml; charset=utf-8", ".ttf": "font/ttf", ".txt": "text/plain; charset=utf-8",
	".wasm": "application/wasm", ".webm": "video/webm", ".webmanifest": "application/manifest+json", ".webp": "image/webp",
	".woff": "font/woff", ".woff2": "font/woff2", ".xml": "text/xml; charset=utf-8",
}
