package pages_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/web/pages"
)

const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4"/></svg>`

// write writes a file for a look, and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func dressed(t *testing.T, look pages.Look) *pages.Site {
	t.Helper()
	site, err := pages.New(mustLoad(t, ""), look)
	if err != nil {
		t.Fatal(err)
	}
	return site
}

// get returns the answer of a site.
func get(t *testing.T, site *pages.Site, path string) *http.Response {
	t.Helper()
	if !site.Match(path) {
		t.Errorf("Match(%q) is false", path)
	}
	w := httptest.NewRecorder()
	site.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Result()
}

// named returns the path of the file of a look that a document names.
func named(t *testing.T, document, name string) string {
	t.Helper()
	path := regexp.MustCompile(`/auth/assets/` + name + `-[\w-]{8}\.\w+`).FindString(document)
	if path == "" {
		t.Fatalf("the document names no %s:\n%s", name, document)
	}
	return path
}

func TestALookIsServedByUs(t *testing.T) {
	t.Attr("threat", "H09")
	site := dressed(t, pages.Look{
		Name: `Müller & "Söhne" <3`, Accent: "#7A1FA2", Logo: write(t, "logo.svg", svg), Style: write(t, "own.css", ".stub { background: url(/brand/bg.png) }"),
		Help: "https://example.com/help?a=1&b=2", Privacy: "/privacy",
	})
	document := in(t, site, "de", "")
	for _, want := range []string{
		`<title>Müller &amp; &#34;Söhne&#34; &lt;3</title>`, `<link rel="icon" href="` + named(t, document, "logo") + `">`,
		`&#34;help&#34;:&#34;https://example.com/help?a=1\u0026b=2&#34;`, `&#34;privacy&#34;:&#34;/privacy&#34;`,
	} {
		if !strings.Contains(document, want) {
			t.Errorf("the document has no %s:\n%s", want, document)
		}
	}
	built := strings.Index(document, "/auth/assets/index-")
	accent, own := strings.Index(document, named(t, document, "accent")), strings.Index(document, named(t, document, "style"))
	if accent < built || own < accent {
		t.Error("the style sheets come in the wrong order: a later one counts more")
	}
	plain := get(t, dressed(t, pages.Look{}), "/signin").Header.Get("Content-Security-Policy")
	for path, want := range map[string]struct{ contentType, policy string }{
		"/signin":                      {"text/html; charset=utf-8", plain},
		named(t, document, "logo"):     {"image/svg+xml; charset=utf-8", "default-src 'none'; sandbox"},
		named(t, document, "style"):    {"text/css; charset=utf-8", plain},
		named(t, document, "accent"):   {"text/css; charset=utf-8", plain},
		named(t, document, "texts-de"): {"application/json", plain},
	} {
		h := get(t, site, path).Header
		if h.Get("Content-Type") != want.contentType || len(h.Values("Content-Security-Policy")) != 1 || h.Get("Content-Security-Policy") != want.policy ||
			h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s has the headers %v", path, h)
		}
	}
}

func TestPicturesOfALogo(t *testing.T) {
	t.Attr("threat", "H09")
	for name, c := range map[string]struct{ text, contentType string }{
		"png":     {"\x89PNG\r\n\x1a\nrest", "image/png"},
		"jpeg":    {"\xff\xd8\xff\xe0rest", "image/jpeg"},
		"webp":    {"RIFF\x10\x00\x00\x00WEBPVP8 rest", "image/webp"},
		"svg":     {"\ufeff<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- made by hand -->\n" + svg, "image/svg+xml; charset=utf-8"},
		"hostile": {`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>`, "image/svg+xml; charset=utf-8"},
	} {
		site := dressed(t, pages.Look{Logo: write(t, "logo", c.text)})
		resp := get(t, site, named(t, in(t, site, "", ""), "logo"))
		if got := resp.Header.Get("Content-Type"); got != c.contentType || body(t, resp) != c.text {
			t.Errorf("%s: got %s", name, got)
		}
		if got := resp.Header.Get("Content-Security-Policy"); got != "default-src 'none'; sandbox" {
			t.Errorf("%s: the policy is %q", name, got)
		}
	}
}

