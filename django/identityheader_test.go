package django_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
)

// Both the check and the import list them; the import copies them nevertheless.
func TestUsersThatNoHeaderCanNameAreListed(t *testing.T) {
	t.Parallel()
	t.Attr("threat", "E11")
	m := newMoved(t, "ada", "blank", "spaced", "lined", "empty", "address")
	for name, sql := range map[string]string{
		"blank": "username = ' blank'", "spaced": "username = 'spaced' || char(160)", "lined": "username = 'lined' || char(10) || 'x'", "empty": "username = ''",
		"address": "email = 'a' || char(127) || '@example.com'",
	} {
		m.execute("UPDATE auth_user SET " + sql + " WHERE username = '" + name + "'")
	}
	found, err := m.from.Inspect(t.Context(), time.Now().Unix())
	if err != nil {
		t.Fatal(err)
	}
	var said string
	for _, f := range found {
		if strings.Contains(f.About, "can't be named in a header") && f.Level == "warning" && f.Hint != "" {
			said = f.About
		}
	}
	if !strings.HasPrefix(said, "5 users") || strings.Contains(said, `"ada"`) {
		t.Errorf("the check says %q", said)
	}
	report := fmt.Sprint(m.imports(5).Problems)
	for name, flaw := range map[string]string{
		`" blank"`: "the username begins or ends with white space", `"spaced\u00a0"`: "the username begins or ends with white space",
		`"lined\nx"`: "the username has a control character", `""`: "the username is empty", `"address"`: "the e-mail address has a control character",
	} {
		if !strings.Contains(report, name+" can't be named to applications in a header, since "+flaw) {
			t.Errorf("the import says nothing of %s: %s", name, report)
		}
		if !strings.Contains(said, name+" with the ID ") || !strings.Contains(said, flaw) {
			t.Errorf("the check says nothing of %s: %s", name, said)
		}
	}
	m.imports(5) // and says it again, until it has been changed
	users, err := m.server.Accounts.Store.List(t.Context(), account.Query{})
	if err != nil || len(users) != 6 {
		t.Fatalf("%d users, %v", len(users), err)
	}
	for _, u := range users { // each can be given another name
		_, err := m.server.Accounts.Edit(t.Context(), u.ID, func(v *account.User) error {
			v.Username, v.Email = "renamed"+u.ID, ""
			return nil
		})
		if err != nil {
			text, _ := json.Marshal(u)
			t.Errorf("%s: %v", text, err)
		}
	}
	m.imports(0)
}
