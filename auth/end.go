package auth

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// EndSignIns ends all sessions of a user and the tokens that stand for a sign-in, those of knox and refreshable JWTs,
// and returns how many sessions there were. Tokens given to programs remain. After an error some may not have ended: try
// again.
func (a *Resolver) EndSignIns(ctx context.Context, user string) (sessions int, err error) {
	if a.c.Tokens != nil {
		if _, err := a.c.Tokens.RevokeAll(ctx, user, token.Knox, token.Refresh); err != nil {
			return 0, err
		}
	}
	return a.c.Sessions.RevokeAll(ctx, user, nil)
}

// DeleteRevoked deletes from the stores what has ended with a user's epoch: all sessions but one, and all tokens. They have
// ended already, so an error does no harm.
func (a *Resolver) DeleteRevoked(ctx context.Context, user string, except *session.Session) error {
	_, err := a.c.Sessions.RevokeAll(ctx, user, except)
	if err == nil && a.c.Tokens != nil {
		_, err = a.c.Tokens.RevokeAll(ctx, user)
	}
	return err
}

// DeleteRevokedOf is DeleteRevoked for many users, and for all of their sessions.
func (a *Resolver) DeleteRevokedOf(ctx context.Context, users []string) error {
	err := a.c.Sessions.RevokeAllOf(ctx, users)
	if err == nil && a.c.Tokens != nil {
		err = a.c.Tokens.RevokeAllOf(ctx, users)
	}
	return err
}
