package cloakroom

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// signupClosed is what Config.Signup means if it is empty.
const signupClosed = "closed"

// Invitation is what a person gets who is invited to make an account.
type Invitation struct {
	Address  string   // the e-mail address; the account gets it as proven
	Groups   []string // the account becomes a member of these groups, if all of them exist then
	Language string   // of the message, such as "de"; one without texts, and "": the default
}

// Invite mails a link to an address, on which the person chooses a username and a password, and returns when it expires, in seven days.
// It works once. Earlier invitations of the address become invalid. A server that runs on this database sends the message, so this Server
// needs no mail server. It is an error if Config.Signup is neither invite nor open; if that is empty, that of the server that ran last
// counts. Further errors: [account.ErrAddressTaken], *[account.InvalidError] for the address.
func (s *Server) Invite(ctx context.Context, i Invitation) (expires time.Time, err error) {
	address, err := account.ParseEmail(i.Address)
	if err != nil {
		return time.Time{}, err
	}
	if s.storage.django != nil {
		return time.Time{}, errors.New("beside Django, accounts are made by Django")
	}
	if s.storage.Mail == nil {
		return time.Time{}, errors.New("there is no store for mail, so no one can be invited")
	}
	signup := s.signup
	if signup == "" {
		if signup, err = s.published(ctx, signupName); err != nil {
			return time.Time{}, err
		}
	}
	if cmp.Or(signup, signupClosed) == signupClosed {
		return time.Time{}, errors.New("no one can be invited, because the link would lead nowhere: run the server with Config.Signup invite, or open")
	}
	needed, err := s.Accounts.NeedsSetup(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if needed {
		return time.Time{}, errors.New("no one can be invited before there is an administrator")
	}
	inviting := *s.letters
	if inviting.Outbox == nil {
		inviting.Outbox = outbox.New(s.storage.Mail, s.dataKeys, elsewhere{}, inviting.Write, s.Audit, s.Log)
	}
	return inviting.Invite(ctx, letters.Invitation{Address: address, Groups: i.Groups, Language: i.Language})
}

// WithdrawInvitation makes the links of all invitations of an address invalid. It is no error if there are none.
func (s *Server) WithdrawInvitation(ctx context.Context, address string) error {
	address, err := account.ParseEmail(address)
	if err != nil || s.storage.Mail == nil {
		return err
	}
	return s.letters.Withdraw(ctx, address)
}

// elsewhere sends nothing: another process does.
type elsewhere struct{}

func (elsewhere) Send(_ context.Context, m *mail.Message) error {
	return fmt.Errorf("this process doesn't send %s", m.Kind)
}
