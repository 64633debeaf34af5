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
	Address  string   // the e-mail address, which the account gets
	Groups   []string // the account becomes a member of these groups, if all of them exist then
	Language string   // of the message, such as "de"; one without texts, and "": the default
	Printed  bool     // nothing is mailed: the caller passes the link on, and the address isn't proven by it
}

// Invited is an invitation that was made.
type Invited struct {
	Link    string    // of a printed invitation; "" if it was mailed
	Expires time.Time // in seven days
}

// Invite mails a link to an address, on which the person chooses a username and a password, unless the link is to be printed. It works
// once. An earlier invitation of the address becomes invalid. A server that runs on this database sends the message, so this Server
// needs no mail server. It is an error if Config.Signup is neither invite nor open; if that is empty, that of the server that ran last
// counts. Further errors: [account.AddressErrors].Taken, *[account.InvalidError] for the address and the groups.
func (s *Server) Invite(ctx context.Context, i Invitation) (Invited, error) {
	address, err := account.ParseEmail(i.Address)
	if err != nil {
		return Invited{}, err
	}
	inviting, err := s.inviting(ctx)
	if err != nil {
		return Invited{}, err
	}
	made, link, err := inviting.Invite(ctx, letters.Invitation{Address: address, Groups: i.Groups, Language: i.Language, Printed: i.Printed})
	if err != nil {
		return Invited{}, err
	}
	return Invited{link, time.Unix(made.Expires, 0)}, nil
}

// inviting returns the service for invitations, or why an invitation would lead nowhere.
func (s *Server) inviting(ctx context.Context) (*letters.Service, error) {
	if s.storage.django != nil {
		return nil, errors.New("beside Django, accounts are made by Django")
	}
	if s.storage.Mail == nil {
		return nil, errors.New("there is no store for mail, so no one can be invited")
	}
	signup := s.signup
	if signup == "" {
		var err error
		if signup, err = s.published(ctx, signupName); err != nil {
			return nil, err
		}
	}
	if cmp.Or(signup, signupClosed) == signupClosed {
		return nil, errors.New("no one can be invited, because the link would lead nowhere: run the server with Config.Signup invite, or open")
	}
	needed, err := s.Accounts.NeedsSetup(ctx)
	if err != nil {
		return nil, err
	}
	if needed {
		return nil, errors.New("no one can be invited before there is an administrator")
	}
	return s.writing(), nil
}

// writing returns the service for messages, with an outbox also if another process sends them. There must be a store for mail.
func (s *Server) writing() *letters.Service {
	writing := *s.letters
	if writing.Outbox == nil {
		writing.Outbox = outbox.New(s.storage.Mail, s.dataKeys, elsewhere{}, writing.Write, s.Audit, s.Log)
	}
	return &writing
}

// UnusedInvitation is an invitation that wasn't used yet, and hasn't expired.
type UnusedInvitation struct {
	ID       string
	Address  string
	Groups   []string
	Language string
	Printed  bool
	Inviter  string // the ID of the administrator; "": the operator
	Created  time.Time
	Expires  time.Time
}

// Invitations returns the invitations that can be used, in no particular order.
func (s *Server) Invitations(ctx context.Context) ([]UnusedInvitation, error) {
	var all []UnusedInvitation
	for after := ""; s.storage.Mail != nil; {
		page, err := s.storage.Mail.Invitations(ctx, after, 200)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		for _, i := range page {
			if i.Expires > time.Now().Unix() {
				all = append(all, UnusedInvitation{i.ID, i.Address, i.Groups, i.Language, i.Printed, i.Inviter, time.Unix(i.Created, 0), time.Unix(i.Expires, 0)})
			}
		}
		after = page[len(page)-1].ID
	}
	return all, nil
}

// WithdrawInvitation makes the link of the invitation of an address invalid. It is no error if there is none.
func (s *Server) WithdrawInvitation(ctx context.Context, address string) error {
	address, err := account.ParseEmail(address)
	if err != nil || s.storage.Mail == nil {
		return err
	}
	return s.letters.Withdraw(ctx, address)
}

// mailed is the mail of the deleted users of a Server, which may be another process than the one that sends it.
type mailed struct{ s *Server }

func (m mailed) Forget(ctx context.Context, u *account.User) error {
	if m.s.storage.Mail == nil {
		return nil
	}
	return m.s.writing().Forget(ctx, u)
}

// WithdrawInvitationsOf makes the links of all invitations invalid that the users with these IDs have made. It is no error if there are none.
func (s *Server) WithdrawInvitationsOf(ctx context.Context, users ...string) error {
	return s.letters.WithdrawInvitationsOf(ctx, users...)
}

// elsewhere sends nothing: another process does.
type elsewhere struct{}

func (elsewhere) Send(_ context.Context, m *mail.Message) error {
	return fmt.Errorf("this process doesn't send %s", m.Kind)
}
