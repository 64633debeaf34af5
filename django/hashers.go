package django

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
)

// standardHasher is how passwords are hashed where nothing says otherwise: like Django 5.2.
const standardHasher = "pbkdf2_sha256$1000000"

// Like returns the encoded hash that a new one of a user's is to be made like, for account.Service: their old one, since
// Django hashes anew, and so ends sessions, where algorithm or parameters are not those it prefers. A user without one gets
// the configured hasher, or else that of the newest user.
func (db *DB) Like(ctx context.Context, u *account.User) (string, error) {
	if password.Like(u.Password) {
		return u.Password, nil
	}
	return db.Standard(ctx)
}

// Standard returns the encoded hash of a usual user, for password.Hasher: what its work is like, refusals are like.
func (db *DB) Standard(ctx context.Context) (string, error) {
	if db.config.Hasher != "" {
		return Example(db.config.Hasher)
	}
	order := quote(db.config.UserKey)
	if db.schema.users.has("date_joined") {
		order = "date_joined"
	}
	newest, err := all(ctx, db.read, func(rows *sql.Rows) (encoded string, err error) {
		err = rows.Scan(&encoded)
		return encoded, err
	}, `SELECT password FROM `+quote(db.config.UserTable)+` WHERE password NOT LIKE '!%' AND password <> '' ORDER BY `+order+` DESC LIMIT 20`)
	if err != nil {
		return "", fmt.Errorf("look for the newest password: %w", err)
	}
	for _, encoded := range newest {
		if password.Like(encoded) {
			return encoded, nil
		}
	}
	return Example(standardHasher)
}

// examples are hashes by Django's names for the algorithms, with room for the parameters and Django's own defaults.
var examples = []struct{ algorithm, parameters, form string }{
	{"pbkdf2_sha256", "1000000", "pbkdf2_sha256$%s$" + exampleSalt + "$" + zeros32},
	{"pbkdf2_sha1", "1000000", "pbkdf2_sha1$%s$" + exampleSalt + "$" + "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
	{"argon2", "m=102400,t=2,p=8", "argon2$argon2id$v=19$%s$" + "c2FsdHNhbHRzYWx0c2FsdHNhbHRzYQ" + "$" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
	{"bcrypt_sha256", "12", "bcrypt_sha256$$2b$%s$" + zeros53},
	{"bcrypt", "12", "bcrypt$$2b$%s$" + zeros53},
}

const (
	exampleSalt = "saltsaltsaltsaltsaltsa"
	zeros32     = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	zeros53     = "....................................................."
)

// Example returns a hash of nothing by a hasher: its name in Django and perhaps, behind a $, its parameters as they stand in
// a hash (pbkdf2_sha256$1000000, argon2$m=102400,t=2,p=8, bcrypt_sha256$12, scrypt$16384$8$5).
func Example(hasher string) (string, error) {
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
	if !password.Like(encoded) {
		return "", fmt.Errorf("%q is no hasher; give Django's name for it, with its parameters if they are not Django's: "+
			"pbkdf2_sha256$1000000, pbkdf2_sha1, argon2$m=102400,t=2,p=8, bcrypt_sha256$12, bcrypt, scrypt$16384$8$5", hasher)
	}
	return encoded, nil
}
