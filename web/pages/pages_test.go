package pages_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/texts"
	"github.com/cloakroom-auth/cloakroom/web/pages"
)

var site = pages.Handler()

func do(t *testing.T, method, path string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path = path
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	return w.Result()
}

// in returns the document in the language that a site chooses for a request.
func in(t *testing.T, site *pages.Site, accept, cookie string) string {
	t.Helper()
	r := httptest.NewRequest("GET", "/signin", nil)
	r.Header.Set("Accept-Language", accept)
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: "cloakroom_language", Value: cookie})
	}
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	return body(t, w.Result())
}

// textsOf returns the path of the texts that a document names, and the texts.
func textsOf(t *testing.T, site *pages.Site, document string) (path string, words map[string]string) {
	t.Helper()
	m := regexp.MustCompile(`<link rel="preload" as="fetch" crossorigin href="([^"]+)">`).FindStringSubmatch(document)
	if m == nil {
		t.Fatalf("the document names no texts:\n%s", document)
	}
	if !site.Match(m[1]) {
		t.Fatalf("Match(%q) is false", m[1])
	}
	w := httptest.NewRecorder()
	site.ServeHTTP(w, httptest.NewRequest("GET", m[1], nil))
	if got := w.Header().Get("Content-Type"); w.Code != 200 || got != "application/json" {
		t.Fatalf("%s: got %d %s", m[1], w.Code, got)
	}
	if got := w.Header().Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
		t.Errorf("%s: Cache-Control is %q, want a year and immutable", m[1], got)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &words); err != nil {
		t.Fatal(err)
	}
	return m[1], words
}

func TestTheDocumentIsInTheLanguageAskedFor(t *testing.T) {
	for _, c := range []struct{ accept, cookie, want string }{
		{"", "", "en"}, {"de-CH, de;q=0.9, en;q=0.8", "", "de"}, {"de", "en", "en"}, {"en", "de", "de"}, {"fr", "", "en"}, {"de", "xx", "de"},
	} {
		document := in(t, site, c.accept, c.cookie)
		if !strings.Contains(document, `<html lang="`+c.want+`" dir="ltr">`) {
			t.Errorf("%+v: the document isn't in this language:\n%s", c, document[:80])
		}
		path, words := textsOf(t, site, document)
		want := map[string]string{"en": "Sign in", "de": "Anmelden"}[c.want]
		if words["pages.signIn.heading"] != want || !strings.HasPrefix(path, "/auth/assets/texts-"+c.want+"-") {
			t.Errorf("%+v: %s has %q", c, path, words["pages.signIn.heading"])
		}
		// A language costs only those who speak it.
		if got := strings.Count(document, "/auth/assets/texts-"); got != 2 {
			t.Errorf("%+v: the document names texts %d times, want once to preload them and once for the program", c, got)
		}
	}
}

func TestTextsOfAFolderAreNeverMarkup(t *testing.T) {
	t.Attr("threat", "H02")
	const hostile = `"><script>alert(1)</script>{{.Look}}'<!--`
	dir := t.TempDir()
	words := map[string]string{}
	for key := range mustLoad(t, "").Section("en", "pages.") {
		if key == "pages.language" || key == "pages.unloaded" || key == "pages.noScript" {
			words[key] = strings.ReplaceAll(strings.ReplaceAll(hostile, "{", ""), "}", "")
		}
	}
	file, err := json.Marshal(words)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "en.json"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	own, err := pages.New(mustLoad(t, dir), pages.Look{})
	if err != nil {
		t.Fatal(err)
	}
	document := in(t, own, "en", "")
	if strings.Count(document, "<script") != 1 || strings.Contains(document, "alert(1)</script>") || strings.Contains(document, "<!--") {
		t.Errorf("a text is markup:\n%s", document)
	}
	if _, got := textsOf(t, own, document); got["pages.noScript"] != words["pages.noScript"] {
		t.Errorf("the text has become %q", got["pages.noScript"])
	}
}

func TestALanguageFromTheRight(t *testing.T) {
	words := mustLoad(t, "").Section("en", "")
	words["pages.language"] = "العربية"
	file, err := json.Marshal(words)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ar.json"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	own, err := pages.New(mustLoad(t, dir), pages.Look{})
	if err != nil {
		t.Fatal(err)
	}
	if document := in(t, own, "ar-EG", ""); !strings.Contains(document, `<html lang="ar" dir="rtl">`) || !strings.Contains(document, "العربية") {
		t.Errorf("the document is:\n%s", document)
	}
}

