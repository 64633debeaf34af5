package letters

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// invitation is the kind of the request to write to an invited person.
const invitation = "invitation"

const invitationLife = 7 * 24 * time.Hour // that of the link

// inviteUsers is the permission to invite people, which is that to make users.
const inviteUsers = "auth.add_user"

// Invitation says who may make an account, and what it gets.
type Invitation struct {
	Address  string   // as of [account.ParseEmail]
	Groups   []string // names; the account becomes their member
	Language string   // of the message, such as "de"; one that the catalogue lacks: the default
	Printed  bool     // the caller passes the link on. It doesn't prove the address then.
}

// Invite sends a link to an address on which an account is made, unless it is to be printed, and returns the invitation and a link that is
// to be printed. It replaces an earlier invitation of this address. If Accounts acts for an administrator, the account gets only groups to
// which the administrator may add users, now and when it is made. Invite doesn't ask whether people can join now: they can't use the link
// before. [account.AddressErrors].Taken; *[account.InvalidError] for the groups, and the errors of [account.Service.By];
// *[throttle.QuotaError] if administrators have had too many messages sent to this address.
func (s *Service) Invite(ctx context.Context, i Invitation) (made *mail.Invitation, link string, err error) {
	made = &mail.Invitation{
		ID: rand.Text(), Address: i.Address, Login: account.CanonicalLogin(i.Address), Groups: i.Groups, Language: i.Language, Printed: i.Printed,
	}
	link, err = s.issue(ctx, made, func() error { return s.Secrets.PutInvitation(ctx, made) })
	return made, link, err
}

// InviteAgain sends another link for an invitation, and makes the earlier one invalid. The invitation is from then on that
// of the administrator that Accounts acts for. [mail.ErrNotFound] if it was used or withdrawn; [account.AddressErrors].Taken if its address
// has an account by now; else as [Service.Invite].
func (s *Service) InviteAgain(ctx context.Context, id string) (renewed *mail.Invitation, link string, err error) {
	renewed, err = s.Secrets.LoadInvitation(ctx, id)
	if err != nil {
		return nil, "", err
	}
	old := renewed.Hash
	link, err = s.issue(ctx, renewed, func() error { return s.Secrets.RenewInvitation(ctx, old, renewed) })
	return renewed, link, err
}

// issue gives an invitation a secret, has it stored, and sends the link unless it is to be printed.
func (s *Service) issue(ctx context.Context, i *mail.Invitation, store func() error) (link string, err error) {
	if err := s.Accounts.MayCreate(ctx, account.NewUser{Groups: i.Groups}); err != nil {
		return "", err
	}
	switch _, err := s.Accounts.Store.Find(ctx, i.Login); {
	case err == nil:
		return "", account.AddressErrors.Taken
	case !errors.Is(err, account.ErrNotFound):
		return "", err
	}
	actor, acts := s.Accounts.Actor()
	if acts && !i.Printed {
		if err := s.Guard.Spend(ctx, throttle.Quota{Kind: "mail-invitation", Of: i.Login, Most: perDay, Within: 24 * time.Hour}); err != nil {
			return "", err
		}
	}
	base, err := s.URL(ctx)
	if err != nil {
		return "", err
	}
	// The secret is made here and not when the message is written, so that of two invitations the later one counts, whichever is sent first.
	secret, now := rand.Text(), time.Now()
	i.Inviter, i.Hash, i.Created, i.Expires = actor.ID, hashOf(secret), now.Unix(), now.Add(invitationLife).Unix()
	if err := store(); err != nil {
		return "", err
	}
	s.Audit.Record(ctx, audit.TokenKinds.Created, slog.String("kind", invitation), slog.String("invitation", i.ID), slog.String("groups", strings.Join(i.Groups, ",")))
	if i.Printed {
		return base + "/auth/welcome#" + secret, nil
	}
	r := outbox.Request{Kind: invitation, To: i.Address, Language: i.Language, Data: map[string]string{"secret": secret}}
	return "", s.Outbox.Put(ctx, r, invitationLife)
}

// Withdraw makes the link of the invitation of an address invalid. It is no error if there is none.
func (s *Service) Withdraw(ctx context.Context, address string) error {
	_, err := s.withdraw(ctx, mail.InvitationQuery{Login: account.CanonicalLogin(address)})
	return err
}

// WithdrawInvitation makes the link of the invitation with this ID invalid. [mail.ErrNotFound] if it was used or withdrawn already.
func (s *Service) WithdrawInvitation(ctx context.Context, id string) error {
	n, err := s.withdraw(ctx, mail.InvitationQuery{ID: id})
	if err == nil && n == 0 {
		err = mail.ErrNotFound
	}
	return err
}

// WithdrawInvitationsOf makes the links of all invitations invalid that users have made, whose accounts were taken back or closed.
func (s *Service) WithdrawInvitationsOf(ctx context.Context, users ...string) error {
	if s == nil || s.Secrets == nil || len(users) == 0 {
		return nil
	}
	_, err := s.withdraw(ctx, mail.InvitationQuery{Inviters: users})
	return err
}

func (s *Service) withdraw(ctx context.Context, of mail.InvitationQuery) (int, error) {
	n, err := s.Secrets.DeleteInvitations(ctx, of)
	if err == nil && n > 0 {
		s.Audit.Record(ctx, audit.TokenKinds.Revoked, slog.String("kind", invitation), slog.Int("count", n))
	}
	return n, err
}

// findInvitation returns the invitation of a link. [ErrLink].
func (s *Service) findInvitation(ctx context.Context, secret string) (*mail.Invitation, error) {
	i, err := s.Secrets.FindInvitation(ctx, hashOf(secret))
	if errors.Is(err, mail.ErrNotFound) || err == nil && i.Expires <= time.Now().Unix() {
		return nil, ErrLink
	}
	return i, err
}

// inviting returns the service that makes the account of an invitation: it acts for the administrator who has made the invitation, with
// the rights that the administrator has now.
func (s *Service) inviting(i *mail.Invitation) *account.Service {
	if i.Inviter == "" {
		return s.Accounts
	}
	return s.Accounts.By(account.Actor{ID: i.Inviter, Permission: inviteUsers, Earlier: true})
}

// isVoid reports whether err says that an invitation can't be fulfilled any more: its inviter is disabled or lacks a right by now, or one
// of its groups is gone.
func isVoid(err error) bool {
	wrong, _ := errors.AsType[*account.InvalidError](err)
	if wrong != nil && len(wrong.Fields["groups"]) > 0 {
		return true
	}
	for _, reason := range []error{account.ErrEpochChanged, account.DeniedErrors.Permission, account.DeniedErrors.Outranked, account.DeniedErrors.NotMember, account.DeniedErrors.SuperuserOnly} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// writeInvitation writes to an invited person; nil if the invitation doesn't count any more.
func (s *Service) writeInvitation(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	i, err := s.findInvitation(ctx, r.Data["secret"])
	if errors.Is(err, ErrLink) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = s.inviting(i).MayCreate(ctx, account.NewUser{Groups: i.Groups})
	if isVoid(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = s.Accounts.Store.Find(ctx, account.CanonicalLogin(r.To))
	if !errors.Is(err, account.ErrNotFound) { // an administrator has made an account meanwhile
		return nil, err
	}
	r.Language = s.Texts.Match(r.Language)
	return s.message(r, invitation, base, map[string]string{"link": base + "/auth/welcome#" + r.Data["secret"]}), nil
}
