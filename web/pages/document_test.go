package pages_test

import (
	"cmp"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/cloakroom-auth/cloakroom/internal/texts"
	"github.com/cloakroom-auth/cloakroom/web/pages"
)

// operatorsWords are the words in a document that an operator gives.
type operatorsWords struct{ name, noScript, unloaded string }

// TestAnOperatorsWordsAreNeverMarkup puts each hostile value where the words of an operator stand: a title, a paragraph, an attribute.
func TestAnOperatorsWordsAreNeverMarkup(t *testing.T) {
	t.Attr("threat", "H02")
	files := newDocumentFiles(t)
	for _, value := range []string{
		`"><script>alert(1)</script>`, `'"><img src=x onerror=alert(1)>`, `</title><script>alert(1)</script>`, `</noscript></p><!--`,
		`&quot;&lt;b&gt;&amp;#60;`, `<![CDATA[`, `" onload="alert(1)`, "`alert(1)`", ` "`, `\u0022><b>`,
	} {
		for _, words := range []operatorsWords{{value, "b", "c"}, {"a", value, "c"}, {"a", "b", value}, {value, value, value}} {
			if refused := words.check(t, files); refused != nil && value != ` "` {
				t.Errorf("%+v: %v", words, refused)
			}
		}
	}
	for _, name := range []string{"{{.Look}}", "{{.Name}}", "{{.NoScript}} {{.Style0}}", "{{"} {
		if refused := (operatorsWords{name, "b", "c"}).check(t, files); refused != nil {
			t.Error(refused)
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add(`"><script>alert(1)</script>`, `</noscript><script>`, `' onload='alert(1)`)
	f.Add("{{.Look}}", "\u2028&#x0;", "\x00\r\n")
	f.Add("", " ", "<!--")
	files := newDocumentFiles(f)
	f.Fuzz(func(t *testing.T, name, noScript, unloaded string) {
		// A file of texts is JSON, and so in UTF-8.
		_ = operatorsWords{name, strings.ToValidUTF8(noScript, "?"), strings.ToValidUTF8(unloaded, "?")}.check(t, files)
	})
}

// documentFiles are what a document is made of, beside the words.
type documentFiles struct {
	dir   string         // has the files of a look, and the texts
	plain parsedDocument // with other words
}

func newDocumentFiles(t testing.TB) documentFiles {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"logo.svg": svg, "own.css": ".stub {}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plain, err := operatorsWords{"a", "b", "c"}.document(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	return documentFiles{dir, parseDocument(t, plain)}
}

// check compares the tree of the document with these words to that of one with other words, but for the words. An error means that the
// words are refused.
func (w operatorsWords) check(t *testing.T, files documentFiles) (refused error) {
	t.Helper()
	text, err := w.document(t, files.dir)
	if err != nil {
		return err
	}
	got, want := parseDocument(t, text), files.plain
	w.name = cmp.Or(w.name, pages.DefaultName)
	if got.title != w.name || got.look.Name != w.name || got.noScript != w.noScript || got.look.Unloaded != w.unloaded {
		t.Errorf("%+v is read as %+v", w, got)
	}
	if !slices.Equal(got.rest, want.rest) {
		t.Errorf("%+v: beside these words is\n%s\nwant\n%s", w, strings.Join(got.rest, "\n"), strings.Join(want.rest, "\n"))
	}
	return nil
}

func (w operatorsWords) document(t testing.TB, dir string) (string, error) {
	t.Helper()
	words, err := json.Marshal(map[string]string{"pages.noScript": w.noScript, "pages.unloaded": w.unloaded})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "en.json"), words, 0o600); err != nil {
		t.Fatal(err)
	}
	catalogue, err := texts.Load(dir)
	if err != nil {
		return "", err
	}
	own, err := pages.New(catalogue, pages.Look{
		Name: w.name, Accent: "#7A1FA2", Logo: filepath.Join(dir, "logo.svg"), Style: filepath.Join(dir, "own.css"), Help: "/help?a=1&b=2",
	})
	if err != nil {
		return "", err
	}
	answer := httptest.NewRecorder()
	own.ServeHTTP(answer, httptest.NewRequest("GET", "/signin", nil))
	return answer.Body.String(), nil
}

// parsedDocument is a document as a browser without scripts reads it.
type parsedDocument struct {
	title, noScript string
	look            struct{ Name, Unloaded string }
	rest            []string // the elements and attributes, without the words above
}

// wordsPath matches the path of the texts, whose hash depends on them.
var wordsPath = regexp.MustCompile(`^/auth/assets/texts-en-[\w-]{8}\.json$`)

func parseDocument(t testing.TB, text string) parsedDocument {
	t.Helper()
	tree, err := html.ParseWithOptions(strings.NewReader(text), html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Fatal(err)
	}
	var d parsedDocument
	for node := range tree.Descendants() {
		switch {
		case node.Type == html.TextNode && node.Parent.Data == "title":
			d.title += node.Data
		case node.Type == html.TextNode && node.Parent.Data == "p":
			d.noScript += node.Data
		default:
			line := strings.TrimSpace(node.Parent.Data + " > " + node.Data)
			for _, a := range node.Attr {
				switch {
				case a.Key == "content" && node.Attr[0].Val == "look":
					if err := json.Unmarshal([]byte(a.Val), &d.look); err != nil {
						t.Fatalf("%v in %s", err, a.Val)
					}
					a.Val = ""
				case a.Key == "href" && wordsPath.MatchString(a.Val):
					a.Val = ""
				}
				line += " " + a.Namespace + a.Key + "=" + a.Val
			}
			d.rest = append(d.rest, line)
		}
	}
	return d
}