func mustLoad(t *testing.T, dir string) *texts.Catalogue {
	t.Helper()
	c, err := texts.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var pagePaths = []string{"/signin", "/signin/", "/auth/account", "/auth/account/", "/auth/setup", "/auth/setup/", "/auth/forgot", "/auth/verify", "/auth/revert", "/auth/signup", "/auth/welcome", "/auth/reset",
	"/auth/admin", "/auth/admin/", "/auth/admin/users", "/auth/admin/users/7", "/auth/admin/users/new", "/auth/admin/groups",
	"/auth/admin/sessions/", "/auth/admin/audit"}

// built returns the paths of the files of the build.
func built(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("dist/assets")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, "/auth/assets/"+strings.TrimSuffix(e.Name(), ".gz"))
	}
	if len(out) < 3 {
		t.Fatalf("the build has only the files %q, want at least 3", out)
	}
	return out
}

func TestPagesAreTheDocument(t *testing.T) {
	for _, path := range pagePaths {
		if !site.Match(path) {
			t.Errorf("Match(%q) is false", path)
		}
		resp := do(t, "GET", path)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: got %d %s, want 200 text/html; charset=utf-8", path, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
		if got := resp.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control is %q, want no-store", path, got)
		}
		if !strings.Contains(body(t, resp), `<div id="page">`) {
			t.Errorf("%s doesn't return the document", path)
		}
	}
}

func TestDocumentRefersToTheBuildAndToNothingElse(t *testing.T) {
	html := body(t, do(t, "GET", "/signin"))
	refs := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(html, -1)
	if len(refs) < 3 {
		t.Fatalf("the document refers only to %q, want at least 3 files", refs)
	}
	for _, ref := range refs {
		if !strings.HasPrefix(ref[1], "/auth/assets/") || !site.Match(ref[1]) {
			t.Errorf("the document refers to %q, which is not served", ref[1])
		}
	}
	// The Content-Security-Policy forbids inline code.
	if m := regexp.MustCompile(`<script>|<style|\sstyle=|\son\w+=`).FindString(html); m != "" {
		t.Errorf("the document has inline code: %q", m)
	}
}

func TestBuiltFilesMayBeKept(t *testing.T) {
	types := map[string]string{"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml; charset=utf-8"}
	for _, path := range built(t) {
		if !site.Match(path) {
			t.Errorf("Match(%q) is false: a file of the build is not served", path)
			continue
		}
		resp := do(t, "GET", path)
		if got := resp.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control is %q, want a year and immutable", path, got)
		}
		if got, want := resp.Header.Get("Content-Type"), types[path[strings.LastIndex(path, ".")+1:]]; got == "" || got != want {
			t.Errorf("%s: Content-Type %q, want %q", path, got, want)
		}
		// A cache may store the file for a year only because its name changes with its content.
		if !regexp.MustCompile(`-[\w-]{8}\.\w+$`).MatchString(path) {
			t.Errorf("the name of %s contains no hash", path)
		}
	}
}

// The limits are for what a browser downloads for all pages, and for the pages without the administration.
func TestTheBuildIsSmall(t *testing.T) {
	all, withoutAdmin := 0, 0
	texts, _ := textsOf(t, site, in(t, site, "de", ""))
	for _, path := range append(built(t), "/signin", texts) {
		var b bytes.Buffer
		w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body(t, do(t, "GET", path))); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		all += b.Len()
		if !strings.Contains(path, "/admin-") {
			withoutAdmin += b.Len()
		}
	}
	t.Logf("gzipped %d bytes; without the administration %d", all, withoutAdmin)
	if all > 400_000 || withoutAdmin > 150_000 || all == withoutAdmin {
		t.Errorf("gzipped %d bytes, limit 400,000; without the administration %d, limit 150,000", all, withoutAdmin)
	}
}

