package texts_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/texts"
)

func load(t *testing.T, files map[string]string) (*texts.Catalogue, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return texts.Load(dir)
}

func builtIn(t *testing.T, language string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, file := range []string{language + ".json", "pages/" + language + ".json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// alike are words that are the same in German.
var alike = []string{"Administration", "Browser", "Code", "JWT", "Name", "Passkey", "Token: {name}", "{page} · {product}", "–"}

// TestEveryLanguageHasEveryText that is built in.
func TestEveryLanguageHasEveryText(t *testing.T) {
	c, err := texts.Load("")
	if err != nil {
		t.Fatal(err)
	}
	english, german := builtIn(t, "en"), builtIn(t, "de")
	for key := range english {
		if german[key] == "" || german[key] == english[key] && !slices.Contains(alike, german[key]) {
			t.Errorf("%s: the German text is %q", key, german[key])
		}
	}
	if len(german) != len(english) || !slices.Equal(c.Languages(), []string{"en", "de"}) {
		t.Errorf("%d English and %d German texts; the languages are %v", len(english), len(german), c.Languages())
	}
	for _, language := range c.Languages() {
		if got := c.Section(language, "pages."); len(got) < 400 || got["pages.signIn.heading"] == "" || got["mail.date"] != "" {
			t.Errorf("%s: the pages get %d texts", language, len(got))
		}
	}
}

// TestTheBuiltInTextsPassTheChecks that those of a folder must pass. Load doesn't repeat them at each start.
func TestTheBuiltInTextsPassTheChecks(t *testing.T) {
	files := map[string]string{}
	for _, language := range []string{"en", "de"} {
		text, err := json.Marshal(builtIn(t, language))
		if err != nil {
			t.Fatal(err)
		}
		files[language+".json"] = string(text)
	}
	if _, err := load(t, files); err != nil {
		t.Error(err)
	}
}

// TestALanguageHasItsOwnPluralForms: Arabic has six, and Japanese only one.
func TestALanguageHasItsOwnPluralForms(t *testing.T) {
	arabic, japanese := builtIn(t, "en"), builtIn(t, "en")
	for _, form := range []string{"zero", "two", "few", "many"} {
		arabic["pages.waysIn.codesLeft."+form] = form
	}
	delete(japanese, "pages.waysIn.codesLeft.one")
	write := func(texts map[string]string) string {
		text, err := json.Marshal(texts)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	c, err := load(t, map[string]string{"ar.json": write(arabic), "ja.json": write(japanese)})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Section("ar", "pages.waysIn.codesLeft."); len(got) != 6 || got["pages.waysIn.codesLeft.few"] != "few" {
		t.Errorf("Arabic has the forms %v", got)
	}
	delete(japanese, "pages.waysIn.codesLeft.other")
	if _, err := load(t, map[string]string{"ja.json": write(japanese)}); err == nil {
		t.Error("a language without the form .other is accepted")
	}
	arabic["pages.forgot.sent.few"] = "x" // no text that depends on a number
	if _, err := load(t, map[string]string{"ar.json": write(arabic)}); err == nil {
		t.Error("a plural form of a text that has none is accepted")
	}
}

func TestDirection(t *testing.T) {
	for name, want := range map[string]string{"ar": "rtl", "he": "rtl", "fa-IR": "rtl", "ur": "rtl", "dv": "rtl", "en": "ltr", "de": "ltr",
		"ja": "ltr", "az-Arab": "rtl", "az": "ltr", "": "ltr"} {
		if got := texts.Direction(name); got != want {
			t.Errorf("%s is written %s, want %s", name, got, want)
		}
	}
}

func TestTheChosenLanguageComesFirst(t *testing.T) {
	c, err := texts.Load("")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ cookie, accept, want string }{
		{"", "de", "de"}, {"de", "en", "de"}, {"de", "", "de"}, {"en", "de-AT, de;q=0.9", "en"}, {"xx", "de", "de"}, {"fr", "", "en"},
		{"und", "de", "de"}, {"de, en", "en", "en"}, {"<b>", "de", "de"}, {strings.Repeat("de-", 20), "de", "de"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", x.accept)
		if x.cookie != "" {
			r.Header.Set("Cookie", "cloakroom_language="+x.cookie)
		}
		if got := c.Match(texts.Accept(r)); got != x.want {
			t.Errorf("chosen %q, accepted %q: got %s, want %s", x.cookie, x.accept, got, x.want)
		}
	}
}

// TestAPageIsInTheLanguageOfTheAccount, unless another was chosen in this browser. What a browser asks for in the name of a person isn't.
func TestAPageIsInTheLanguageOfTheAccount(t *testing.T) {
	c, err := texts.Load("")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ chosen, account, accept, page, other string }{
		{"", "de", "en", "de", "en"}, {"en", "de", "de", "en", "en"}, {"", "xx", "de", "de", "de"}, {"", "", "de", "de", "de"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", x.accept)
		r.Header.Set("Cookie", "cloakroom_language="+x.chosen+"; "+texts.AccountCookie+"="+x.account)
		if page, other := c.Match(texts.AcceptPage(r)), c.Match(texts.Accept(r)); page != x.page || other != x.other {
			t.Errorf("%+v: the page is in %s, other things in %s", x, page, other)
		}
	}
}

// TestAnUnknownLanguageIsNotFound, so that no one gets the default one for good who has asked for another.
func TestAnUnknownLanguageIsNotFound(t *testing.T) {
	c, err := texts.Load("")
	if err != nil {
		t.Fatal(err)
	}
	for accept, want := range map[string]string{"": "", "*": "", "fr": "", "fr, de;q=0.5": "de", "de-CH": "de", "en-GB": "en", "x;y": ""} {
		if got := c.Find(accept); got != want {
			t.Errorf("Find(%q) is %q, want %q", accept, got, want)
		}
	}
}

func TestAFolderReplacesTexts(t *testing.T) {
	french := builtIn(t, "en")
	french["mail.test.subject"] = "Message d’essai de {host}"
	all, err := json.Marshal(french)
	if err != nil {
		t.Fatal(err)
	}
	c, err := load(t, map[string]string{
		"en.json": `{"mail.test.subject": "Hello from {host} & {host}"}`, "fr.json": string(all), "readme.txt": "no texts",
	})
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{"host": "{host} <b>"}
	for language, want := range map[string]string{
		"en": "Hello from {host} <b> & {host} <b>", "fr": "Message d’essai de {host} <b>", "de": "Testnachricht von {host} <b>",
		"xx": "Hello from {host} <b> & {host} <b>",
	} {
		if got := c.Text(language, "mail.test.subject", values); got != want {
			t.Errorf("%s: %q, want %q", language, got, want)
		}
	}
	if got := c.Match("fr-CA, en;q=0.5"); got != "fr" {
		t.Errorf("fr-CA gets %q", got)
	}
}

func TestAFolderWithMistakesIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"an unknown key":             {map[string]string{"en.json": `{"mail.tset.subject": "x"}`}, `en.json: "mail.tset.subject": there is no text of this name`},
		"an unknown placeholder":     {map[string]string{"de.json": `{"mail.test.subject": "{host} {name}"}`}, "has the placeholders [{host} {name}]; it needs exactly [{host}]"},
		"a missing placeholder":      {map[string]string{"de.json": `{"mail.test.subject": "Hallo"}`}, "needs exactly [{host}]"},
		"a brace":                    {map[string]string{"en.json": `{"mail.test.subject": "{host} {Host}"}`}, "a brace that is no placeholder"},
		"two lines in a subject":     {map[string]string{"en.json": `{"mail.test.subject": "{host}\nBcc: x"}`}, "must be one line"},
		"a control character":        {map[string]string{"en.json": `{"mail.test.subject": "{host}\u0007"}`}, "a control character"},
		"an empty text":              {map[string]string{"en.json": `{"mail.test.subject": " "}`}, "is empty"},
		"a language without all":     {map[string]string{"fr.json": `{"mail.test.subject": "{host}"}`}, "is missing: a language that isn't built in needs every text"},
		"a file of no language":      {map[string]string{"deutsch_.json": `{}`}, "the name of the file is no language"},
		"a language in another form": {map[string]string{"de_DE.json": `{}`}, "the name of the file is no language"},
		"no JSON":                    {map[string]string{"en.json": `{`}, "en.json: unexpected end"},
		"no text":                    {map[string]string{"en.json": `{"mail.test.subject": 7}`}, "cannot unmarshal"},
		"no file":                    {nil, "has no file such as en.json"},
	} {
		if _, err := load(t, c.files); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
	}
	if _, err := texts.Load(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a folder that isn't there is accepted")
	}
}

func TestTheLanguageThatFits(t *testing.T) {
	c, err := texts.Load("")
	if err != nil {
		t.Fatal(err)
	}
	for accept, want := range map[string]string{
		"": "en", "de": "de", "de-AT": "de", "DE-ch, en;q=0.3": "de", "en-GB,de;q=0.9": "en", "fr, de;q=0.2": "de", "fr": "en", "*": "en",
		"nonsense;;;": "en", strings.Repeat("x", 10_000): "en", "de, " + strings.Repeat("fr, ", 10_000): "de", "\x00\xff": "en",
	} {
		if got := c.Match(accept); got != want {
			t.Errorf("%.40q gets %q, want %q", accept, got, want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	c, err := texts.Load("")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("de-AT, en;q=0.5")
	f.Add("i-klingon;q=1.0, *;q=0")
	f.Fuzz(func(t *testing.T, accept string) {
		if got := c.Match(accept); !slices.Contains(c.Languages(), got) {
			t.Errorf("%q gets %q", accept, got)
		}
	})
}
