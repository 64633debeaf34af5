package django_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/django"
)

// writableChild is the environment variable with the address of a database, if this test binary was started to check whether
// it can be written.
const writableChild = "CLOAKROOM_WRITABLE_CHILD"

func sayWhetherWritable(database string) {
	db, err := django.Open(context.Background(), django.Config{Database: database, Keys: keys})
	if err == nil {
		err = db.Writable(context.Background())
		_ = db.Close()
	}
	fmt.Println(err)
}

// refusesToWrite checks that the server doesn't start, and that the check reports the same error.
func (p *pair) refusesToWrite(t *testing.T, db, words string) {
	t.Helper()
	config := p.config
	config.DB = "django+" + db
	if s, err := cloakroom.New(t.Context(), config); err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("a server starts: %v, %v", s, err)
	}
	found, err := opened(t, django.Config{Database: db, Keys: keys}).Inspect(t.Context(), time.Now().Unix())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Level == "error" && strings.Contains(f.About, words) {
			return
		}
	}
	t.Errorf("check says %v", found)
}

// This holds whatever privileges the role has on other tables.
func TestPrivilegesThatAreMissingAreNamed(t *testing.T) {
	t.Parallel()
	database := postgresAddress(t)
	p := newPair(t, database, nil)
	p.stop()
	role := "reader_" + filepath.Base(t.TempDir()) + strings.ToLower(time.Now().Format("150405000"))
	for _, statement := range []string{
		`CREATE ROLE ` + role + ` LOGIN PASSWORD 'x'`, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ` + role,
		`GRANT UPDATE, DELETE ON django_session TO ` + role,
	} {
		p.execute(t, statement)
	}
	t.Cleanup(func() {
		db, err := sql.Open("pgx", database)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, statement := range []string{`DROP OWNED BY ` + role, `DROP ROLE ` + role} {
			if _, err := db.Exec(statement); err != nil {
				t.Error(err)
			}
		}
	})
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "x")
	p.refusesToWrite(t, u.String(), "these privileges are missing: INSERT on django_session, UPDATE on auth_user")
	p.execute(t, `GRANT ALL ON ALL TABLES IN SCHEMA public TO `+role)
	p.execute(t, `DROP SCHEMA cloakroom CASCADE`) // as before the first start
	config := p.config
	config.DB, config.Data = "django+"+u.String(), t.TempDir()
	if _, err := cloakroom.New(t.Context(), config); err == nil || !strings.Contains(err.Error(), "CREATE SCHEMA cloakroom AUTHORIZATION") {
		t.Errorf("without the right to make a schema: %v", err)
	}
	p.execute(t, `CREATE SCHEMA cloakroom AUTHORIZATION `+role)
	s, err := cloakroom.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