// TestBuiltFilesAreCompressedForWhoAcceptsIt: it is the same file for everyone.
func TestBuiltFilesAreCompressedForWhoAcceptsIt(t *testing.T) {
	for _, path := range built(t) {
		want := body(t, do(t, "GET", path))
		for accepts, compressed := range map[string]bool{
			"": false, "gzip": true, "gzip, deflate, br, zstd": true, "br;q=1.0, GZIP;q=0.2": true, "*": true, "*;q=0.5, gzip;q=0": false,
			"deflate": false, "gzip;q=0": false, "gzip; q=0.0": false, "identity, *;q=0": false, "gzip;q=x": false, "xgzip": false,
		} {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Accept-Encoding", accepts)
			w := httptest.NewRecorder()
			w.Header().Set("Vary", "Origin")
			site.ServeHTTP(w, r)
			if w.Code != 200 || strings.Join(w.Header()["Vary"], ", ") != "Origin, Accept-Encoding" || w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) {
				t.Errorf("%s, %q: got %d %v", path, accepts, w.Code, w.Header())
			}
			got := io.Reader(w.Body)
			if encoding := w.Header().Get("Content-Encoding"); (encoding == "gzip") != compressed {
				t.Fatalf("%s, %q: Content-Encoding is %q", path, accepts, encoding)
			}
			if compressed {
				var err error
				if got, err = gzip.NewReader(got); err != nil {
					t.Fatal(err)
				}
			}
			if text, err := io.ReadAll(got); err != nil || string(text) != want {
				t.Errorf("%s, %q: %d bytes (%v), want %d", path, accepts, len(text), err, len(want))
			}
		}
	}
}

func FuzzAcceptEncoding(f *testing.F) {
	for _, accepts := range []string{"gzip", "*;q=0.5, gzip;q=0", "br;q=1.0, gzip;q=0.2", ";,=;q="} {
		f.Add(accepts)
	}
	path := "/auth/assets/"
	entries, err := os.ReadDir("dist/assets")
	if err != nil || len(entries) == 0 {
		f.Fatal(entries, err)
	}
	path += strings.TrimSuffix(entries[0].Name(), ".gz")
	f.Fuzz(func(t *testing.T, accepts string) {
		r := httptest.NewRequest("GET", path, nil)
		r.Header["Accept-Encoding"] = []string{accepts}
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		encoding := w.Header().Get("Content-Encoding")
		if w.Code != 200 || encoding != "" && (encoding != "gzip" || !strings.ContainsAny(strings.ToLower(accepts), "*g")) {
			t.Errorf("%q: got %d, Content-Encoding %q", accepts, w.Code, encoding)
		}
	})
}

func TestNothingElseIsServed(t *testing.T) {
	for _, path := range []string{
		"", "/", "/auth", "/auth/", "/signin/x", "/signin//", "/Signin", "/auth/administration", "/auth/admin/x", "/auth/admin/users/7/x", "/auth/admin//users", "/auth/admin/groups/x", "/auth/reset/x", "/auth/accounts",
		"/auth/assets", "/auth/assets/", "/auth/assets/x.js", "/auth/assets/../index.html", "/auth/assets/./x.js",
		"/auth/assets/../../pages.go", "/auth/assets//etc/passwd.js", "/auth/assets/\x00.js", `/auth/assets/..\index.html`,
		"/auth/index.html", "/auth/licenses.md", "/auth/assets/../licenses.md", "/index.html", "//signin", "/./signin",
	} {
		if site.Match(path) {
			t.Errorf("Match(%q) is true, want false", path)
		}
		if resp := do(t, "GET", path); resp.StatusCode != 404 || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%q: got %d, Cache-Control %q, want 404, no-store", path, resp.StatusCode, resp.Header.Get("Cache-Control"))
		}
	}
}

func TestOnlyReading(t *testing.T) {
	for _, path := range append(built(t), pagePaths...) {
		get, head := do(t, "GET", path), do(t, "HEAD", path)
		if head.StatusCode != 200 {
			t.Errorf("HEAD %s: got %d, want 200", path, head.StatusCode)
		}
		for name := range get.Header {
			if get.Header.Get(name) != head.Header.Get(name) {
				t.Errorf("HEAD %s: %s is %q, with GET %q", path, name, head.Header.Get(name), get.Header.Get(name))
			}
		}
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "X"} {
			resp := do(t, method, path)
			if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: got %d, Allow %q, want 405, GET and HEAD", method, path, resp.StatusCode, resp.Header.Get("Allow"))
			}
		}
	}
}

