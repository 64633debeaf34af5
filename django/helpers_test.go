package django_test

import (
	"cmp"
	kdf "crypto/pbkdf2"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// pbkdf2 returns a hash as Django makes it.
func pbkdf2(plain string, iterations int) string {
	const salt = "saltsaltsaltsaltsaltsa"
	key, err := kdf.Key(sha256.New, plain, []byte(salt), iterations, 32)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("pbkdf2_sha256$%d$%s$%s", iterations, salt, base64.StdEncoding.EncodeToString(key))
}

// raw opens the database directly.
func (p *pair) raw(t testing.TB) *sql.DB {
	t.Helper()
	address := cmp.Or(p.direct, strings.TrimPrefix(p.config.DB, "django+"))
	driver := "pgx"
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		driver, address = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// row returns a row of django_session as text; "" if there is none.
func (p *pair) row(t testing.TB, key string) string {
	t.Helper()
	db := p.raw(t)
	defer db.Close()
	var data, expires string
	err := db.QueryRowContext(t.Context(), `SELECT session_data, CAST(expire_date AS TEXT) FROM django_session WHERE session_key = $1`, key).Scan(&data, &expires)
	if err == sql.ErrNoRows {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return data + " " + expires
}

// bystanders creates users and sessions that no test may change, and returns everything that must stay as it is.
func (p *pair) bystanders(t testing.TB) map[string]string {
	t.Helper()
	name := p.named("bystander")
	p.site.Run(t, "add", map[string]any{"name": name, "password": good, "email": "bystander@example.com", "first_name": "Zoë"}, nil)
	p.site.Run(t, "grant", map[string]any{"name": name, "label": "auth.view_permission"}, nil)
	p.site.Run(t, "token", map[string]any{"name": name}, nil)
	b, anonymous := p.person(t), p.person(t)
	b.signsIn("Django", name, good)
	anonymous.django.Do(t, "POST", "/session", map[string]any{"set": map[string]any{"basket": []int{1}}}, nil)
	p.keys = []string{b.key(), anonymous.key()}
	return p.snapshot(t)
}

// snapshot returns the bystanders' rows and the schema.
func (p *pair) snapshot(t testing.TB) map[string]string {
	t.Helper()
	db := p.raw(t)
	defer db.Close()
	all := map[string]string{}
	table, key := cmp.Or(p.config.Django.UserTable, "auth_user"), cmp.Or(p.config.Django.UserKey, "id")
	bystander := ` (SELECT ` + key + ` FROM ` + table + ` WHERE email = 'bystander@example.com')`
	for name, query := range map[string]string{
		"user":        `SELECT * FROM ` + table + ` WHERE ` + key + ` = ` + bystander,
		"permissions": `SELECT * FROM ` + table + `_user_permissions WHERE ` + cmp.Or(p.member, "user") + `_id = ` + bystander,
		"token":       `SELECT * FROM authtoken_token WHERE user_id = ` + bystander,
		"sessions":    `SELECT * FROM django_session WHERE session_key IN ('` + strings.Join(p.keys, `', '`) + `') ORDER BY session_key`,
		"migrations":  `SELECT * FROM django_migrations ORDER BY id`,
		"rights":      `SELECT * FROM auth_permission ORDER BY id`,
	} {
		all[name] = dump(t, db, query)
	}
	if strings.Contains(p.config.DB, "sqlite:") {
		all["schema"] = dump(t, db, `SELECT sql FROM sqlite_master ORDER BY name`)
		all["journal"] = dump(t, db, `PRAGMA journal_mode`)
		all["header"] = dump(t, db, `PRAGMA user_version`) + dump(t, db, `PRAGMA application_id`)
	} else {
		all["schema"] = dump(t, db, `SELECT table_name, column_name, data_type FROM information_schema.columns
			WHERE table_schema = 'public' ORDER BY 1, 2`)
		all["indexes"] = dump(t, db, `SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1`)
		all["triggers"] = dump(t, db, `SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1`)
	}
	return all
}

func dump(t testing.TB, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			fmt.Fprintf(&text, "%v|", *v.(*any))
		}
		text.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// unchanged checks that the bystanders and the schema are as before, and that Django has nothing to migrate.
func (p *pair) unchanged(t *testing.T, before map[string]string) {
	now := p.snapshot(t)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if before[name] == "" && name != "triggers" {
			t.Errorf("%s: nothing to compare", name)
		}
		if now[name] != before[name] {
			t.Errorf("%s was\n%sand is\n%s", name, before[name], now[name])
		}
	}
	if out, err := p.site.TryManage(t, "migrate", "--check"); err != nil {
		t.Errorf("manage.py migrate --check: %v\n%s", err, out)
	}
}

// execute runs a statement directly on the database, with as many of the arguments as it has placeholders.
func (p *pair) execute(t testing.TB, statement string, args ...any) {
	t.Helper()
	n := 0
	for i := range args {
		if strings.Contains(statement, fmt.Sprintf("$%d", i+1)) {
			n = i + 1
		}
	}
	if _, err := p.raw(t).ExecContext(t.Context(), statement, args[:n]...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
