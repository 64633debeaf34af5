package account

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxExtra is the largest size of each part of an [Extra], in bytes of JSON without blanks.
const maxExtra = 4096

// Extra is what a program keeps with a user: two JSON objects as text, each empty or at most 4096 bytes without blanks. The zero value holds
// nothing. Administrators and the program set it, users never do. No search looks through it, and it gives no rights.
type Extra struct {
	Public  string // shown to the user, in /api/me
	Private string // shown to administrators and to the program alone
}

// noExtra is UnsupportedErrors.Extra for the people who set it.
func noExtra() error {
	wrong := problems{}
	wrong.add("extra", "not_supported", "This database has no place for more data about a user.")
	return wrong.err()
}

// normalizeExtra checks the parts of u.Extra that have changed, and takes the blanks out of them. An object without members is none.
func normalizeExtra(u *User, before User, wrong problems) {
	for _, part := range []struct {
		field   string
		of, was *string
	}{{"extra", &u.Extra.Public, &before.Extra.Public}, {"private_extra", &u.Extra.Private, &before.Extra.Private}} {
		if *part.of == *part.was {
			continue
		}
		text, err := compactObject(*part.of)
		if err != nil {
			wrong.add(part.field, "invalid", err.Error())
			continue
		}
		*part.of = text
	}
}

// compactObject returns the text of a JSON object without blanks; "" for one without members.
func compactObject(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var members map[string]json.RawMessage
	if !utf8.ValidString(text) || json.Unmarshal([]byte(text), &members) != nil || members == nil {
		return "", errors.New("This is not a JSON object.")
	}
	if len(members) == 0 {
		return "", nil
	}
	var short bytes.Buffer
	if err := json.Compact(&short, []byte(text)); err != nil {
		return "", err
	}
	if short.Len() > maxExtra {
		return "", fmt.Errorf("This is too long. At most %d bytes are kept.", maxExtra)
	}
	return short.String(), nil
}
