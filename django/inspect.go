package django

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/fieldvalue"
)

// Finding is something that was found in Django's database.
type Finding struct {
	Level string `json:"level"` // "info"; "warning": it won't work for some; "error": it won't work
	About string `json:"about"`
	Hint  string `json:"hint,omitempty"` // what to do
}

// Inspect looks at all of Django's users and sessions, and says what is there and what would not work. It changes nothing.
// now is in seconds.
func (db *DB) Inspect(ctx context.Context, now int64) ([]Finding, error) {
	i := &inspection{DB: db, now: now}
	for _, look := range []func(context.Context) error{i.users, i.hashes, i.twins, i.unnameable, i.live, i.tokens, i.feed, i.writing} {
		if err := look(ctx); err != nil {
			return nil, err
		}
	}
	return i.found, nil
}

type inspection struct {
	*DB
	now   int64
	found []Finding
}

func (i *inspection) say(level, hint, about string, args ...any) {
	i.found = append(i.found, Finding{level, fmt.Sprintf(about, args...), hint})
}

func (i *inspection) count(ctx context.Context, query string, args ...any) (n int, err error) {
	if err = i.read.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		err = fmt.Errorf("count: %w", err)
	}
	return n, err
}

func (i *inspection) users(ctx context.Context) error {
	n, err := i.count(ctx, `SELECT count(*) FROM `+quote(i.config.UserTable))
	if err != nil {
		return err
	}
	kind := "numbers"
	if i.schema.uuid {
		kind = "UUIDs"
	}
	i.say("info", "", "%d users in %s, who sign in by %s and have %s for keys", n, i.config.UserTable, i.config.UserLogin, kind)
	if i.schema.groups == "" {
		i.say("info", "", "no groups: there is no table %s_groups", i.config.UserTable)
	}
	if !i.schema.users.has("is_active") {
		i.say("warning", "Add the field is_active to the user model.", "users can't be disabled: %s has no column is_active", i.config.UserTable)
	}
	return nil
}

// hashes counts the users by how their passwords are hashed.
func (i *inspection) hashes(ctx context.Context) error {
	kinds := map[string]int{}
	_, err := all(ctx, i.read, func(rows *sql.Rows) (none struct{}, err error) {
		var encoded string
		err = rows.Scan(&encoded)
		kinds[hashKind(encoded)]++
		return none, err
	}, `SELECT password FROM `+quote(i.config.UserTable))
	if err != nil {
		return fmt.Errorf("look at the hashes: %w", err)
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		switch {
		case kind == "unknown" || kind == "crypt":
			i.say("warning", "They need a new password, at Django or here.", "%d users have a password hash that can't be verified: %s", kinds[kind], kind)
		case kind == "unusable":
			i.say("info", "", "%d users have no password", kinds[kind])
		default:
			i.say("info", "", "%d users have a hash of %s", kinds[kind], kind)
		}
	}
	return nil
}

// hashKind names the algorithm of a hash in Django's words: "unusable" for none at all, "unknown" for what no hasher of
// Django's has made.
func hashKind(encoded string) string {
	algorithm, _, ok := strings.Cut(encoded, "$")
	switch {
	case encoded == "" || encoded[0] == '!':
		return "unusable"
	case !ok && len(encoded) == 32:
		return "unsalted_md5"
	case slices.Contains([]string{"pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt", "md5", "sha1", "crypt"}, algorithm):
		return algorithm
	}
	return "unknown"
}

// twins are users whose names are one to us: they differ in case, or in the form of Unicode.
func (i *inspection) twins(ctx context.Context) error {
	users := map[string][]string{}
	_, err := all(ctx, i.read, func(rows *sql.Rows) (none struct{}, err error) {
		var name sql.NullString
		err = rows.Scan(&name)
		users[account.CanonicalLogin(name.String)] = append(users[account.CanonicalLogin(name.String)], name.String)
		return none, err
	}, `SELECT `+quote(i.config.UserLogin)+` FROM `+quote(i.config.UserTable))
	if err != nil {
		return fmt.Errorf("look at the names: %w", err)
	}
	var named []string
	for _, key := range slices.Sorted(maps.Keys(users)) {
		if same := users[key]; len(same) > 1 {
			slices.Sort(same)
			named = append(named, fmt.Sprintf("%+q", same)) // %+q, or two forms of one letter would look the same
		}
	}
	if len(named) > 0 {
		i.say("warning", "Each signs in by the exact name, as at Django. An import can take only one of them.",
			"%d names are those of several users but for their case, or their form of Unicode: %s", len(named), strings.Join(named, ", "))
	}
	return nil
}

// unnameable are users whom the gateway and forward-auth can't name to applications.
func (i *inspection) unnameable(ctx context.Context) error {
	found, err := fieldvalue.FindUnnameable(ctx, i.Accounts())
	if err != nil {
		return fmt.Errorf("look at the names: %w", err)
	}
	if found.Count > 0 {
		i.say("warning", "Change their names or addresses. Until then the gateway and forward-auth answer them 403 identity_not_expressible.",
			"%d users can't be named in a header: %s", found.Count, found)
	}
	return nil
}

// strangeTokens is why a table of tokens may be another.
var strangeTokens = map[string]string{"knox_authtoken": " (5.0 and later)"}

func (i *inspection) tokens(ctx context.Context) error {
	for _, t := range []struct{ table, what string }{{"authtoken_token", "REST framework"}, {"knox_authtoken", "knox"}} {
		if !i.schema.tables[t.table] {
			continue
		}
		if !i.schema.tokens[t.table] {
			i.say("warning", "", "%s is not the table of %s that is known here"+strangeTokens[t.table]+", so its tokens count for nothing", t.table, t.what)
			continue
		}
		n, err := i.count(ctx, `SELECT count(*) FROM `+t.table)
		if err != nil {
			return err
		}
		i.say("info", "", "%d tokens of %s", n, t.what)
	}
	return nil
}

// feed looks for what tells of Django's changes.
func (i *inspection) feed(ctx context.Context) error {
	if !i.dialect.postgres {
		i.say("info", "", "every check asks the database: SQLite doesn't tell what Django changes")
		return nil
	}
	silent, err := i.silent(ctx)
	switch {
	case err != nil:
		return err
	case len(silent) == 0:
		i.say("info", "", "checks are answered from memory: triggers tell what Django changes")
	case len(silent) == len(i.watches()):
		i.say("info", "To answer from memory, run cloakroom django install-feed.", "every check asks the database: no trigger tells what Django changes")
	default:
		i.say("warning", "Run cloakroom django install-feed again.", "every check asks the database: the feed's triggers are missing, or turned off, on %s",
			strings.Join(silent, ", "))
	}
	return nil
}

// writing looks whether what is needed could be written, and writes nothing.
func (i *inspection) writing(ctx context.Context) error {
	if err := i.Writable(ctx); err != nil {
		i.say("error", "Let the user whom Cloakroom runs as, or whom --db names, write to the database.", "%v", err)
	}
	return ctx.Err()
}
