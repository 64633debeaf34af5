package httpapi_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// eventsOf returns the audit events of the request that r answers, the earliest first, as an administrator sees them.
func (s *server) eventsOf(root *client, r *answer) (found []map[string]any) {
	s.t.Helper()
	a := root.send("GET", adminPath+"/audit?limit=200", nil)
	var out struct{ Events []map[string]any }
	if err := json.Unmarshal(a.body, &out); err != nil || a.StatusCode != 200 {
		s.t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	for _, e := range slices.Backward(out.Events) {
		if e["request_id"] == r.Header.Get("X-Request-Id") {
			found = append(found, e)
		}
	}
	return found
}

// TestEveryActOfAnAdministratorIsInTheAuditLog: when the response arrives, the log has the attempt and then the act, with the
// administrator, the user that was changed, and the address.
func TestEveryActOfAnAdministratorIsInTheAuditLog(t *testing.T) {
	t.Attr("threat", "L01")
	s := start(t, options{})
	boss := s.superuser("root")
	root := s.as(boss)
	u := s.user("ada")
	s.as(u)
	one := s.records(u.ID)[0].PublicID
	s.group("staffers")
	user := adminPath + "/users/" + u.ID
	for _, row := range []struct {
		method, path string
		body         any
		events       string // name, login or group, and detail
	}{
		{"POST", adminPath + "/users", map[string]any{"username": "bob", "is_staff": true}, "user_created bob map[change:+staff]"},
		{"PATCH", user, map[string]any{"first_name": "Ada"}, "user_updated ada map[]"},
		{"PATCH", user, map[string]any{"is_staff": true, "direct_permissions": []string{"blog.add_post"}}, "privilege_permissions_changed ada map[change:+staff +blog.add_post]"},
		{"PATCH", user, map[string]any{"email": "a@example.com", "direct_permissions": []string{}}, "user_updated ada map[] privilege_permissions_changed ada map[change:-blog.add_post]"},
		{"PUT", adminPath + "/groups/staffers/members/" + u.ID, nil, "privilege_permissions_changed ada map[change:+group:staffers]"},
		{"DELETE", adminPath + "/groups/staffers/members/" + u.ID, nil, "privilege_permissions_changed ada map[change:-group:staffers]"},
		{"DELETE", adminPath + "/sessions/" + one, nil, "session_expired  map[method:password reason:revoked] authz_admin ada map[deed:session ended]"},
		{"DELETE", user + "/sessions", nil, "authz_admin ada map[deed:sessions ended sessions:0]"},
		{"POST", user + "/end", nil, "authn_token_revoked ada map[kind:everything]"},
		{"POST", user + "/password", map[string]any{"password": newPassword}, "authn_password_change ada map[]"},
		{"POST", user + "/reset", nil, "authn_token_created ada map[kind:reset]"},
		{"POST", user + "/compromised", nil, "user_compromised ada map[] authn_token_created ada map[kind:reset]"},
		{"POST", user + "/disable", nil, "user_archived ada map[]"},
		{"POST", user + "/enable", nil, "user_updated ada map[change:enabled]"},
		{"POST", adminPath + "/users/disable", map[string]any{"users": []string{u.ID, u.ID}}, "user_archived ada map[]"},
		{"POST", adminPath + "/users/disable", map[string]any{"users": []string{u.ID}}, "user_archived ada map[reason:was disabled before]"},
		{"DELETE", user, nil, "user_deleted ada map[]"},
		{"POST", adminPath + "/groups", map[string]any{"name": "new", "permissions": []string{"a.x"}}, "privilege_permissions_changed  map[change:+a.x deed:created group:new]"},
		{"PATCH", adminPath + "/groups/new", map[string]any{"permissions": []string{"b.x"}}, "privilege_permissions_changed  map[change:+b.x -a.x deed:changed group:new]"},
		{"DELETE", adminPath + "/groups/new", nil, "privilege_permissions_changed  map[change:-b.x deed:deleted group:new]"},
		{"PATCH", adminPath + "/users/" + boss.ID, map[string]any{"first_name": ""}, "authz_admin  map[method:PATCH path:/api/auth/admin/users/" + boss.ID + "]"},
		{"GET", adminPath + "/audit/export?format=csv", nil, "authz_admin  map[method:GET path:/api/auth/admin/audit/export query:format=csv]"},
	} {
		r := root.send(row.method, row.path, row.body, "User-Agent: Browser/1")
		if r.StatusCode != 200 {
			t.Fatalf("%s %s: got %d %s", row.method, row.path, r.StatusCode, r.body)
		}
		if secret, ok := r.field("link").(string); ok {
			s.secret.add(secret[strings.IndexByte(secret, '#')+1:])
		}
		events := s.eventsOf(root, r)
		if len(events) == 0 || !attempted(events[0], row.method, row.path) {
			t.Fatalf("%s %s: the first event isn't the attempt: %v", row.method, row.path, events)
		}
		var got []string
		for _, e := range events {
			if e["actor"] != "root" || fmt.Sprint(e["actor_id"]) != boss.ID {
				t.Errorf("%s %s: wrong actor: %v", row.method, row.path, e)
			}
		}
		for _, e := range events[1:] {
			got = append(got, fmt.Sprint(e["event"], " ", e["login"], " ", e["detail"]))
			at, err := time.Parse(time.RFC3339, fmt.Sprint(e["time"]))
			if err != nil || time.Since(at) > time.Minute || e["ip"] != "127.0.0.1" || e["user_agent"] != "Browser/1" || e["outcome"] != "success" {
				t.Errorf("%s %s: wrong address or request: %v", row.method, row.path, e)
			}
			if e["login"] == "ada" && fmt.Sprint(e["user_id"]) != u.ID {
				t.Errorf("%s %s: wrong user: %v", row.method, row.path, e)
			}
		}
		if strings.Join(got, " ") != row.events {
			t.Errorf("%s %s: %q, want %q", row.method, row.path, got, row.events)
		}
	}
}

// attempted reports whether an event records a request before it was carried out, with the ID in its path.
func attempted(e map[string]any, method, path string) bool {
	path, _, _ = strings.Cut(path, "?")
	detail, _ := e["detail"].(map[string]any)
	about := ""
	if rest, ok := strings.CutPrefix(path, adminPath+"/users/"); ok {
		about, _, _ = strings.Cut(rest, "/")
	}
	if about == "disable" { // many users
		return e["event"] == "authz_admin" && e["outcome"] == "attempt" && detail["path"] == path && detail["count"] != nil && detail["users"] != nil
	}
	return e["event"] == "authz_admin" && e["outcome"] == "attempt" && detail["method"] == method && detail["path"] == path &&
		(about == "" || fmt.Sprint(e["user_id"]) == about)
}

// unwritable is an audit store whose writes can be made to fail.
type unwritable struct {
	audit.Store
	out atomic.Bool
}

func (u *unwritable) Append(ctx context.Context, events []*audit.Event) error {
	if u.out.Load() {
		return errors.New("out")
	}
	return u.Store.Append(ctx, events)
}

// TestNoActIsCarriedOutThatTheAuditLogCannotRecord: the response is 503, and nothing changes. Requests that aren't an
// administrator's act succeed, and are recorded once the store works again.
func TestNoActIsCarriedOutThatTheAuditLogCannotRecord(t *testing.T) {
	t.Attr("threat", "L04")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		store := &unwritable{Store: memory.New().Audit}
		s := start(t, options{stores: open, audit: store})
		root := s.as(s.superuser("root"))
		u := s.user("ada")
		ada := s.as(u)
		s.group("staffers")
		state := func() string {
			t.Helper()
			groups, err := s.stores.Accounts.Groups(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			users, err := s.stores.Accounts.List(t.Context(), account.Query{})
			if err != nil {
				t.Fatal(err)
			}
			all := fmt.Sprint(groups, len(s.records(u.ID)))
			for _, u := range users {
				all += fmt.Sprintf(" %+v", *u)
			}
			return all
		}
		before := state()
		store.out.Store(true)
		acts := 0
		for _, route := range strings.Fields(adminActs) {
			method, path, _ := strings.Cut(route, ":")
			path = strings.NewReplacer("{id}", u.ID, "{session}", s.records(u.ID)[0].PublicID).Replace(path)
			body := map[string]any{}
			switch {
			case method == "PATCH" && strings.Contains(path, "groups"):
				body["permissions"] = []string{"a.x"}
			case method == "PATCH":
				body["first_name"] = "Eve"
			case path == "/users":
				body["username"] = "eve"
			case path == "/invitations":
				body["email"] = "eve@example.com"
			case path == "/groups":
				body["name"] = "eve"
			case strings.HasSuffix(path, "/password"):
				body["password"] = newPassword
			}
			var sent any = body
			if len(body) == 0 {
				sent = nil
			}
			if r := root.send(method, adminPath+path, sent); !isProblem(r, 503, "unavailable") {
				t.Errorf("%s %s: got %d %s", method, path, r.StatusCode, r.body)
			}
			acts++
		}
		if after := state(); after != before {
			t.Errorf("an act was carried out. The stores have\n%s\nbefore:\n%s", after, before)
		}
		if r := ada.send("GET", "/api/me", nil); r.StatusCode != 200 {
			t.Errorf("ada is signed out: got %d", r.StatusCode)
		}
		if r := s.client().login("ada", goodPassword); r.StatusCode != 200 {
			t.Errorf("a sign-in: got %d %s", r.StatusCode, r.body)
		}
		store.out.Store(false)
		count := map[string]int{}
		r := root.send("GET", adminPath+"/audit?limit=200", nil)
		names, outcomes := r.list(t, "events", "event"), r.list(t, "events", "outcome")
		for i := range names {
			count[names[i]+" "+outcomes[i]]++
		}
		if count["authz_admin attempt"] != acts || count["authz_admin failure"] != acts || count["authn_login_success success"] != 1 {
			t.Errorf("%d acts: %v", acts, count)
		}
	})
}

