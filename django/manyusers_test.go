package django_test

import (
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// TestManyUsersAreDisabledBesideDjango: what was begun at either program ends for each of them, and for no one else.
func TestManyUsersAreDisabledBesideDjango(t *testing.T) {
	t.Attr("threat", "X12")
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		type one struct {
			name, id, token, personal string
			theirs, ours              *person
		}
		made := func() (o one) {
			o.name, o.id = p.user(t)
			o.theirs, o.ours = p.person(t), p.person(t)
			o.theirs.signsIn("Django", o.name, good)
			o.ours.signsIn("Cloakroom", o.name, good)
			o.personal = p.personal(t, o.id)
			p.site.Run(t, "token", map[string]any{"name": o.name}, &o.token)
			p.opens(t, o.token, o.name)
			return o
		}
		leavers, spared := []one{made(), made(), made()}, made()
		accounts := p.server.Accounts
		secret, _, err := accounts.ResetSecret(t.Context(), leavers[1].id)
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{"", "0", "x", "a\x00b", "9999999999", "999999999999999999", "99999999999999999999", "0" + spared.id}
		for _, o := range leavers {
			ids = append(ids, o.id)
		}
		for _, again := range []bool{false, true} {
			all, err := accounts.DisableAll(t.Context(), ids)
			if err != nil || len(all) != len(ids) {
				t.Fatalf("%+v, %v", all, err)
			}
			for i, d := range all {
				if unknown := i < len(ids)-len(leavers); d.ID != ids[i] || errors.Is(d.Err, account.ErrNotFound) != unknown || !unknown && (d.Err != nil || d.Already != again) {
					t.Errorf("%q: %+v", ids[i], d)
				}
			}
			for _, o := range leavers {
				o.theirs.isAnonymous()
				o.ours.isAnonymous()
				p.opens(t, o.token, "")
				if who := p.withHeader(t, p.url, "/api/me", "Bearer "+o.personal); who != "" {
					t.Errorf("a personal token opens %q", who)
				}
			}
		}
		if left, err := p.server.Sessions.List(t.Context(), leavers[0].id); err != nil || len(left) > 0 {
			t.Errorf("%d sessions are left, %v", len(left), err)
		}
		for _, o := range leavers {
			if err := accounts.SetActive(t.Context(), o.id, true); err != nil {
				t.Fatal(err)
			}
			o.ours.isAnonymous()
			p.opens(t, o.token, "")
			if who := p.withHeader(t, p.url, "/api/me", "Bearer "+o.personal); who != "" {
				t.Errorf("enabled again: a personal token from before opens %q", who)
			}
		}
		if who := p.withHeader(t, p.url, "/api/me", "Bearer "+spared.personal); who != spared.name {
			t.Errorf("the personal token of another user opens %q", who)
		}
		if _, err := accounts.ResetPassword(t.Context(), secret, better, home); !errors.Is(err, account.SpentErrors.Reset) {
			t.Errorf("a link from before: %v", err)
		}
		spared.theirs.is(spared.name)
		spared.ours.is(spared.name)
		p.opens(t, spared.token, spared.name)
	})
}
