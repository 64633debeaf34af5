// Package storetest has the promises of the Store interfaces as tests that every implementation runs:
//
//	func TestStores(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Stores { return open(t) })
//	}
//
// An implementation of a single interface runs [Sessions], [Accounts], [JoinedView], [Tokens], [Imports], [Throttles], [Sealed], [Audit], [Factors],
// [Signins], [Links], [Grants], [Mail], [Joins] or [Webhooks]. Run leaves out the cases of stores that may be nil and are. Each case is
// a subtest that is named with a sentence, gets an empty store, and logs the broken promise when it fails.
//
// [Faulty] wraps stores so that a chosen call fails, to test the code that uses stores.
package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom/sealed"
	"github.com/cloakroom-auth/cloakroom/store"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

// Stores are the stores of one database.
type Stores struct {
	store.Set

	// Reopen closes the stores, as the end of a process does, and opens the same database again. Nil means that nothing
	// outlives the process; the cases of persistence are then left out.
	Reopen func(t *testing.T) Stores
}

// Run runs all cases. open returns empty stores, and registers their end with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Stores) {
	t.Run("sessions", func(t *testing.T) {
		Sessions(t, func(t *testing.T) session.Store { return open(t).Sessions })
	})
	t.Run("accounts", func(t *testing.T) {
		Accounts(t, func(t *testing.T) account.Store { return open(t).Accounts })
	})
	if s := open(t); reading(s.Sessions, s.Accounts) != nil {
		t.Run("sessions with their users", func(t *testing.T) {
			JoinedView(t, func(t *testing.T) store.Set { return open(t).Set })
		})
	}
	t.Run("tokens", func(t *testing.T) {
		Tokens(t, func(t *testing.T) token.Store { return open(t).Tokens })
	})
	if _, imports := open(t).Accounts.(store.Importer); imports {
		t.Run("imports", func(t *testing.T) {
			Imports(t, func(t *testing.T) store.Set { return open(t).Set })
		})
	}
	t.Run("throttles", func(t *testing.T) {
		Throttles(t, func(t *testing.T) throttle.Store { return open(t).Throttles })
	})
	t.Run("sealed", func(t *testing.T) {
		Sealed(t, func(t *testing.T) sealed.Store { return open(t).Sealed })
	})
	t.Run("audit", func(t *testing.T) {
		Audit(t, func(t *testing.T) audit.Store { return open(t).Audit })
	})
	if open(t).Factors != nil {
		t.Run("factors", func(t *testing.T) {
			Factors(t, func(t *testing.T) factor.Store { return open(t).Factors })
		})
	}
	if open(t).Signins != nil {
		t.Run("signins", func(t *testing.T) {
			Signins(t, func(t *testing.T) signin.Store { return open(t).Signins })
		})
	}
	if open(t).Links != nil {
		t.Run("links", func(t *testing.T) {
			Links(t, func(t *testing.T) federation.Store { return open(t).Links })
		})
	}
	if open(t).Grants != nil {
		t.Run("grants", func(t *testing.T) {
			Grants(t, func(t *testing.T) federation.GrantStore { return open(t).Grants })
		})
	}
	if open(t).Mail != nil {
		t.Run("mail", func(t *testing.T) {
			Mail(t, func(t *testing.T) mail.Store { return open(t).Mail })
		})
	}
	if s := open(t); s.Mail != nil && s.Factors != nil && !s.Unsupported().SpendLink {
		t.Run("joins", func(t *testing.T) {
			Joins(t, func(t *testing.T) store.Set { return open(t).Set })
		})
	}
	if open(t).Webhooks != nil {
		t.Run("webhooks", func(t *testing.T) {
			Webhooks(t, func(t *testing.T) store.Set { return open(t).Set })
		})
	}
	if open(t).Reopen != nil {
		t.Run("persistence", func(t *testing.T) { run(t, open, persistenceCases, tokenPersistenceCases, auditPersistenceCases) })
		if open(t).Mail != nil {
			t.Run("persistence of mail", func(t *testing.T) { run(t, open, mailPersistenceCases) })
		}
		if open(t).Grants != nil {
			t.Run("persistence of grants", func(t *testing.T) { run(t, open, grantPersistenceCases) })
		}
		if open(t).Webhooks != nil {
			t.Run("persistence of webhooks", func(t *testing.T) { run(t, open, webhookPersistenceCases) })
		}
	}
}

