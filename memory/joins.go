package memory

import (
	"bytes"
	"maps"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// joined is what a transaction of accounts has done in other stores, which stay locked until it ends.
type joined struct {
	unlock, undo []func() // in the order of the acts
}

// end keeps what was done, or undoes it.
func (j *joined) end(kept bool) {
	if !kept {
		for _, undo := range slices.Backward(j.undo) {
			undo()
		}
	}
	for _, unlock := range j.unlock {
		unlock()
	}
}

// Joins reports whether these are the stores of the same [DB], to which SpendLink writes. f may be nil: then no one has a passkey.
func (a *accounts) Joins(m mail.Store, f factor.Store) bool {
	return m == mail.Store(a.outbox) && (f == nil || f == factor.Store(a.factors))
}

func (t accountTx) SpendLink(user string, j account.SignUpByLink) error {
	o, s := t.a.outbox, t.a.factors
	if t.joined.unlock == nil {
		o.mu.Lock()
		s.mu.Lock()
		t.joined.unlock = []func(){s.mu.Unlock, o.mu.Unlock}
	}
	secrets, invitations, users := maps.Clone(o.secrets), maps.Clone(o.invitations), maps.Clone(s.users)
	t.joined.undo = append(t.joined.undo, func() { o.secrets, o.invitations, s.users = secrets, invitations, users })
	if !o.spendLink(j.Link) {
		return account.SpentErrors.Link
	}
	if j.Passkey == nil {
		return nil
	}
	taken := func(p *profile) bool { return p.handle != nil && bytes.Equal(p.handle, j.Handle) }
	if s.byID(j.Passkey.ID) != nil || s.byCredential(j.Passkey.Credential) != nil || slices.ContainsFunc(slices.Collect(maps.Values(s.users)), taken) {
		return factor.ErrExists
	}
	codes := map[[32]byte]bool{}
	for _, hash := range j.RecoveryCodes {
		codes[hash] = true
	}
	s.users[user] = &profile{factors: []*factor.Factor{copyFactor(j.Passkey)}, codes: codes, handle: bytes.Clone(j.Handle)}
	return nil
}

// spendLink deletes a secret or an invitation, and reports whether there was one.
func (o *outbox) spendLink(hash [32]byte) bool {
	secrets, invitations := len(o.secrets), len(o.invitations)
	delete(o.secrets, hash)
	for id, i := range o.invitations {
		if i.Hash == hash {
			delete(o.invitations, id)
		}
	}
	return len(o.secrets) < secrets || len(o.invitations) < invitations
}
