package httpapi_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/token"
)

// everything gives a user something of each kind that is kept.
func (s *server) everything(name string) *account.User {
	s.t.Helper()
	s.group("editors", "blog.add_post")
	u := s.with(s.user(name), func(u *account.User) {
		u.EmailProven, u.FirstName, u.LastName, u.Language, u.LastLogin = u.Email, "Ada", "Lovelace", "de", time.Now().Unix()
		u.Groups, u.UserPermissions = []string{"editors"}, []string{"blog.view_post"}
		u.Extra = account.Extra{Public: `{"plan":"pro"}`, Private: `{"note":"slow payer"}`}
	})
	s.linked(u, name+"-1")
	s.withPasskey(u, factor.Passkey)
	must(s.t, s.stores.Factors.SetRecoveryCodes(s.t.Context(), u.ID, [][32]byte{{1}, {2}}))
	s.issue(u, token.Params{Kind: token.Personal, Name: "script", TTL: time.Hour, IP: "203.0.113.1", Agent: "curl/8"})
	return u
}

// TestTheDataIsWhole: what is kept about a user, with the pages of the audit log in their order, and the Go API gives the same.
func TestTheDataIsWhole(t *testing.T) {
	t.Attr("threat", "PD06")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		u := s.everything("ada")
		proven := time.Now().Add(-24*time.Hour).Unix() * 1000
		var many []*audit.Event
		for n := range 1200 {
			many = append(many, &audit.Event{At: proven + int64(n), Name: "session_created", Outcome: audit.Success, Actor: u.ID, Subject: u.ID, Detail: map[string]string{"n": fmt.Sprint(n)}})
		}
		many = append(many, &audit.Event{At: proven, Name: audit.EmailKinds.Verified.String(), Outcome: audit.Success, Subject: u.ID})
		must(t, s.stores.Audit.Append(t.Context(), many))
		c := s.as(u)
		s.as(u)
		r := c.send("POST", dataPath, nil)
		ok(t, r)
		if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Content-Disposition") != `attachment; filename="account.json"` || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("the headers are %v", r.Header)
		}
		got := takenOf(t, r.body)
		for path, want := range map[string]string{
			"server": s.public, "account.username": "ada", "account.email": "ada@example.com", "account.email_proven": "true", "account.email_proven_at": time.UnixMilli(proven).UTC().Format(time.RFC3339),
			"account.groups": "[editors]", "account.direct_permissions": "[blog.view_post]", "account.permissions": "[blog.add_post blog.view_post]", "account.language": "de",
			"account.extra": "map[plan:pro]", "ways_in.factors.0.name": "Laptop", "ways_in.recovery_codes": "2", "links.0.provider": "example", "links.0.subject": "ada-1",
			"tokens.0.name": "script", "tokens.0.ip": "203.0.113.1", "events.0.event": "user_exported", "events.0.by": "you",
		} {
			if found := fmt.Sprint(within(got, path)); found != want {
				t.Errorf("%s is %s, want %s", path, found, want)
			}
		}
		if sessions := got["sessions"].([]any); len(sessions) != 2 {
			t.Errorf("it has %d sessions", len(sessions))
		}
		n := 1199
		for _, e := range got["events"].([]any) {
			if detail, ok := e.(map[string]any)["detail"].(map[string]any); ok && detail["n"] != nil {
				if detail["n"] != fmt.Sprint(n) {
					t.Fatalf("event %v is where %d should be", detail["n"], n)
				}
				n--
			}
		}
		if n != -1 {
			t.Errorf("%d events are missing", n+1)
		}
		var written bytes.Buffer
		must(t, s.api.WriteData(t.Context(), &written, s.load(u.ID)))
		byProgram := takenOf(t, written.Bytes())
		for _, part := range []string{"account", "ways_in", "links", "tokens"} {
			if fmt.Sprint(byProgram[part]) != fmt.Sprint(got[part]) {
				t.Errorf("a program gets %v, and the user %v", byProgram[part], got[part])
			}
		}
	})
}

func takenOf(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var got map[string]any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if _, err := decoder.Token(); err != io.EOF {
		t.Fatalf("something follows the document: %v", err)
	}
	return got
}

// within returns what is at a path such as "links.0.email"; nil if there is nothing.
func within(document any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		switch d := document.(type) {
		case map[string]any:
			document = d[step]
		case []any:
			if step != "0" || len(d) == 0 {
				return nil
			}
			document = d[0]
		default:
			return nil
		}
	}
	return document
}

