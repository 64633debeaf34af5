// Package basicauth parses Authorization headers with the scheme Basic (RFC 7617).
package basicauth

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// ErrScheme says that a header has another scheme.
var ErrScheme = errors.New("the scheme is not Basic")

// Parse returns the name and password of a header: UTF-8, or else Latin-1, as in Django REST framework. Its errors are that
// framework's refusals, each a *[problem.Problem], and [ErrScheme].
func Parse(line string) (login, password string, err error) {
	scheme, rest, _ := strings.Cut(line, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", ErrScheme
	}
	rest = strings.Trim(rest, " ")
	switch {
	case rest == "":
		return "", "", refusal("No credentials provided.")
	case strings.Contains(rest, " "):
		return "", "", refusal("Credentials string should not contain spaces.")
	}
	plain, err := base64.StdEncoding.DecodeString(rest)
	if err != nil {
		return "", "", refusal("Credentials not correctly base64 encoded.")
	}
	login, password, ok := strings.Cut(utf8OrLatin1(plain), ":")
	if !ok {
		return "", "", refusal("Credentials not correctly base64 encoded.")
	}
	if strings.ContainsRune(login+password, 0) {
		return "", "", refusal("Null characters are not allowed.")
	}
	return login, password, nil
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

func refusal(why string) error {
	return problem.New(http.StatusUnauthorized, "invalid_credentials", "Invalid basic header. "+why)
}
