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

// standardHasher is how passwords are hashed where nothing says otherwise: like Django 6.1, which no earlier one exceeds.
const standardHasher = "pbkdf2_sha256$1500000"

// HashTemplate returns the encoded hash that a new one of a user's is to be made like, for account.Service. Django hashes anew, and so
// ends sessions, where algorithm or parameters are not those it prefers, and it prefers more work with each version. So the
// algorithm is that of the configured hasher, or else of the user's old hash; the work is the most that it, the old hash and
// the newest ones have. A user without a hash gets one like [DB.MinimumCost].
func (db *DB) HashTemplate(ctx context.Context, u *account.User) (string, error) {
	return db.preferred(ctx, u.Password)
}

// MinimumCost returns the encoded hash of a usual user, for password.Hasher: what its work is like, refusals are like.
func (db *DB) MinimumCost(ctx context.Context) (string, error) { return db.preferred(ctx, "") }

// preferred returns the hash to make new ones like, as far as Django's preference can be told; old is the user's, if any.
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
	made := false // by Django: it also tells what the parameters don't, such as the length of the tag
	for _, encoded := range append(newest, old) {
		same, cost := work(encoded)
		if same == algorithm && (cost > most || cost == most && !made) && password.IsTemplate(encoded) {
			best, most, made = encoded, cost, true
		}
	}
	return best, nil
}

// newestHashes returns the hashes of those who have joined last, and after them of those who have signed in last, whose hashes
// Django has just looked at; without those that nothing can be made like.
func (db *DB) newestHashes(ctx context.Context) (newest []string, err error) {
	orders := []string{quote(db.config.UserKey)}
	if db.schema.users.has("date_joined") {
		orders[0] = "date_joined"
	}
	if db.schema.users.has("last_login") {
		orders = append(orders, "last_login")
	}
	for _, order := range orders {
		some, err := all(ctx, db.read, func(rows *sql.Rows) (encoded string, err error) {
			err = rows.Scan(&encoded)
			return encoded, err
		}, `SELECT password FROM `+quote(db.config.UserTable)+` WHERE password NOT LIKE '!%' AND password <> '' AND `+order+` IS NOT NULL
			ORDER BY `+order+` DESC LIMIT 20`)
		if err != nil {
			return nil, fmt.Errorf("look for the newest passwords: %w", err)
		}
		newest = append(newest, some...)
	}
	return slices.DeleteFunc(newest, func(encoded string) bool { return !password.IsTemplate(encoded) }), nil
}

// work returns the algorithm of a hash by Django's name, and how much work a password is, to be compared with others of the
// same algorithm.
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

// examples are hashes by Django's names for the algorithms, with room for the parameters and Django's own defaults.
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

// HasherTemplate returns a hash of nothing by a hasher: its name in Django and perhaps, behind a $, its parameters as they stand in
// a hash (pbkdf2_sha256$1500000, argon2$m=102400,t=2,p=8, bcrypt_sha256$12, scrypt$16384$8$5).
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
		return "", fmt.Errorf("%q is no hasher; give Django's name for it, with its parameters if they are not Django's: "+
			"pbkdf2_sha256$1500000, pbkdf2_sha1, argon2$m=102400,t=2,p=8, bcrypt_sha256$12, bcrypt, scrypt$16384$8$5", hasher)
	}
	return encoded, nil
}
