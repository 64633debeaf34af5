// Package headervalue checks which texts an HTTP header field can carry exactly.
//
// Some texts can't be written in a header field: white space at either end is not part of the value (RFC 9110 section 5.5),
// and control characters end the line or are removed on the way. Programs also trim what they read, including Unicode's
// white space. Two usernames could then arrive as one.
package headervalue

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Flaw returns why a header field can't carry s exactly, as the end of a sentence that begins with the name of s; "" if it
// can. The empty text has no flaw: an empty field carries it.
func Flaw(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "has a control character"
	case strings.TrimSpace(s) != s:
		return "begins or ends with white space"
	}
	return ""
}

// IdentityFlaw returns why the headers Remote-User and Remote-Email can't identify a user, as a clause; "" if they can. The
// e-mail address may be empty, the username must not.
func IdentityFlaw(username, email string) string {
	if username == "" {
		return "the username is empty"
	}
	if flaw := Flaw(username); flaw != "" {
		return "the username " + flaw
	}
	if flaw := Flaw(email); flaw != "" {
		return "the e-mail address " + flaw
	}
	return ""
}
