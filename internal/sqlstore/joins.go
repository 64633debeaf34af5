package sqlstore

import (
	"fmt"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// joins are the stores that have a part in the step in which a user joins.
type joins struct {
	factors *factors
	outbox  *outbox
}

// Joins reports whether these are the stores of the same [DB], to which SpendLink writes. f may be nil: then no one has a passkey.
func (a *accounts) Joins(m mail.Store, f factor.Store) bool {
	return m == mail.Store(a.joins.outbox) && (f == nil || f == factor.Store(a.joins.factors))
}

func (t accountTx) SpendLink(user string, j account.SignUpByLink) error {
	if err := t.joins.outbox.spendLink(t.tx, j.Link); err != nil || j.Passkey == nil {
		return err
	}
	return t.joins.factors.addFirst(t.tx, user, j)
}

// spendLink deletes a mailed secret or an invitation in a transaction.
func (o *outbox) spendLink(t tx, hash [32]byte) error {
	n, err := t.exec(o.spendSecret, hash[:])
	if err == nil && n == 0 {
		n, err = t.exec(o.invitations.spend, hash[:])
	}
	if err != nil {
		return fmt.Errorf("spend a mailed link: %w", err)
	}
	if n == 0 {
		return account.SpentErrors.Link
	}
	return nil
}

// addFirst adds the first factor of a new user in a transaction, with what comes along.
func (s *factors) addFirst(t tx, user string, j account.SignUpByLink) error {
	id := s.dialect.Bytes(user)
	var stored []byte
	err := t.queryRow(s.addHandle, id, bytesOrEmpty(j.Handle), false).Scan(&stored)
	switch {
	case s.dialect.Unique(err):
		return factor.ErrExists
	case err != nil:
		return fmt.Errorf("add user handle: %w", err)
	}
	n, err := t.exec(s.add, s.row(j.Passkey)...)
	if err != nil {
		return fmt.Errorf("add factor: %w", err)
	}
	if n == 0 {
		return factor.ErrExists
	}
	for _, hash := range j.RecoveryCodes {
		if _, err := t.exec(s.addCode, id, hash[:]); err != nil {
			return fmt.Errorf("add recovery code: %w", err)
		}
	}
	return nil
}
