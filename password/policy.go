package password

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Problem is something wrong with a new password.
type Problem struct {
	Code    string // stable; Django's where Django has the rule
	Message string // a sentence for a person
}

// Attribute is something known about the user, which a password must not repeat.
type Attribute struct {
	Name  string // as a person calls it: "username", "email address"
	Value string
}

// Policy is what a new password must be. The zero Policy is the default.
//
// There is no rule about kinds of characters, and none about changing a password from time to time (NIST SP 800-63B-4,
// section 3.1.1.2).
type Policy struct {
	// MinLength is the least number of characters (code points). 0: 15, NIST's minimum where the password is the only
	// factor.
	MinLength int

	// Words are what everybody would guess here, such as the service's name. They count as common passwords.
	Words []string
}

// Length returns the least number of characters.
func (p Policy) Length() int {
	if p.MinLength == 0 {
		return 15
	}
	return p.MinLength
}

// Check returns everything that is wrong with a new password; nothing if it will do. The rules are Django's four
// validators, with a list of common passwords that also finds those that are put together from common ones, and an upper
// limit of [MaxLength] bytes.
func (p Policy) Check(password string, about ...Attribute) []Problem {
	if len(password) > MaxLength {
		return []Problem{{"password_too_long", fmt.Sprintf("This password is too long. It must contain at most %d bytes.", MaxLength)}}
	}
	if !utf8.ValidString(password) || strings.ContainsRune(password, 0) {
		return []Problem{{"null_characters_not_allowed", "Null characters and bytes that are no text are not allowed."}}
	}
	password = norm.NFC.String(password)
	var found []Problem
	for _, a := range about {
		if similar(password, a.Value) {
			found = append(found, Problem{"password_too_similar", "The password is too similar to the " + a.Name + "."})
		}
	}
	if utf8.RuneCountInString(password) < p.Length() {
		found = append(found, Problem{"password_too_short",
			fmt.Sprintf("This password is too short. It must contain at least %d characters.", p.Length())})
	}
	if p.common(password, about) {
		found = append(found, Problem{"password_too_common", "This password is too common."})
	}
	if password != "" && !strings.ContainsFunc(password, func(r rune) bool { return !unicode.IsDigit(r) }) {
		found = append(found, Problem{"password_entirely_numeric", "This password is entirely numeric."})
	}
	return found
}
