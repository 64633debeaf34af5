package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/mail"
)

type invitationOut struct {
	ID        string          `json:"id"`
	Email     string          `json:"email"`
	Groups    []string        `json:"groups"`
	Language  string          `json:"language"`
	Printed   bool            `json:"printed"`
	InviterID json.RawMessage `json:"inviter_id"` // null: the operator
	Inviter   string          `json:"inviter"`    // "": the operator, or a user who was deleted
	CreatedAt time.Time       `json:"created_at"`
	ExpiresAt time.Time       `json:"expires_at"`
}

// issuedInvitationOut is an invitation with the link that its inviter passes on.
type issuedInvitationOut struct {
	invitationOut
	Link string `json:"link,omitempty"`
}

type invitationsOut struct {
	Invitations []invitationOut `json:"invitations"`
	Next        *string         `json:"next"`
}

func (c *call) newInvitationOut(i *mail.Invitation) (invitationOut, error) {
	out := invitationOut{
		ID: i.ID, Email: i.Address, Groups: orEmpty(i.Groups), Language: i.Language, Printed: i.Printed, InviterID: json.RawMessage("null"),
		CreatedAt: time.Unix(i.Created, 0).UTC(), ExpiresAt: time.Unix(i.Expires, 0).UTC(),
	}
	if i.Inviter == "" {
		return out, nil
	}
	out.InviterID = admin.JSONID(i.Inviter)
	u, err := c.api.Accounts.Store.Load(c.ctx(), i.Inviter)
	switch {
	case err == nil:
		out.Inviter = u.Username
	case !errors.Is(err, account.ErrNotFound):
		return invitationOut{}, err
	}
	return out, nil
}

// invitations returns the service for invitations, which acts for the caller. [letters.ErrSignUpClosed] if no one can use an invitation.
func (c *call) invitations() (*letters.Service, error) {
	if err := c.api.Letters.MayJoin(c.ctx()); err != nil {
		return nil, err
	}
	s := *c.api.Letters
	s.Accounts = c.accounts()
	return &s, nil
}

// listInvitations lists those that can still be used.
func listInvitations(c *call, _ none) (invitationsOut, error) {
	after, limit, err := c.page()
	if err != nil {
		return invitationsOut{}, err
	}
	out := invitationsOut{Invitations: []invitationOut{}}
	if !c.api.Letters.Available() {
		return out, nil
	}
	page, err := c.api.Letters.Secrets.Invitations(c.ctx(), after, limit+1)
	if err != nil {
		return invitationsOut{}, err
	}
	if len(page) > limit {
		page = page[:limit]
		out.Next = nextCursor(page[limit-1].ID)
	}
	for _, i := range page {
		if i.Expires <= time.Now().Unix() {
			continue
		}
		one, err := c.newInvitationOut(i)
		if err != nil {
			return invitationsOut{}, err
		}
		out.Invitations = append(out.Invitations, one)
	}
	return out, nil
}

type inviteIn struct {
	Email    *string   `json:"email"`
	Groups   *[]string `json:"groups"`
	Language *string   `json:"language"`
	Printed  *bool     `json:"printed"`
}

// invite mails a link on which a person makes an account, or makes one for the caller to pass on.
func invite(c *call, in inviteIn) (issuedInvitationOut, error) {
	address, err := requiredEmail(in.Email)
	if err != nil {
		return issuedInvitationOut{}, err
	}
	wanted := letters.Invitation{Address: address}
	set(&wanted.Groups, in.Groups)
	set(&wanted.Language, in.Language)
	set(&wanted.Printed, in.Printed)
	s, err := c.invitations()
	if err != nil {
		return issuedInvitationOut{}, err
	}
	made, link, err := s.Invite(c.ctx(), wanted)
	return c.issued(made, link, err)
}

// inviteAgain sends another link for an invitation.
func inviteAgain(c *call, _ none) (issuedInvitationOut, error) {
	s, err := c.invitations()
	if err != nil {
		return issuedInvitationOut{}, err
	}
	renewed, link, err := s.InviteAgain(c.ctx(), c.r.PathValue("id"))
	return c.issued(renewed, link, err)
}

// issued returns the answer for an invitation that the caller has made, or tried to make with err. It is withdrawn if the caller's session
// has ended meanwhile.
func (c *call) issued(i *mail.Invitation, link string, err error) (issuedInvitationOut, error) {
	if errors.Is(err, account.AddressErrors.Taken) {
		err = invalid(map[string][]string{"email": {"A user with that email address already exists."}})
	}
	if err != nil {
		return issuedInvitationOut{}, err
	}
	c.undoIfEnded(func(ctx context.Context) error {
		err := c.api.Letters.WithdrawInvitation(ctx, i.ID)
		if errors.Is(err, mail.ErrNotFound) {
			return nil
		}
		return err
	})
	out, err := c.newInvitationOut(i)
	return issuedInvitationOut{out, link}, err
}

// withdrawInvitation makes the link of an invitation invalid.
func withdrawInvitation(c *call, _ none) (none, error) {
	if !c.api.Letters.Available() {
		return none{}, errNotFound
	}
	// The caller's rights are checked in the step of the store of accounts; the invitation is in another.
	if err := c.accounts().MayCreate(c.ctx(), account.NewUser{}); err != nil {
		return none{}, err
	}
	if err := c.api.Letters.WithdrawInvitation(c.ctx(), c.r.PathValue("id")); err != nil {
		return none{}, err
	}
	return none{}, nil
}
