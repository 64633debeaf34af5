// Package texts has the sentences that people read, in several languages, each under a key. Placeholders such as {host} stand for
// what is put in.
package texts

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/language"
)

//go:embed en.json de.json pages/en.json pages/de.json
var builtIn embed.FS

// Default is the language of those who ask for none that there is.
const Default = "en"

// Catalogue has the texts. It is safe for concurrent use.
type Catalogue struct {
	content func() *content
}

// content are the texts of a catalogue.
type content struct {
	texts   map[string]map[string]string // by language and key
	builtIn map[string]string            // those of Default before a folder's
	names   []string                     // of the languages, Default first
	matcher language.Matcher
}

// Load returns the built-in texts, over which it lays those of a folder: one JSON file for each language, such as de.json, which
// has texts by their keys. A file of a language that isn't built in must have all of them. dir "" is no folder: the built-in texts are
// read when the first is needed. It is an error if a text has other placeholders than the built-in one.
func Load(dir string) (*Catalogue, error) {
	if dir == "" {
		return &Catalogue{standard}, nil
	}
	c, err := load(dir)
	if err != nil {
		return nil, err
	}
	return &Catalogue{func() *content { return c }}, nil
}

// standard returns the built-in texts.
var standard = sync.OnceValue(func() *content {
	c, err := load("")
	if err != nil {
		panic(err) // they are embedded
	}
	return c
})