// adminActs has an example of each route for administrators that changes something or exports the log.
const adminActs = `POST:/users PATCH:/users/{id} DELETE:/users/{id} POST:/users/{id}/disable POST:/users/disable POST:/users/{id}/enable
	POST:/users/{id}/password POST:/users/{id}/reset POST:/users/{id}/compromised POST:/users/{id}/end DELETE:/users/{id}/sessions DELETE:/users/{id}/tokens DELETE:/users/{id}/factors
	DELETE:/sessions/{session} POST:/groups PATCH:/groups/staffers DELETE:/groups/staffers
	POST:/invitations POST:/invitations/x/send DELETE:/invitations/x PUT:/groups/staffers/members/{id} DELETE:/groups/staffers/members/{id} DELETE:/tokens/x GET:/audit/export?format=csv`

// TestAdminActsAreComplete: every such route has an example.
func TestAdminActsAreComplete(t *testing.T) {
	for route := range adminRoutes {
		method, path, _ := strings.Cut(route, " ")
		if method == "GET" && path != "/audit/export" {
			continue
		}
		path = strings.NewReplacer("/sessions/{id}", "/sessions/{session}", "/tokens/{id}", "/tokens/x", "/invitations/{id}", "/invitations/x", "{name}", "staffers").Replace(path)
		if !strings.Contains(adminActs, method+":"+path) {
			t.Errorf("adminActs has no %s", route)
		}
	}
}

