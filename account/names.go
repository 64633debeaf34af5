package account

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/cloakroom-auth/cloakroom/password"
)

// InvalidError lists all wrong fields of a user and why. Codes and messages are those of Django and Django REST framework
// where these have the rule.
type InvalidError struct {
	Fields map[string][]password.Problem // by the JSON names of the fields
}

func (e *InvalidError) Error() string {
	var all []string
	for _, field := range slices.Sorted(maps.Keys(e.Fields)) {
		for _, p := range e.Fields[field] {
			all = append(all, field+": "+p.Message)
		}
	}
	return strings.Join(all, " ")
}

// problems collects what is wrong with each field.
type problems map[string][]password.Problem

func (p problems) add(field, code, message string) {
	p[field] = append(p[field], password.Problem{Code: code, Message: message})
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &InvalidError{Fields: p}
}

const (
	maxUsername = 150 // characters, as in Django
	maxName     = 150
	maxEmail    = 254 // bytes
)

// normalize converts those texts of a user that have changed into the form in which they are stored, and adds what is wrong
// with them to wrong. before is the zero User for a new one.
func normalize(u *User, before User, wrong problems) {
	created := before.ID == ""
	if created || u.Username != before.Username {
		u.Username = normalizeUsername(u.Username)
		checkUsername(u.Username, wrong)
	}
	if created || u.Email != before.Email {
		u.Email = normalizeEmail(u.Email)
		checkEmail(u.Email, wrong)
	}
	if created || u.FirstName != before.FirstName {
		u.FirstName = strings.TrimSpace(u.FirstName)
		checkName("first_name", u.FirstName, wrong)
	}
	if created || u.LastName != before.LastName {
		u.LastName = strings.TrimSpace(u.LastName)
		checkName("last_name", u.LastName, wrong)
	}
	if u.Language != before.Language {
		checkLanguage(u.Language, wrong)
	}
	normalizeExtra(u, before, wrong)
	u.Groups, u.UserPermissions = sorted(u.Groups), sorted(u.UserPermissions)
	for _, p := range u.UserPermissions {
		if !slices.Contains(before.UserPermissions, p) && !validPermission(p) {
			wrong.add("permissions", "invalid", fmt.Sprintf("%q is not of the form app.codename.", p))
		}
	}
}

func sorted(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }

// normalizeUsername applies NFKC, as Django does. A text that is too long is refused later, so it isn't normalized.
func normalizeUsername(s string) string {
	if utf8.RuneCountInString(s) > maxUsername {
		return s
	}
	return norm.NFKC.String(s)
}

// checkUsername applies Django's UnicodeUsernameValidator: letters and digits of any script, and @ . + - _. Unlike Django's,
// it refuses invisible letters, such as the Hangul fillers.
func checkUsername(s string, wrong problems) {
	switch {
	case s == "":
		wrong.add("username", "blank", "This field may not be blank.")
	case utf8.RuneCountInString(s) > maxUsername:
		wrong.add("username", "max_length", fmt.Sprintf("Ensure this field has no more than %d characters.", maxUsername))
	case !utf8.ValidString(s) || strings.ContainsFunc(s, notInUsername):
		wrong.add("username", "invalid",
			"Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.")
	}
}

func notInUsername(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("_.@+-", r) || invisible(r)
}

// invisible reports whether a letter or mark isn't displayed (Unicode's Default_Ignorable_Code_Point).
func invisible(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func checkName(field, s string, wrong problems) {
	switch {
	case utf8.RuneCountInString(s) > maxName:
		wrong.add(field, "max_length", fmt.Sprintf("Ensure this field has no more than %d characters.", maxName))
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		wrong.add(field, "invalid", "Control characters are not allowed.")
	}
}

// normalizeEmail trims spaces and lower-cases the domain, as Django does, and composes characters. The part before the last
// @ is not changed, since its meaning is up to the domain's owner. strings.ToLower would turn a capital I with a dot
// (U+0130) into an i, and so make another domain.
func normalizeEmail(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxLogin || !utf8.ValidString(s) {
		return s
	}
	local, domain := s, ""
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		local, domain = s[:at], cases.Lower(language.Und).String(s[at:])
	}
	return norm.NFC.String(local + domain)
}

// ParseEmail returns an address as it is stored. *[InvalidError] with the field email if it isn't one plain address.
func ParseEmail(s string) (string, error) {
	wrong := problems{}
	s = normalizeEmail(s)
	if s == "" {
		wrong.add("email", "blank", "This field may not be blank.")
	}
	checkEmail(s, wrong)
	return s, wrong.err()
}

func checkEmail(s string, wrong problems) {
	if s != "" && !validEmail(s) {
		wrong.add("email", "invalid", "Enter a valid email address.")
	}
}

// validEmail accepts one plain address: no quotes, comments or lists, nothing that a mailer could read as two addresses or
// as a header. It must be in NFKC, so that no mailer turns it into another address: some read the single character "1."
// (U+2488) in a domain as a digit and a dot.
func validEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || len(s) > maxEmail || !utf8.ValidString(s) || !norm.NFKC.IsNormalString(s) {
		return false
	}
	if strings.ContainsFunc(local, notInLocalPart) || strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") ||
		strings.Contains(local, "..") {
		return false
	}
	labels := strings.Split(domain, ".")
	return (len(labels) > 1 || domain == "localhost") && !slices.ContainsFunc(labels, notALabel)
}

func notInLocalPart(r rune) bool {
	return notInWord(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)
}

func notALabel(label string) bool {
	return label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
		strings.ContainsFunc(label, func(r rune) bool { return notInWord(r) && r != '-' })
}

func notInWord(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) || invisible(r)
}

// validPermission reports whether a text has the form "app.codename", which Django's has_perm takes.
func validPermission(s string) bool {
	app, codename, ok := strings.Cut(s, ".")
	return ok && app != "" && codename != "" && len(s) <= 200 && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '_' && r != '.' && r != '-'
	})
}
