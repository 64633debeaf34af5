package django

import (
	"bytes"
	"context"
	"crypto/sha512"
	"database/sql"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/token"
)

// The ID of a token in Django's tables consists of the part by which the table is searched and a mark that no hash has by
// chance. REST framework's keys are 20 bytes; knox's digests are identified by their first 24 bytes.
const (
	drfMark  = "Django's key"
	knoxMark = "knox\x00sha"
	drfSize  = 20
	knoxSize = 24
)

// tokenTables are Django's tables of tokens.
var tokenTables = []string{"authtoken_token", "knox_authtoken"}

var tableOf = map[token.Kind]string{token.DRF: "authtoken_token", token.Knox: "knox_authtoken"}

// tokens keeps tokens in Django's table if there is one for their kind, and otherwise in our own.
type tokens struct {
	token.Store // ours
	db          *DB
}

// Tokens returns a store that keeps the tokens of REST framework and knox in Django's tables, if these exist, and all other
// tokens in ours. Tokens in Django's tables have no names, scopes or times of last use. As in Django, they outlive a
// password change made there. A service on this store needs [DB.ConfigureTokens].
func (db *DB) Tokens(ours token.Store) token.Store { return &tokens{ours, db} }

// ConfigureTokens makes a service on [DB.Tokens] identify tokens as Django's tables do, and return the existing token of a user
// of REST framework, who can have only one.
func (db *DB) ConfigureTokens(s *token.Service) {
	s.ID, s.Extra, s.Existing = db.tokenID, db.tokenExtra, db.existingToken
}

// has reports whether Django has a table for a kind of tokens.
func (db *DB) has(kind token.Kind) bool {
	return kind == token.DRF && db.schema.tokens["authtoken_token"] || kind == token.Knox && db.schema.tokens["knox_authtoken"]
}

func (db *DB) tokenID(kind token.Kind, text string) (id token.ID, ok bool) {
	switch {
	case !db.has(kind):
		return token.Hash(kind, text)
	case kind == token.DRF:
		key, err := hex.DecodeString(text)
		if err != nil || len(key) != drfSize || hex.EncodeToString(key) != text {
			return id, false
		}
		copy(id[:], key)
		copy(id[drfSize:], drfMark)
		return id, true
	}
	digest := sha512.Sum512([]byte(text))
	return knoxID(digest[:]), true
}

func knoxID(digest []byte) (id token.ID) {
	copy(id[:], digest[:knoxSize])
	copy(id[knoxSize:], knoxMark)
	return id
}

// tokenExtra returns what knox's table stores besides the ID: the rest of the digest, and the beginning of the token.
func (db *DB) tokenExtra(kind token.Kind, text string) []byte {
	if kind != token.Knox || !db.has(kind) {
		return nil
	}
	digest := sha512.Sum512([]byte(text))
	return append(digest[:], text[:min(len(text), 15)]...)
}

// existingToken returns the token of a user of REST framework; "" if there is none.
func (db *DB) existingToken(ctx context.Context, n token.Params) (text string, err error) {
	if n.Kind != token.DRF || !db.has(n.Kind) {
		return "", nil
	}
	user, err := db.key(n.User)
	if err != nil {
		return "", nil
	}
	err = db.read.QueryRowContext(ctx, `SELECT key FROM authtoken_token WHERE user_id = $1`, user).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return text, err
}

// djangoKind returns the kind of a token in Django's tables; "" if the token is in ours.
func djangoKind(id token.ID) token.Kind {
	switch {
	case string(id[drfSize:]) == drfMark:
		return token.DRF
	case string(id[knoxSize:]) == knoxMark:
		return token.Knox
	}
	return ""
}

// djangoRow returns the condition, with its arguments, for the row of a token. Digests with the same beginning are next to
// each other in the index.
func djangoRow(id token.ID) (condition string, args []any) {
	if djangoKind(id) == token.DRF {
		return `t.key = $1`, []any{hex.EncodeToString(id[:drfSize])}
	}
	beginning := hex.EncodeToString(id[:knoxSize])
	return `t.digest >= $1 AND t.digest < $2`, []any{beginning, beginning + "g"}
}

// query reads tokens t of a kind with their owners u.
func (t *tokens) query(kind token.Kind) string {
	db := t.db
	table, column, expiry := "authtoken_token", "key", "NULL"
	if kind == token.Knox {
		table, column, expiry = "knox_authtoken", "digest", db.dialect.format(db.dialect.instant, "t.expiry")
	}
	return `SELECT t.` + column + `, CAST(t.user_id AS TEXT), ` + db.dialect.format(db.dialect.instant, "t.created") + `, ` + expiry +
		`, u.password FROM ` + table + ` t JOIN ` + quote(db.config.UserTable) + ` u ON u.` + quote(db.config.UserKey) + ` = t.user_id`
}

