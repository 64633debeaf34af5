package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/cloakroom-auth/cloakroom"
)

// mailFlags say how mail is sent. serve, check and mail test have them.
type mailFlags struct {
	SMTP             string   `name:"smtp" placeholder:"URL" standard:"on localhost files in --data/mail, otherwise no mail" help:"The mail server: smtp://USER@HOST:PORT, which must offer STARTTLS unless it is this machine, or smtps://USER@HOST:PORT. With ?tls=none nothing is encrypted."`
	SMTPPasswordFile textFile `name:"smtp-password-file" placeholder:"FILE" help:"A file with the password of the user in --smtp."`
	MailFrom         string   `placeholder:"ADDRESS" help:"The address that mail comes from, such as 'Example <no-reply@example.com>'. Required with --smtp."`
}

func (f mailFlags) set(c *cloakroom.Config) {
	c.SMTP, c.SMTPPassword, c.MailFrom = f.SMTP, string(f.SMTPPasswordFile), f.MailFrom
}

type mailCmd struct {
	Test mailTest `cmd:"" help:"Send a test message now, and say what the mail server answers."`
	List mailList `cmd:"" help:"List the messages that no mail server has accepted yet."`
}

type mailTest struct {
	Address string `arg:"" help:"Who gets the message."`
	mailFlags
}

func (mailTest) Help() string {
	return `The flags are those of the server, so in its environment the command needs none.

Example:
  cloakroom mail test ada@example.com --smtp smtp://mailer@mail.example.com:587 \
    --smtp-password-file smtp-password --mail-from no-reply@example.com`
}

func (c *mailTest) Run(ctx context.Context, a *app) error {
	open := func(ctx context.Context) (*cloakroom.Server, error) {
		config := a.config()
		c.set(&config)
		config.Log = a.logger(slog.LevelInfo)
		return a.openWith(ctx, config)
	}
	return with(ctx, open, func(s *cloakroom.Server) error {
		if err := s.SendTestMail(ctx, c.Address); err != nil {
			return fmt.Errorf("the message was not sent: %w", err)
		}
		if a.JSON {
			return a.json(map[string]string{"sent_to": c.Address})
		}
		a.say("sent a test message to %s", c.Address)
		return nil
	})
}

type mailList struct{}

func (mailList) Help() string {
	return `A message is deleted once the mail server has accepted or refused it, or when it has expired; the audit log has mail_sent,
mail_refused and mail_expired.

Examples:
  cloakroom mail list
  cloakroom audit list --event mail_refused`
}

type mailOut struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	UserID    string    `json:"user_id"`
	To        string    `json:"to"`
	CreatedAt time.Time `json:"created_at"`
	DueAt     time.Time `json:"due_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Tries     int       `json:"tries"`
	Error     string    `json:"error,omitempty"`
}

func (mailList) Run(ctx context.Context, a *app) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		waiting, err := s.WaitingMail(ctx)
		if err != nil {
			return err
		}
		out, rows := []mailOut{}, [][]string{}
		for _, m := range waiting {
			o := mailOut{ID: m.ID, Kind: m.Kind, UserID: m.User, To: m.To, CreatedAt: m.Created.UTC(), DueAt: m.Due.UTC(), ExpiresAt: m.Expires.UTC(), Tries: m.Tries}
			what := m.Kind
			if m.Err != nil {
				o.Error, what = m.Err.Error(), "unreadable"
			}
			out = append(out, o)
			rows = append(rows, []string{what, m.To, ago(m.Created.Unix()), strconv.Itoa(m.Tries), when(m.Due), when(m.Expires)})
		}
		if a.JSON {
			return a.json(out)
		}
		if len(rows) == 0 {
			a.say("No mail waits.")
			return nil
		}
		return a.table([]string{"KIND", "TO", "WRITTEN", "TRIES", "NEXT TRY", "EXPIRES"}, rows)
	})
}