// TestAnActThatFailsIsInTheAuditLogAsFailed, whatever the reason.
func TestAnActThatFailsIsInTheAuditLogAsFailed(t *testing.T) {
	s := start(t, options{})
	root := s.as(s.superuser("root"))
	for _, row := range []struct {
		c            *client
		method, path string
		body         any
		status       int
	}{
		{root, "POST", "/users", map[string]any{"username": "a b"}, 400},
		{root, "DELETE", "/users/999", nil, 404},
		{root, "DELETE", "/groups/none", nil, 404},
	} {
		r := row.c.send(row.method, adminPath+row.path, row.body)
		if r.StatusCode != row.status {
			t.Fatalf("%s %s: got %d %s", row.method, row.path, r.StatusCode, r.body)
		}
		var got []string
		for _, e := range s.eventsOf(root, r) {
			got = append(got, fmt.Sprint(e["event"], " ", e["outcome"]))
		}
		wantList(t, row.method+" "+row.path, got, "authz_admin attempt", "authz_admin failure")
	}
}

// TestTheAuditLogCanBeSearched by user, event and time, in pages. A failed sign-in is found by the name that was typed.
func TestTheAuditLogCanBeSearched(t *testing.T) {
	t.Attr("threat", "L01")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		root := s.as(s.superuser("root"))
		u := s.user("ada")
		s.client().login("Ada@example.com", "wrong")
		s.client().login("unknown", "wrong")
		s.signedIn("ada").send("POST", "/api/auth/logout", nil)
		events := func(query string) []string {
			t.Helper()
			names := root.send("GET", adminPath+"/audit?"+query, nil).list(t, "events", "event")
			slices.Reverse(names)
			return names
		}
		wantList(t, "ada's", events("user="+u.ID), "authn_login_fail", "authn_login_success", "session_created", "session_expired")
		wantList(t, "failed sign-ins", events("event=authn_login_fail"), "authn_login_fail", "authn_login_fail")
		wantList(t, "ada's failed", events("event=authn_login_fail&user="+u.ID), "authn_login_fail")
		wantList(t, "the future", events("from="+url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))))
		wantList(t, "the past", events("to=2020-01-01T00:00:00Z"))
		wantList(t, "before all", events("to=1970-01-01T00:00:00Z"))
		first := root.send("GET", adminPath+"/audit?limit=2&user="+u.ID, nil)
		wantList(t, "a page", first.list(t, "events", "event"), "session_expired", "session_created")
		wantList(t, "the next", root.send("GET", fmt.Sprintf("%s/audit?limit=2&user=%s&after=%v", adminPath, u.ID, first.field("next")), nil).
			list(t, "events", "event"), "authn_login_success", "authn_login_fail")
		for _, bad := range []string{"from=yesterday", "to=1", "limit=0"} {
			if r := root.send("GET", adminPath+"/audit?"+bad, nil); !isProblem(r, 400, "invalid") {
				t.Errorf("%s: got %d %s", bad, r.StatusCode, r.body)
			}
		}
	})
}

