package httpapi_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/token"
)

// holder is a user with a credential of each kind.
type holder struct {
	s     *server
	u     *account.User
	here  *client
	root  *client           // an administrator
	lines map[string]string // the header line with each column's credential; "": it is sent otherwise
	jwt   map[string]string // the JWTs that are sent in a body
}

// columns are those of the table in docs/revocation.md.
var columns = []string{"this", "others", "app", "DRF", "knox", "personal", "refresh", "access", "minted"}

func newHolder(t *testing.T, s *server, root *client, name string) *holder {
	t.Helper()
	u := s.user(name)
	if _, err := s.api.Accounts.Edit(t.Context(), u.ID, func(u *account.User) error {
		u.UserPermissions, u.Groups = []string{"app.direct"}, []string{"readers"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	h := &holder{s: s, u: u, here: s.as(u), root: root, jwt: map[string]string{}}
	r := s.program().send("POST", "/api/auth/jwt/create", map[string]string{"username": name, "password": goodPassword})
	h.jwt["refresh"] = fmt.Sprint(r.field("refresh"))
	minted := h.here.send("POST", "/api/auth/jwt/mint", map[string]string{"audience": "reports"})
	h.jwt["minted"] = fmt.Sprint(minted.field("token"))
	h.lines = map[string]string{
		"this":     "Cookie: " + h.here.cookieName() + "=" + h.here.ticket(),
		"others":   "Cookie: " + h.here.cookieName() + "=" + s.as(u).ticket(),
		"app":      s.phone(name),
		"DRF":      "Authorization: Token " + s.issue(u, token.Params{Kind: token.DRF}),
		"knox":     "Authorization: Token " + s.issue(u, token.Params{Kind: token.Knox}),
		"personal": "Authorization: Bearer " + s.issue(u, token.Params{Kind: token.Personal, Name: "x"}),
		"access":   fmt.Sprint("Authorization: Bearer ", r.field("access")),
	}
	return h
}

// counts reports whether the credential of a column is accepted.
func (h *holder) counts(column string) bool {
	h.s.t.Helper()
	var r *answer
	switch column {
	case "refresh":
		r = h.s.program().send("POST", "/api/auth/jwt/verify", map[string]string{"token": h.jwt[column]})
	case "minted":
		r = h.s.program().send("POST", "/api/auth/jwt/verify", map[string]string{"token": h.jwt[column], "audience": "reports"})
	default:
		r = h.s.program().send("GET", "/api/me", nil, h.lines[column])
	}
	if r.StatusCode != 200 && r.StatusCode != 401 && r.StatusCode != 400 {
		h.s.t.Errorf("%s: got %d %s", column, r.StatusCode, r.body)
	}
	return r.StatusCode == 200
}

// reaches reports whether the credential of a column is accepted by a page that requires a permission.
func (h *holder) reaches(column, permission string) bool {
	return h.s.program().send("GET", "/"+permission, nil, h.lines[column]).StatusCode == 200
}

// revocations are the lines of the table.
var revocations = map[string]func(t *testing.T, h *holder){
	"sign-out": func(t *testing.T, h *holder) { ok(t, h.here.send("POST", "/api/auth/logout", nil)) },
	"sign-out everywhere": func(t *testing.T, h *holder) {
		ok(t, h.here.send("POST", "/api/auth/logout", map[string]bool{"everywhere": true}))
	},
	"own password change": func(t *testing.T, h *holder) {
		ok(t, h.here.send("POST", "/api/auth/password/change", changing(goodPassword, newPassword)))
	},
	"reset by an administrator": func(t *testing.T, h *holder) {
		ok(t, h.admin("POST", "/users/"+h.u.ID+"/password", map[string]string{"password": newPassword}))
	},
	"second step demanded from now on": func(t *testing.T, h *holder) { h.here.enrol() },
	"factor removed by its user": func(t *testing.T, h *holder) {
		ok(t, h.here.send("DELETE", "/api/auth/factors/"+h.passkey(), nil))
	},
	"factors removed by an administrator": func(t *testing.T, h *holder) {
		h.passkey()
		ok(t, h.admin("DELETE", "/users/"+h.u.ID+"/factors", nil))
	},
	"further factor, new recovery codes": func(t *testing.T, h *holder) {
		h.passkey()
		ok(t, h.here.send("POST", "/api/auth/factors/recovery", nil))
	},
	"permission change": func(t *testing.T, h *holder) {
		ok(t, h.admin("PATCH", "/users/"+h.u.ID, map[string][]string{"direct_permissions": {}}))
	},
	"group change": func(t *testing.T, h *holder) {
		ok(t, h.admin("PATCH", "/groups/readers", map[string][]string{"permissions": {}}))
	},
	"disabled":                             func(t *testing.T, h *holder) { ok(t, h.admin("POST", "/users/"+h.u.ID+"/disable", nil)) },
	"deleted":                              func(t *testing.T, h *holder) { ok(t, h.admin("DELETE", "/users/"+h.u.ID, nil)) },
	"everything ended by an administrator": func(t *testing.T, h *holder) { ok(t, h.admin("POST", "/users/"+h.u.ID+"/end", nil)) },
	"compromised": func(t *testing.T, h *holder) {
		r := h.admin("POST", "/users/"+h.u.ID+"/compromised", nil)
		ok(t, r)
		h.s.linkSecret(r)
	},
}

// passkey gives the user a passkey, and returns its ID.
func (h *holder) passkey() string {
	h.s.t.Helper()
	f := &factor.Factor{Kind: factor.Passkey, Name: "Key", Credential: []byte(h.u.ID), RPID: "localhost"}
	_, err := h.s.api.Factors.Add(h.s.t.Context(), h.u, f, nil)
	must(h.s.t, err)
	return f.ID
}

// restored is the line of the table that is about all users at once.
const restored = "after a restore"

// admin sends a request of an administrator.
func (h *holder) admin(method, path string, body any) *answer {
	h.s.t.Helper()
	return h.root.send(method, adminPath+path, body)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// revocationTable returns the table of the page: what each act does to each column.
func revocationTable(t *testing.T) map[string]map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/revocation.md")
	must(t, err)
	table := map[string]map[string]string{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 1+len(columns) {
			continue
		}
		name := strings.TrimSpace(cells[0])
		if name == "event" { // the head
			for n, column := range columns {
				if got := strings.TrimSpace(cells[n+1]); got != column {
					t.Errorf("column %d is called %q, not %q", n, got, column)
				}
			}
			continue
		}
		table[name] = map[string]string{}
		for n, column := range columns {
			table[name][column] = strings.TrimSpace(cells[n+1])
		}
	}
	return table
}

// TestTheTableOfRevocationsIsTrue compares each cell of the table in docs/revocation.md with the server, with each store.
func TestTheTableOfRevocationsIsTrue(t *testing.T) {
	t.Attr("threat", "X01")
	t.Attr("threat", "X02")
	t.Attr("threat", "X03")
	t.Attr("threat", "X09")
	t.Attr("threat", "X10")
	table := revocationTable(t)
	for name := range table {
		if revocations[name] == nil && name != restored {
			t.Errorf("the page has a line %q, but the test has no such act", name)
		}
	}
	onEveryEngine(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open, appTokens: true, next: permissions("app.direct", "app.group")})
		groups := func() {
			must(t, s.stores.Accounts.SetGroup(t.Context(), account.Group{Name: "readers", Permissions: []string{"app.group"}}))
		}
		groups()
		root := s.as(s.superuser("root"))
		bystander := newHolder(t, s, root, "bystander")
		n := 0
		for name, do := range revocations {
			n++
			want := table[name]
			if want == nil {
				t.Errorf("the test has an act %q, but the page has no such line", name)
				continue
			}
			groups()
			h := newHolder(t, s, root, fmt.Sprint("user", n))
			for _, column := range columns {
				if !h.counts(column) {
					t.Errorf("before %s, %s isn't accepted", name, column)
				}
			}
			do(t, h)
			for _, column := range columns {
				h.checkCell(t, name, column, want[column])
			}
			h.follows(t, name)
		}
		groups()
		for _, column := range columns {
			if !bystander.counts(column) {
				t.Errorf("the bystander's %s has ended", column)
			}
		}
		_, err := admin.EndRestored(t.Context(), s.stores, admin.RestoredOptions{})
		must(t, err)
		for _, column := range columns {
			bystander.checkCell(t, restored, column, table[restored][column])
		}
	})
}

