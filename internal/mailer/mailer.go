// Package mailer passes messages on to a mail server, or writes them to files.
package mailer

import (
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/cloakroom-auth/cloakroom/mail"
)

// ParseFrom reads the address that messages come from, such as "Example <no-reply@example.com>".
func ParseFrom(text string) (netmail.Address, error) {
	a, err := netmail.ParseAddress(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return netmail.Address{}, fmt.Errorf("%q is not an address such as no-reply@example.com", text)
	}
	return *a, nil
}

// build makes the e-mail that is sent for a message (RFC 5322). RFC 3834 asks for Auto-Submitted, so that no auto-responder answers.
func build(m *mail.Message, from netmail.Address) (*gomail.Msg, error) {
	_, domain, ok := strings.Cut(from.Address, "@")
	if !ok {
		return nil, errors.New("the address that mail comes from has no domain")
	}
	out := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	out.FromMailAddress(&from)
	if err := out.To(m.To); err != nil {
		return nil, &mail.RefusedError{Code: 553, Status: "5.1.3"} // RFC 3463: a bad address of the recipient
	}
	out.Subject(m.Subject)
	out.SetMessageIDWithValue(m.ID + "@" + domain)
	out.SetDateWithValue(time.Unix(m.Created, 0).UTC())
	out.SetGenHeader("Auto-Submitted", "auto-generated")
	out.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		out.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return out, nil
}