func TestRefusalsAreProblems(t *testing.T) {
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/auth/assets/none.js", `{"code":"not_found","detail":"There is no such page.","request_id":"R1","status":404,"title":"Not Found","type":"about:blank"}`},
		{"POST", "/signin", `{"code":"method_not_allowed","detail":"This page can only be read.","request_id":"R1","status":405,"title":"Method Not Allowed","type":"about:blank"}`},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("X-Request-Id", "R1")
		site.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if got := strings.TrimSpace(w.Body.String()); got != c.want || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: got %s %s, want %s", c.method, c.path, w.Header().Get("Content-Type"), got, c.want)
		}
	}
}

func TestHEADSendsNoBody(t *testing.T) {
	server := httptest.NewServer(site)
	defer server.Close()
	resp, err := http.Head(server.URL + "/signin")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := body(t, resp); resp.ContentLength <= 0 || got != "" {
		t.Errorf("got Content-Length %d and body %q, want a length and no body", resp.ContentLength, got)
	}
}

// everyAnswer returns one answer of each kind.
func everyAnswer(t *testing.T) []*http.Response {
	return []*http.Response{
		do(t, "GET", "/signin"), do(t, "HEAD", "/auth/account"), do(t, "GET", built(t)[0]),
		do(t, "GET", "/auth/assets/none.js"), do(t, "POST", "/signin"),
	}
}

func TestThePolicyAllowsOnlyOurOwnFiles(t *testing.T) {
	t.Attr("threat", "H02")
	for _, resp := range everyAnswer(t) {
		policy := map[string]string{}
		for directive := range strings.SplitSeq(resp.Header.Get("Content-Security-Policy"), "; ") {
			name, value, _ := strings.Cut(directive, " ")
			policy[name] = value
		}
		for name, want := range map[string]string{
			"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'", "font-src": "'self'",
			"img-src": "'self' data:", "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'", "object-src": "'none'",
			"require-trusted-types-for": "'script'", "trusted-types": "'none'",
		} {
			if policy[name] != want {
				t.Errorf("%s is %q, want %q", name, policy[name], want)
			}
		}
		if len(resp.Header.Values("Content-Security-Policy")) != 1 {
			t.Errorf("got %d policies, want 1", len(resp.Header.Values("Content-Security-Policy")))
		}
	}
}

func TestTypesAreNotGuessed(t *testing.T) {
	t.Attr("threat", "H03")
	for _, resp := range everyAnswer(t) {
		if got := resp.Header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("X-Content-Type-Options is %q, want nosniff", got)
		}
		if got := resp.Header.Get("Content-Type"); !strings.HasSuffix(got, "; charset=utf-8") && got != "application/problem+json" {
			t.Errorf("Content-Type is %q, want one with charset=utf-8, or a problem", got)
		}
	}
}

func TestOtherSitesGetNoReferrer(t *testing.T) {
	t.Attr("threat", "H04")
	for _, resp := range everyAnswer(t) {
		if got := resp.Header.Get("Referrer-Policy"); got != "same-origin" && got != "no-referrer" {
			t.Errorf("Referrer-Policy is %q, want same-origin or no-referrer", got)
		}
	}
}

func TestOtherSitesGetNoHandleOnTheWindow(t *testing.T) {
	t.Attr("threat", "H05")
	for _, resp := range everyAnswer(t) {
		if got := resp.Header.Get("Cross-Origin-Opener-Policy"); got != "same-origin" {
			t.Errorf("Cross-Origin-Opener-Policy is %q, want same-origin", got)
		}
		if got := resp.Header.Get("Permissions-Policy"); !strings.Contains(got, "camera=()") {
			t.Errorf("Permissions-Policy is %q, want camera=() in it", got)
		}
	}
}

