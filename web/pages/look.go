package pages

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Look says how the pages look. Its zero value is the built-in look. Files are read once, by [New].
type Look struct {
	// Name is the product's name. "": Cloakroom.
	Name string
	// Accent is the colour of buttons, links and the logo, as #rrggbb. "": the built-in green.
	Accent string
	// Logo is an SVG, PNG, JPEG or WebP file that stands beside the name. "": the built-in hanger.
	Logo string
	// Style is a CSS file that is loaded after the pages' own. "": none.
	Style string
	// Help, Terms and Privacy are addresses that the foot of each page links to: https://…, or a path of this server. "": no link.
	Help, Terms, Privacy string
	// SignIn is the path of a sign-in page of the app, to which the other pages lead. "": the built-in page.
	SignIn string
	// NoExtra says that the users have no place for data of the program, so the administration has no fields for it.
	NoExtra bool
}

// DefaultName is the product's name if Look has none.
const DefaultName = "Cloakroom"

// maxLookFile is how large a logo and a style sheet may be, in bytes.
const maxLookFile = 512 << 10

// logoPolicy is the Content-Security-Policy of a logo: an SVG that is opened by itself runs nothing and loads nothing.
const logoPolicy = "default-src 'none'; sandbox"

// name returns the product's name. An error begins with the name of the field that is wrong, as all of this file do.
func (l Look) name() (string, error) {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case !utf8.ValidString(l.Name) || strings.ContainsFunc(l.Name, unprintable) || strings.TrimSpace(l.Name) != l.Name:
		return "", fmt.Errorf("Name %q: give a name of printable characters, without blanks around it", l.Name)
	case utf8.RuneCountInString(l.Name) > 60:
		return "", fmt.Errorf("Name %q is too long for the pages: give at most 60 characters", l.Name)
	}
	return cmp.Or(l.Name, DefaultName), nil
}

// links returns the links at the foot of the pages, by the names of their texts.
func (l Look) links() (map[string]string, error) {
	out := map[string]string{}
	for _, link := range []struct{ field, name, address string }{
		{"LinkHelp", "help", l.Help}, {"LinkTerms", "terms", l.Terms}, {"LinkPrivacy", "privacy", l.Privacy},
	} {
		if link.address == "" {
			continue
		}
		u, err := url.Parse(link.address)
		onWeb := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
		here := err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(u.Path, "/")
		if !onWeb && !here || strings.Contains(link.address, `\`) {
			return nil, fmt.Errorf("%s %q: give an address such as https://example.com/help, or a path of this server such as /help", link.field, link.address)
		}
		out[link.name] = link.address
	}
	return out, nil
}

// readLogo returns the logo, and the extension of its kind; "" if there is none.
func (l Look) readLogo() (f file, extension string, err error) {
	if l.Logo == "" {
		return file{}, "", nil
	}
	body, err := readLookFile("Logo", l.Logo)
	if err != nil {
		return file{}, "", err
	}
	f = file{body: body, policy: logoPolicy}
	switch {
	case bytes.HasPrefix(body, []byte("\x89PNG\r\n\x1a\n")):
		f.contentType, extension = "image/png", ".png"
	case bytes.HasPrefix(body, []byte("\xff\xd8\xff")):
		f.contentType, extension = "image/jpeg", ".jpg"
	case len(body) > 12 && string(body[:4]) == "RIFF" && string(body[8:12]) == "WEBP":
		f.contentType, extension = "image/webp", ".webp"
	default:
		if err := checkSVG(body); err != nil {
			return file{}, "", fmt.Errorf("Logo %s is neither an SVG nor a PNG, JPEG or WebP picture: as an SVG, %w", l.Logo, err)
		}
		f.contentType, extension = contentTypes[".svg"], ".svg"
	}
	return f, extension, nil
}

// checkSVG returns an error unless text is a well-formed XML document whose element is an svg.
func checkSVG(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("it is in %s; save it as UTF-8", charset)
	}
	found := false
	for {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && found:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("it has no element")
		case err != nil:
			return fmt.Errorf("it isn't well-formed: %w", err)
		}
		if start, ok := token.(xml.StartElement); ok && !found {
			if start.Name.Local != "svg" || start.Name.Space != "http://www.w3.org/2000/svg" {
				return fmt.Errorf(`its element is <%s>, not <svg xmlns="http://www.w3.org/2000/svg">`, start.Name.Local)
			}
			found = true
		}
	}
}

// elsewhere matches what would load a file in a style sheet: an import, or an address in url().
var elsewhere = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)@import\b|\burl\(\s*["']?\s*([^"')\s]*)`)
})

// readStyle returns the style sheet; nil if there is none. What it may load is limited by the Content-Security-Policy; here, an address
// that would never be loaded is told at once.
func (l Look) readStyle() ([]byte, error) {
	if l.Style == "" {
		return nil, nil
	}
	body, err := readLookFile("Style", l.Style)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(body) || bytes.ContainsRune(body, 0) {
		return nil, fmt.Errorf("Style %s isn't text in UTF-8: give a CSS file", l.Style)
	}
	for _, found := range elsewhere().FindAllSubmatch(body, -1) {
		address := strings.ToLower(string(found[1]))
		switch {
		case strings.HasPrefix(string(found[0]), "@"):
			return nil, fmt.Errorf("Style %s has %s, and only one file is served: copy the other one into it", l.Style, found[0])
		case strings.HasPrefix(address, "data:image/"), strings.HasPrefix(address, "#"):
		case strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//"):
		default:
			return nil, fmt.Errorf("Style %s names %q, which the pages never load: give a path of this server that begins with a slash, or "+
				"data:image/…", l.Style, found[1])
		}
	}
	return body, nil
}

func readLookFile(field, path string) ([]byte, error) {
	if strings.Contains(path, "://") {
		return nil, fmt.Errorf("%s %s is an address: save the file on this machine, and give its path", field, path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", field, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s %s is not a file", field, path)
	case info.Size() > maxLookFile:
		return nil, fmt.Errorf("%s %s has %d kB: give a file of at most %d kB", field, path, info.Size()>>10, maxLookFile>>10)
	case info.Size() == 0:
		return nil, fmt.Errorf("%s %s is empty", field, path)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return body, nil
}