func (t *tokens) scan(kind token.Kind, scan func(...any) error) (*token.Record, error) {
	var text, user, created, password string
	var expires sql.NullString
	if err := scan(&text, &user, &created, &expires, &password); err != nil {
		return nil, err
	}
	b, err := hex.DecodeString(text)
	if err != nil || kind == token.DRF && len(b) != drfSize || kind == token.Knox && len(b) != sha512.Size {
		return nil, token.ErrNotFound // made by another program, and nothing that we could look for
	}
	r := &token.Record{Kind: kind, User: t.db.id(user), Epoch: authHash(t.db.form.keys[0], password), Version: "1"}
	if kind == token.DRF {
		copy(r.ID[:], b)
		copy(r.ID[drfSize:], drfMark)
	} else {
		r.ID = knoxID(b)
	}
	mac := salted("cloakroom.token", t.db.form.keys[0], text)
	r.PublicID = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac[:16])
	if r.Created, err = t.db.seconds(created); err == nil && expires.Valid {
		r.Expires, err = t.db.seconds(expires.String)
	}
	return r, err
}

func (t *tokens) Load(ctx context.Context, id token.ID) (*token.Record, error) {
	kind := djangoKind(id)
	if kind == "" {
		return t.loadOurs(ctx, id)
	}
	condition, args := djangoRow(id)
	r, err := t.scan(kind, t.db.read.QueryRowContext(ctx, t.query(kind)+` WHERE `+condition, args...).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, token.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("load token: %w", err)
	}
	return r, nil
}

