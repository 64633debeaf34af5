//go:build unix

package main

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

const djangoKey = "a secret key of Django's, for a test"

// crowded makes a Django with ada and many other users.
func crowded(t *testing.T, database string, crowd int) *djangoserver.Site {
	t.Helper()
	site := djangoserver.New(t, djangoserver.Config{Database: database, Keys: []string{djangoKey}})
	site.Start(t)
	site.Run(t, "add", map[string]any{"name": "ada", "password": "correct horse battery staple", "email": "ada@example.com"}, nil)
	var hash string
	site.Run(t, "encoded", map[string]any{"name": "ada"}, &hash)
	site.Run(t, "crowd", map[string]any{"passwords": slices.Repeat([]string{hash}, crowd)}, nil)
	return site
}

// TestCommandsBesideDjango runs the commands on a real Django's database.
func TestCommandsBesideDjango(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(djangoKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, address := range map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "db.sqlite3"), "postgres": pgserver.Test(t)} {
		t.Run(name, func(t *testing.T) {
			crowded(t, address, 401)
			execSQL(t, address, `CREATE UNIQUE INDEX one_address ON auth_user (email)`)
			runScriptsIn(t, testscript.Params{Files: []string{"testdata/django/commands.txtar"}}, "DJANGO=django+"+address, "KEY="+key)
		})
	}
}

// execSQL changes a Django's database, as a migration of the project's would.
func execSQL(t *testing.T, address, statement string) {
	t.Helper()
	driver, source := "pgx", address
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		driver, source = "sqlite", path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), statement)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestAnImportThatIsKilledContinues: wherever and however often an import is killed, the next one ends like an import
// without interruption.
func TestAnImportThatIsKilledContinues(t *testing.T) {
	t.Parallel()
	source := "sqlite:" + filepath.Join(t.TempDir(), "db.sqlite3")
	site := crowded(t, source, 4000)
	site.Run(t, "group", map[string]any{"name": "editors", "labels": []string{"auth.view_user"}}, nil)
	for n := range 5 {
		site.Run(t, "join", map[string]any{"name": fmt.Sprint("user", 700*n), "group": "editors"}, nil)
		site.Run(t, "token", map[string]any{"name": fmt.Sprint("user", 700*n)}, nil)
	}
	dir := t.TempDir()
	imports := func(data string) *exec.Cmd {
		command := exec.Command("cloakroom", "django", "import", "--from", "django+"+source, "--data", filepath.Join(dir, data))
		command.Env = append(os.Environ(), "CLOAKROOM_DB=")
		return command
	}
	began := time.Now()
	if out, err := imports("whole").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(began)
	killed := 0
	for range 6 {
		command := imports("killed")
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(whole) * 3 / 4)))
		if err := command.Process.Signal(syscall.SIGKILL); err == nil {
			killed++
		}
		_ = command.Wait() // it was killed
	}
	if killed == 0 {
		t.Error("none was killed in time")
	}
	if out, err := imports("killed").CombinedOutput(); err != nil || !strings.Contains(string(out), "4001 users:") {
		t.Fatalf("%v\n%s", err, out)
	}
	want, got := everybody(t, filepath.Join(dir, "whole")), everybody(t, filepath.Join(dir, "killed"))
	if strings.Count(want, "\n") < 4001 {
		t.Fatalf("imported were\n%.1000s", want)
	}
	if got != want {
		t.Error("an import that was killed ends otherwise than one that wasn't")
	}
}

// everybody returns the users of an import, without random values.
func everybody(t *testing.T, data string) string {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(data, "cloakroom.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all strings.Builder
	for _, query := range []string{
		`SELECT id || ' ' || username || ' ' || email || ' ' || password || ' ' || is_active || ' ' || date_joined FROM users ORDER BY id`,
		`SELECT m.user_id || ' ' || g.name FROM members m JOIN groups g ON g.id = m.group_id ORDER BY m.user_id`,
		`SELECT g.name || ' ' || p.permission FROM group_permissions p JOIN groups g ON g.id = p.group_id ORDER BY 1`,
		`SELECT hex(id) || ' ' || kind || ' ' || user_id FROM tokens ORDER BY id`,
		`SELECT source || ' ' || source_id || ' ' || user_id FROM imports ORDER BY 1`,
	} {
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			all.WriteString(line + "\n")
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
