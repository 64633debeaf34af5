package letters_test

import (
	"context"
	"encoding/json"
	"errors"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/internal/texts"
	"github.com/cloakroom-auth/cloakroom/mail"
)

const (
	base    = "https://app.example.com"
	firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
)

func service(t *testing.T) *letters.Service {
	t.Helper()
	c, err := texts.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return &letters.Service{Texts: c, URL: func(context.Context) (string, error) { return base, nil }}
}

// kinds returns every kind of message that has texts.
func kinds(t *testing.T) []string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("..", "texts", "en.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]string
	if err := json.Unmarshal(file, &all); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for key := range all {
		if kind, ok := strings.CutSuffix(key, ".subject"); ok {
			kinds = append(kinds, strings.TrimPrefix(kind, "mail."))
		}
	}
	return kinds
}

func write(t *testing.T, s *letters.Service, r *outbox.Request) *mail.Message {
	t.Helper()
	m, err := s.Write(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var (
	tag   = regexp.MustCompile(`<[^>]*>`)
	title = regexp.MustCompile(`(?s)^.*</head>`)
)

// words returns the words of an HTML document's body.
func words(document string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tag.ReplaceAllString(title.ReplaceAllString(document, ""), " "))), " ")
}

// TestBothPartsHaveTheSameWords in every message, in every language, in lines of at most 72 characters.
func TestBothPartsHaveTheSameWords(t *testing.T) {
	s := service(t)
	for _, language := range s.Texts.Languages() {
		for _, kind := range kinds(t) {
			m := &mail.Message{To: "ada@example.org"}
			m.Subject, m.Text, m.HTML = letters.Compose(s.Texts, language, kind, map[string]string{
				"host": "app.example.com", "link": base + "/auth/reset#SECRET", "when": "now", "browser": "Firefox", "address": "203.0.113.7", "code": "1234 5678", "links": "ada\t" + base + "/auth/reset#A/B\nbob\t" + base + "/auth/reset#C/D",
				"name": "ada <b>&amp;</b> " + strings.Repeat("long", 40),
			})
			if got, want := words(m.HTML), strings.Join(strings.Fields(m.Text), " "); got != want {
				t.Errorf("%s, %s: the HTML says\n%s\nand the text\n%s", kind, language, got, want)
			}
			if m.To != "ada@example.org" || m.Subject == "" || strings.ContainsAny(m.Subject, "\r\n{}") || strings.ContainsAny(m.Text, "\r{}") {
				t.Errorf("%s, %s: %+v", kind, language, m)
			}
			for line := range strings.SplitSeq(m.Text, "\n") {
				if len([]rune(line)) > 72 && strings.Contains(strings.TrimSpace(line), " ") {
					t.Errorf("%s, %s: a line is long: %s", kind, language, line)
				}
			}
			if strings.Contains(m.HTML, "<b>") || strings.Contains(m.HTML, "http") && !strings.Contains(m.HTML, `href="`+base) {
				t.Errorf("%s, %s: %s", kind, language, m.HTML)
			}
		}
	}
}

func TestANoticeSaysWhenAndFromWhere(t *testing.T) {
	s := service(t)
	for language, want := range map[string]string{
		"en": "The password of your account ada at app.example.com was changed. Every\nother browser was signed out.\n\n    1 January 2026, 00:00 UTC\n    Firefox on Windows, from 203.0.113.7\n",
		"de": "    1. Januar 2026, 00:00 Uhr UTC\n    Firefox auf Windows, von 203.0.113.7\n",
	} {
		m := write(t, s, &outbox.Request{
			Kind: "password_changed", To: "ada@example.org", Language: language, Created: 1_767_225_600, Address: "203.0.113.7", Agent: firefox,
			Data: map[string]string{"name": "ada"},
		})
		if !strings.Contains(m.Text, want) || !strings.Contains(m.Text, "\n"+base+"/auth/account\n") {
			t.Errorf("%s: the message is\n%s", language, m.Text)
		}
	}
}

// TestWhatStrangersChooseIsNoLink and no text of its own: a name, and the headers of a request.
func TestWhatStrangersChooseIsNoLink(t *testing.T) {
	t.Attr("threat", "MA01")
	s := service(t)
	for name, shown := range map[string]string{
		"ada": "ada", "john.doe": "john.doe", "evil.com": "evil[.]com", "www.evil": "www[.]evil", "a.b.co.uk": "a[.]b[.]co[.]uk", "EVIL.COM": "EVIL[.]COM",
		"ada@example.org": "ada@example.org",
	} {
		m := write(t, s, &outbox.Request{
			Kind: "password_changed", To: "ada@example.org", Language: "en", Address: "", Agent: "Click https://evil.example Firefox/1 now",
			Data: map[string]string{"name": name},
		})
		if !strings.Contains(m.Text, "account "+shown+" at") || strings.Contains(m.Text+m.HTML, "evil.example") {
			t.Errorf("%q: the message is\n%s", name, m.Text)
		}
	}
}

func TestWithoutMailNothingIsSent(t *testing.T) {
	u := &account.User{ID: "7", Email: "ada@example.org"}
	var none *letters.Service
	if none.Available() || service(t).Available() {
		t.Error("mail is available")
	}
	if err := errors.Join(none.Notify(t.Context(), u, letters.PasswordChanged, letters.About{}), service(t).Notify(t.Context(), u, letters.PasswordChanged, letters.About{})); err != nil {
		t.Error(err)
	}
}
