package cloakroom

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	netmail "net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/mailer"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/web/pages"
)

// checkMail returns an error if what the Config says about mail is wrong.
func (c *Config) checkMail(base *url.URL) error {
	if c.SendMail != nil && c.SMTP != "" {
		return errors.New("Config.SendMail replaces Config.SMTP: leave one of them out")
	}
	if c.SMTP != "" {
		if _, err := mailer.ParseServer(c.SMTP); err != nil {
			return fmt.Errorf("Config.SMTP: %w", err)
		}
		if c.MailFrom == "" {
			return errors.New("Config.SMTP needs Config.MailFrom, the address that messages come from, such as no-reply@example.com")
		}
	}
	switch c.Signup {
	case "", "closed", "invite":
		if len(c.SignupDomains) > 0 {
			return errors.New("Config.SignupDomains has an effect with Config.Signup open alone")
		}
		if c.AllowSignup != nil {
			return errors.New("Config.AllowSignup has an effect with Config.Signup open alone")
		}
	case "open":
	default:
		return fmt.Errorf("Config.Signup %q: give closed, open or invite", c.Signup)
	}
	for _, domain := range c.SignupDomains {
		if _, err := account.ParseEmail("x@" + domain); err != nil || strings.Contains(domain, "@") {
			return fmt.Errorf("Config.SignupDomains %q is not a domain such as example.com", domain)
		}
	}
	if c.MailPerHour < 0 {
		return fmt.Errorf("Config.MailPerHour %d: give a positive number", c.MailPerHour)
	}
	if _, err := c.mailFrom(base); err != nil {
		return fmt.Errorf("Config.MailFrom: %w", err)
	}
	return nil
}

func (c *Config) mailFrom(base *url.URL) (netmail.Address, error) {
	if c.MailFrom == "" {
		return netmail.Address{Name: cmp.Or(c.Name, pages.DefaultName), Address: "cloakroom@" + mailDomain(base)}, nil
	}
	return mailer.ParseFrom(c.MailFrom)
}

// mailDomain is how mail names the host of the public URL: an IP address is in brackets (RFC 5321, section 4.1.3).
func mailDomain(base *url.URL) string {
	address, err := netip.ParseAddr(base.Hostname())
	switch {
	case err != nil:
		return base.Hostname()
	case address.Is6():
		return "[IPv6:" + address.String() + "]"
	}
	return "[" + address.String() + "]"
}

// mailSender returns what sends the server's mail; nil if nothing does. The Config must have been checked.
func (c *Config) mailSender(base *url.URL) (mail.Sender, error) {
	if c.SendMail != nil {
		return c.SendMail, nil
	}
	from, err := c.mailFrom(base)
	if err != nil {
		return nil, err
	}
	if c.SMTP != "" {
		server, err := mailer.ParseServer(c.SMTP)
		if err != nil {
			return nil, err
		}
		return &mailer.SMTP{Server: server, Password: c.SMTPPassword, From: from, Hello: mailDomain(base)}, nil
	}
	if !loopback(base.Hostname()) {
		return nil, nil
	}
	return &mailer.Files{Dir: filepath.Join(c.Data, "mail"), From: from, Tell: func(m *mail.Message, path string) {
		c.Log.Info("mail written to a file, because there is no mail server", slog.String("kind", m.Kind), slog.String("file", path))
	}}, nil
}

