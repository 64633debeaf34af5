package password

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Problem is a reason why a new password is refused.
type Problem struct {
	Code    string // stable; Django's code if Django has the rule
	Message string // a sentence for a person
}

// Attribute is a fact about the user that a password must not resemble.
type Attribute struct {
	Name  string // for messages, such as "username" or "email address"
	Value string
}

// Policy is the rules for new passwords. The zero Policy is the default.
//
// There is no rule about kinds of characters, and none about changing a password periodically (NIST SP 800-63B-4, section
// 3.1.1.2).
type Policy struct {
	// MinLength is the minimum number of characters (code points). 0: 15, NIST's minimum where the password is the only
	// factor.
	MinLength int

	// Words are easy guesses for this service, such as its name. They count as common passwords.
	Words []string
}

// Length returns the minimum number of characters.
func (p Policy) Length() int {
	if p.MinLength == 0 {
		return 15
	}
	return p.MinLength
}

// Check returns all problems of a new password, and none if it is accepted. The rules are Django's four validators, a search
// for passwords that are put together from common ones, and a maximum of [MaxLength] bytes.
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