// TestTheDataHasNothingOfOthers: no name, address or browser of an administrator, of an account that the user has managed, or of a stranger
// who has tried to sign in; and no secret, which the client of the tests looks for in each answer.
func TestTheDataHasNothingOfOthers(t *testing.T) {
	t.Attr("threat", "PD06")
	s := start(t, options{})
	u := s.with(s.everything("ada"), func(u *account.User) { u.IsStaff, u.IsSuperuser = true, true })
	bob, boss := s.everything("bob"), s.superuser("boss")
	const theirs, mine = "198.51.100.77", "203.0.113.9"
	event := func(e audit.Event) *audit.Event { e.At, e.Outcome = time.Now().UnixMilli(), audit.Success; return &e }
	must(t, s.stores.Audit.Append(t.Context(), []*audit.Event{
		event(audit.Event{Name: "user_updated", Actor: boss.ID, Subject: u.ID, Address: theirs, Agent: "BossBrowser", Request: "BOSSREQUEST", Session: "own session", Detail: map[string]string{"change": "+staff", "path": "/boss"}}),
		event(audit.Event{Name: "authn_login_fail", Subject: u.ID, Login: "ada", Address: theirs, Agent: "StrangeBrowser", Request: "STRANGEREQUEST", Detail: map[string]string{"reason": "strange reason"}}),
		event(audit.Event{Name: "user_deleted", Actor: u.ID, Subject: "99", Login: "carol", Address: mine, Agent: "MyBrowser", Request: "MYREQUEST", Session: "carols session", Detail: map[string]string{"change": "carols"}}),
		event(audit.Event{Name: "user_updated", Actor: audit.CommandLine, Subject: u.ID, Login: "ada", Detail: map[string]string{"os_user": "operator7"}}),
		event(audit.Event{Name: "mail_sent", Subject: u.ID, Detail: map[string]string{"kind": "new_device"}}),
		event(audit.Event{Name: "user_updated", Actor: bob.ID, Subject: bob.ID, Login: "bob", Address: theirs}),
	}))
	r := s.as(u).send("POST", dataPath, nil)
	ok(t, r)
	for _, others := range []string{
		"bob", "boss", theirs, "BossBrowser", "BOSSREQUEST", "/boss", "StrangeBrowser", "STRANGEREQUEST", "strange reason", "carol", "operator7", "slow payer", u.Epoch, u.Password,
	} {
		if strings.Contains(string(r.body), others) {
			t.Errorf("the data has %s:\n%s", others, r.body)
		}
	}
	var got []string
	for _, e := range takenOf(t, r.body)["events"].([]any) {
		e := e.(map[string]any)
		got = append(got, fmt.Sprintln(e["event"], "by", e["by"], "about", e["about"], e["ip"], e["user_agent"], e["session"], e["detail"]))
	}
	want := []string{
		fmt.Sprintln("mail_sent by server about you", nil, nil, nil, "map[kind:new_device]"), fmt.Sprintln("user_updated by operator about you", nil, nil, nil, nil),
		fmt.Sprintln("user_deleted by you about other", mine, "MyBrowser", nil, nil), fmt.Sprintln("authn_login_fail by unknown about you", nil, nil, nil, nil),
		fmt.Sprintln("user_updated by administrator about you", nil, nil, "own session", "map[change:+staff]"),
	}
	if len(got) < 5 || !slices.ContainsFunc(got, func(line string) bool {
		return strings.HasPrefix(line, "session_created by you about you 127.0.0.1") || strings.HasPrefix(line, "user_exported by you about you 127.0.0.1")
	}) {
		t.Errorf("the events are %q", got)
	}
	if got = got[len(got)-5:]; !slices.Equal(got, want) {
		t.Errorf("the first events are %q, want %q", got, want)
	}

	s = start(t, options{mail: byInvitation()})
	s.superuser("root")
	inviter, c := s.inviter("boss")
	ok(t, c.send("POST", invitationsPath, map[string]any{"email": "ada@example.com"}))
	_, secret := s.link(s.box.next(t, 0))
	invited := s.client()
	ok(t, invited.send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)))
	if !s.logged(`"msg":"user_created"`, `"login":"ada"`, `"inviter":"`+inviter.ID+`"`) {
		t.Fatal("the audit log doesn't say who has invited the user")
	}
	r = invited.send("POST", dataPath, nil)
	ok(t, r)
	created := false
	for _, e := range takenOf(t, r.body)["events"].([]any) {
		e := e.(map[string]any)
		detail, _ := e["detail"].(map[string]any)
		created = created || e["event"] == "user_created" && e["by"] == "you" && detail["invitation"] != ""
		for name, value := range detail {
			if name == "inviter" || value == inviter.ID {
				t.Errorf("the data says who has invited the user: %v", e)
			}
		}
	}
	if !created {
		t.Errorf("the data doesn't say how the account was made:\n%s", r.body)
	}
}

