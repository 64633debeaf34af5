package django_test

import (
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
)

// TestNothingOfARestoredDjangoDatabaseCounts ends the sessions that Django made, and anonymous ones, which hold the half-done
// sign-ins and resets of Django's packages.
func TestNothingOfARestoredDjangoDatabaseCounts(t *testing.T) {
	t.Attr("threat", "S16")
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		name, id := p.user(t)
		here, there := p.person(t), p.person(t)
		there.signsIn("Django", name, good)
		here.signsIn("Cloakroom", name, good)
		there.is(name)
		here.is(name)
		p.execute(t, `INSERT INTO django_session (session_key, session_data, expire_date) VALUES ('anonymous', 'x', '2100-01-01 00:00:00')`)
		secret, _, err := p.server.Accounts.ResetSecret(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		before := p.encoded(t, name)
		ended, err := p.server.AfterRestore(t.Context(), cloakroom.RestoreOptions{})
		if err != nil || ended.Accounts != 0 || ended.Links != 1 || ended.Sessions < 3 {
			t.Errorf("AfterRestore = %+v, %v", ended, err)
		}
		var rows int
		if err := p.raw(t).QueryRowContext(t.Context(), `SELECT count(*) FROM django_session`).Scan(&rows); err != nil || rows != 0 {
			t.Errorf("django_session has %d rows, %v", rows, err)
		}
		here.isAnonymous()
		there.isAnonymous()
		if _, err := p.server.Accounts.ResetPassword(t.Context(), secret, better, home); !errors.Is(err, account.SpentErrors.Reset) {
			t.Errorf("the reset link: %v", err)
		}
		if p.encoded(t, name) != before {
			t.Error("the password has changed")
		}
		here.signsIn("Django", name, good)
		here.is(name)
	})
}

// TestDeletedLinksResetNothing holds although one of the two rows of a link stays in the table.
func TestDeletedLinksResetNothing(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		_, id := p.user(t)
		secret, _, err := p.server.Accounts.ResetSecret(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{1, 0} {
			if n, err := p.server.Accounts.Store.DeleteAllSecrets(t.Context()); err != nil || n != want {
				t.Errorf("DeleteAllSecrets = %d, %v; want %d", n, err, want)
			}
		}
		if _, err := p.server.Accounts.ResetPassword(t.Context(), secret, better, home); !errors.Is(err, account.SpentErrors.Reset) {
			t.Errorf("the reset link: %v", err)
		}
	})
}
