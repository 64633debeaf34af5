package django

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
)

// standardHasher makes the hashes of new passwords if neither the configuration nor an existing hash says otherwise. It is
// Django 6.1's; no earlier version uses more iterations.
const standardHasher = "pbkdf2_sha256$1500000"

// HashTemplate returns an encoded hash whose algorithm and parameters a new hash of the user's is to have; it is for
// [account.Service]. Django rehashes a password, and so ends the user's other sessions, if its algorithm or parameters are
// not the preferred ones, and each version of Django prefers more work. So the algorithm is that of the configured hasher,
// or else of the user's old hash; the work is the most among it, the old hash and the newest hashes. A user without a hash
// gets that of [DB.UsualHash].
func (db *DB) HashTemplate(ctx context.Context, u *account.User) (string, error) {
	return db.preferred(ctx, u.Password)
}

// UsualHash returns an encoded hash with the usual algorithm and work of this project's users; it is for
// [password.Hasher], which spends as much on a sign-in that fails.
func (db *DB) UsualHash(ctx context.Context) (string, error) { return db.preferred(ctx, "") }

// preferred returns the encoded hash with the parameters that Django prefers, as far as the stored hashes show them; old is
// the user's hash, or "".
func (db *DB) preferred(ctx context.Context, old string) (string, error) {
	newest, err := db.newestHashes(ctx)
	if err != nil {
		return "", err
	}
	best := ""
	switch {
	case db.config.Hasher != "":
		if best, err = HasherTemplate(db.config.Hasher); err != nil {
			return "", err
		}
	case password.IsTemplate(old):
		best = old
	case len(newest) > 0:
		best = newest[0]
	default:
		return HasherTemplate(standardHasher)
	}
	algorithm, most := work(best)
	stored := false // best is a stored hash, which also shows what the parameters don't, such as the length of the tag
	for _, encoded := range append(newest, old) {
		same, cost := work(encoded)
		if same == algorithm && (cost > most || cost == most && !stored) && password.IsTemplate(encoded) {
			best, most, stored = encoded, cost, true
		}
	}
	return best, nil
}

// newestHashes returns the hashes of the users who joined last, followed by those of the users who signed in last, which
// Django has just checked. It leaves out hashes that can't be used as a template.
func (db *DB) newestHashes(ctx context.Context) (newest []string, err error) {
	orders := []string{quote(db.config.UserKey)}
	if db.schema.users.has("date_joined") {
		orders[0] = "date_joined"
	}
	if db.schema.users.has("last_login") {
		orders = append(orders, "last_login")
	}
	for _, order := range orders {
		some, err := queryAll(ctx, db.read, func(rows *sql.Rows) (encoded string, err error) {
			err = rows.Scan(&encoded)
			return encoded, err
		}, `SELECT password FROM `+quote(db.config.UserTable)+` WHERE password NOT LIKE '!%' AND password <> '' AND `+order+` IS NOT NULL
			ORDER BY `+order+` DESC LIMIT 20`)
		if err != nil {
			return nil, fmt.Errorf("read the newest passwords: %w", err)
		}
		newest = append(newest, some...)
	}
	return slices.DeleteFunc(newest, func(encoded string) bool { return !password.IsTemplate(encoded) }), nil
}

// work returns the algorithm of a hash by Django's name, and how much work a verification takes, in units that can be
// compared within the same algorithm.
func work(encoded string) (algorithm string, cost int64) {
	parts := strings.Split(encoded, "$")
	algorithm = parts[0]
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return 0
		}
		return n
	}
	switch {
	case strings.HasPrefix(algorithm, "pbkdf2_") && len(parts) == 4:
		cost = number(parts[1])
	case strings.HasPrefix(algorithm, "bcrypt") && len(parts) == 5:
		cost = number(parts[3])
	case algorithm == "scrypt" && len(parts) == 6:
		cost = number(parts[1]) * number(parts[3]) * number(parts[4])
	case algorithm == "argon2" && len(parts) == 6:
		var memory, passes, lanes int64
		if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err == nil {
			cost = memory * passes
		}
	}
	return algorithm, cost
}

// examples are encoded hashes by Django's names of the algorithms, with Django's default parameters and a place to put
// others.
var examples = []struct{ algorithm, parameters, form string }{
	{"pbkdf2_sha256", "1500000", "pbkdf2_sha256$%s$" + exampleSalt + "$" + zeros32},
	{"pbkdf2_sha1", "1500000", "pbkdf2_sha1$%s$" + exampleSalt + "$" + "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
	{"argon2", "m=102400,t=2,p=8", "argon2$argon2id$v=19$%s$" + "c2FsdHNhbHRzYWx0c2FsdHNhbHRzYQ" + "$" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
	{"bcrypt_sha256", "12", "bcrypt_sha256$$2b$%s$" + zeros53},
	{"bcrypt", "12", "bcrypt$$2b$%s$" + zeros53},
}

const (
	exampleSalt = "saltsaltsaltsaltsaltsa"
	zeros32     = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	zeros53     = "....................................................."
)

// HasherTemplate returns an encoded hash, of no password, that has the algorithm and parameters of a hasher. hasher is
// Django's name, optionally followed by $ and the parameters as they stand in a hash: pbkdf2_sha256$1500000,
// argon2$m=102400,t=2,p=8, bcrypt_sha256$12, scrypt$16384$8$5.
func HasherTemplate(hasher string) (string, error) {
	algorithm, parameters, _ := strings.Cut(hasher, "$")
	encoded := ""
	for _, e := range examples {
		if e.algorithm == algorithm {
			encoded = fmt.Sprintf(e.form, or(parameters, e.parameters))
		}
	}
	if algorithm == "scrypt" {
		n, blocks, _ := strings.Cut(or(parameters, "16384$8$5"), "$")
		encoded = "scrypt$" + n + "$" + exampleSalt + "$" + blocks + "$" + base64.StdEncoding.EncodeToString(make([]byte, 64))
	}
	if !password.IsTemplate(encoded) {
		return "", fmt.Errorf("%q is not a hasher; give Django's name of one, with its parameters if they are not Django's defaults: "+
			"pbkdf2_sha256$1500000, pbkdf2_sha1, argon2$m=102400,t=2,p=8, bcrypt_sha256$12, bcrypt, scrypt$16384$8$5", hasher)
	}
	return encoded, nil
}
