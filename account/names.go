package account

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/cloakroom-auth/cloakroom/password"
)

// InvalidError says which fields of a user are wrong, and why: all of them together.
type InvalidError struct {
	Fields map[string][]password.Problem
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

// problems collects what is wrong, field by field.
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
	maxEmail    = 254
)

// normalize brings a user's texts into the form in which they are stored, and says what is wrong with them.
func normalize(u *User, wrong problems) {
	u.Username = norm.NFKC.String(u.Username)
	u.Email = normalizeEmail(u.Email)
	u.FirstName, u.LastName = strings.TrimSpace(u.FirstName), strings.TrimSpace(u.LastName)
	checkUsername(u.Username, wrong)
	if u.Email != "" && !validEmail(u.Email) {
		wrong.add("email", "invalid", "Enter a valid email address.")
	}
	checkName("first_name", u.FirstName, wrong)
	checkName("last_name", u.LastName, wrong)
	u.Groups, u.Direct = sorted(u.Groups), sorted(u.Direct)
	for _, p := range u.Direct {
		if !validPermission(p) {
			wrong.add("permissions", "invalid", fmt.Sprintf("%q is not of the form app.codename.", p))
		}
	}
}

func sorted(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }

// checkUsername applies Django's UnicodeUsernameValidator: letters, digits and @ . + - _ of any script.
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
	return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("_.@+-", r)
}

func checkName(field, s string, wrong problems) {
	switch {
	case utf8.RuneCountInString(s) > maxName:
		wrong.add(field, "max_length", fmt.Sprintf("Ensure this field has no more than %d characters.", maxName))
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		wrong.add(field, "invalid", "Control characters are not allowed.")
	}
}

// normalizeEmail trims blanks and lower-cases the domain, as Django does. What is before the last @ belongs to the
// domain's owner and stays.
func normalizeEmail(s string) string {
	s = strings.TrimSpace(s)
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return s
	}
	return s[:at] + strings.ToLower(s[at:])
}

// validEmail accepts one plain address: nothing quoted, no comments, no list, nothing that a mailer could read as two
// addresses or as a header.
func validEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || len(s) > maxEmail || !utf8.ValidString(s) || !norm.NFC.IsNormalString(s) {
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
	return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)
}

func notALabel(label string) bool {
	return label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
		strings.ContainsFunc(label, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && r != '-'
		})
}

// validPermission accepts "app.codename", as Django's has_perm takes it.
func validPermission(s string) bool {
	app, codename, ok := strings.Cut(s, ".")
	return ok && app != "" && codename != "" && len(s) <= 200 && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '_' && r != '.' && r != '-'
	})
}