// startMail makes what writes and sends mail.
func (s *Server) startMail(c Config, checked checkedConfig) error {
	sender, err := c.mailSender(checked.url)
	if err != nil {
		return err
	}
	if s.storage.Mail == nil && (c.SMTP != "" || c.SendMail != nil) {
		return errors.New("Config.Stores.Mail is nil: mail needs a store (Config.SMTP, Config.SendMail)")
	}
	signup := c.Signup == "open" || c.Signup == "invite"
	if signup && s.storage.django != nil {
		return fmt.Errorf("Config.Signup %q: beside Django people sign up at Django, which alone knows what an account of its needs", c.Signup)
	}
	if signup && (s.storage.Mail == nil || sender == nil) {
		return errors.New("Config.Signup needs mail: name a mail server with Config.SMTP")
	}
	if c.MailCode && (s.storage.Mail == nil || sender == nil || s.storage.Signins == nil) {
		return errors.New("Config.MailCode needs mail: name a mail server with Config.SMTP. Config.Stores needs Mail, Factors and Signins")
	}
	if c.MailCode && s.storage.django != nil {
		return errors.New("Config.MailCode: beside Django, which has no place for proven addresses, no code is mailed")
	}
	s.sender, s.posts, s.signup = sender, c.SMTP != "" || c.SendMail != nil, c.Signup
	s.letters = &letters.Service{
		Texts: checked.texts, Name: c.Name, URL: s.PublicURL, Accounts: s.Accounts, Guard: s.throttle, PerHour: cmp.Or(c.MailPerHour, 600), Audit: s.Audit,
		Secrets: s.storage.Mail, Log: c.Log, SignInCodes: c.MailCode, CodeKeys: func() [][]byte { return s.keys.Derive("mailed code") }, SignUps: letters.SignUps{Open: c.Signup == "open", Invite: c.Signup == "invite", Allow: c.AllowSignup},
	}
	for _, domain := range c.SignupDomains {
		address, err := account.ParseEmail("x@" + domain) // as the address of a person is compared
		if err != nil {
			return err
		}
		s.letters.SignUps.Domains = append(s.letters.SignUps.Domains, strings.TrimPrefix(address, "x@"))
	}
	if s.storage.Mail != nil {
		s.Accounts.EndMailed, s.Accounts.Moving = s.letters.EndChanges, s.moving
	}
	s.letters.Outbox = outbox.New(s.storage.Mail, s.dataKeys, sender, s.letters.Write, s.Audit, c.Log)
	return nil
}

// posting returns the service for messages that a server on this database sends; nil if it sends none. A command has no mail server of its
// own, and must store no message that no server ever sends.
func (s *Server) posting(ctx context.Context) (*letters.Service, error) {
	if s.storage.Mail == nil {
		return nil, nil
	}
	if !s.posts {
		published, err := s.published(ctx, mailName)
		if err != nil || published != mailSent {
			return nil, err
		}
	}
	return s.writing(), nil
}

// moving is [account.Service.Moving].
func (s *Server) moving(ctx context.Context, before *account.User, address string) (func(context.Context), error) {
	posting, err := s.posting(ctx)
	if err != nil {
		return nil, err
	}
	return posting.Moving(ctx, before, address)
}

// tell tells a user by mail what an operator has done to the account. It is done, so a failure is only logged.
func (s *Server) tell(ctx context.Context, u *account.User, notices ...letters.Notice) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellFor)
	defer cancel()
	posting, err := s.posting(ctx)
	for _, n := range notices {
		if err == nil {
			err = posting.Notify(ctx, u, n, letters.About{}) // the user isn't told where the operator is
		}
	}
	if err != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "notice not stored", slog.String("user", u.ID), slog.Any("error", err))
	}
}

const tellFor = 5 * time.Second

// SendTestMail sends a message to an address, without the outbox, and returns what came of it.
func (s *Server) SendTestMail(ctx context.Context, to string) error {
	if s.sender == nil {
		return errors.New("no mail server is set: name one with Config.SMTP")
	}
	m, err := s.letters.Test(ctx, to)
	if err != nil {
		return err
	}
	m.ID, m.Created = rand.Text(), time.Now().Unix()
	return s.sender.Send(ctx, m)
}

// WaitingMail is a message in the outbox.
type WaitingMail struct {
	ID, Kind, User, To string
	Created            time.Time
	Due                time.Time // when the next attempt is made
	Expires            time.Time // it isn't sent later than that
	Tries              int
	Err                error // why it can't be read; only ID, times and Tries are known then
}

// WaitingMail returns the messages that no mail server has accepted yet.
func (s *Server) WaitingMail(ctx context.Context) ([]WaitingMail, error) {
	if s.storage.Mail == nil {
		return nil, nil
	}
	all, err := outbox.List(ctx, s.storage.Mail, s.dataKeys)
	if err != nil {
		return nil, err
	}
	var waiting []WaitingMail
	for _, w := range all {
		waiting = append(waiting, WaitingMail{
			ID: w.ID, Kind: w.Request.Kind, User: w.Request.User, To: w.Request.To, Tries: w.Tries, Err: w.Err,
			Created: time.Unix(w.Created, 0), Due: time.Unix(w.Due, 0), Expires: time.Unix(w.Expires, 0),
		})
	}
	return waiting, nil
}
