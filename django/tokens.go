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

// The IDs of tokens that are in Django's tables begin with what the table is looked through by, and end with a mark that
// no hash has by chance: a key of REST framework's is 20 bytes, and knox's digests are told apart by their first 24.
const (
	drfMark  = "Django's key"
	knoxMark = "knox\x00sha"
	drfSize  = 20
	knoxSize = 24
)

// tokens keeps what has a table at Django there, and the rest with us.
type tokens struct {
	token.Store // ours
	db          *DB
}

// Tokens returns a store that keeps REST framework's and knox's tokens in Django's tables, where these are, and the others in
// ours. In Django's they have neither names nor scopes nor last uses. As at Django, such a token outlives a change of the
// password that was made there. A service on it needs [DB.SetUpTokens].
func (db *DB) Tokens(ours token.Store) token.Store { return &tokens{ours, db} }

// SetUpTokens makes a service on [DB.Tokens] know tokens by what Django's tables have of them, and hand out the one token
// again that a user of REST framework has.
func (db *DB) SetUpTokens(s *token.Service) {
	s.ID, s.Extra, s.Existing = db.tokenID, db.extraTokenData, db.existingToken
}

// has reports whether Django has a table for a kind.
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

// extraTokenData is what knox's table has of a token besides: the rest of the digest, and the beginning of the text.
func (db *DB) extraTokenData(kind token.Kind, text string) []byte {
	if kind != token.Knox || !db.has(kind) {
		return nil
	}
	digest := sha512.Sum512([]byte(text))
	return append(digest[:], text[:min(len(text), 15)]...)
}

// existingToken returns the one token that a user of REST framework has.
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

// kindOf returns whose table a token is in; "" if it is ours.
func kindOf(id token.ID) token.Kind {
	switch {
	case string(id[drfSize:]) == drfMark:
		return token.DRF
	case string(id[knoxSize:]) == knoxMark:
		return token.Knox
	}
	return ""
}

// theirs is the condition for the row of a token, and what it needs. Digests with one beginning are next to each other.
func theirs(id token.ID) (condition string, args []any) {
	if kindOf(id) == token.DRF {
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
		table, column, expiry = "knox_authtoken", "digest", db.dialect.of(db.dialect.instant, "t.expiry")
	}
	return `SELECT t.` + column + `, CAST(t.user_id AS TEXT), ` + db.dialect.of(db.dialect.instant, "t.created") + `, ` + expiry +
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
	kind := kindOf(id)
	if kind == "" {
		return t.loadOurs(ctx, id)
	}
	condition, args := theirs(id)
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
	kind := kindOf(r.ID)
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
		if err := t.room(ctx, tx, user, limit); err != nil {
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

// lockOwner holds the row of a user until the transaction ends. A token in Django's tables doesn't say of which password it
// was made, and would count under the next one too: so that must still be the password, and the user active.
// [token.ErrEpochChanged].
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

// room sees that a user, whose row is locked, has no more tokens than allowed, the new one included.
func (t *tokens) room(ctx context.Context, tx *sql.Tx, user string, limit token.Limit) error {
	if limit.Max <= 0 {
		return nil
	}
	db := t.db
	live, err := all(ctx, tx, func(rows *sql.Rows) (digest string, err error) {
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

// Replace refuses Django's tokens: there is nothing about them that could change.
func (t *tokens) Replace(ctx context.Context, old, new *token.Record) error {
	if kindOf(old.ID) != "" {
		return errors.New("a token of Django's can't be changed")
	}
	return t.Store.Replace(ctx, old, new)
}

// Touch notes the uses of our own tokens. Django's have no column for it.
func (t *tokens) Touch(ctx context.Context, uses []token.Used) error {
	return t.Store.Touch(ctx, slices.DeleteFunc(slices.Clone(uses), func(u token.Used) bool { return kindOf(u.ID) != "" }))
}

func (t *tokens) Delete(ctx context.Context, id token.ID) error {
	kind := kindOf(id)
	if kind == "" {
		return t.Store.Delete(ctx, id)
	}
	table := map[token.Kind]string{token.DRF: "authtoken_token", token.Knox: "knox_authtoken"}[kind]
	condition, args := theirs(id)
	if _, err := t.db.exec(ctx, `DELETE FROM `+table+` WHERE `+strings.ReplaceAll(condition, "t.", ""), args...); err != nil {
		return fmt.Errorf("delete token: %w", err)
	}
	return nil
}

func (t *tokens) DeleteUser(ctx context.Context, user string, kinds ...token.Kind) (int, error) {
	total := 0
	for kind, table := range map[token.Kind]string{token.DRF: "authtoken_token", token.Knox: "knox_authtoken"} {
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

// list returns the tokens of a kind; nil in the place of one that is none of Django's making.
func (t *tokens) list(ctx context.Context, kind token.Kind, user string) ([]*token.Record, error) {
	query, args := t.query(kind), []any{}
	if user != "" {
		key, err := t.db.key(user)
		if err != nil {
			return nil, nil
		}
		query, args = query+` WHERE t.user_id = $1`, []any{key}
	}
	return all(ctx, t.db.read, func(rows *sql.Rows) (*token.Record, error) {
		r, err := t.scan(kind, rows.Scan)
		if errors.Is(err, token.ErrNotFound) {
			return nil, nil
		}
		return r, err
	}, query, args...)
}

// DeleteExpired removes also knox's, which knox itself removes only when their owners come back.
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
