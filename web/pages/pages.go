// Package pages serves the built-in pages: sign-in, account, administration, password reset by a one-time link, and first
// setup.
//
// The pages are one small React program. Its build is committed in dist and embedded in the binary. Every path returns the
// same document, in the language that the browser asks for, and the program chooses the page by the path. It loads all data from
// the JSON API, so the document contains no user's data. It loads the words of its language alone.
package pages

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/cloakroom-auth/cloakroom/internal/texts"
)

//go:embed dist/index.html dist/assets
var dist embed.FS

const assets = "/auth/assets/"

// adminPaths matches the paths of the administration.
var adminPaths = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^/auth/admin(/(users(/[^/]+)?|groups|sessions|audit))?/?$`)
})

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

// Site serves the pages. It is safe for concurrent use.
type Site struct {
	texts *texts.Catalogue
	files map[string]file // by path: those of the look
	made  func() (*made, error)
}

// made is what is made of the texts when the first page is asked for.
type made struct {
	documents map[string][]byte // by language
	files     map[string]file   // by path: the texts
	words     map[string]file   // the same by language
}

// file is an answer that caches may keep for a year: its path has a hash of its body.
type file struct {
	body        []byte
	contentType string
	policy      string // the Content-Security-Policy; "": that of the pages
	zipped      bool   // the body is compressed by gzip
	replaced    bool   // it isn't what the hash in its path says
}

// Handler returns the pages with the built-in texts and look.
func Handler() *Site {
	catalogue, err := texts.Load("")
	if err != nil {
		panic(err) // a test loads them
	}
	site, err := New(catalogue, Look{})
	if err != nil {
		panic(err) // only the build could be wrong
	}
	return site
}

// New returns the pages in the languages of a catalogue. It is an error if the look can't be had; the error then begins with the name of
// the field that is wrong.
func New(catalogue *texts.Catalogue, l Look) (*Site, error) {
	s := &Site{texts: catalogue, files: map[string]file{}}
	common, styles, err := s.dress(l)
	if err != nil {
		return nil, err
	}
	s.made = sync.OnceValues(func() (*made, error) { return makeDocuments(catalogue, common, styles) })
	return s, nil
}

// makeDocuments makes what depends on the language. common is what all documents say, and styles are the paths of style sheets.
func makeDocuments(catalogue *texts.Catalogue, common look, styles []string) (*made, error) {
	m := &made{documents: map[string][]byte{}, files: map[string]file{}, words: map[string]file{}}
	common.Languages = map[string]string{}
	for _, name := range catalogue.Languages() {
		common.Languages[name] = catalogue.Raw(name, "pages.language")
	}
	shell, err := documentShell(common.Logo != "", len(styles))
	if err != nil {
		return nil, err
	}
	for name := range common.Languages {
		section := catalogue.Section(name, "pages.")
		maps.DeleteFunc(section, func(key, _ string) bool { return strings.HasPrefix(key, said) })
		for sentence, text := range catalogue.Said(name, said) {
			section[said+sentence] = text
		}
		words, err := json.Marshal(section)
		if err != nil {
			return nil, err
		}
		in := common
		in.Language, in.Unloaded = name, catalogue.Raw(name, "pages.unloaded")
		m.words[name] = file{body: words, contentType: "application/json"}
		in.Texts = add(m.files, "texts-"+name, ".json", m.words[name])
		look, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		values := map[string]string{
			"Language": name, "Direction": texts.Direction(name), "Name": in.Name, "NoScript": catalogue.Raw(name, "pages.noScript"),
			"Texts": in.Texts, "Look": string(look), "Logo": in.Logo,
		}
		for i, path := range styles {
			values[styleName(i)] = path
		}
		m.documents[name] = fill(shell, values)
	}
	return m, nil
}

// dress reads a look, and returns what the documents of all languages say about it, and the paths of its style sheets.
func (s *Site) dress(l Look) (common look, styles []string, err error) {
	if common.Name, err = l.name(); err != nil {
		return look{}, nil, err
	}
	common.SignIn, common.NoExtra = l.SignIn, l.NoExtra
	if common.Links, err = l.links(); err != nil {
		return look{}, nil, err
	}
	if l.Accent != "" {
		style, err := accentStyle(l.Accent)
		if err != nil {
			return look{}, nil, err
		}
		styles = append(styles, add(s.files, "accent", ".css", file{body: style, contentType: contentTypes[".css"]}))
	}
	style, err := l.readStyle()
	if err != nil {
		return look{}, nil, err
	}
	if style != nil {
		styles = append(styles, add(s.files, "style", ".css", file{body: style, contentType: contentTypes[".css"]}))
	}
	logo, extension, err := l.readLogo()
	if err != nil {
		return look{}, nil, err
	}
	if extension != "" {
		common.Logo = add(s.files, "logo", extension, logo)
	}
	return common, styles, nil
}

// said is the prefix of texts for sentences of the API. The program gets each by the sentence instead of its key.
const said = "pages.said."

// look is what the document says to the program: see web/pages/src/look.ts.
type look struct {
	Name      string            `json:"name"`
	Logo      string            `json:"logo,omitempty"`
	SignIn    string            `json:"signIn,omitempty"`
	NoExtra   bool              `json:"noExtra,omitempty"`
	Links     map[string]string `json:"links"`
	Language  string            `json:"language"`
	Languages map[string]string `json:"languages"`
	Texts     string            `json:"texts"`
	Unloaded  string            `json:"unloaded"`
}

// add puts a file into files, and returns its path, which has a hash of its content.
func add(files map[string]file, name, extension string, f file) (path string) {
	sum := sha256.Sum256(f.body)
	path = assets + name + "-" + base64.RawURLEncoding.EncodeToString(sum[:6]) + extension
	files[path] = f
	return path
}

// Match reports whether ServeHTTP serves path: a page, with or without a trailing slash, or a file of the build. It doesn't
// clean the path: "/./signin" doesn't match.
func (s *Site) Match(path string) bool {
	if _, ok := s.files[path]; ok || otherTexts().MatchString(path) {
		return true
	}
	_, ok := built(path)
	return ok
}

// otherTexts matches paths of texts, and none of the build. A node that another node's document leads to, while texts or versions are being replaced, answers
// with its own texts, which no cache may keep: a page without words would be worse.
var otherTexts = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^` + assets + `texts-([a-zA-Z0-9-]{2,35})-[\w-]{8}\.json$`)
})

