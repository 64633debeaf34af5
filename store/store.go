// Package store gathers the stores that a server needs into one value, and says how a store imports the users of another program.
package store

import (
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/sealed"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
	"github.com/cloakroom-auth/cloakroom/webhook"
)

// Set is one store of each kind. The stores may be in different databases: a transaction spans Accounts, Mail and Factors only if
// Accounts says that they are in one (see [Set.Unsupported]), and none spans others. Package storetest has the tests that each store must pass.
//
// Sessions or Signins with a method CountLive(ctx context.Context, now int64) (int, error), which returns how many have not expired by then,
// are counted in the server's metrics.
type Set struct {
	Sessions  session.Store
	Accounts  account.Store
	Tokens    token.Store
	Throttles throttle.Store
	Sealed    sealed.Store
	Audit     audit.Store

	// Factors and Signins may be nil, both or neither: then a password is the only way to prove who one is.
	Factors factor.Store
	Signins signin.Store

	// Links may be nil: then no one signs in through another provider. It needs Signins.
	Links federation.Store

	// Grants may be nil: then no tokens of other providers are kept. It needs Links.
	Grants federation.GrantStore

	// Mail may be nil: then the server sends no mail.
	Mail mail.Store

	// Webhooks may be nil: then the server delivers events to no endpoint. It reads them from Audit's store.
	Webhooks webhook.Store
}

// Unsupported returns what Accounts has no place for. SpendLink of [account.Tx] is lacking unless Accounts has a method
// Joins(mail.Store, factor.Store) bool, which reports whether these two, Mail and Factors, are what SpendLink writes to. Factors is nil
// if there is none.
func (s Set) Unsupported() (lacks account.Unsupported) {
	if says, ok := s.Accounts.(interface{ Unsupported() account.Unsupported }); ok {
		lacks = says.Unsupported()
	}
	a, ok := s.Accounts.(interface {
		Joins(mail.Store, factor.Store) bool
	})
	lacks.SpendLink = lacks.SpendLink || !ok || !a.Joins(s.Mail, s.Factors)
	return lacks
}
