package account_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

func TestALanguageIsATagInItsUsualSpelling(t *testing.T) {
	s := newService(t, inMemory())
	u := s.enrol(&account.User{Username: "ada"})
	for tag, want := range map[string]bool{
		"": true, "de": true, "pt-BR": true, "zh-Hant-TW": true, "DE": false, "de_DE": false, "deutsch!": false, "und": false, "*": false,
		"de\r\nBcc: eve@example.com": false, "en-" + strings.Repeat("a", 40): false,
	} {
		_, err := s.Edit(t.Context(), u.ID, func(u *account.User) error { u.Language = tag; return nil })
		invalid, refused := errors.AsType[*account.InvalidError](err)
		if want != (err == nil) || !want && (!refused || len(invalid.Fields["language"]) != 1) {
			t.Errorf("%q: %v", tag, err)
		}
	}
}
