package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	words "github.com/cloakroom-auth/cloakroom/internal/texts"
	"github.com/cloakroom-auth/cloakroom/session"
)

// language returns the language that the client asks for; "" if it asks for none that there is.
func (c *call) language() string {
	if c.api.Texts == nil {
		return ""
	}
	return c.api.Texts.Find(words.Accept(c.r))
}

// languages are those that a user can have; none if the database has no place for them, as beside Django.
func (a *API) languages() []string {
	if a.Texts == nil || a.Accounts.Unsupported.Language {
		return []string{}
	}
	return a.Texts.Languages()
}

// checkLanguage refuses a language of which there are no texts, unless the user has it: texts can be removed. Empty is none.
func (a *API) checkLanguage(tag *string, has string) error {
	if tag == nil || *tag == "" || *tag == has {
		return nil
	}
	switch all := a.languages(); {
	case len(all) == 0:
		return invalid(map[string][]string{"language": {"This server keeps no language of users."}})
	case !slices.Contains(all, *tag):
		return invalid(map[string][]string{"language": {"There are no texts in this language. Choose one of: " + strings.Join(all, ", ") + "."}})
	}
	return nil
}

// showLanguage has the pages shown in the language of the account, unless this browser has got another one at the foot of a page.
func (c *call) showLanguage(u *account.User) {
	if c.api.Texts == nil || session.RequestFrom(c.ctx()).UsesTokenHeader() {
		return
	}
	shown := c.api.Texts.Match(c.r.Header.Get("Accept-Language"))
	if u.Language == "" || c.api.Texts.Match(u.Language) == shown {
		c.forgetLanguage()
		return
	}
	http.SetCookie(c.w, &http.Cookie{
		Name: words.AccountCookie, Value: u.Language, Path: "/", HttpOnly: true, Secure: c.api.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// forgetLanguage deletes the cookie of showLanguage if the browser has sent one.
func (c *call) forgetLanguage() {
	if len(c.r.CookiesNamed(words.AccountCookie)) == 0 {
		return
	}
	http.SetCookie(c.w, &http.Cookie{
		Name: words.AccountCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: c.api.Secure, SameSite: http.SameSiteLaxMode,
	})
}
