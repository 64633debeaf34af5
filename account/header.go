package account

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// HeaderFlaw returns why the headers Remote-User and Remote-Email can't identify u, as a clause; "" if they can. The e-mail address
// may be empty, the username must not.
//
// Some texts can't be written in a header field: white space at either end is not part of the value (RFC 9110 section 5.5),
// and control characters end the line or are removed on the way. Programs also trim what they read, including Unicode's
// white space. Two usernames could then arrive as one.
func (u *User) HeaderFlaw() string {
	if u.Username == "" {
		return "the username is empty"
	}
	if flaw := headerFlaw(u.Username); flaw != "" {
		return "the username " + flaw
	}
	if flaw := headerFlaw(u.Email); flaw != "" {
		return "the e-mail address " + flaw
	}
	return ""
}

// headerFlaw returns why a header field can't carry s exactly; "" if it can.
func headerFlaw(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "has a control character"
	case strings.TrimSpace(s) != s:
		return "begins or ends with white space"
	}
	return ""
}

// listedFlaws is how many users HeaderFlaws lists.
const listedFlaws = 100

// HeaderFlaws returns how many users have a [User.HeaderFlaw], and a list of the first hundred of them for a message: their names, IDs
// and flaws.
func (s *Service) HeaderFlaws(ctx context.Context) (count int, list string, err error) {
	var first []string
	for after := ""; ; {
		users, err := s.store().List(ctx, Query{After: after, Limit: 500})
		if err != nil {
			return 0, "", err
		}
		if len(users) == 0 {
			break
		}
		after = users[len(users)-1].ID
		for _, u := range users {
			flaw := u.HeaderFlaw()
			if flaw == "" {
				continue
			}
			if count++; count <= listedFlaws {
				first = append(first, fmt.Sprintf("%q with the ID %s (%s)", u.Username, u.ID, flaw))
			}
		}
	}
	list = strings.Join(first, "; ")
	if more := count - len(first); more > 0 {
		list += fmt.Sprintf("; and %d more", more)
	}
	return count, list, nil
}
