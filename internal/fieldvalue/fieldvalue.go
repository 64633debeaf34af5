// Package fieldvalue tells which texts a header field carries exactly.
//
// A header field has no way to write some texts: white space at either end belongs to the line and not to the value (RFC
// 9110 section 5.5), and control characters end the line or are taken out on the way. Programs also trim what they read,
// of Unicode's white space too. Two usernames would then arrive as one.
package fieldvalue

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Flaw says why a header field doesn't carry s exactly, as the end of a sentence that begins with the name of s; "" if it
// does. The empty text has no flaw: an empty field says it.
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

// IdentityFlaw says why the headers Remote-User and Remote-Email can't tell who a user is, as a clause; "" if they can. A
// user may have no e-mail address, and must have a username.
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