// TestTheDataEndsWithItsSession: a slow client gets no more of it once the session has ended, and no whole document.
func TestTheDataEndsWithItsSession(t *testing.T) {
	t.Attr("threat", "W01")
	for _, ending := range credentialKinds["session"].ends {
		p := newPause("reading")
		st := pausedReads{memory.New().Audit, p, func(q audit.Query) bool { return q.User != "" && q.Name == "" }}
		s := start(t, options{audit: st})
		x := &scenario{s: s, root: s.as(s.superuser("root")), actor: s.user("ada")}
		page := s.as(x.actor)
		x.ticket = page.ticket()
		var many []*audit.Event
		for range 700 {
			many = append(many, &audit.Event{At: time.Now().UnixMilli(), Name: "x", Outcome: audit.Success, Actor: x.actor.ID, Subject: x.actor.ID})
		}
		must(t, st.Append(t.Context(), many))
		p.armed.Store(true)
		type result struct {
			body []byte
			err  error
		}
		got := make(chan result)
		go func() {
			request := mustRequest(t, s, "POST", dataPath)
			request.Header.Set("Sec-Fetch-Site", "same-origin")
			response, err := page.Do(request)
			if err != nil {
				got <- result{nil, err}
				return
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			got <- result{body, err}
		}()
		<-p.reached // the caller was authorized for the first page, which is being read
		whileHeld[ending](t, x)
		close(p.opened)
		if r := <-got; r.err == nil || json.Valid(r.body) || strings.Count(string(r.body), `"x"`) > 500 {
			t.Errorf("%s: the data had %d bytes, and then %v", ending, len(r.body), r.err)
		}
	}
}

// TestNoDataIsSentWhileAStoreFails: it is an outage, or the connection breaks, and what has been sent is no document.
func TestNoDataIsSentWhileAStoreFails(t *testing.T) {
	t.Attr("threat", "PD06")
	for n := 1; ; n++ {
		inner := inMemory(t)
		s := start(t, options{idle: true, stores: func(*testing.T) stores { return inner }})
		u := s.everything("ada")
		c := s.as(u)
		plan := &storetest.FaultPlan{Call: n}
		broken := faulty(inner, plan)
		s.api.Accounts.Store, s.api.Sessions.Store, s.api.Tokens.Store, s.api.Links = broken.Accounts, broken.Sessions, broken.Tokens, broken.Links
		r := c.send("POST", dataPath, nil)
		if len(plan.Calls()) < n {
			ok(t, r)
			break
		}
		if !isProblem(r, 503, "unavailable") {
			t.Errorf("call %d: got %d %s", n, r.StatusCode, r.body)
		}
	}
}

// decided says for each table, and for each column of those with a user, where it is in the data, or why it isn't taken along.
var decided = map[string]any{
	"users": map[string]string{
		"id": "account.id", "username": "account.username", "email": "account.email", "first_name": "account.first_name", "last_name": "account.last_name",
		"is_active": "account.is_active", "is_staff": "account.is_staff", "is_superuser": "account.is_superuser", "date_joined": "account.date_joined",
		"last_login": "account.last_login", "email_proven": "account.email_proven", "extra_public": "account.extra", "language": "account.language",
		"password": "not: a hash of a secret; account.has_password says whether there is one", "password_withheld": "not: a note of an administrator's for the server",
		"epoch": "not: a random text that says which sessions count", "search": "not: made of the names", "extra_private": "not: a program's own notes, which its operator answers for",
	},
	"sessions": map[string]string{
		"public_id": "sessions.0.id", "user_id": "account.id", "method": "sessions.0.method", "created": "sessions.0.created_at", "seen": "sessions.0.last_seen_at",
		"expires": "sessions.0.expires_at", "ip": "sessions.0.ip", "agent": "sessions.0.user_agent", "methods": "sessions.0.methods", "second_at": "sessions.0.level", "bound": "sessions.0.bound",
		"id": "not: a hash of a secret", "epoch": "not: a random text", "browser": "not: how long the cookie stays", "fresh": "not: a time of the last minutes",
		"idle": "not: a setting", "deadline": "not: a setting", "data": "not: what the server and its program need for requests", "version": "not: counts changes", "binding": "not: a key",
	},
	"tokens": map[string]string{
		"public_id": "tokens.0.id", "user_id": "account.id", "kind": "tokens.0.kind", "name": "tokens.0.name", "scopes": "tokens.0.scopes", "created": "tokens.0.created_at",
		"used": "tokens.0.last_used_at", "expires": "tokens.0.expires_at", "ip": "tokens.0.ip", "agent": "tokens.0.user_agent",
		"number": "not: an order", "id": "not: a hash of a secret", "epoch": "not: a random text", "data": "not: what the server needs to renew it", "version": "not: counts changes",
	},
	"factors": map[string]string{
		"id": "ways_in.factors.0.id", "user_id": "account.id", "kind": "ways_in.factors.0.kind", "name": "ways_in.factors.0.name", "created": "ways_in.factors.0.created_at",
		"used": "ways_in.factors.0.last_used_at", "credential": "ways_in.factors.0.credential_id", "rp_id": "ways_in.factors.0.rp_id",
		"number": "not: an order", "state": "not: whether its set-up is complete; only then it is listed", "epoch": "not: a random text", "counter": "not: tells copies apart", "data": "not: a secret or a key",
	},
	"recovery_codes": map[string]string{"user_id": "ways_in.recovery_codes", "hash": "not: a hash of a secret"},
	"factor_users":   map[string]string{"user_id": "account.id", "handle": "ways_in.passkey.user_id", "second_step": "ways_in.second_step"},
	"links": map[string]string{
		"id": "links.0.id", "user_id": "account.id", "issuer": "links.0.issuer", "subject": "links.0.subject", "email": "links.0.email", "added": "links.0.added_at", "used": "links.0.used_at",
		"number": "not: an order",
	},
	"members":          map[string]string{"user_id": "account.groups", "group_id": "account.groups"},
	"user_permissions": map[string]string{"user_id": "account.direct_permissions", "permission": "account.direct_permissions"},
	"audit": map[string]string{
		"at": "events.0.time", "name": "events.0.event", "outcome": "events.0.outcome", "actor": "events.0.by", "subject": "events.0.about", "session": "events.0.session",
		"address": "events.0.ip", "agent": "events.0.user_agent", "request": "events.0.request_id", "detail": "not: of events that have one; TestTheDataHasNothingOfOthers",
		"id": "not: counts the events of all users", "login": "not: the user's own name, or one that was typed, which may be another's",
	},
	"logins":          "not: made of the name and the address",
	"resets":          "not: a hash of a secret that lives for an hour",
	"imports":         "not: what was taken over is the account itself",
	"pending_signins": "not: lives for ten minutes; a complete sign-in is a session",
	"link_origins":    "not: ends with its session, whose method is taken along",
	"link_grants":     "not: a provider's secrets",
	"mail_secrets":    "not: sealed with secrets that only the user's mails have",
	"invitations":     "not: of other people; of the user, only that they were made, as events",

	"retired": "no user", "groups": "no user", "group_permissions": "no user", "setup": "no user", "counters": "no user: names are hashed with a secret", "sealed": "no user",
	"health": "no user", "spent": "no user", "imported_tokens": "no user", "outbox": "no user: sealed; the user has got it or gets it within days", "link_logouts": "no user: what providers have ended, for an hour", "webhooks": "no user",
	"goose_db_version": "no user", "sqlite_sequence": "no user",
}

// TestEachColumnIsInTheDataOrLeftOutForAReason: a new table or column needs a decision.
func TestEachColumnIsInTheDataOrLeftOutForAReason(t *testing.T) {
	t.Attr("threat", "PD07")
	path := filepath.Join(t.TempDir(), "test.db")
	s := start(t, options{stores: func(t *testing.T) store.Set {
		db, err := sqlite.Open(t.Context(), path)
		must(t, err)
		t.Cleanup(func() { db.Close() })
		return db.Set
	}})
	r := s.as(s.everything("ada")).send("POST", dataPath, nil)
	ok(t, r)
	document := takenOf(t, r.body)
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	must(t, err)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'`)
	must(t, err)
	defer rows.Close()
	seen := map[string]bool{}
	for rows.Next() {
		var table, column string
		must(t, rows.Scan(&table, &column))
		switch decision := decided[table].(type) {
		case nil:
			t.Errorf("the table %s is new: say in decided where its columns are in the data, or why they aren't", table)
		case string:
			seen[table] = true
			people := slices.Contains([]string{"user_id", "actor", "subject", "inviter"}, column)
			if people && strings.HasPrefix(decision, "no user") && table != "link_logouts" {
				t.Errorf("%s.%s is about a user", table, column)
			}
		case map[string]string:
			seen[table+"."+column] = true
			where := decision[column]
			if where == "" {
				t.Errorf("the column %s.%s is new: say in decided where it is in the data, or why it isn't", table, column)
			}
			if reason, not := strings.CutPrefix(where, "not: "); not && reason != "" {
				continue
			}
			parent, name := document, where
			if i := strings.LastIndex(where, "."); i >= 0 {
				parent, _ = within(document, where[:i]).(map[string]any)
				name = where[i+1:]
			}
			if _, there := parent[name]; !there {
				t.Errorf("%s.%s is not at %s of the data", table, column, where)
			}
		}
	}
	must(t, rows.Err())
	for table, decision := range decided {
		columns, ok := decision.(map[string]string)
		if !ok && !seen[table] {
			t.Errorf("there is no table %s", table)
		}
		for column := range columns {
			if !seen[table+"."+column] {
				t.Errorf("there is no column %s.%s", table, column)
			}
		}
	}
}