// TestNoPasswordIsInTheAuditLog, whether it was typed as a username, set, changed, or refused.
func TestNoPasswordIsInTheAuditLog(t *testing.T) {
	t.Attr("threat", "L03")
	const typed, set = "purple canary drinks tea 71", "orange canary drinks tea 72"
	s := start(t, options{})
	root := s.as(s.superuser("root"))
	u := s.user("ada")
	s.client().login(typed, "x")
	s.client().login("ada", set)
	s.client().send("POST", "/api/auth/login", nil, basic(typed, "x"))
	root.send("POST", adminPath+"/users", map[string]any{"username": "bob", "password": set})
	root.send("POST", adminPath+"/users/"+u.ID+"/password", map[string]any{"password": set})
	root.send("POST", adminPath+"/users/"+u.ID+"/password", map[string]any{"password": "canary"})
	root.send("GET", adminPath+"/audit", nil)
	events, err := s.api.Audit.Store.List(t.Context(), audit.Query{})
	if err != nil || len(events) < 10 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for _, e := range events {
		if text := fmt.Sprintf("%+v", *e); strings.Contains(text, "canary") {
			t.Errorf("the audit log has a password: %s", text)
		}
	}
}

// TestAnExportEscapesUntrustedText: no typed text can begin another line, another cell, or a formula.
func TestAnExportEscapesUntrustedText(t *testing.T) {
	t.Attr("threat", "L02")
	s := start(t, options{})
	root := s.as(s.superuser("root"))
	var cells []string
	for _, formula := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\u00a0=1", "\ufeff@x", "＝1", "＋1", "－1", "＠x"} {
		cells = append(cells, formula)
		if err := s.api.Audit.Store.Append(t.Context(), []*audit.Event{{
			At: time.Now().UnixMilli(), Name: "authn_login_fail", Outcome: audit.Failure, Login: formula, Agent: formula + "\",x\n\"",
		}}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Reverse(cells)
	r := root.send("GET", adminPath+"/audit/export?format=csv&event=authn_login_fail", nil)
	rows, err := csv.NewReader(strings.NewReader(string(r.body))).ReadAll()
	if err != nil || len(rows) != len(cells)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, cell := range cells {
		// A CSV reader turns "\r\n" into a line feed. None of our texts has both.
		if got := rows[i+1]; got[8] != "'"+cell || got[11] != "'"+cell+"\",x\n\"" || len(got) != 14 {
			t.Errorf("%q became %q", cell, got)
		}
	}
	r = root.send("GET", adminPath+"/audit/export?format=ndjson&event=authn_login_fail", nil)
	if n := strings.Count(string(r.body), "\n"); n != len(cells) {
		t.Errorf("%d lines of JSON for %d events", n, len(cells))
	}
	r = root.send("GET", adminPath+"/audit/export?format=csv&event=none", nil)
	if !strings.HasPrefix(string(r.body), "id,time,event,outcome,actor_id,") || strings.Count(string(r.body), "\n") != 1 {
		t.Errorf("an export without events: %q", r.body)
	}
}

// TestTheAuditLogCanBeExported: an export has all events, over several pages, and no cell that a spreadsheet executes.
func TestTheAuditLogCanBeExported(t *testing.T) {
	s := start(t, options{})
	root := s.as(s.superuser("root"))
	var many []*audit.Event
	began := time.Now().Add(-time.Hour).Truncate(time.Second)
	for n := range 1200 {
		many = append(many, &audit.Event{At: began.UnixMilli() + int64(n), Name: "authn_login_fail", Outcome: audit.Failure, Login: "=1+1", Detail: map[string]string{"b": "2", "a": "1\n\""}})
	}
	if err := s.api.Audit.Store.Append(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	r := root.send("GET", adminPath+"/audit/export?format=ndjson&event=authn_login_fail", nil)
	lines := strings.Split(strings.TrimSpace(string(r.body)), "\n")
	var last map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || len(lines) != 1200 || last["login"] != "=1+1" || last["time"] != began.UTC().Format(time.RFC3339) {
		t.Errorf("%d lines, the last %s, %v", len(lines), lines[len(lines)-1], err)
	}
	r = root.send("GET", adminPath+"/audit/export?format=csv&event=authn_login_fail", nil)
	rows, err := csv.NewReader(strings.NewReader(string(r.body))).ReadAll()
	if err != nil || len(rows) != 1201 || rows[0][0] != "id" || rows[1][8] != "'=1+1" || rows[1][13] != "a=1\n\"; b=2" {
		t.Errorf("%d rows, %q, %v", len(rows), rows[:min(2, len(rows))], err)
	}
	if got := r.Header.Get("Content-Disposition"); got != `attachment; filename="audit.csv"` {
		t.Errorf("Content-Disposition %q", got)
	}
	for _, bad := range []string{"", "?format=xml", "?format=csv&from=x"} {
		if r := root.send("GET", adminPath+"/audit/export"+bad, nil); !isProblem(r, 400, "invalid") {
			t.Errorf("%q: got %d %s", bad, r.StatusCode, r.body)
		}
	}
}

// TestAnOutageDuringAnExportCutsIt: a partial export doesn't look complete.
func TestAnOutageDuringAnExportCutsIt(t *testing.T) {
	store := &failingReads{Store: memory.New().Audit}
	s := start(t, options{audit: store})
	root := s.as(s.superuser("root"))
	var many []*audit.Event
	for range 700 {
		many = append(many, &audit.Event{At: time.Now().UnixMilli(), Name: "x", Outcome: audit.Success})
	}
	if err := store.Append(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	store.left.Store(1)
	response, err := root.Get(s.URL + adminPath + "/audit/export?format=ndjson&event=x")
	if err == nil {
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
	}
	if err == nil {
		t.Error("the partial export looks complete")
	}
}

// TestAnExportEndsWithItsSession: the events that were read are sent, and the partial export doesn't look complete.
func TestAnExportEndsWithItsSession(t *testing.T) {
	t.Attr("threat", "W01")
	for _, ending := range credentialKinds["admin"].ends {
		p := newPause("reading")
		store := pausedReads{memory.New().Audit, p, func(q audit.Query) bool { return q.Name == "x" }}
		s := start(t, options{audit: store})
		x := &scenario{s: s, root: s.as(s.superuser("root")), actor: s.superuser("ada")}
		page := s.as(x.actor)
		x.ticket = page.ticket()
		var many []*audit.Event
		for range 700 {
			many = append(many, &audit.Event{At: time.Now().UnixMilli(), Name: "x", Outcome: audit.Success})
		}
		must(t, store.Append(t.Context(), many))
		p.armed.Store(true)
		type export struct {
			lines int
			err   error
		}
		got := make(chan export)
		go func() {
			response, err := page.Get(s.URL + adminPath + "/audit/export?format=ndjson&event=x")
			if err != nil {
				got <- export{0, err}
				return
			}
			defer response.Body.Close()
			b, err := io.ReadAll(response.Body)
			got <- export{strings.Count(string(b), "\n"), err}
		}()
		<-p.reached // the caller was authorized for the first page, which is being read
		whileHeld[ending](t, x)
		close(p.opened)
		if e := <-got; e.err == nil || e.lines > 500 {
			t.Errorf("%s: the export had %d events, and then %v", ending, e.lines, e.err)
		}
	}
}

// pausedReads is an audit store whose reads can be paused, of those queries.
type pausedReads struct {
	audit.Store
	*pause
	of func(audit.Query) bool
}

func (s pausedReads) List(ctx context.Context, q audit.Query) ([]*audit.Event, error) {
	if s.of(q) {
		s.at("reading")
	}
	return s.Store.List(ctx, q)
}

// TestAnAuditLogThatCannotBeReadIsAnOutage, for lists and for exports.
func TestAnAuditLogThatCannotBeReadIsAnOutage(t *testing.T) {
	t.Attr("threat", "L04")
	s := start(t, options{audit: &failingReads{Store: memory.New().Audit}})
	root := s.as(s.superuser("root"))
	for _, path := range []string{"/audit?event=x", "/audit/export?format=csv&event=x", "/audit/export?format=ndjson&event=x"} {
		if r := root.send("GET", adminPath+path, nil); !isProblem(r, 503, "unavailable") || r.Header.Get("Content-Disposition") != "" {
			t.Errorf("%s: got %d %v %s", path, r.StatusCode, r.Header, r.body)
		}
	}
}

// failingReads is an audit store whose reads fail after some that succeed.
type failingReads struct {
	audit.Store
	left atomic.Int32
}

func (f *failingReads) List(ctx context.Context, q audit.Query) ([]*audit.Event, error) {
	if q.Name == "x" && f.left.Add(-1) < 0 {
		return nil, errors.New("out")
	}
	return f.Store.List(ctx, q)
}