func (t *tokens) Create(ctx context.Context, r *token.Record, limit token.Limit) error {
	kind := djangoKind(r.ID)
	if kind == "" {
		return t.Store.Create(ctx, r, limit)
	}
	user, err := t.db.key(r.User)
	if err != nil {
		return fmt.Errorf("create token: %w", err)
	}
	err = t.db.transaction(ctx, func(tx *sql.Tx) error {
		if err := t.lockOwner(ctx, tx, user, r.Epoch); err != nil {
			return err
		}
		if kind == token.DRF {
			return t.insert(ctx, tx, `INSERT INTO authtoken_token (key, created, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
				hex.EncodeToString(r.ID[:drfSize]), t.db.stamp(r.Created), user)
		}
		if err := t.makeRoom(ctx, tx, user, limit); err != nil {
			return err
		}
		return t.insertKnox(ctx, tx, r, user)
	})
	if err != nil {
		return err
	}
	r.Version, r.Data = "1", nil
	return nil
}

func (t *tokens) insert(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	n, err := affected(tx.ExecContext(ctx, query, args...))
	if err != nil {
		return fmt.Errorf("create token: %w", err)
	}
	if n == 0 {
		return token.ErrExists
	}
	return nil
}

func (t *tokens) insertKnox(ctx context.Context, tx *sql.Tx, r *token.Record, user string) error {
	if len(r.Data) < sha512.Size || !bytes.HasPrefix(r.Data, r.ID[:knoxSize]) {
		return errors.New("create token: its digest is missing")
	}
	var expiry any
	if r.Expires != 0 {
		expiry = t.db.stamp(r.Expires)
	}
	return t.insert(ctx, tx, `INSERT INTO knox_authtoken (digest, created, user_id, expiry, token_key) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		hex.EncodeToString(r.Data[:sha512.Size]), t.db.stamp(r.Created), user, expiry, string(r.Data[sha512.Size:]))
}

// lockOwner locks the user's row until the transaction ends. A token in Django's tables doesn't record the password it was
// made under, so it would stay valid under the next one. Therefore the password must still be the same, and the user active;
// otherwise the error is [token.ErrEpochChanged].
func (t *tokens) lockOwner(ctx context.Context, tx *sql.Tx, user, epoch string) error {
	db := t.db
	active := "1 = 1"
	if db.schema.users.has("is_active") {
		active = quote("is_active")
	}
	var password string
	var may bool
	err := tx.QueryRowContext(ctx, `SELECT password, `+active+` FROM `+quote(db.config.UserTable)+
		` WHERE `+quote(db.config.UserKey)+` = $1`+db.dialect.lock, user).Scan(&password, &may)
	if errors.Is(err, sql.ErrNoRows) {
		return token.ErrEpochChanged
	}
	if err != nil {
		return fmt.Errorf("lock user: %w", err)
	}
	if !may || !db.form.keys.provesPassword(epoch, password) {
		return token.ErrEpochChanged
	}
	return nil
}

// makeRoom enforces the limit on a user's tokens, the new one included. The user's row is locked.
func (t *tokens) makeRoom(ctx context.Context, tx *sql.Tx, user string, limit token.Limit) error {
	if limit.Max <= 0 {
		return nil
	}
	db := t.db
	live, err := queryAll(ctx, tx, func(rows *sql.Rows) (digest string, err error) {
		err = rows.Scan(&digest)
		return digest, err
	}, `SELECT digest FROM knox_authtoken WHERE user_id = $1 AND (expiry IS NULL OR expiry >= $2) ORDER BY created`, user, db.stamp(limit.Now+1))
	if err != nil {
		return fmt.Errorf("count tokens: %w", err)
	}
	if len(live) < limit.Max {
		return nil
	}
	if !limit.Evict {
		return token.ErrLimit
	}
	for _, digest := range live[:len(live)-limit.Max+1] {
		if _, err := tx.ExecContext(ctx, `DELETE FROM knox_authtoken WHERE digest = $1`, digest); err != nil {
			return fmt.Errorf("make room for a token: %w", err)
		}
	}
	return nil
}

// Replace refuses to change tokens in Django's tables, which have nothing that could change.
func (t *tokens) Replace(ctx context.Context, old, new *token.Record) error {
	if djangoKind(old.ID) != "" {
		return errors.New("tokens in Django's tables can't be changed")
	}
	return t.Store.Replace(ctx, old, new)
}

// Touch records uses of tokens in our own tables. Django's have no column for them.
func (t *tokens) Touch(ctx context.Context, uses []token.LastUse) error {
	return t.Store.Touch(ctx, slices.DeleteFunc(slices.Clone(uses), func(u token.LastUse) bool { return djangoKind(u.ID) != "" }))
}

func (t *tokens) Delete(ctx context.Context, id token.ID) error {
	kind := djangoKind(id)
	if kind == "" {
		return t.Store.Delete(ctx, id)
	}
	table := tableOf[kind]
	condition, args := djangoRow(id)
	if _, err := t.db.exec(ctx, `DELETE FROM `+table+` WHERE `+strings.ReplaceAll(condition, "t.", ""), args...); err != nil {
		return fmt.Errorf("delete token: %w", err)
	}
	return nil
}

func (t *tokens) DeleteUser(ctx context.Context, user string, kinds ...token.Kind) (int, error) {
	total := 0
	for kind, table := range tableOf {
		key, err := t.db.key(user)
		if err != nil || !t.db.has(kind) || len(kinds) > 0 && !slices.Contains(kinds, kind) {
			continue
		}
		n, err := t.db.exec(ctx, `DELETE FROM `+table+` WHERE user_id = $1`, key)
		if err != nil {
			return 0, fmt.Errorf("delete tokens of a user: %w", err)
		}
		total += n
	}
	n, err := t.Store.DeleteUser(ctx, user, kinds...)
	return total + n, err
}

func (t *tokens) List(ctx context.Context, q token.Query) ([]*token.Record, error) {
	records, err := t.Store.List(ctx, token.Query{User: q.User, Kind: q.Kind, PublicID: q.PublicID, After: q.After})
	if err == nil {
		err = t.renewAll(ctx, records)
	}
	if err != nil {
		return nil, err
	}
	for _, kind := range []token.Kind{token.DRF, token.Knox} {
		if !t.db.has(kind) || q.Kind != "" && q.Kind != kind {
			continue
		}
		found, err := t.list(ctx, kind, q.User)
		if err != nil {
			return nil, fmt.Errorf("list tokens: %w", err)
		}
		records = append(records, slices.DeleteFunc(found, func(r *token.Record) bool {
			return r == nil || q.PublicID != "" && r.PublicID != q.PublicID || r.PublicID <= q.After
		})...)
	}
	slices.SortFunc(records, func(a, b *token.Record) int { return strings.Compare(a.PublicID, b.PublicID) })
	if q.Limit > 0 && len(records) > q.Limit {
		records = records[:q.Limit]
	}
	return records, nil
}

// list returns the tokens of a kind, with nil for a row that Django can't have made.
func (t *tokens) list(ctx context.Context, kind token.Kind, user string) ([]*token.Record, error) {
	query, args := t.query(kind), []any{}
	if user != "" {
		key, err := t.db.key(user)
		if err != nil {
			return nil, nil
		}
		query, args = query+` WHERE t.user_id = $1`, []any{key}
	}
	return queryAll(ctx, t.db.read, func(rows *sql.Rows) (*token.Record, error) {
		r, err := t.scan(kind, rows.Scan)
		if errors.Is(err, token.ErrNotFound) {
			return nil, nil
		}
		return r, err
	}, query, args...)
}

// DeleteExpired also removes knox's expired tokens. knox itself removes them only when their user signs in again.
func (t *tokens) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	n := 0
	if t.db.has(token.Knox) {
		var err error
		n, err = t.db.exec(ctx, `DELETE FROM knox_authtoken WHERE digest IN
			(SELECT digest FROM knox_authtoken WHERE expiry < $1 ORDER BY expiry LIMIT $2)`, t.db.stamp(now+1), max(limit, 0))
		if err != nil {
			return 0, fmt.Errorf("delete expired tokens: %w", err)
		}
	}
	m, err := t.Store.DeleteExpired(ctx, now, limit-n)
	return n + m, err
}
