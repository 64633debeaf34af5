package pages_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/web/pages"
)

func do(t *testing.T, method, path string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path = path
	w := httptest.NewRecorder()
	pages.Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var pagePaths = []string{"/signin", "/signin/", "/auth/account", "/auth/account/", "/auth/setup", "/auth/setup/", "/auth/forgot", "/auth/verify", "/auth/signup", "/auth/welcome", "/auth/reset",
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
		out = append(out, "/auth/assets/"+e.Name())
	}
	if len(out) < 3 {
		t.Fatalf("the build has only the files %q, want at least 3", out)
	}
	return out
}

func TestPagesAreTheDocument(t *testing.T) {
	for _, path := range pagePaths {
		if !pages.Handler().Match(path) {
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
		if !strings.HasPrefix(ref[1], "/auth/assets/") || !pages.Handler().Match(ref[1]) {
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
		if !pages.Handler().Match(path) {
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
	for _, path := range append(built(t), "/signin") {
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

func TestNothingElseIsServed(t *testing.T) {
	for _, path := range []string{
		"", "/", "/auth", "/auth/", "/signin/x", "/signin//", "/Signin", "/auth/administration", "/auth/admin/x", "/auth/admin/users/7/x", "/auth/admin//users", "/auth/admin/groups/x", "/auth/reset/x", "/auth/accounts",
		"/auth/assets", "/auth/assets/", "/auth/assets/x.js", "/auth/assets/../index.html", "/auth/assets/./x.js",
		"/auth/assets/../../pages.go", "/auth/assets//etc/passwd.js", "/auth/assets/\x00.js", `/auth/assets/..\index.html`,
		"/auth/index.html", "/auth/licenses.md", "/auth/assets/../licenses.md", "/index.html", "//signin", "/./signin",
	} {
		if pages.Handler().Match(path) {
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
		pages.Handler().ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if got := strings.TrimSpace(w.Body.String()); got != c.want || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: got %s %s, want %s", c.method, c.path, w.Header().Get("Content-Type"), got, c.want)
		}
	}
}

func TestHEADSendsNoBody(t *testing.T) {
	server := httptest.NewServer(pages.Handler())
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
		served["/auth/assets/"+e.Name()] = true
		f.Add("/auth/assets/" + e.Name())
	}
	f.Fuzz(func(t *testing.T, path string) {
		want := served[path]
		if user, ok := strings.CutPrefix(path, "/auth/admin/users/"); ok { // any user's
			user = strings.TrimSuffix(user, "/")
			want = want || user != "" && !strings.Contains(user, "/")
		}
		if got := pages.Handler().Match(path); got != want {
			t.Errorf("Match(%q) is %t, want %t", path, got, want)
		}
	})
}
