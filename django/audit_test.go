package django_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
)

// Beside Django too, the audit log records what happens to users in Cloakroom's own tables. Django's tables stay as Django
// made them.
func TestTheAuditLogIsOursAlsoBesideDjango(t *testing.T) {
	t.Attr("threat", "L01")
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		before := p.bystanders(t)
		name, id := p.user(t)
		b := p.person(t)
		b.signIn("Cloakroom", name, better)
		b.signsIn("Cloakroom", name, good)
		if err := p.server.Audit.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, err := p.server.Audit.Store.List(t.Context(), audit.Query{User: id})
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, e := range found {
			count[e.Name]++
			if e.Subject != id || e.Login != "" && e.Login != name {
				t.Errorf("%+v", e)
			}
		}
		if count["authn_login_fail"] != 1 || count["authn_login_success"] != 1 || count["session_created"] != 1 {
			t.Errorf("found %v", count)
		}
		p.unchanged(t, before)
	})
}

// On PostgreSQL our tables are in the database of Django's. A change of many accounts takes a while, and events are written meanwhile.
func TestAChangeOfAccountsHoldsUpNoEvent(t *testing.T) {
	t.Attr("threat", "L01")
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err := p.server.Accounts.Store.Transact(ctx, func(account.Tx) error {
			return p.server.Audit.Store.Append(ctx, []*audit.Event{{At: 1, Name: "authz_admin", Outcome: audit.Success}})
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// The audit log has the attempt and the counts of an import, and nothing of a dry run.
func TestAnImportIsInTheAuditLog(t *testing.T) {
	t.Attr("threat", "L01")
	t.Parallel()
	source, data := sqliteAddress(t), filepath.Join(t.TempDir(), "data")
	site := djangoserver.New(t, djangoserver.Config{Database: source, Keys: keys})
	site.Start(t)
	site.Run(t, "add", map[string]any{"name": "ann", "password": good}, nil)
	binary := filepath.Join(t.TempDir(), "cloakroom")
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	run("go", "build", "-ldflags=-s -w", "-o", binary, "../cmd/cloakroom")
	run(binary, "django", "import", "--data", data, "--from", "django+"+source, "--dry-run")
	run(binary, "django", "import", "--data", data, "--from", "django+"+source)
	want := regexp.MustCompile(`^TIME .*\n` +
		`\S+ \S+ +authz_admin +success +command line +- +- +changed=0 deed=imported ended=0 groups=0 tokens=0 users=1\n` +
		`\S+ \S+ +authz_admin +attempt +command line +- +- +command=django import os_user=\S+\n$`)
	if got := run(binary, "audit", "list", "--data", data); !want.MatchString(got) {
		t.Errorf("the audit log:\n%s", got)
	}
}
