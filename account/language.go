package account

import (
	"errors"

	"golang.org/x/text/language"
)

// noLanguage is UnsupportedErrors.Language for the people who set it.
func noLanguage() error {
	wrong := problems{}
	wrong.add("language", "not_supported", "This database has no place for the language of a user.")
	return wrong.err()
}

// maxLanguage is the maximum length of a language tag, in bytes (RFC 5646, section 4.4.1).
const maxLanguage = 35

// checkLanguage accepts a well-formed language tag in its usual spelling (BCP 47), and none.
func checkLanguage(tag string, wrong problems) {
	if tag == "" {
		return
	}
	parsed, err := language.Parse(tag)
	if err != nil || parsed == language.Und || len(tag) > maxLanguage || parsed.String() != tag {
		wrong.add("language", "invalid", "This is not a language, such as en, de or pt-BR.")
	}
}

// kept returns the language that a new user gets, or a user by a sign-in: none if the Store has no place for it.
func (s *Service) kept(language string) string {
	if s.Unsupported.Language {
		return ""
	}
	return language
}

// notStored converts the errors of a store that has no place for a field into a wrong field.
func notStored(err error) error {
	switch {
	case errors.Is(err, UnsupportedErrors.Extra):
		return noExtra()
	case errors.Is(err, UnsupportedErrors.Language):
		return noLanguage()
	}
	return err
}