// Sessions runs the cases of a session.Store. open returns an empty one.
func Sessions(t *testing.T, open func(t *testing.T) session.Store) {
	run(t, open, sessionCreateCases, sessionReplaceCases, sessionTouchCases, sessionDeleteCases, sessionListCases,
		sessionCopyCases, sessionContextCases, sessionParallelCases, sessionModelCases)
}

// Accounts runs the cases of an account.Store. open returns an empty one.
func Accounts(t *testing.T, open func(t *testing.T) account.Store) {
	run(t, open, accountCreateCases, accountNameCases, accountChangeCases, accountListCases, accountSetupCases, accountResetCases,
		accountTransactCases, groupCases, accountContextCases, accountParallelCases, accountModelCases)
}

// Tokens runs the cases of a token.Store. open returns an empty one.
func Tokens(t *testing.T, open func(t *testing.T) token.Store) {
	run(t, open, tokenCases)
}

// Throttles runs the cases of a throttle.Store. open returns an empty one.
func Throttles(t *testing.T, open func(t *testing.T) throttle.Store) {
	run(t, open, throttleCases)
}

// Sealed runs the cases of a store of sealed secrets. open returns an empty one.
func Sealed(t *testing.T, open func(t *testing.T) sealed.Store) {
	run(t, open, keyCases)
}

// Factors runs the cases of a factor.Store. open returns an empty one.
func Factors(t *testing.T, open func(t *testing.T) factor.Store) {
	run(t, open, factorCases)
}

// Signins runs the cases of a signin.Store. open returns an empty one.
func Signins(t *testing.T, open func(t *testing.T) signin.Store) {
	run(t, open, signinCases)
}

// Links runs the cases of a federation.Store. open returns an empty one.
func Links(t *testing.T, open func(t *testing.T) federation.Store) {
	run(t, open, linkCases)
}

// Grants runs the cases of a federation.GrantStore. open returns an empty one.
func Grants(t *testing.T, open func(t *testing.T) federation.GrantStore) {
	run(t, open, grantCases)
}

// Mail runs the cases of a mail.Store. open returns an empty one.
func Mail(t *testing.T, open func(t *testing.T) mail.Store) {
	run(t, open, mailCases)
}

// Audit runs the cases of an audit.Store. open returns an empty one.
func Audit(t *testing.T, open func(t *testing.T) audit.Store) {
	run(t, open, auditCases)
}

// Webhooks runs the cases of a webhook.Store together with the audit.Store whose events it reads. open returns empty stores, of which
// the cases use these two.
func Webhooks(t *testing.T, open func(t *testing.T) store.Set) {
	run(t, open, webhookCases)
}

// testCase is one promise of a store S.
type testCase[S any] struct {
	name    string
	promise string // where it is made
	check   func(t *testing.T, store S)
}

func run[S any](t *testing.T, open func(t *testing.T) S, lists ...[]testCase[S]) {
	for _, list := range lists {
		for _, c := range list {
			t.Run(c.name, func(t *testing.T) {
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("the promise: %s", c.promise)
					}
				})
				c.check(t, open(t))
			})
		}
	}
}

// tb has the methods of *testing.T that the cases use and *rapid.T has as well.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// ok ends the test at an error.
func ok(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fails ends the test unless err is the expected one.
func fails(t tb, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want: %v", err, want)
	}
}

// ended returns a context that is done already.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
