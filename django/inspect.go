package django

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
)

// Finding is something that Inspect found in Django's database.
type Finding struct {
	Level string `json:"level"` // "info"; "warning": something won't work for some users; "error": it won't work at all
	About string `json:"about"`
	Hint  string `json:"hint,omitempty"` // what to do
}

// Inspect reads all of Django's users and sessions, and reports what is there and what would not work. It changes nothing.
// now is in seconds since 1970.
func (db *DB) Inspect(ctx context.Context, now int64) ([]Finding, error) {
	i := &inspection{DB: db, now: now}
	for _, inspect := range []func(context.Context) error{i.users, i.hashes, i.duplicateNames, i.unnameable, i.liveSessions, i.tokens, i.feed, i.writable} {
		if err := inspect(ctx); err != nil {
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

func (i *inspection) add(level, hint, about string, args ...any) {
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
	i.add("info", "", "%d users in %s, who sign in by %s; their keys are %s", n, i.config.UserTable, i.config.UserLogin, kind)
	if i.schema.groups == "" {
		i.add("info", "", "no groups: there is no table %s_groups", i.config.UserTable)
	}
	if !i.schema.users.has("is_active") {
		i.add("warning", "Add the field is_active to the user model.", "users can't be disabled: %s has no column is_active", i.config.UserTable)
	}
	return nil
}

// hashes counts the users by the algorithm of their passwords' hashes.
func (i *inspection) hashes(ctx context.Context) error {
	kinds := map[string]int{}
	_, err := queryAll(ctx, i.read, func(rows *sql.Rows) (none struct{}, err error) {
		var encoded string
		err = rows.Scan(&encoded)
		kinds[hashKind(encoded)]++
		return none, err
	}, `SELECT password FROM `+quote(i.config.UserTable))
	if err != nil {
		return fmt.Errorf("read the password hashes: %w", err)
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		switch {
		case kind == "unknown" || kind == "crypt":
			i.add("warning", "They need a new password, set in Django or here.", "%d users have a password hash that can't be verified: %s", kinds[kind], kind)
		case kind == "unusable":
			i.add("info", "", "%d users have no password", kinds[kind])
		default:
			i.add("info", "", "%d users have a hash of %s", kinds[kind], kind)
		}
	}
	return nil
}

// hashKind names the algorithm of a hash in Django's words. It is "unusable" if there is no hash, and "unknown" if it was
// made by no hasher that Django ever had.
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

// duplicateNames reports the names that are the same to Cloakroom: they differ only in letter case or Unicode form.
func (i *inspection) duplicateNames(ctx context.Context) error {
	users := map[string][]string{}
	_, err := queryAll(ctx, i.read, func(rows *sql.Rows) (none struct{}, err error) {
		var name sql.NullString
		err = rows.Scan(&name)
		users[account.CanonicalLogin(name.String)] = append(users[account.CanonicalLogin(name.String)], name.String)
		return none, err
	}, `SELECT `+quote(i.config.UserLogin)+` FROM `+quote(i.config.UserTable))
	if err != nil {
		return fmt.Errorf("read the usernames: %w", err)
	}
	var duplicates []string
	for _, key := range slices.Sorted(maps.Keys(users)) {
		if same := users[key]; len(same) > 1 {
			slices.Sort(same)
			duplicates = append(duplicates, fmt.Sprintf("%+q", same)) // %+q: two Unicode forms of a letter would look the same
		}
	}
	if len(duplicates) > 0 {
		i.add("warning", "Each signs in by the exact name, as in Django. An import can copy only one of them.",
			"%d names belong to several users, apart from letter case or Unicode form: %s", len(duplicates), strings.Join(duplicates, ", "))
	}
	return nil
}

// unnameable reports users whose names the gateway and forward-auth can't send to applications.
func (i *inspection) unnameable(ctx context.Context) error {
	count, list, err := (&account.Service{Store: i.Accounts()}).HeaderFlaws(ctx)
	if err != nil {
		return fmt.Errorf("read the usernames: %w", err)
	}
	if count > 0 {
		i.add("warning", "Change their names or addresses. Until then the gateway and forward-auth answer their requests with 403 identity_not_expressible.",
			"%d users can't be named in a header: %s", count, list)
	}
	return nil
}

// supportedVersions says which versions' layout of a token table is supported.
var supportedVersions = map[string]string{"knox_authtoken": " (5.0 and later)"}

func (i *inspection) tokens(ctx context.Context) error {
	for _, t := range []struct{ table, what string }{{"authtoken_token", "REST framework"}, {"knox_authtoken", "knox"}} {
		if !i.schema.tables[t.table] {
			continue
		}
		if !i.schema.tokens[t.table] {
			i.add("warning", "", "%s has another layout than the supported one of %s"+supportedVersions[t.table]+", so its tokens are refused", t.table, t.what)
			continue
		}
		n, err := i.count(ctx, `SELECT count(*) FROM `+t.table)
		if err != nil {
			return err
		}
		i.add("info", "", "%d tokens of %s", n, t.what)
	}
	return nil
}

// feed reports whether the feed is installed.
func (i *inspection) feed(ctx context.Context) error {
	if !i.dialect.postgres {
		i.add("info", "", "every check reads the database: SQLite doesn't notify of Django's changes")
		return nil
	}
	missing, err := i.tablesWithoutFeed(ctx)
	switch {
	case err != nil:
		return err
	case len(missing) == 0:
		i.add("info", "", "checks are answered from memory: triggers notify of Django's changes")
	case len(missing) == len(i.watchedTables()):
		i.add("info", "To answer from memory, run cloakroom django install-feed.", "every check reads the database: the feed of Django's changes isn't installed")
	default:
		i.add("warning", "Run cloakroom django install-feed again.", "every check reads the database: the feed's triggers are missing, disabled or outdated on %s",
			strings.Join(missing, ", "))
	}
	return nil
}

// writable reports whether the database could be written to. It writes nothing.
func (i *inspection) writable(ctx context.Context) error {
	if err := i.Writable(ctx); err != nil {
		i.add("error", "Give the user that Cloakroom runs as, or that --db names, write access to the database.", "%v", err)
	}
	return ctx.Err()
}