func load(dir string) (*content, error) {
	c := &content{texts: map[string]map[string]string{}}
	for _, name := range []string{Default, "de"} {
		given := map[string]string{}
		for _, file := range []string{name + ".json", "pages/" + name + ".json"} {
			text, err := builtIn.ReadFile(file)
			if err != nil {
				return nil, err
			}
			if err := json.Unmarshal(text, &given); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
		c.texts[name] = given // a test checks these as those of a folder are
	}
	c.builtIn = maps.Clone(c.texts[Default])
	if err := c.overlay(dir); err != nil {
		return nil, err
	}
	c.names = []string{Default}
	for _, name := range slices.Sorted(maps.Keys(c.texts)) {
		if name != Default {
			c.names = append(c.names, name)
		}
	}
	var tags []language.Tag
	for _, name := range c.names {
		tags = append(tags, language.Make(name))
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

func (c *content) overlay(dir string) error {
	if dir == "" {
		return nil
	}
	files, err := fs.Glob(os.DirFS(dir), "*.json")
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no file such as en.json", dir)
	}
	for _, file := range files {
		path := filepath.Join(dir, file)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(file, ".json")
		if tag, err := language.Parse(name); err != nil || tag.String() != name {
			return fmt.Errorf("%s: the name of the file is no language, such as en, de or pt-BR", path)
		}
		var given map[string]string
		if err := json.Unmarshal(text, &given); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := c.add(name, given); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// add lays given texts over those that there are.
func (c *content) add(name string, given map[string]string) error {
	texts := c.texts[name]
	if texts == nil {
		texts = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		text := given[key]
		if err := check(key, text); err != nil {
			return err
		}
		model, known := c.model(key)
		switch want, got := placeholders(model), placeholders(text); {
		case !known:
			return fmt.Errorf("%q: there is no text of this name", key)
		case isPluralForm(key) && slices.Equal(without(want, count), without(got, count)): // "one device" needs no number
		case !slices.Equal(want, got):
			return fmt.Errorf("%q has the placeholders %v; it needs exactly %v", key, got, want)
		}
		texts[key] = text
	}
	for _, key := range slices.Sorted(maps.Keys(c.texts[Default])) {
		if _, there := texts[key]; !there && !isPluralForm(key) {
			return fmt.Errorf("%q is missing: a language that isn't built in needs every text", key)
		}
	}
	c.texts[name] = texts
	return nil
}

// count is the placeholder of the number that decides on a plural form.
const count = "{n}"

// pluralForms are the endings of keys for the plural forms of a language (Unicode CLDR, "Plural Rules"), apart from ".other", which
// every language has. A language needs none of them, and may have those that English doesn't have.
var pluralForms = []string{".zero", ".one", ".two", ".few", ".many"}

func isPluralForm(key string) bool {
	return slices.Contains(pluralForms, key[max(strings.LastIndexByte(key, '.'), 0):])
}

// model returns the text of the default language with whose placeholders a text must agree.
func (c *content) model(key string) (text string, known bool) {
	if isPluralForm(key) {
		key = key[:strings.LastIndexByte(key, '.')] + ".other"
	}
	text, known = c.texts[Default][key]
	return text, known
}

func without(list []string, item string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == item })
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// placeholders returns the placeholders of a text, each once, in order.
func placeholders(text string) []string {
	return slices.Compact(slices.Sorted(slices.Values(placeholder.FindAllString(text, -1))))
}

func check(key, text string) error {
	switch rest := placeholder.ReplaceAllString(text, ""); {
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("%q is empty", key)
	case strings.ContainsAny(rest, "{}"):
		return fmt.Errorf("%q has a brace that is no placeholder", key)
	case !strings.HasSuffix(key, ".body") && strings.Contains(text, "\n"):
		return fmt.Errorf("%q must be one line", key)
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }):
		return fmt.Errorf("%q has a control character", key)
	}
	return nil
}

// Languages returns the names of the languages, the default one first.
func (c *Catalogue) Languages() []string { return slices.Clone(c.content().names) }

// maxAccept is how much of an Accept-Language header is read, in bytes.
const maxAccept = 200

// Match returns the language that fits an Accept-Language header best (RFC 9110, section 12.5.4); Default if none fits.
func (c *Catalogue) Match(accept string) string { return cmp.Or(c.Find(accept), Default) }

// Find is Match, but "" if none fits.
func (c *Catalogue) Find(accept string) string {
	if len(accept) > maxAccept {
		accept = accept[:maxAccept]
		accept = accept[:max(strings.LastIndexByte(accept, ','), 0)]
	}
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(tags) == 0 {
		return ""
	}
	all := c.content()
	_, i, confidence := all.matcher.Match(tags...)
	if confidence == language.No {
		return ""
	}
	return all.names[i]
}

// cookie keeps the language that a person has chosen on the pages, which set it.
const cookie = "cloakroom_language"

// AccountCookie keeps, until the browser ends, the language of the account that was signed in to with it.
const AccountCookie = "cloakroom_account_language"

// Accept returns the languages that a request asks for, in the form of an Accept-Language header: that which the person has chosen on
// the pages first.
func Accept(r *http.Request) string { return prefer(r, cookie, r.Header.Get("Accept-Language")) }

// AcceptPage is Accept for a page. The language of the account that the browser is signed in to comes before those that the browser
// asks for by itself.
func AcceptPage(r *http.Request) string {
	return prefer(r, cookie, prefer(r, AccountCookie, r.Header.Get("Accept-Language")))
}

// prefer puts the language of a cookie before others.
func prefer(r *http.Request, cookie, others string) string {
	chosen, err := r.Cookie(cookie)
	if err != nil || len(chosen.Value) > 35 { // a longer tag is none that a file could have (RFC 5646, section 4.4.1)
		return others
	}
	if tag, err := language.Parse(chosen.Value); err != nil || tag == language.Und {
		return others
	}
	return strings.TrimSuffix(chosen.Value+", "+others, ", ")
}

// Section returns the texts of a language whose keys begin with a prefix.
func (c *Catalogue) Section(name, prefix string) map[string]string {
	out := map[string]string{}
	for key, text := range c.content().texts[name] {
		if strings.HasPrefix(key, prefix) {
			out[key] = text
		}
	}
	return out
}

// Said returns how a language says the sentences of the API that people see: the text of each key below the prefix, by the built-in
// English one, which the API answers with.
func (c *Catalogue) Said(name, prefix string) map[string]string {
	out := map[string]string{}
	for key, text := range c.Section(name, prefix) {
		if sentence, ok := c.content().builtIn[key]; ok && sentence != text {
			out[sentence] = text
		}
	}
	return out
}

// rightToLeft are the scripts (ISO 15924) that are written from the right.
var rightToLeft = []string{"Adlm", "Arab", "Hebr", "Mand", "Mend", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa", "Yezi"}

// Direction returns "rtl" for a language that is written from right to left, and "ltr" for others: a value of HTML's attribute dir.
func Direction(name string) string {
	script, _ := language.Make(name).Script()
	if slices.Contains(rightToLeft, script.String()) {
		return "rtl"
	}
	return "ltr"
}

// Raw returns a text with its placeholders. A language that there isn't is the default one. It panics if there is no such key.
func (c *Catalogue) Raw(name, key string) string {
	all := c.content().texts
	texts, ok := all[name]
	if !ok {
		texts = all[Default]
	}
	text, ok := texts[key]
	if !ok {
		panic("texts: there is no text " + key)
	}
	return text
}

// Text is Raw and Fill.
func (c *Catalogue) Text(name, key string, values map[string]string) string {
	return Fill(c.Raw(name, key), values)
}

// Fill puts values, as they are, in the place of placeholders. It panics if one has no value.
func Fill(text string, values map[string]string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		value, ok := values[strings.Trim(p, "{}")]
		if !ok {
			panic("texts: there is no value for " + p)
		}
		return value
	})
}