// ServeHTTP serves GET and HEAD of the paths that Match reports. Caches may store a file of the build for a year, since its
// name contains a hash of its content, but not the document. Any other path gets 404 and any other method 405, as
// application/problem+json with a code.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	w.Header().Set("Cache-Control", "no-store")
	if !s.Match(r.URL.Path) {
		refuse(w, http.StatusNotFound, "not_found", "There is no such page.")
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "method_not_allowed", "This page can only be read.")
		return
	}
	f, err := s.file(r)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "server_error", "The page could not be read.")
		return
	}
	if strings.HasPrefix(r.URL.Path, assets) && !f.replaced {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if f.policy != "" {
		w.Header().Set("Content-Security-Policy", f.policy)
	}
	if f.zipped {
		w.Header().Add("Vary", "Accept-Encoding") // beside what is there already, such as Origin
		if acceptsGzip(r) {
			w.Header().Set("Content-Encoding", "gzip")
		} else if f.body, err = unzip(f.body); err != nil {
			refuse(w, http.StatusInternalServerError, "server_error", "The page could not be read.")
			return
		}
	}
	w.Header().Set("Content-Type", f.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(f.body)))
	w.Write(f.body) // net/http doesn't send the body of an answer to HEAD
}

// file returns what is at the path of a request that Match reports.
func (s *Site) file(r *http.Request) (file, error) {
	if f, ok := s.files[r.URL.Path]; ok {
		return f, nil
	}
	name, ok := built(r.URL.Path)
	if ok && name != document {
		body, err := dist.ReadFile(name)
		return file{body: body, contentType: contentTypes[path.Ext(strings.TrimSuffix(name, zipped))], zipped: true}, err
	}
	made, err := s.made()
	switch {
	case err != nil:
		return file{}, err
	case ok:
		language := s.texts.Match(texts.AcceptPage(r))
		return file{body: made.documents[language], contentType: contentTypes[".html"]}, nil
	}
	return made.text(r.URL.Path), nil
}

// zipped is what the names of the build's files end with: they are compressed, so that the program and what browsers load are smaller.
const zipped = ".gz"

// acceptsGzip reports whether a request accepts an answer that is compressed by gzip (RFC 9110, section 12.5.3).
func acceptsGzip(r *http.Request) bool {
	others := false
	for _, line := range r.Header["Accept-Encoding"] {
		for coding := range strings.SplitSeq(line, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			_, q, weighed := strings.Cut(weight, "=")
			n, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
			accepted := !weighed || err == nil && n > 0
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip", "x-gzip":
				return accepted
			case "*":
				others = accepted
			}
		}
	}
	return others
}

func unzip(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// text returns the texts at a path that otherTexts matches.
func (m *made) text(path string) file {
	if f, ok := m.files[path]; ok {
		return f
	}
	f, ok := m.words[otherTexts().FindStringSubmatch(path)[1]]
	if !ok {
		f = m.words[texts.Default]
	}
	f.replaced = true
	return f
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

// built returns the embedded file for a path. ok is false for a path that is not served: an unknown page, a directory, a file
// without a known type, the licences, and index.html under its own name.
func built(urlPath string) (name string, ok bool) {
	switch strings.TrimSuffix(urlPath, "/") {
	case "/signin", "/auth/account", "/auth/setup", "/auth/reset", "/auth/forgot", "/auth/verify", "/auth/revert", "/auth/signup", "/auth/welcome":
		return document, true
	}
	if adminPaths().MatchString(urlPath) {
		return document, true
	}
	rest, ok := strings.CutPrefix(urlPath, assets)
	if !ok || contentTypes[path.Ext(rest)] == "" {
		return "", false
	}
	name = "dist/assets/" + rest + zipped
	info, err := fs.Stat(dist, name)
	return name, err == nil && info.Mode().IsRegular()
}
