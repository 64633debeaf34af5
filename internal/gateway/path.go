package gateway

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// badPath refuses a path that servers read differently.
func badPath(why string) error {
	return problem.New(http.StatusBadRequest, "ambiguous_path",
		"This path could mean different things to different servers: "+why+". Ask for it in its plain form.")
}

// target returns the decoded path of a request, to which rules are applied. It returns an error if the path isn't, byte for
// byte, what an upstream will see, or if two servers could read it differently.
func target(r *http.Request) (string, error) {
	raw, err := rawTarget(r)
	if err != nil {
		return "", err
	}
	return plainPath(raw)
}

// rawTarget returns the path of a request as it was sent, which is what an upstream will see.
func rawTarget(r *http.Request) (string, error) {
	raw := r.RequestURI
	if !strings.HasPrefix(raw, "/") {
		// The absolute form, which RFC 9112 section 3.2.2 has servers accept. "*" and CONNECT's form name no path.
		_, rest, ok := strings.Cut(raw, "://")
		slash := strings.IndexByte(rest, '/')
		if !ok || slash < 0 {
			return "", badPath("it doesn't begin with a slash")
		}
		raw = rest[slash:]
	}
	raw, _, _ = strings.Cut(raw, "?")
	if raw != r.URL.EscapedPath() {
		return "", badPath("it has a character that must be percent-encoded")
	}
	return raw, nil
}

// plainPath decodes an unambiguous path, and refuses any other.
//
// It refuses: a path that doesn't begin with a slash; characters that RFC 3986 doesn't allow in a path; encoded letters,
// digits and "-._~", which need no encoding (section 2.3), so that "/%61dmin" isn't a second name of "/admin"; encoded
// slashes and backslashes; ";", which some servers cut off; control characters; double encoding; invalid UTF-8; empty
// segments, "." and "..".
func plainPath(raw string) (string, error) { return decodePath(raw, false) }

// decodePath is plainPath; with unsafe it accepts encoded slashes, semicolons and empty segments. Segments of dots are
// still refused, also between encoded slashes and before a semicolon, so that no path leads out of its prefix.
func decodePath(raw string, unsafe bool) (string, error) {
	if !strings.HasPrefix(raw, "/") {
		return "", badPath("it doesn't begin with a slash")
	}
	decoded := raw
	if unsafe || strings.IndexByte(raw, '%') >= 0 {
		var err error
		if decoded, err = decode(raw, unsafe); err != nil {
			return "", err
		}
	} else if i := strings.IndexFunc(raw, notPlain); i >= 0 {
		return "", badPath("it has a character that must be percent-encoded")
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(decoded[1:], "/"), "/") {
		if unsafe {
			segment, _, _ = strings.Cut(segment, ";")
		}
		switch {
		case segment == "" && decoded != "/" && !unsafe:
			return "", badPath("it has an empty segment")
		case segment == "." || segment == "..":
			return "", badPath("it has a segment of dots")
		}
	}
	return decoded, nil
}

func decode(raw string, unsafe bool) (string, error) {
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '%' {
			if notPlain(rune(c)) && !(unsafe && c == ';') {
				return "", badPath("it has a character that must be percent-encoded")
			}
			b.WriteByte(c)
			continue
		}
		if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
			return "", badPath("it has a percent sign without two hexadecimal digits")
		}
		c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
		i += 2
		if err := checkEncoded(c, raw[i+1:]); err != nil && !(unsafe && (c == '/' || c == ';')) {
			return "", err
		}
		b.WriteByte(c)
	}
	if !utf8.ValidString(b.String()) {
		return "", badPath("it is not UTF-8")
	}
	return b.String(), nil
}

// checkEncoded returns an error if c must not be percent-encoded; rest is the text after it.
func checkEncoded(c byte, rest string) error {
	switch {
	case unreserved(c):
		return badPath("it has an encoded character that is the same without encoding")
	case c == '/' || c == '\\' || c == ';':
		return badPath("it has an encoded slash, backslash or semicolon")
	case c < 0x20 || c == 0x7f:
		return badPath("it has a control character")
	case c == '%' && len(rest) >= 2 && isHex(rest[0]) && isHex(rest[1]):
		return badPath("it is encoded twice")
	}
	return nil
}

// notPlain reports whether a character must be percent-encoded in a path. RFC 3986's pchar and the slash need not, except
// ";"; nor do brackets, which browsers don't encode.
func notPlain(r rune) bool {
	return r >= utf8.RuneSelf || !unreserved(byte(r)) && !strings.ContainsRune("!$&'()*+,=:@/[]", r)
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// folded returns a path as the most lenient servers see it: in lower case, without a final slash, and without dots and
// spaces at the end of segments.
func folded(path string) string {
	segments := strings.Split(strings.TrimSuffix(strings.ToLower(path), "/"), "/")
	for i, s := range segments {
		segments[i] = strings.TrimRight(s, ". ")
	}
	return strings.Join(segments, "/")
}
