package django_test

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
)

// TestL01_TheAuditLogIsOursAlsoBesideDjango: what happens to Django's users is in it, and none of it in Django's tables, which
// stay as Django made them.
func TestL01_TheAuditLogIsOursAlsoBesideDjango(t *testing.T) {
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
