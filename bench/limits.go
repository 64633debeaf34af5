package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/rueidis"
	"golang.org/x/sys/unix"

	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
)

// The limits are the fastest programs that could do the work. For a check they are the bare handler, the hash of the ticket, and where the
// session and its user are found: strict on a server, one round trip for a row; strict on SQLite, the system call that verifies that the file is
// still there, and a map; from memory, the clock and a map. They compare nothing but the time, decode nothing, and use the client's own pool.
const (
	limitFenced   = "limit/fenced"
	limitSQLite   = "limit/sqlite"
	limitPostgres = "limit/postgres"
	limitRedis    = "limit/redis"
)

// limits are the limits of strict checks, by database.
var limits = map[string]string{"sqlite": limitSQLite, "postgres": limitPostgres, "redis": limitRedis}

// The limits of what a proxy asks answer each question with 200 at once: with nothing else, or with the headers that the command answers.
const (
	limitAuthRequest = "limit/auth-request"
	limitSameHeaders = "limit/same-headers"
)

// buildLimitAuthRequest writes the header of the spec, if there is one.
func buildLimitAuthRequest(s spec) (http.Handler, []string, error) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range s.Header {
			w.Header()[name] = values
		}
	})
	return answer, []string{"Cookie: sessionid=" + rand.Text() + rand.Text()[:17]}, nil
}

// remembered is a session of the limits that have a map.
type remembered struct{ expires int64 }

// shardedSessions are sessions in memory.
type shardedSessions [256]struct {
	mu  sync.RWMutex
	all map[[sha256.Size]byte]*remembered
}

// add returns the credential of a new session.
func (m *shardedSessions) add() string {
	credential, id := newTicket()
	shard := &m[id[0]]
	if shard.all == nil {
		shard.all = map[[sha256.Size]byte]*remembered{}
	}
	shard.all[id] = &remembered{expires: time.Now().Add(time.Hour).Unix()}
	return credential
}

var errNoSession = errors.New("no session")

// find returns an error unless there is a session that hasn't expired.
func (m *shardedSessions) find(id [sha256.Size]byte) error {
	shard := &m[id[0]]
	shard.mu.RLock()
	s := shard.all[id]
	shard.mu.RUnlock()
	if s == nil || time.Now().Unix() >= s.expires {
		return errNoSession
	}
	return nil
}

// buildLimitFenced finds sessions in memory.
func buildLimitFenced(s spec) (http.Handler, []string, error) {
	sessions := &shardedSessions{}
	var credentials []string
	for range s.People {
		credentials = append(credentials, sessions.add())
	}
	return limited(s, func(_ context.Context, id [sha256.Size]byte) error { return sessions.find(id) }), credentials, nil
}

// buildLimitSQLite finds sessions in memory, after it has verified that the file is in its place.
func buildLimitSQLite(s spec) (http.Handler, []string, error) {
	path := filepath.Join(s.Dir, "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return nil, nil, err
	}
	var file unix.Stat_t
	if err := unix.Stat(path, &file); err != nil {
		return nil, nil, err
	}
	sessions := &shardedSessions{}
	var credentials []string
	for range s.People {
		credentials = append(credentials, sessions.add())
	}
	return limited(s, func(_ context.Context, id [sha256.Size]byte) error {
		var now unix.Stat_t
		if err := unix.Stat(path, &now); err != nil {
			return err
		}
		if now.Dev != file.Dev || now.Ino != file.Ino {
			return errNoSession
		}
		return sessions.find(id)
	}), credentials, nil
}

// newTicket returns a credential and the ID of its session.
func newTicket() (credential string, id [sha256.Size]byte) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	return "Cookie: sessionid=" + base64.RawURLEncoding.EncodeToString(secret[:]), sha256.Sum256(secret[:])
}

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
	return limited(s, func(ctx context.Context, id [sha256.Size]byte) error {
		rows, err := pool.Query(ctx, query, id[:])
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
	dial := options.Dialer.DialContext
	options.DialCtxFn = func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
		conn, err := dial(ctx, "tcp", addr)
		return yielding{conn}, err
	}
	client, err := rueidis.NewClient(options)
	if err != nil {
		return nil, nil, err
	}
	var credentials []string
	for range s.People {
		credential, id := newTicket()
		set := client.B().Set().Key(string(id[:])).Value(strings.Repeat("x", 500)).Build()
		if err := client.Do(context.Background(), set).Error(); err != nil {
			return nil, nil, err
		}
		credentials = append(credentials, credential)
	}
	return limited(s, func(ctx context.Context, id [sha256.Size]byte) error {
		_, err := client.Do(ctx, client.B().Get().Key(string(id[:])).Build()).ToString()
		return err
	}), credentials, nil
}

// yielding is a connection that lets other goroutines run before it writes, so that the next write has the commands of all of them.
type yielding struct{ net.Conn }

func (y yielding) Write(b []byte) (int, error) {
	runtime.Gosched()
	return y.Conn.Write(b)
}

// limited answers as the bare handler does if read finds the session of the cookie.
func limited(s spec, read func(ctx context.Context, id [sha256.Size]byte) error) http.Handler {
	write := writer(s)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, ticket, _ := strings.Cut(r.Header.Get("Cookie"), "=")
		secret, err := base64.RawURLEncoding.DecodeString(ticket)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		switch err := read(r.Context(), sha256.Sum256(secret)); {
		case err == nil:
			write(w, r)
		case errors.Is(err, errNoSession):
			http.Error(w, err.Error(), http.StatusUnauthorized)
		default:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
}
