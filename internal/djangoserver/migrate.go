package djangoserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// templates are dumps of migrated databases, by the configuration that their schema depends on. Migrating takes a second or
// more; restoring a dump takes less.
var templates sync.Map

// migrate brings an empty database to the state after manage.py migrate.
func (s *Site) migrate(t testing.TB) {
	t.Helper()
	path, sqlite := strings.CutPrefix(s.config.Database, "sqlite:")
	name := fmt.Sprintf("template-%v-%s-%s", sqlite, s.config.Django.Version, s.config.UserModel)
	migrated := false // this very database
	once, _ := templates.LoadOrStore(name, sync.OnceValue(func() string {
		s.Manage(t, "migrate", "--verbosity", "0")
		migrated = true
		template := filepath.Join(s.dir, name)
		if sqlite {
			copyFile(t, path, template)
		} else {
			postgres(t, "pg_dump", "--no-owner", "--no-privileges", "--file", template, s.config.Database)
		}
		return template
	}))
	template := once.(func() string)()
	switch {
	case migrated:
	case sqlite:
		copyFile(t, template, path)
	default:
		postgres(t, "psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set", "ON_ERROR_STOP=1", "--output", os.DevNull,
			"--file", template, s.config.Database)
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// postgres runs one of PostgreSQL's client programs.
func postgres(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s, on Debian in postgresql-client: %v\n%s", program, err, out)
	}
}
