package django

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/token"
)

// importedToken is a token from Django's tables, in the terms of package token.
type importedToken struct {
	id               token.ID
	kind             token.Kind
	user             string
	created, expires int64
}

// drfTokens returns REST framework's tokens, which are stored in plain text.
func (db *DB) drfTokens(ctx context.Context) ([]importedToken, error) {
	return db.readTokens(ctx, token.DRF, "authtoken_token", "key", `NULL`, func(key string) (token.ID, bool) {
		return sha256.Sum256([]byte(key)), true
	})
}

// knoxTokens returns knox's tokens, which are stored as their SHA-512.
func (db *DB) knoxTokens(ctx context.Context) ([]importedToken, error) {
	return db.readTokens(ctx, token.Knox, "knox_authtoken", "digest", db.dialect.format(db.dialect.instant, "expiry"), func(digest string) (token.ID, bool) {
		b, err := hex.DecodeString(digest)
		if err != nil || len(b) != 64 {
			return token.ID{}, false
		}
		return token.ID(b[:32]), true
	})
}

func (db *DB) readTokens(ctx context.Context, kind token.Kind, table, column, expiry string, id func(string) (token.ID, bool)) ([]importedToken, error) {
	if !db.schema.tokens[table] {
		return nil, nil
	}
	found, err := queryAll(ctx, db.read, func(rows *sql.Rows) (t importedToken, err error) {
		var text, user, created string
		var expires sql.NullString
		if err := rows.Scan(&text, &user, &created, &expires); err != nil {
			return t, err
		}
		var ok bool
		if t.id, ok = id(text); !ok {
			return t, nil
		}
		t.kind, t.user = kind, db.id(user)
		if t.created, err = db.seconds(created); err != nil || !expires.Valid {
			return t, err
		}
		t.expires, err = db.seconds(expires.String)
		return t, err
	}, `SELECT `+quote(column)+`, CAST(user_id AS TEXT), `+db.dialect.format(db.dialect.instant, "created")+`, `+expiry+` FROM `+table+` ORDER BY created`)
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return found, nil
}