func TestLicencesOfTheBuildAreKept(t *testing.T) {
	text, err := fs.ReadFile(os.DirFS("dist"), "licenses.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"## react -", "## react-dom -", "## scheduler -"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("dist/licenses.md contains no %q", part)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, path := range append(pagePaths, "/auth/assets/../index.html", "/auth/assets/a/b.js", "/auth/assets/",
		"/auth/admin/users/", "/auth/admin/users//", "/auth/admin/users/7/8") {
		f.Add(path)
	}
	entries, err := os.ReadDir("dist/assets")
	if err != nil {
		f.Fatal(err)
	}
	served := map[string]bool{}
	for _, path := range pagePaths {
		path = strings.TrimSuffix(path, "/")
		served[path], served[path+"/"] = true, true
	}
	for _, e := range entries {
		path := "/auth/assets/" + strings.TrimSuffix(e.Name(), ".gz")
		served[path] = true
		f.Add(path)
		f.Add(path + ".gz")
	}
	f.Fuzz(func(t *testing.T, path string) {
		want := served[path]
		if user, ok := strings.CutPrefix(path, "/auth/admin/users/"); ok { // any user's
			user = strings.TrimSuffix(user, "/")
			want = want || user != "" && !strings.Contains(user, "/")
		}
		// Texts of another node; they are this node's own.
		want = want || regexp.MustCompile(`^/auth/assets/texts-[a-zA-Z0-9-]{2,35}-[\w-]{8}\.json$`).MatchString(path)
		if got := site.Match(path); got != want {
			t.Errorf("Match(%q) is %t, want %t", path, got, want)
		}
	})
}

// TestSentencesOfTheAPIAreTranslated: the texts below pages.said are sentences that the API really answers with, and a page gets each by
// the sentence.
func TestSentencesOfTheAPIAreTranslated(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"account", "auth", "password", "internal/httpapi", "internal/authenticator", "internal/secondstep"} {
		files, err := filepath.Glob("../../" + pattern + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal(err, pattern)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(name, "_test.go") {
				sources.Write(text)
			}
		}
	}
	all := regexp.MustCompile(`"\s*\+\s*"`).ReplaceAllString(sources.String(), "")
	_, german := textsOf(t, site, in(t, site, "de", ""))
	english := mustLoad(t, "").Section("en", "pages.said.")
	for key, sentence := range english {
		// Of the last sentences, the API puts together the beginning and a name of a field.
		begins := strings.HasPrefix(sentence, "The password is too similar to the ") || strings.HasPrefix(sentence, "A user with that ")
		if !begins && !strings.Contains(all, `"`+strings.ReplaceAll(sentence, "{n}", "%d")+`"`) {
			t.Errorf("%s: the API never says %q", key, sentence)
		}
		if german["pages.said."+sentence] == "" {
			t.Errorf("a German page doesn't get %q", sentence)
		}
	}
	for _, field := range regexp.MustCompile(`\.add\("\w+", "\w+", "([^"%]+)"\)`).FindAllStringSubmatch(all, -1) { // what the forms show
		if german["pages.said."+field[1]] == "" {
			t.Errorf("a German form shows %q in English", field[1])
		}
	}
	if _, got := textsOf(t, site, in(t, site, "en", "")); len(english) < 40 || got["pages.said.This field is required."] != "" {
		t.Errorf("there are %d sentences, and an English page gets %q", len(english), got["pages.said.This field is required."])
	}
}

// TestTextsOfAnotherNode: while texts are being replaced, a document of one node asks another node for them.
func TestTextsOfAnotherNode(t *testing.T) {
	for path, want := range map[string]string{
		"/auth/assets/texts-de-AAAAAAAA.json": "Anmelden", "/auth/assets/texts-en-_-3456-8.json": "Sign in", "/auth/assets/texts-pt-BR-AAAAAAAA.json": "Sign in",
	} {
		resp := get(t, site, path)
		var words map[string]string
		if err := json.NewDecoder(resp.Body).Decode(&words); err != nil || resp.StatusCode != 200 || words["pages.signIn.heading"] != want {
			t.Errorf("%s: %d, %q, %v", path, resp.StatusCode, words["pages.signIn.heading"], err)
		}
		if got := resp.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control is %q: a cache would keep the wrong texts", path, got)
		}
	}
	for _, path := range []string{"/auth/assets/texts-de.json", "/auth/assets/texts-de-short.json", "/auth/assets/texts-..-AAAAAAAA.json", "/auth/assets/texts-de-AAAAAAAA.js"} {
		if site.Match(path) {
			t.Errorf("Match(%q) is true", path)
		}
	}
}