// checkCell compares a cell of the table with what happened to the credential.
func (h *holder) checkCell(t *testing.T, act, column, want string) {
	t.Helper()
	counts := h.counts(column)
	switch want {
	case "stays":
		if !counts {
			t.Errorf("%s: %s has ended", act, column)
		}
	case "ends", "rotates":
		if counts {
			t.Errorf("%s: %s is still accepted", act, column)
		}
		if renewed := h.here.send("GET", "/api/me", nil).StatusCode == http.StatusOK; column == "this" && renewed != (want == "rotates") {
			t.Errorf("%s: the session got a new ticket: %v", act, renewed)
		}
	default:
		t.Errorf("%s, %s: the page has the unknown word %q", act, column, want)
	}
}

// follows checks that the next request has the new rights, with each credential.
func (h *holder) follows(t *testing.T, act string) {
	t.Helper()
	lost := map[string]string{"permission change": "app.direct", "group change": "app.group"}[act]
	if lost == "" {
		return
	}
	for _, column := range columns {
		if h.lines[column] == "" {
			continue
		}
		for _, permission := range []string{"app.direct", "app.group"} {
			if h.reaches(column, permission) == (permission == lost) {
				t.Errorf("%s: %s reaches %s: %v", act, column, permission, permission == lost)
			}
		}
	}
}
