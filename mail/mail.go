// Package mail defines messages to users, and the store in which they wait until a mail server has accepted them, with what is known of
// the links in them.
package mail

import (
	"context"
	"errors"
	"fmt"
)

// Message is an e-mail to one person, the same words as plain text and as HTML.
type Message struct {
	ID      string // the part of the Message-ID before the @; a message that is sent again has the same one
	Kind    string // what it is for, such as "reset"
	User    string // the ID of the user that it is about; "": it is about no user
	To      string // an address such as ada@example.com
	Subject string // one line
	Text    string
	HTML    string // a whole document; "": the message has the plain text alone
	Created int64  // Unix time in seconds
}

// Sender passes messages on. Send returns nil once the next server is responsible for the message. A *[RefusedError] is a refusal
// that another attempt wouldn't change; after any other error, or a panic, the message is sent again later. Send is called for one
// message at a time in a process, and its context ends after 80 seconds.
type Sender interface {
	Send(ctx context.Context, m *Message) error
}

// RefusedError says that a mail server has refused a message for good.
type RefusedError struct {
	Code   int    // such as 550
	Status string // the enhanced status code, such as "5.1.1"; "": the server gave none
}

func (e *RefusedError) Error() string {
	if e.Status == "" {
		return fmt.Sprintf("the mail server has refused the message: %d", e.Code)
	}
	return fmt.Sprintf("the mail server has refused the message: %d %s", e.Code, e.Status)
}

// Queued is a message that waits. Times are Unix times in seconds.
type Queued struct {
	ID      string
	Body    []byte // sealed; who gets the message and what it says
	Created int64
	Due     int64 // no earlier attempt is made
	Expires int64 // after this time it isn't sent any more
	Tries   int   // how often it was claimed
}

// LinkSecret is what is known of a secret that was mailed in a link.
type LinkSecret struct {
	Hash    [32]byte // SHA-256 of the secret
	Kind    string   // what it is for, such as "verify"
	User    string   // the ID of the user whose account it is about; "": there is none yet
	Epoch   string   // of the account when the secret was made
	Box     []byte   // sealed with the secret itself, so that nothing else opens it: the address
	Expires int64    // Unix time in seconds
}

// Invitation says that a person may make an account. Times are Unix times in seconds.
type Invitation struct {
	ID       string
	Address  string // the account gets it
	Login    string // the address as account.CanonicalLogin has it; there is one invitation for each
	Groups   []string
	Language string   // of the message, such as "de"; "": the default
	Inviter  string   // the ID of the administrator; "": the operator
	Printed  bool     // the inviter got the link instead of the address, so it doesn't prove the address
	Hash     [32]byte // SHA-256 of the secret in the link
	Created  int64
	Expires  int64
}

// InvitationQuery selects invitations by the one of its fields that isn't zero.
type InvitationQuery struct {
	ID, Login string
	Inviters  []string // of any of these users
	Hash      [32]byte
}

// Errors that a [Store] returns by these names. Any other error means that the store could not be read or written.
var (
	ErrNotFound = errors.New("mail: there is no such message, secret or invitation")
	ErrExists   = errors.New("mail: the message or secret exists already")
)

// Store keeps messages that wait, secrets that were mailed, and invitations. Each method is one step, which is done whole or not at all,
// and is safe for concurrent use. A Store never reads the clock, and copies what it is given and what it returns.
type Store interface {
	// Put adds a message. ErrExists if the ID is stored already.
	Put(ctx context.Context, q *Queued) error

	// Claim returns the message that has been due longest at now, after it has set Due to until and added one to Tries, so that
	// of several callers at the same time one gets it. ErrNotFound if none is due.
	Claim(ctx context.Context, now, until int64) (*Queued, error)

	// Postpone sets Due of a message. It is no error if there is no such message.
	Postpone(ctx context.Context, id string, due int64) error

	// Replace sets the Body of a message if it still is old, and reports whether it did.
	Replace(ctx context.Context, id string, old, new []byte) (bool, error)

	// Delete deletes a message. It is no error if there is no such message.
	Delete(ctx context.Context, id string) error

	// List returns at most limit messages whose IDs come after the given one, in the order of their IDs. A limit of 0 or less
	// returns none.
	List(ctx context.Context, after string, limit int) ([]*Queued, error)

	// PutSecret adds a secret. ErrExists if the hash is stored already.
	PutSecret(ctx context.Context, s *LinkSecret) error

	// FindSecret returns the secret with this hash, expired or not. ErrNotFound.
	FindSecret(ctx context.Context, hash [32]byte) (*LinkSecret, error)

	// SpendSecret deletes a secret. Of several calls at the same time one succeeds. ErrNotFound.
	SpendSecret(ctx context.Context, hash [32]byte) error

	// SecretsOf returns the secrets of a user that are of this kind, expired or not, in no particular order.
	SecretsOf(ctx context.Context, user, kind string) ([]*LinkSecret, error)

	// DeleteSecretsOf deletes the secrets of a user that are of this kind. It is no error if there are none.
	DeleteSecretsOf(ctx context.Context, user, kind string) error

	// DeleteSecrets deletes at most limit secrets whose Expires is at or before now, and returns how many it has deleted.
	DeleteSecrets(ctx context.Context, now int64, limit int) (int, error)

	// PutInvitation adds an invitation, and deletes an earlier one with the same Login in the same step. Its ID and
	// its hash are new.
	PutInvitation(ctx context.Context, i *Invitation) error

	// RenewInvitation changes the Inviter, Hash, Created and Expires of the invitation with this ID to those given, if its hash still is
	// old. ErrNotFound.
	RenewInvitation(ctx context.Context, old [32]byte, i *Invitation) error

	// FindInvitation returns the invitation with this hash, expired or not. ErrNotFound.
	FindInvitation(ctx context.Context, hash [32]byte) (*Invitation, error)

	// LoadInvitation returns the invitation with this ID, expired or not. ErrNotFound.
	LoadInvitation(ctx context.Context, id string) (*Invitation, error)

	// Invitations returns at most limit invitations whose IDs come after the given one, in the order of their IDs. A limit of 0 or less
	// returns none.
	Invitations(ctx context.Context, after string, limit int) ([]*Invitation, error)

	// DeleteInvitations deletes the selected invitations, and returns how many there were.
	DeleteInvitations(ctx context.Context, of InvitationQuery) (int, error)

	// DeleteExpiredInvitations deletes at most limit invitations whose Expires is at or before now, and returns how many it has deleted.
	DeleteExpiredInvitations(ctx context.Context, now int64, limit int) (int, error)
}
