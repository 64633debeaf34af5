package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/token"
)

// Ended says how many of each kind [EndRestored] has ended.
type Ended struct {
	Accounts int // that got a new epoch
	Links    int // with which a password could be reset, or the first administrator be made
	Sessions int
	Tokens   int // of every kind, with the marks of JWTs that count once
	Signins  int // that waited for a second step, with the marks of what counts once
	Mail     int // messages that waited to be sent
}

// RestoredOptions say what [EndRestored] leaves.
type RestoredOptions struct {
	// KeepEpochs leaves the epochs of accounts, because another program computes them from the password.
	KeepEpochs bool

	// KeepMail leaves the messages that wait to be sent. They may have been sent since the backup, and their links have ended.
	KeepMail bool
}

// restoredStep says what becomes of one field of [store.Set].
type restoredStep struct {
	field string
	end   func(context.Context, store.Set, RestoredOptions, *Ended) error // nil: its rows stay
}

// restoredSteps are in the order in which they are done. The epochs come first: a session that a sign-in in progress makes has the earlier
// one, and is not accepted.
var restoredSteps = []restoredStep{
	{"Accounts", endAccounts},
	{"Sessions", endSessions},
	{"Tokens", endTokens},
	{"Signins", endSignins},
	{"Links", endOrigins}, // of sessions; links stay, as factors do
	{"Grants", nil},       // the server revokes them, because their sessions have ended
	{"Mail", dropMail},
	{"Factors", nil},   // what users had when the backup was made; what was added or removed since is in the audit log
	{"Throttles", nil}, // failures that were counted before the backup
	{"Sealed", nil},    // keys, which the backup knows as well as any later state
	{"Webhooks", nil},  // what endpoints got since is delivered again
	{"Audit", nil},     // what happened until the backup
}

// DecidesAbout reports whether [EndRestored] decides about a field of [store.Set].
func DecidesAbout(field string) bool {
	for _, s := range restoredSteps {
		if s.field == field {
			return true
		}
	}
	return false
}

// EndRestored ends what stores that were restored from a backup can't know the end of: the backup has sessions and tokens that were
// ended since, and links that were used. All of them end: each account gets a new epoch, so that none of them is accepted even if its
// row comes back, and the rows are deleted. EndRestored returns how much that was. It can be interrupted at any moment and called
// again. Other nodes may use the stores meanwhile. What they have cached must be dropped afterwards.
func EndRestored(ctx context.Context, set store.Set, o RestoredOptions) (ended Ended, err error) {
	for _, s := range restoredSteps {
		if s.end == nil {
			continue
		}
		if err := s.end(ctx, set, o, &ended); err != nil {
			return ended, err
		}
	}
	return ended, nil
}

// batch is how many rows are read at a time, and how many accounts are changed in one step.
const batch = 200

func endAccounts(ctx context.Context, set store.Set, o RestoredOptions, ended *Ended) error {
	n, err := set.Accounts.DeleteAllSecrets(ctx)
	ended.Links += n
	if err != nil {
		return fmt.Errorf("delete links: %w", err)
	}
	if o.KeepEpochs {
		return nil
	}
	for after := ""; ; {
		users, err := set.Accounts.List(ctx, account.Query{After: after, Limit: batch})
		if err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		if len(users) == 0 {
			return nil
		}
		changed := 0
		err = set.Accounts.Transact(ctx, func(tx account.Tx) (err error) {
			changed, err = moveEpochs(tx, users)
			return err
		})
		if err != nil {
			return fmt.Errorf("give accounts new epochs: %w", err)
		}
		ended.Accounts += changed
		after = users[len(users)-1].ID
	}
}

// moveEpochs gives users new epochs, and returns how many there still are.
func moveEpochs(tx account.Tx, users []*account.User) (changed int, err error) {
	for _, listed := range users {
		u, err := tx.Load(listed.ID)
		if errors.Is(err, account.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		u.Epoch = rand.Text()
		if err := tx.Change(u); err != nil {
			return 0, err
		}
		changed++
	}
	return changed, nil
}

// farFuture is later than the end of every session: the last day of the year 9999, because another program's database may have no
// later date.
const farFuture = 253_402_214_400

func endSessions(ctx context.Context, set store.Set, _ RestoredOptions, ended *Ended) error {
	for after := ""; ; {
		page, err := set.Sessions.List(ctx, session.Query{After: after, Limit: batch})
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].PublicID
		users := map[string]bool{}
		for _, r := range page {
			if users[r.User] {
				continue
			}
			users[r.User] = true
			n, err := set.Sessions.DeleteUser(ctx, r.User, session.ID{})
			if err != nil {
				return fmt.Errorf("delete sessions: %w", err)
			}
			ended.Sessions += n
		}
	}
	// What is no session of a user, such as an anonymous session of Django, isn't listed.
	n, err := deleteAll(ctx, farFuture, "sessions", set.Sessions.DeleteExpired)
	ended.Sessions += n
	return err
}

// deleteAll deletes in batches what expires before a time, until nothing is left, and returns how many that were, also beside an error.
func deleteAll(ctx context.Context, before int64, what string, deleteExpired func(context.Context, int64, int) (int, error)) (int, error) {
	for all := 0; ; {
		n, err := deleteExpired(ctx, before, batch)
		if err != nil {
			return all, fmt.Errorf("delete %s: %w", what, err)
		}
		if all += n; n == 0 {
			return all, nil
		}
	}
}

func endSignins(ctx context.Context, set store.Set, _ RestoredOptions, ended *Ended) error {
	if set.Signins == nil {
		return nil
	}
	n, err := deleteAll(ctx, math.MaxInt64, "pending sign-ins", set.Signins.DeleteExpired)
	ended.Signins += n
	return err
}

func endOrigins(ctx context.Context, set store.Set, _ RestoredOptions, _ *Ended) error {
	if set.Links == nil {
		return nil
	}
	_, err := deleteAll(ctx, math.MaxInt64, "the origins of sessions", set.Links.DeleteExpired)
	return err
}

func dropMail(ctx context.Context, set store.Set, o RestoredOptions, ended *Ended) error {
	if set.Mail == nil {
		return nil
	}
	n, err := deleteAll(ctx, math.MaxInt64, "mailed links", set.Mail.DeleteSecrets)
	ended.Links += n
	if err != nil {
		return err
	}
	n, err = deleteAll(ctx, math.MaxInt64, "invitations", set.Mail.DeleteExpiredInvitations)
	ended.Links += n
	if err != nil {
		return err
	}
	for !o.KeepMail {
		page, err := set.Mail.List(ctx, "", batch)
		if err != nil {
			return fmt.Errorf("list mail: %w", err)
		}
		if len(page) == 0 {
			break
		}
		for _, q := range page {
			if err := set.Mail.Delete(ctx, q.ID); err != nil {
				return fmt.Errorf("delete mail: %w", err)
			}
			ended.Mail++
		}
	}
	return nil
}

func endTokens(ctx context.Context, set store.Set, _ RestoredOptions, ended *Ended) error {
	for after := ""; ; {
		page, err := set.Tokens.List(ctx, token.Query{After: after, Limit: batch})
		if err != nil {
			return fmt.Errorf("list tokens: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		after = page[len(page)-1].PublicID
		users := map[string]bool{}
		for _, r := range page {
			if users[r.User] {
				continue
			}
			users[r.User] = true
			n, err := set.Tokens.DeleteUser(ctx, r.User)
			if err != nil {
				return fmt.Errorf("delete tokens: %w", err)
			}
			ended.Tokens += n
		}
	}
}