func TestAWrongLookIsRefused(t *testing.T) {
	long := strings.Repeat("x", 512<<10+1)
	for name, c := range map[string]struct {
		look pages.Look
		want string
	}{
		"a long name":                {pages.Look{Name: strings.Repeat("ä", 61)}, "Name \"ää"},
		"a name of two lines":        {pages.Look{Name: "a\nb"}, "printable characters"},
		"a name with direction":      {pages.Look{Name: "a\u202eb"}, "printable characters"},
		"a blank name":               {pages.Look{Name: " "}, "without blanks around it"},
		"a colour by name":           {pages.Look{Accent: "red"}, `Accent "red" is no colour: give one as #rrggbb`},
		"a short colour":             {pages.Look{Accent: "#fff"}, "no colour"},
		"a colour and more":          {pages.Look{Accent: "#112233;}"}, "no colour"},
		"a light colour":             {pages.Look{Accent: "#ffcc00"}, "Accent #ffcc00 is too light to read on the light pages: its contrast is 1.3, and text needs 4.5. Give a darker one, such as #"},
		"a logo by address":          {pages.Look{Logo: "https://example.com/logo.svg"}, "Logo https://example.com/logo.svg is an address: save the file on this machine"},
		"no logo":                    {pages.Look{Logo: "/none/logo.svg"}, "Logo: stat /none/logo.svg"},
		"a folder":                   {pages.Look{Logo: t.TempDir()}, "is not a file"},
		"an empty logo":              {pages.Look{Logo: write(t, "logo", "")}, "is empty"},
		"a large logo":               {pages.Look{Logo: write(t, "logo", long)}, "give a file of at most 512 kB"},
		"a GIF":                      {pages.Look{Logo: write(t, "logo", "GIF89a")}, "neither an SVG nor a PNG, JPEG or WebP picture"},
		"HTML":                       {pages.Look{Logo: write(t, "logo", "<html xmlns='http://www.w3.org/1999/xhtml'/>")}, "its element is <html>"},
		"an svg of no namespace":     {pages.Look{Logo: write(t, "logo", "<svg/>")}, `not <svg xmlns="http://www.w3.org/2000/svg">`},
		"half an svg":                {pages.Look{Logo: write(t, "logo", svg[:40])}, "it isn't well-formed"},
		"an svg in another encoding": {pages.Look{Logo: write(t, "logo", `<?xml version="1.0" encoding="latin1"?>`+svg)}, "save it as UTF-8"},
		"a style by address":         {pages.Look{Style: "http://example.com/x.css"}, "Style http://example.com/x.css is an address"},
		"no text":                    {pages.Look{Style: write(t, "s.css", "\xff")}, "isn't text in UTF-8"},
		"an import":                  {pages.Look{Style: write(t, "s.css", "@IMPORT 'x.css';")}, "has @IMPORT, and only one file is served"},
		"a picture from elsewhere":   {pages.Look{Style: write(t, "s.css", "a { background: URL( 'https://evil.example/x' ) }")}, `names "https://evil.example/x", which the pages never load`},
		"another host":               {pages.Look{Style: write(t, "s.css", "a { background: url(//evil.example/x) }")}, `names "//evil.example/x"`},
		"a script as an address":     {pages.Look{Help: "javascript:alert(1)"}, `LinkHelp "javascript:alert(1)": give an address such as https://example.com/help`},
		"an address of no scheme":    {pages.Look{Terms: "//evil.example"}, "LinkTerms"},
		"a backslash":                {pages.Look{Privacy: `/\evil.example`}, "LinkPrivacy"},
		"a relative path":            {pages.Look{Privacy: "privacy"}, "LinkPrivacy"},
	} {
		if _, err := pages.New(mustLoad(t, ""), c.look); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
	}
}

