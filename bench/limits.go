package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/rueidis"

	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
)

// The limits are the fastest programs that could do the work of a strict check: the bare handler, and one round trip to the database for the
// row of the session and its user. They compare nothing, decode nothing, and use the client's own pool.
const (
	limitPostgres = "limit/postgres"
	limitRedis    = "limit/redis"
)

// limits are the limit of each database; none on SQLite, whose limit is the bare handler.
var limits = map[string]string{"postgres": limitPostgres, "redis": limitRedis}

// buildLimitPostgres reads a session and its user with one prepared statement.
func buildLimitPostgres(s spec) (http.Handler, []string, error) {
	ctx := context.Background()
	db, err := postgres.Open(ctx, s.DB)
	if err != nil {
		return nil, nil, err
	}
	credentials, err := populate(ctx, s, db.Accounts, &session.Manager{Store: db.Sessions, InsecureHTTP: true})
	if err != nil {
		return nil, nil, err
	}
	pool, err := pgxpool.New(ctx, s.DB)
	if err != nil {
		return nil, nil, err
	}
	const query = `SELECT s.*, u.* FROM sessions s JOIN users u ON u.id = encode(s.user_id, 'escape')::bigint WHERE s.id = $1`
	return limited(s, func(ctx context.Context, id []byte) error {
		rows, err := pool.Query(ctx, query, id)
		if err != nil {
			return err
		}
		defer rows.Close()
		if rows.Next() {
			_ = rows.RawValues()
		} else if rows.Err() == nil {
			return pgx.ErrNoRows
		}
		rows.Close()
		return rows.Err()
	}), credentials, nil
}

// buildLimitRedis reads a session of 500 bytes, and no user.
func buildLimitRedis(s spec) (http.Handler, []string, error) {
	options, err := rueidis.ParseURL(s.Sessions)
	if err != nil {
		return nil, nil, err
	}
	options.DisableCache = true
	client, err := rueidis.NewClient(options)
	if err != nil {
		return nil, nil, err
	}
	var credentials []string
	for range s.People {
		var secret [32]byte
		_, _ = rand.Read(secret[:]) // never fails
		ticket := base64.RawURLEncoding.EncodeToString(secret[:])
		id := sha256.Sum256(secret[:])
		set := client.B().Set().Key(string(id[:])).Value(strings.Repeat("x", 500)).Build()
		if err := client.Do(context.Background(), set).Error(); err != nil {
			return nil, nil, err
		}
		credentials = append(credentials, "Cookie: sessionid="+ticket)
	}
	return limited(s, func(ctx context.Context, id []byte) error {
		_, err := client.Do(ctx, client.B().Get().Key(string(id)).Build()).ToString()
		return err
	}), credentials, nil
}

// limited answers as the bare handler does if read finds the session of the cookie.
func limited(s spec, read func(ctx context.Context, id []byte) error) http.Handler {
	write := writer(s)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, ticket, _ := strings.Cut(r.Header.Get("Cookie"), "=")
		secret, err := base64.RawURLEncoding.DecodeString(ticket)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		id := sha256.Sum256(secret)
		if err := read(r.Context(), id[:]); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		write(w, r)
	})
}
