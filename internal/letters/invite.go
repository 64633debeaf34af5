package letters

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// invitation is the kind of the request to write to an invited person, and of the secret that is mailed.
const invitation = "invitation"

const invitationLife = 7 * 24 * time.Hour // that of the link

// Invitation says who may make an account, and what it gets.
type Invitation struct {
	Address  string   `json:"address"` // as of [account.ParseEmail]
	Groups   []string `json:"groups"`  // names; the account becomes their member
	Language string   `json:"-"`       // of the message, such as "de"; one that the catalogue lacks: the default
}

// NoGroupError says that there is no group with this name.
type NoGroupError struct{ Name string }

func (e *NoGroupError) Error() string { return fmt.Sprintf("there is no group %q", e.Name) }

// Invite sends a link to an address on which an account is made, and returns when the link expires. It replaces the earlier links of
// invitations to this address. It doesn't ask whether people can join now: they can't use the link before. [account.ErrAddressTaken];
// *[NoGroupError] if a group doesn't exist.
func (s *Service) Invite(ctx context.Context, i Invitation) (expires time.Time, err error) {
	_, err = s.Accounts.Store.Find(ctx, account.CanonicalLogin(i.Address))
	if err == nil {
		return time.Time{}, account.ErrAddressTaken
	}
	if !errors.Is(err, account.ErrNotFound) {
		return time.Time{}, err
	}
	for _, name := range i.Groups {
		_, err := s.Accounts.Group(ctx, name)
		if errors.Is(err, account.ErrNotFound) {
			return time.Time{}, &NoGroupError{name}
		}
		if err != nil {
			return time.Time{}, err
		}
	}
	text, err := json.Marshal(i)
	if err != nil {
		return time.Time{}, err
	}
	if err := s.Withdraw(ctx, i.Address); err != nil {
		return time.Time{}, err
	}
	// The secret is made here and not when the message is written, so that of two invitations the later one counts, whichever is sent first.
	secret := rand.Text()
	expires = time.Now().Add(invitationLife)
	if err := s.putSecret(ctx, invitation, secret, addressee(i.Address), "", string(text), expires); err != nil {
		return time.Time{}, err
	}
	r := outbox.Request{Kind: invitation, To: i.Address, Language: i.Language, Data: map[string]string{"secret": secret}}
	if err := s.Outbox.Put(ctx, r, invitationLife); err != nil {
		return time.Time{}, err
	}
	s.Audit.Record(ctx, audit.Token.Created, slog.String("kind", invitation), slog.String("groups", strings.Join(i.Groups, ",")))
	return expires, nil
}

// Withdraw makes the links of all invitations to an address invalid. It is no error if there are none.
func (s *Service) Withdraw(ctx context.Context, address string) error {
	return s.Secrets.DeleteSecretsOf(ctx, addressee(address), invitation)
}

// addressee stands for the user who doesn't exist yet in the secrets of invitations to an address: by it they are found, without the
// links. Each spelling of an address has the same one.
func addressee(address string) string {
	sum := sha256.Sum256([]byte("cloakroom invitation\x00" + account.CanonicalLogin(address)))
	return hex.EncodeToString(sum[:])
}

// writeInvitation writes to an invited person; nil if the invitation doesn't count any more.
func (s *Service) writeInvitation(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	_, _, err := s.findSecret(ctx, invitation, r.Data["secret"])
	if errors.Is(err, ErrLink) {
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

// acceptInvitation makes the account of an invited person, as [Service.CompleteSignUp] does. [ErrLink] also if one of its groups doesn't
// exist any more: what the administrator wanted can't be done.
func (s *Service) acceptInvitation(ctx context.Context, secret, username, password string) (*account.User, error) {
	_, text, err := s.findSecret(ctx, invitation, secret)
	if err != nil {
		return nil, err
	}
	var i Invitation
	if err := json.Unmarshal([]byte(text), &i); err != nil {
		return nil, fmt.Errorf("read an invitation: %w", err)
	}
	u, err := s.Accounts.SignUp(ctx, account.NewUser{Username: username, Email: i.Address, Password: password, Groups: i.Groups})
	wrong, _ := errors.AsType[*account.InvalidError](err)
	if errors.Is(err, account.ErrAddressTaken) || wrong != nil && len(wrong.Fields["groups"]) > 0 {
		return nil, ErrLink
	}
	if err != nil {
		return nil, err
	}
	if err := s.Withdraw(ctx, i.Address); err != nil { // The account exists, and as long as it has the address no link makes another.
		s.Log.LogAttrs(ctx, slog.LevelWarn, "secret of an invitation not deleted", slog.Any("error", err))
	}
	return u, nil
}
