package django

import (
	"context"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
)

// sharedResets implements [account.ExternalResetLinks] by Django's own reset links, whose path ends with UID/TOKEN/.
type sharedResets struct {
	accounts *accounts
	tokens   ResetTokens
}

// Resets returns Django's reset links, as Config.ResetZone and Config.ResetLife say.
func (db *DB) Resets() account.ExternalResetLinks {
	return &sharedResets{&accounts{db, (*sessions)(db)}, ResetTokens{Keys: db.config.Keys, Zone: db.config.ResetZone, Life: db.config.ResetLife, LoginZone: db.config.Zone}}
}

func (r *sharedResets) FindAddress(ctx context.Context, address string, limit int) ([]*account.User, error) {
	column := "email"
	if r.accounts.loginIsEmail() {
		column = r.accounts.config.UserLogin
	}
	if !isText(address) || !r.accounts.schema.users.has(column) {
		return nil, nil
	}
	return r.accounts.loadMany(ctx, ` WHERE lower(u.`+quote(column)+`) = lower($1) ORDER BY u.`+quote(r.accounts.config.UserKey)+` LIMIT $2`, address, limit)
}

func (r *sharedResets) NewReset(u *account.User, at time.Time) string {
	return r.tokens.UID(u.ID) + "/" + r.tokens.New(u, at)
}

func (r *sharedResets) ParseReset(text string) (id string, ok bool) {
	uid, _, ok := strings.Cut(strings.TrimSuffix(text, "/"), "/")
	if !ok {
		return "", false
	}
	return r.tokens.ParseUID(uid)
}

func (r *sharedResets) ValidReset(u *account.User, text string, now time.Time) bool {
	uid, token, _ := strings.Cut(strings.TrimSuffix(text, "/"), "/")
	id, ok := r.tokens.ParseUID(uid)
	return ok && id == u.ID && r.tokens.Valid(u, token, now)
}
