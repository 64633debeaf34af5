package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cloakroom-auth/cloakroom/mail"
)

// invitations are the statements of the outbox about invitations.
type invitations struct {
	put, renew, list, delete, spend, deleteExpired *statement
	find, load                                     rowQuery
}

const invitationColumns = `id, address, login, member_of, language, inviter, printed, hash, created, expires`

func newInvitations(p *queries) invitations {
	return invitations{
		put: p.writing(`INSERT INTO invitations (` + invitationColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (login) DO UPDATE SET id = excluded.id, address = excluded.address, member_of = excluded.member_of,
				language = excluded.language, inviter = excluded.inviter, printed = excluded.printed, hash = excluded.hash,
				created = excluded.created, expires = excluded.expires`),
		renew:  p.writing(`UPDATE invitations SET inviter = $3, hash = $4, created = $5, expires = $6 WHERE id = $1 AND hash = $2`),
		find:   p.row(`SELECT ` + invitationColumns + ` FROM invitations WHERE hash = $1`),
		load:   p.row(`SELECT ` + invitationColumns + ` FROM invitations WHERE id = $1`),
		list:   p.reading(`SELECT ` + invitationColumns + ` FROM invitations WHERE id > $1 ORDER BY id LIMIT $2`),
		delete: p.writing(`DELETE FROM invitations WHERE id = $1 OR login = $2 OR hash = $3`),
		spend:  p.writing(`DELETE FROM invitations WHERE hash = $1`),
		deleteExpired: p.writing(`DELETE FROM invitations WHERE ` + p.dialect.among(`id`,
			`SELECT id FROM invitations WHERE expires <= $1 ORDER BY expires LIMIT $2`+p.dialect.SkipLocked) + p.alone()),
	}
}

func (o *outbox) PutInvitation(ctx context.Context, i *mail.Invitation) error {
	groups := []byte{}
	if len(i.Groups) > 0 {
		var err error
		if groups, err = json.Marshal(i.Groups); err != nil {
			return fmt.Errorf("encode the groups of an invitation: %w", err)
		}
	}
	printed := 0
	if i.Printed {
		printed = 1
	}
	text := o.dialect.Bytes
	_, err := o.invitations.put.ExecContext(ctx, text(i.ID), text(i.Address), text(i.Login), groups, text(i.Language), text(i.Inviter),
		printed, i.Hash[:], i.Created, i.Expires)
	if err != nil {
		return fmt.Errorf("put an invitation: %w", err)
	}
	return nil
}

func (o *outbox) RenewInvitation(ctx context.Context, old [32]byte, i *mail.Invitation) error {
	text := o.dialect.Bytes
	n, err := affected(o.invitations.renew.ExecContext(ctx, text(i.ID), old[:], text(i.Inviter), i.Hash[:], i.Created, i.Expires))
	if err != nil {
		return fmt.Errorf("renew an invitation: %w", err)
	}
	if n == 0 {
		return mail.ErrNotFound
	}
	return nil
}

func (o *outbox) FindInvitation(ctx context.Context, hash [32]byte) (*mail.Invitation, error) {
	i, err := one(ctx, o.dialect, o.invitations.find, scanInvitation, mail.ErrNotFound, hash[:])
	if err != nil {
		return nil, fmt.Errorf("find an invitation: %w", err)
	}
	return i, nil
}

func (o *outbox) LoadInvitation(ctx context.Context, id string) (*mail.Invitation, error) {
	i, err := one(ctx, o.dialect, o.invitations.load, scanInvitation, mail.ErrNotFound, o.dialect.Bytes(id))
	if err != nil {
		return nil, fmt.Errorf("load an invitation: %w", err)
	}
	return i, nil
}

func scanInvitation(row scanner) (*mail.Invitation, error) {
	var i mail.Invitation
	var groups, hash []byte
	var printed int
	err := row.Scan(&i.ID, &i.Address, &i.Login, &groups, &i.Language, &i.Inviter, &printed, &hash, &i.Created, &i.Expires)
	if err != nil {
		return nil, err
	}
	if len(hash) != len(i.Hash) {
		return nil, fmt.Errorf("the stored hash has %d bytes", len(hash))
	}
	i.Printed, i.Hash = printed != 0, [32]byte(hash)
	if err := names(groups, &i.Groups); err != nil {
		return nil, fmt.Errorf("decode the groups of an invitation: %w", err)
	}
	return &i, nil
}

func (o *outbox) Invitations(ctx context.Context, after string, limit int) ([]*mail.Invitation, error) {
	found, err := all(ctx, o.dialect, func() (*sql.Rows, error) {
		return o.invitations.list.QueryContext(ctx, o.dialect.Bytes(after), max(limit, 0))
	}, scanInvitation)
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	return found, nil
}

func (o *outbox) DeleteInvitations(ctx context.Context, of mail.InvitationQuery) (int, error) {
	text := o.dialect.Bytes
	var n int
	var err error
	if inviters := slices.DeleteFunc(slices.Clone(of.Inviters), func(user string) bool { return user == "" }); len(inviters) > 0 {
		n, err = o.deleteInvitationsOf(ctx, inviters)
	} else {
		n, err = affected(o.invitations.delete.ExecContext(ctx, text(of.ID), text(of.Login), of.Hash[:]))
	}
	if err != nil {
		return 0, fmt.Errorf("delete invitations: %w", err)
	}
	return n, nil
}

func (o *outbox) deleteInvitationsOf(ctx context.Context, users []string) (int, error) {
	var args []any
	for _, user := range users {
		args = append(args, o.dialect.Bytes(user))
	}
	query := `DELETE FROM invitations WHERE inviter IN ` + listOf(1, len(args))
	return affected(o.write.ExecContext(ctx, o.dialect.Named(query), args...))
}

func (o *outbox) DeleteExpiredInvitations(ctx context.Context, now int64, limit int) (int, error) {
	n, err := affected(o.invitations.deleteExpired.ExecContext(ctx, now, max(limit, 0)))
	if err != nil {
		return 0, fmt.Errorf("delete expired invitations: %w", err)
	}
	return n, nil
}
