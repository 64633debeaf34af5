package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/postgres"
)

func TestName(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"postgres://ann:hunter2@db.example.com/app", "postgres://ann@db.example.com:5432/app"},
		{"postgresql://ann@[::1]:5433/app?sslmode=disable&password=hunter2", "postgres://ann@[::1]:5433/app"},
		{"postgres://ann@/app?host=/run/postgresql&pool_max_conns=5", "postgres://ann@/run/postgresql/app"},
		{"postgres://ann:hunter2@%2Fvar%2Frun%2Fpostgresql/app", "postgres://ann@/var/run/postgresql/app"},
		{"postgres://ann@%2fvar%2frun%2fpostgresql:5433/app?sslmode=disable", "postgres://ann@/var/run/postgresql/app"},
		{"postgres://ann:hunter2@one:5433,two/app", "postgres://ann@one:5433,two:5432/app"},
		{"postgres://ann@[::1],[::2]:5433/app?target_session_attrs=read-write", "postgres://ann@[::1]:5432,[::2]:5433/app"},
		{"postgres://ann@%2Frun%2Fpostgresql,two/app", "postgres://ann@/run/postgresql,two:5432/app"},
		{"postgres://ann@/app?host=one,two&port=1,2", "postgres://ann@one:1,two:2/app"},
	} {
		got, err := postgres.RedactURL(c.url)
		if err != nil || got != c.want {
			t.Errorf("Name(%q) = %q, %v; want %q", c.url, got, err, c.want)
		}
	}
}

// wrong are addresses that can't be used. Each holds the password hunter2.
var wrong = []string{
	"postgres://ann:hunter2@host:port/app",
	"postgres://ann:hunter2%@host/app",
	"postgres://ann:hunter2@host/app\x00",
	"postgres://ann:hunter2@host/app?sslmode=perhaps",
	"postgres://ann:hunter2@host,other:port/app",
	"postgres://ann:hunter2@host,%zz/app",
	"postgres://ann:hunter2,x/app",
	"postgres://ann:hunter2@host/app?target_session_attrs=standby",
	"postgres://ann:hunter2@host/app?pool_max_conns=1",
	"postgres://ann:hunter2@host/app?pool_max_conns=hunter2",
	"postgres://ann:hunter2@host/app?connect_timeout=hunter2",
	"postgres://ann@host/app?password=hunter2&%",
	"postgres://ann@host/app?sslpassword=hunter2&sslcert=/nowhere&sslkey=/nowhere",
	"postgres:ann:hunter2@host/app",
	"mysql://ann:hunter2@host/app",
	"host=localhost password=hunter2 dbname=app",
	"ann:hunter2@host",
}

// TestNoErrorHoldsThePassword: many people read logs and terminals.
func TestNoErrorHoldsThePassword(t *testing.T) {
	for _, url := range wrong {
		if _, err := postgres.RedactURL(url); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Name(%q): %v", url, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for _, url := range append(wrong,
		"postgres://ann:hunter2@127.0.0.1:1/app", "postgres://ann:hunter2@no-such-host.invalid/app",
		"postgres://ann:hunter2@/app?host=/no/such/directory", "postgres://ann:hunter2@127.0.0.1:1,127.0.0.1:2/app",
	) {
		_, errOpen := postgres.Open(ctx, url)
		_, errMigrate := postgres.Migrate(ctx, url)
		_, _, errPending := postgres.Pending(ctx, url)
		for _, err := range []error{errOpen, errMigrate, errPending} {
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: %v", url, err)
			}
		}
	}
}

// TestErrorsNameTheWrongOption, unless the text could be the password.
func TestErrorsNameTheWrongOption(t *testing.T) {
	for option, want := range map[string]string{
		"sslmode=banana": "sslmode must be one of disable allow prefer require verify-ca verify-full",
		"sslmode=verify-full&sslrootcert=/no/such/hunter2": "the file that sslrootcert names: no such file or directory",
		"sslcert=/no/such/hunter2":                         "the file that sslcert names: no such file or directory",
		"pool_max_conns=1":                                 "pool_max_conns must be a number from 2 to 1000",
	} {
		if _, err := postgres.RedactURL("postgres://ann:hunter2@db.example.com/app?" + option); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %q", option, err, want)
		}
	}
}

// FuzzName checks that neither a name nor an error contains the password, whatever is around it.
func FuzzName(f *testing.F) {
	f.Add("ann", "db.example.com", "app?pool_max_conns=3")
	f.Add("ann@b", "[::1]:5433", "app?password=x")
	f.Add("%", ":::", "?%&sslmode=x")
	f.Add("ann/", "host", "app")
	f.Fuzz(func(t *testing.T, user, host, rest string) {
		const password = "hunter2hunter2"
		if strings.Contains(user+host+rest, password) {
			return
		}
		for _, url := range []string{
			"postgres://" + user + ":" + password + "@" + host + "/" + rest,
			"postgres://" + user + "@" + host + "/" + rest + "&password=" + password,
		} {
			name, err := postgres.RedactURL(url)
			if strings.Contains(name, password) || err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("Name(%q) = %q, %v", url, name, err)
			}
		}
	})
}
