package letters

import (
	"html"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"

	"github.com/cloakroom-auth/cloakroom/internal/texts"
)

// width is how many characters a line of plain text has at most, unless a word is longer.
const width = 72

// compose returns the subject of a message, and its words as plain text and as HTML. A paragraph that begins with four blanks keeps its
// lines. One that is {link} or {code} alone is not wrapped, and stands out in HTML.
// One that is {links} alone has several, each in a line behind a name and a tab.
func compose(c *texts.Catalogue, language, kind string, values map[string]string) (subject, plain, document string) {
	subject = c.Text(language, "mail."+kind+".subject", values)
	var text, body strings.Builder
	for i, model := range strings.Split(c.Raw(language, "mail."+kind+".body"), "\n\n") {
		if i > 0 {
			text.WriteString("\n")
		}
		p := texts.Fill(model, values)
		switch {
		case model == "{link}":
			text.WriteString(p + "\n")
			body.WriteString(`<p><a href="` + html.EscapeString(p) + `">` + html.EscapeString(p) + "</a></p>\n")
		case model == "{links}":
			for i, line := range strings.Split(p, "\n") {
				if i > 0 {
					text.WriteString("\n")
				}
				name, link, _ := strings.Cut(line, "\t")
				text.WriteString(name + ":\n" + link + "\n")
				body.WriteString("<p>" + html.EscapeString(name) + `:<br>` + "\n" + `<a href="` + html.EscapeString(link) + `">` + html.EscapeString(link) + "</a></p>\n")
			}
		case model == "{code}":
			text.WriteString("    " + p + "\n")
			body.WriteString(`<p style="font-size:1.75em;letter-spacing:.1em">` + html.EscapeString(p) + "</p>\n")
		case strings.HasPrefix(model, "    "):
			text.WriteString(p + "\n")
			lines := strings.Split(html.EscapeString(p), "\n")
			for i := range lines {
				lines[i] = strings.TrimSpace(lines[i])
			}
			body.WriteString(`<p style="margin-left:1.5em">` + strings.Join(lines, "<br>\n") + "</p>\n")
		default:
			text.WriteString(wrap(p) + "\n")
			body.WriteString("<p>" + html.EscapeString(p) + "</p>\n")
		}
	}
	return subject, text.String(), "<!doctype html>\n<html lang=\"" + language + "\">\n<head>\n<meta charset=\"utf-8\">\n" +
		"<meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>" +
		html.EscapeString(subject) + "</title>\n</head>\n" +
		"<body style=\"font:1rem/1.5 system-ui,sans-serif;max-width:36em;margin:0 auto;padding:1em;overflow-wrap:anywhere\">\n" +
		body.String() + "</body>\n</html>\n"
}

// wrap breaks a paragraph into lines.
func wrap(paragraph string) string {
	var out strings.Builder
	column := 0
	for i, word := range strings.Fields(paragraph) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > width:
			out.WriteByte('\n')
			column = 0
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += n
	}
	return out.String()
}

// date writes a time for people.
func date(c *texts.Catalogue, language string, at time.Time) string {
	at = at.UTC()
	months := strings.Fields(c.Text(language, "mail.months", nil))
	return c.Text(language, "mail.date", map[string]string{
		"day": strconv.Itoa(at.Day()), "month": months[at.Month()-1], "year": strconv.Itoa(at.Year()), "time": at.Format("15:04"),
	})
}

// Host returns the host of a public URL, with its port.
func host(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Host
}

// harmless returns a name that a person has chosen so that no mail program makes a link of it.
func harmless(name string) string {
	if strings.Contains(name, "@") || !strings.Contains(name, ".") {
		return name
	}
	lower := strings.ToLower(name)
	if suffix, icann := publicsuffix.PublicSuffix(lower); icann && suffix != lower || strings.HasPrefix(lower, "www.") {
		return strings.ReplaceAll(name, ".", "[.]")
	}
	return name
}

// browsers and systems are what a User-Agent header names, the more specific first. No other words of the header get into a message.
var (
	browsers = []struct{ token, name string }{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"},
		{"Safari/", "Safari"}, {"curl/", "curl"},
	}
	systems = []struct{ token, name string }{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Macintosh", "macOS"}, {"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
	}
)

// browserOf returns the browser and the system that a User-Agent header names; "" for what it doesn't name.
func browserOf(agent string) (browser, system string) {
	for _, b := range browsers {
		if strings.Contains(agent, b.token) {
			browser = b.name
			break
		}
	}
	for _, s := range systems {
		if strings.Contains(agent, s.token) {
			system = s.name
			break
		}
	}
	return browser, system
}

// browserText names a browser for people.
func browserText(c *texts.Catalogue, language, agent string) string {
	browser, system := browserOf(agent)
	switch {
	case browser == "":
		return c.Text(language, "mail.browser_unknown", nil)
	case system == "":
		return browser
	}
	return c.Text(language, "mail.browser", map[string]string{"browser": browser, "system": system})
}
