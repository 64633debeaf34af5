package httpapi

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

type loginIn struct {
	Username *string `json:"username"`
	Password *string `json:"password"`
	Remember *bool   `json:"remember"`
}

func (*loginIn) takesForms() {}

// login signs in with a JSON or form body, or with HTTP Basic and no body.
func login(c *call, in loginIn) (userOut, error) {
	method := "password"
	if in.Username == nil && in.Password == nil && in.Remember == nil {
		method = "basic"
		if err := in.fromBasic(c.r); err != nil {
			return userOut{}, err
		}
	}
	if err := required(map[string]*string{"username": in.Username, "password": in.Password}); err != nil {
		return userOut{}, err
	}
	u, err := c.api.Accounts.Authenticate(c.ctx(), account.Attempt{
		Login: *in.Username, Password: *in.Password, Address: c.address(), Device: c.device,
	})
	c.logAttempt("authn_login", *in.Username, err)
	if err != nil {
		return userOut{}, err
	}
	return newUserOut(u), c.signIn(u, method, in.Remember == nil || *in.Remember)
}

// fromBasic takes the credentials of RFC 7617: UTF-8, or else Latin-1, as Django REST Framework reads them.
func (in *loginIn) fromBasic(r *http.Request) error {
	lines := r.Header.Values("Authorization")
	if len(lines) == 0 {
		return auth.ErrNotAuthenticated
	}
	scheme, rest, _ := strings.Cut(lines[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return auth.ErrNotAuthenticated
	}
	rest = strings.Trim(rest, " ")
	switch {
	case len(lines) > 1:
		return badBasic("Only one Authorization header, please.")
	case rest == "":
		return badBasic("No credentials provided.")
	case strings.Contains(rest, " "):
		return badBasic("Credentials string should not contain spaces.")
	}
	plain, err := base64.StdEncoding.DecodeString(rest)
	if err != nil {
		return badBasic("Credentials not correctly base64 encoded.")
	}
	username, password, ok := strings.Cut(utf8OrLatin1(plain), ":")
	if !ok {
		return badBasic("Credentials not correctly base64 encoded.")
	}
	if strings.ContainsRune(username+password, 0) {
		return badBasic("Null characters are not allowed.")
	}
	in.Username, in.Password = &username, &password
	return nil
}

func badBasic(why string) error {
	return problem.New(http.StatusUnauthorized, "invalid_credentials", "Invalid basic header. "+why)
}

func utf8OrLatin1(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// logAttempt logs how the check of a password ended, under OWASP's names.
func (c *call) logAttempt(event, login string, err error) {
	level := slog.LevelInfo
	switch _, throttled := errors.AsType[*throttle.Error](err); {
	case err == nil:
		event += "_success"
	case throttled:
		event, level = event+"_lock", slog.LevelWarn
	case errors.Is(err, account.ErrInvalidCredentials):
		event, level = event+"_fail", slog.LevelWarn
	default:
		return // an outage, which is logged as one
	}
	c.api.Log.LogAttrs(c.ctx(), level, event, slog.String("login", shorten(login)))
}

// shorten keeps a stranger's text from filling the log, and from doing anything to the terminal that shows it: JSON
// leaves characters such as U+009B, which begins a control sequence, and U+202E, which turns the line around, as they are.
func shorten(s string) string {
	const most = 150
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			b.WriteRune('…')
			break
		}
		if !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}

func logout(c *call, _ none) (none, error) { return none{}, c.signOut() }

type csrfOut struct {
	Token string `json:"csrftoken"`
}

// csrfToken gives a page what it must send as X-CSRFToken, in the body and as a cookie that scripts can read.
func csrfToken(c *call, _ none) (csrfOut, error) {
	i, err := auth.FromContext(c.ctx())
	if err != nil {
		return csrfOut{}, err
	}
	binding := ""
	if i != nil {
		binding = i.Session.ID
	}
	return csrfOut{c.api.CSRF.Issue(c.w, c.r, binding)}, nil
}