// TestAnyAccentCanBeRead that is accepted, in both themes, on every colour of tokens.css that text of the accent stands on.
func TestAnyAccentCanBeRead(t *testing.T) {
	tokens, err := os.ReadFile("src/style/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	builtIn := themes(t, string(tokens))
	accepted := 0
	for _, accent := range []string{"#000000", "#1d5c4b", "#7a1fa2", "#b00020", "#0000ff", "#003399", "#5a3e00", "#333333", "#006d5b", "#ffcc00", "#ffffff", "#00ff00", "#7f7f7f"} {
		site, err := pages.New(mustLoad(t, ""), pages.Look{Accent: accent})
		if err != nil {
			// The colour that the error proposes is accepted.
			accent = regexp.MustCompile(`such as (#[0-9a-f]{6})$`).FindStringSubmatch(err.Error())[1]
			site = dressed(t, pages.Look{Accent: accent})
		} else {
			accepted++
		}
		own := themes(t, body(t, get(t, site, named(t, in(t, site, "", ""), "accent"))))
		for i, theme := range []string{"light", "dark"} {
			for _, ground := range []string{builtIn[i]["ground"], builtIn[i]["paper"], builtIn[i]["paper-tint"], own[i]["accent-soft"], own[i]["on-accent"]} {
				for _, name := range []string{"accent", "accent-strong"} {
					if got := ratio(t, own[i][name], ground); got < 4.5 {
						t.Errorf("%s, %s: %s %s on %s has a contrast of %.2f", accent, theme, name, own[i][name], ground, got)
					}
				}
			}
			if got := ratio(t, builtIn[i]["ink"], own[i]["accent-soft"]); got < 4.5 {
				t.Errorf("%s, %s: text on %s has a contrast of %.2f", accent, theme, own[i]["accent-soft"], got)
			}
		}
	}
	if accepted < 9 {
		t.Errorf("only %d accents were accepted", accepted)
	}
}

// themes returns the colours of the light and the dark theme of a style sheet.
func themes(t *testing.T, style string) [2]map[string]string {
	t.Helper()
	light, dark, ok := strings.Cut(style, "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatalf("there is no dark theme:\n%s", style)
	}
	var out [2]map[string]string
	for i, part := range []string{light, dark} {
		out[i] = map[string]string{}
		for _, m := range regexp.MustCompile(`--([\w-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(part, -1) {
			out[i][m[1]] = m[2]
		}
	}
	return out
}

// ratio is the contrast of two colours, calculated anew from the definition in WCAG 2.2.
func ratio(t *testing.T, a, b string) float64 {
	t.Helper()
	luminance := func(text string) float64 {
		n, err := strconv.ParseUint(strings.TrimPrefix(text, "#"), 16, 32)
		if err != nil || len(text) != 7 {
			t.Fatalf("%q is no colour", text)
		}
		sum := 0.0
		for i, weight := range []float64{0.0722, 0.7152, 0.2126} {
			v := float64(n>>(8*i)&0xff) / 255
			if v <= 0.04045 {
				v /= 12.92
			} else {
				v = math.Pow((v+0.055)/1.055, 2.4)
			}
			sum += weight * v
		}
		return sum
	}
	x, y := luminance(a)+0.05, luminance(b)+0.05
	return max(x, y) / min(x, y)
}

func FuzzLookFiles(f *testing.F) {
	for _, seed := range []string{svg, "@import 'x'", "a{background:url(x)}", "\x89PNG\r\n\x1a\n", "<svg", "url(\"data:image/png,x\")"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := write(t, "file", text)
		for _, look := range []pages.Look{{Logo: path}, {Style: path}} {
			site, err := pages.New(mustLoad(t, ""), look)
			if err != nil {
				if text := fmt.Sprint(err); !strings.HasPrefix(text, "Logo ") && !strings.HasPrefix(text, "Style ") {
					t.Errorf("the error names no field: %s", text)
				}
				continue
			}
			// Whatever is in the file stays in it: the document has one script, and the files one of three kinds of type.
			if document := in(t, site, "", ""); strings.Count(document, "<script") != 1 {
				t.Errorf("the document is:\n%s", document)
			}
			kind := "style"
			if look.Logo != "" {
				kind = "logo"
			}
			resp := get(t, site, named(t, in(t, site, "", ""), kind))
			got := resp.Header.Get("Content-Type")
			if kind == "style" && got != "text/css; charset=utf-8" || kind == "logo" && !strings.HasPrefix(got, "image/") {
				t.Errorf("%s is served as %s", kind, got)
			}
		}
	})
}

// TestADocumentSaysThatThereIsNoExtra only where there is none.
func TestADocumentSaysThatThereIsNoExtra(t *testing.T) {
	for none, want := range map[bool]int{true: 1, false: 0} {
		document, err := io.ReadAll(get(t, dressed(t, pages.Look{NoExtra: none}), "/auth/admin/users/1").Body)
		if err != nil || strings.Count(string(document), "noExtra") != want {
			t.Errorf("%v: %s, %v", none, document, err)
		}
	}
}
