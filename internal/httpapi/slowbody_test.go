package httpapi_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/internal/passkey/passkeytest"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// scenario is a user who sends a request, and what the request changes.
type scenario struct {
	s       *server
	root    *client // of another administrator
	actor   *account.User
	ticket  string
	subject *account.User
	group   string
	refresh string // the refresh token of the actor, if it is the credential
	reset   string // the secret of the actor's reset link
	device  *passkeytest.Device
}

// credentialKind is a kind of credential with which a request is sent.
type credentialKind struct {
	header func(t *testing.T, x *scenario) []string
	ends   []string // what ends it, or takes its rights away: names in meanwhile
}

// credentialKinds are the kinds of credentials that the routes accept.
var credentialKinds = map[string]credentialKind{
	"session": {ofAPage, []string{"signed out", "signed out everywhere", "ended by an administrator", "disabled", "deleted"}},
	"admin":   {ofAPage, []string{"signed out", "signed out everywhere", "ended by an administrator", "disabled", "deleted", "demoted"}},
	"knox": {func(_ *testing.T, x *scenario) []string {
		return []string{"Authorization: Token " + x.s.issue(x.actor, token.Params{Kind: token.Knox})}
	}, []string{"signed out everywhere", "tokens ended", "ended by an administrator", "disabled", "deleted"}},
	"access": {func(t *testing.T, x *scenario) []string {
		return []string{"Authorization: Bearer " + x.family(t).Access}
	}, []string{"signed out everywhere", "tokens ended", "ended by an administrator", "disabled", "deleted"}},
	"refresh": {func(t *testing.T, x *scenario) []string {
		x.refresh = x.family(t).Refresh
		return nil
	}, []string{"signed out everywhere", "tokens ended", "ended by an administrator", "disabled", "deleted"}},
	"password": {func(*testing.T, *scenario) []string { return nil }, []string{"password changed", "disabled", "deleted"}},
	"passkey": {func(t *testing.T, x *scenario) []string {
		x.device = x.s.withPasskey(x.actor, factor.Passkey)
		return nil
	}, []string{"disabled", "deleted"}},
	"reset link": {func(t *testing.T, x *scenario) (none []string) {
		secret, _, err := x.s.api.Accounts.ResetSecret(t.Context(), x.actor.ID)
		must(t, err)
		x.reset = secret
		return nil
	}, []string{"password changed", "ended by an administrator", "disabled", "deleted"}},
}

// whileHeld has the acts that are carried out and acknowledged while the body is held.
var whileHeld = map[string]func(t *testing.T, x *scenario){
	"nothing": func(*testing.T, *scenario) {}, // the act is then done, so that each case is known to be one
	"signed out": func(t *testing.T, x *scenario) {
		ok(t, x.s.client().hold(x.ticket).send("POST", "/api/auth/logout", nil))
	},
	"signed out everywhere": func(t *testing.T, x *scenario) {
		ok(t, x.s.as(x.actor).send("POST", "/api/auth/logout", map[string]bool{"everywhere": true}))
	},
	"ended by an administrator": func(t *testing.T, x *scenario) { ok(t, x.admin("POST", "/end", nil)) },
	"disabled":                  func(t *testing.T, x *scenario) { ok(t, x.admin("POST", "/disable", nil)) },
	"deleted":                   func(t *testing.T, x *scenario) { ok(t, x.admin("DELETE", "", nil)) },
	"tokens ended":              func(t *testing.T, x *scenario) { ok(t, x.admin("DELETE", "/tokens", nil)) },
	"password changed": func(t *testing.T, x *scenario) {
		ok(t, x.admin("POST", "/password", map[string]string{"password": newPassword}))
	},
	"demoted": func(t *testing.T, x *scenario) {
		ok(t, x.admin("PATCH", "", map[string]bool{"is_staff": false, "is_superuser": false}))
	},
}

// admin sends a request of the other administrator about the actor.
func (x *scenario) admin(method, path string, body any) *answer {
	return x.root.send(method, adminPath+"/users/"+x.actor.ID+path, body)
}

// ofAPage returns the headers of a page of the actor. Because of the csrftoken, the session is loaded before the body is read,
// even if the route doesn't load it.
func ofAPage(_ *testing.T, x *scenario) []string {
	c := x.s.client().hold(x.ticket)
	csrf := fmt.Sprint(c.send("GET", "/api/auth/csrf", nil).field("csrftoken"))
	return []string{
		"Cookie: " + c.cookieName() + "=" + x.ticket + "; csrftoken=" + csrf, "X-CSRFToken: " + csrf,
		"Origin: " + x.s.public, "Sec-Fetch-Site: same-origin",
	}
}

func (x *scenario) family(t *testing.T) jwt.Pair {
	pair, err := x.s.api.JWT.Create(t.Context(), jwt.SignIn{User: x.actor.ID, Epoch: x.actor.Epoch})
	must(t, err)
	x.s.secret.add(pair.Access, pair.Refresh)
	return pair
}

// heldRoute describes the request to a route that changes something.
type heldRoute struct {
	by   string                                   // a name in credentialKinds; "": another test holds its body
	body func(x *scenario) any                    // nil: an empty object
	with func(t *testing.T, x *scenario) []string // the values of the path's parameters, in order
}

func says(body any) func(*scenario) any { return func(*scenario) any { return body } }

func onSubject(_ *testing.T, x *scenario) []string { return []string{x.subject.ID} }

func onGroup(_ *testing.T, x *scenario) []string { return []string{x.group} }

// onInvitation makes an invitation that the request is about.
func onInvitation(t *testing.T, x *scenario) []string {
	made, _, err := x.s.api.Letters.Invite(t.Context(), letters.Invitation{Address: "of" + x.actor.ID + "@example.com", Printed: true})
	must(t, err)
	return []string{made.ID}
}

func onMember(_ *testing.T, x *scenario) []string { return []string{x.group, x.subject.ID} }

func actorsCredentials(x *scenario) any {
	return map[string]string{"username": x.actor.Username, "password": goodPassword}
}

// withKey gives the actor a passkey, whose ID is the parameter of the path if it has one.
func withKey(parameter bool) func(*testing.T, *scenario) []string {
	return func(t *testing.T, x *scenario) []string {
		f := &factor.Factor{Kind: factor.Passkey, Name: "Key", Credential: []byte(rand.Text()), RPID: "localhost"}
		_, err := x.s.api.Factors.Add(t.Context(), x.actor, f, nil)
		must(t, err)
		if !parameter {
			return nil
		}
		return []string{f.ID}
	}
}

// confirmingApp is the confirmation of an authenticator app that the actor has begun to set up in the session of the ticket.
func addingPasskey(x *scenario) any {
	options, err := x.s.api.Passkeys.CreationOptions(x.s.t.Context(), passkey.User{ID: x.actor.ID, Name: x.actor.Username}, factor.Passkey,
		x.s.client().hold(x.ticket).sessionID())
	must(x.s.t, err)
	d := passkeytest.New(passkeyDomain, x.s.public)
	return map[string]any{"credential": json.RawMessage(d.Creation(options.Response.Challenge.String()).JSON())}
}

func confirmingApp(x *scenario) any {
	e, err := x.s.api.Factors.BeginApp(x.s.t.Context(), x.actor, x.s.client().hold(x.ticket).sessionID())
	must(x.s.t, err)
	x.s.secret.key(e.ID, e.Secret)
	return map[string]string{"id": e.ID, "code": appCode(x.s.t, e.Secret, 0)}
}

// verifying is the proof of the actor's address.
func verifying(x *scenario) any {
	must(x.s.t, x.s.api.Letters.SendVerification(x.s.t.Context(), x.actor, letters.About{}))
	_, secret := x.s.link(x.s.box.to(x.s.t, x.actor.Email))
	return map[string]string{"secret": secret}
}

func actorsRefresh(x *scenario) any { return map[string]string{"refresh": x.refresh} }

func sessionOf(pick func(*scenario) *account.User) func(*testing.T, *scenario) []string {
	return func(t *testing.T, x *scenario) []string {
		u := pick(x)
		before := x.s.records(u.ID)
		x.s.as(u)
		for _, r := range x.s.records(u.ID) {
			if !slices.ContainsFunc(before, func(b *session.Record) bool { return b.ID == r.ID }) {
				return []string{r.PublicID}
			}
		}
		t.Fatal("no new session")
		return nil
	}
}

func tokenOf(pick func(*scenario) *account.User) func(*testing.T, *scenario) []string {
	return func(t *testing.T, x *scenario) []string {
		x.s.issue(pick(x), token.Params{Kind: token.Personal, Name: "script"})
		all, err := x.s.api.Tokens.List(t.Context(), pick(x).ID)
		must(t, err)
		return []string{all[0].ID}
	}
}

func theActor(x *scenario) *account.User { return x.actor }

func theSubject(x *scenario) *account.User { return x.subject }

// heldRoutes has an entry for each route that may change something.
var heldRoutes = map[string]heldRoute{
	"POST /api/auth/login":                       {by: "password", body: actorsCredentials},
	"DELETE /api/auth/login/pending":             {}, // it needs no credential
	"POST /api/auth/passkey/options":             {}, // it needs no credential
	"POST /api/auth/passkey/login":               {by: "passkey", body: func(x *scenario) any { return x.s.assertion(x.device) }},
	"POST /api/auth/login/enrol/passkey/options": {}, // likewise
	"POST /api/auth/login/enrol/code":            {}, // likewise
	"POST /api/auth/login/enrol/code/confirm":    {}, // likewise
	"POST /api/auth/code":                        {}, // it needs no credential
	"POST /api/auth/device/register":             {}, // what it needs is in the headers
	"POST /api/auth/device/refresh":              {}, // likewise
	"POST /api/auth/code/login":                  {}, // a pending sign-in is looked for when the body is there
	"POST /api/auth/reauthenticate/code": {by: "session", with: func(_ *testing.T, x *scenario) []string {
		x.s.with(x.actor, func(u *account.User) { u.Password, u.EmailProven = "!", u.Email })
		return nil
	}},
	"POST /api/auth/login/enrol/passkey":      {}, // likewise
	"POST /api/auth/login/enrol/totp":         {}, // likewise
	"POST /api/auth/login/enrol/totp/confirm": {}, // likewise
	"POST /api/auth/login/second":             {}, // a pending sign-in is looked for when the body is there
	"PATCH /api/auth/factors":                 {by: "session", body: says(map[string]bool{"second_step": true})},
	"POST /api/auth/factors/totp":             {by: "session"},
	"POST /api/auth/factors/passkey/options":  {by: "session"},
	"POST /api/auth/factors/passkey":          {by: "session", body: addingPasskey},
	"POST /api/auth/reauthenticate/options": {by: "session", with: func(_ *testing.T, x *scenario) []string {
		x.s.withPasskey(x.actor, factor.Passkey)
		return nil
	}},
	"POST /api/auth/factors/totp/confirm":       {by: "session", body: confirmingApp},
	"POST /api/auth/factors/recovery":           {by: "session", with: withKey(false)},
	"PATCH /api/auth/factors/{id}":              {by: "session", with: withKey(true), body: says(map[string]string{"name": "Laptop"})},
	"DELETE /api/auth/factors/{id}":             {by: "session", with: withKey(true)},
	"DELETE /api/auth/admin/users/{id}/factors": {by: "admin", with: onSubject},
	"POST /api/auth/password/forgot":            {}, // it needs no credential
	"POST /api/auth/signup":                     {}, // likewise
	"POST /api/auth/signup/link":                {}, // likewise, and it changes nothing
	"POST /api/auth/admin/invitations": {by: "admin", body: func(x *scenario) any {
		return map[string]any{"email": "by" + x.actor.ID + "@example.com", "printed": true}
	}},
	"POST /api/auth/admin/invitations/{id}/send":  {by: "admin", with: onInvitation},
	"DELETE /api/auth/admin/invitations/{id}":     {by: "admin", with: onInvitation},
	"POST /api/auth/signup/complete":              {}, // TestALinkOfASignUpThatIsUsedDuringTheBodyIsInvalid
	"POST /api/auth/signup/passkey/options":       {}, // it needs no credential, and changes nothing
	"POST /api/auth/signup/passkey":               {}, // TestALinkOfASignUpThatIsUsedDuringTheBodyIsInvalid
	"POST /api/auth/email/verify/send":            {by: "session"},
	"POST /api/auth/email/change":                 {by: "session", body: says(map[string]string{"email": "new@example.com"})},
	"POST /api/auth/email/revert":                 {}, // it needs no credential
	"POST /api/auth/email/verify":                 {by: "session", body: verifying},
	"POST /api/auth/logout":                       {by: "session", body: says(map[string]bool{"everywhere": true})},
	"PATCH /api/auth/me":                          {by: "session", body: says(map[string]string{"first_name": "Eve"})},
	"DELETE /api/auth/sessions":                   {by: "session"},
	"DELETE /api/auth/sessions/{id}":              {by: "session", with: sessionOf(theActor)},
	"POST /api/auth/reauthenticate":               {by: "session", body: says(map[string]string{"password": goodPassword})},
	"POST /api/auth/password/change":              {by: "session", body: says(changing(goodPassword, newPassword))},
	"POST /api/auth/password/reset":               {by: "reset link", body: func(x *scenario) any { return map[string]string{"secret": x.reset, "new_password": newPassword} }},
	"POST /api/auth/account/data":                 {}, // it changes nothing
	"POST /api/auth/account/delete":               {by: "session", body: func(x *scenario) any { return map[string]string{"username": x.actor.Username} }},
	"POST /api/auth/tokens":                       {by: "session", body: says(map[string]string{"name": "script"})},
	"DELETE /api/auth/tokens/{id}":                {by: "session", with: tokenOf(theActor)},
	"POST /api/auth/token":                        {by: "password", body: actorsCredentials},
	"POST /api-token-auth":                        {by: "password", body: actorsCredentials},
	"POST /api/auth/knox/login":                   {by: "session"},
	"POST /api/auth/knox/logout":                  {by: "knox"},
	"POST /api/auth/knox/logoutall":               {by: "knox"},
	"POST /api/auth/jwt/create":                   {by: "password", body: actorsCredentials},
	"POST /api/auth/jwt/refresh":                  {by: "refresh", body: actorsRefresh},
	"POST /api/auth/jwt/verify":                   {by: "refresh", body: func(x *scenario) any { return map[string]string{"token": x.refresh} }},
	"POST /api/auth/jwt/blacklist":                {by: "refresh", body: actorsRefresh},
	"POST /api/auth/jwt/exchange":                 {by: "access"},
	"POST /api/auth/jwt/mint":                     {by: "session", body: says(map[string]string{"audience": "reports"})},
	"POST /api/auth/admin/users":                  {by: "admin", body: says(map[string]any{"username": "made", "is_superuser": true, "is_staff": true})},
	"PATCH /api/auth/admin/users/{id}":            {by: "admin", with: onSubject, body: says(map[string]bool{"is_superuser": true})},
	"DELETE /api/auth/admin/users/{id}":           {by: "admin", with: onSubject},
	"POST /api/auth/admin/users/{id}/password":    {by: "admin", with: onSubject, body: says(map[string]string{"password": newPassword})},
	"POST /api/auth/admin/users/{id}/reset":       {by: "admin", with: onSubject},
	"POST /api/auth/admin/users/{id}/compromised": {by: "admin", with: onSubject},
	"POST /api/auth/admin/users/{id}/disable":     {by: "admin", with: onSubject},
	"POST /api/auth/admin/users/disable":          {by: "admin", body: func(x *scenario) any { return map[string][]string{"users": {x.subject.ID}} }},
	"POST /api/auth/admin/users/{id}/enable":      {by: "admin", with: onSubject},
	"POST /api/auth/admin/users/{id}/end":         {by: "admin", with: onSubject},
	"DELETE /api/auth/admin/users/{id}/sessions":  {by: "admin", with: onSubject},
	"DELETE /api/auth/admin/sessions/{id}":        {by: "admin", with: sessionOf(theSubject)},
	"DELETE /api/auth/admin/users/{id}/tokens":    {by: "admin", with: onSubject},
	"DELETE /api/auth/admin/tokens/{id}":          {by: "admin", with: tokenOf(theSubject)},
	"POST /api/auth/admin/groups": {by: "admin", body: func(x *scenario) any {
		return map[string]any{"name": "made by " + x.actor.Username, "permissions": []string{"app.x"}}
	}},
	"PATCH /api/auth/admin/groups/{name}":            {by: "admin", with: onGroup, body: says(map[string][]string{"permissions": {"app.x"}})},
	"DELETE /api/auth/admin/groups/{name}":           {by: "admin", with: onGroup},
	"PUT /api/auth/admin/groups/{name}/members/{id}": {by: "admin", with: onMember},
	"DELETE /api/auth/admin/groups/{name}/members/{id}": {by: "admin", with: func(t *testing.T, x *scenario) []string {
		x.subject = x.s.with(x.subject, func(u *account.User) { u.Groups = []string{x.group} })
		return onMember(t, x)
	}},
	"POST /api/auth/setup": {}, // TestASetUpLinkThatIsUsedDuringTheBodyIsInvalid

	"POST /api/auth/oidc/{provider}/start":              {by: "session", with: atProvider, body: says(map[string]string{"intent": "link"})},
	"POST /api/auth/oidc/{provider}/callback":           {}, // it needs no credential
	"POST /api/auth/oidc/{provider}/backchannel-logout": {}, // nor does this
	"DELETE /api/auth/links/{id}":                       {by: "session", with: linkOf},
}

// stored returns everything that is stored, except for times of use and the audit log.
func stored(t *testing.T, st stores) string {
	t.Helper()
	tokens, err := st.Tokens.List(context.WithoutCancel(t.Context()), token.Query{})
	must(t, err)
	b := snapshot(t, st)
	for _, r := range tokens {
		r.Used, r.Version = 0, ""
		b += fmt.Sprintf("%+v\n", *r)
	}
	return b
}

// held is a request whose headers were sent, and whose body wasn't.
type held struct {
	t       *testing.T
	conn    net.Conn
	answers *bufio.Reader
	request *http.Request
	body    string
}

// hold sends the headers of a request and one byte of its body, and returns once the server waits for the rest.
func (s *server) hold(t *testing.T, method, path string, body any, header ...string) *held {
	t.Helper()
	text, err := json.Marshal(body)
	must(t, err)
	s.secret.sent(text)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
	must(t, err)
	h := &held{t: t, conn: conn, answers: bufio.NewReader(conn), request: request, body: string(text)}
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n%s\r\n",
		method, path, s.host(), len(text), strings.Join(append(header, ""), "\r\n"))
	must(t, err)
	// net/http sends "100 Continue" when the body is first read.
	line, err := h.answers.ReadString('\n')
	must(t, err)
	if !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("%s %s: the body isn't read: %s", method, path, line)
	}
	if line, err = h.answers.ReadString('\n'); err != nil || line != "\r\n" {
		t.Fatal(line, err)
	}
	_, err = io.WriteString(conn, h.body[:1])
	must(t, err)
	return h
}

// release sends the rest of the body, and returns the response.
func (h *held) release() *answer {
	h.t.Helper()
	_, err := io.WriteString(h.conn, h.body[1:])
	must(h.t, err)
	r, err := http.ReadResponse(h.answers, h.request)
	must(h.t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	must(h.t, err)
	a := &answer{r, b}
	described(h.t, h.request, a)
	return a
}

// TestASessionThatEndsDuringTheBodyCantAct sends the headers of a request and a byte of the body, ends the credential, and sends
// the rest. The request changes nothing, for each route, credential, and way to end it. The test fails for a new route until
// heldRoutes has it.
func TestASessionThatEndsDuringTheBodyCantAct(t *testing.T) {
	t.Attr("threat", "W01")
	for _, route := range unsafe() {
		if _, there := heldRoutes[route.String()]; !there {
			t.Errorf("heldRoutes has no entry for %s", route)
		}
	}
	onEveryEngine(t, func(t *testing.T, open func(*testing.T) stores) {
		var s *server
		var root *client
		n := 0
		for i, route := range unsafe() {
			if i%8 == 0 { // all that is stored is compared for each request, which takes ever longer
				s = start(t, options{stores: open, mail: byInvitation()})
				root = s.as(s.superuser("root"))
			}
			line := heldRoutes[route.String()]
			if line.by == "" {
				continue
			}
			kind := credentialKinds[line.by]
			for _, ending := range append([]string{"nothing"}, kind.ends...) {
				n++
				name := fmt.Sprintf("%s, %s", route, ending)
				x := &scenario{s: s, root: root, actor: s.superuser(fmt.Sprint("actor", n)), subject: s.user(fmt.Sprint("subject", n)), group: fmt.Sprint("group", n)}
				s.group(x.group)
				x.ticket = s.as(x.actor).ticket()
				path := route.Path
				if line.with != nil {
					for _, value := range line.with(t, x) {
						path = strings.Replace(path, segment.FindString(path), value, 1)
					}
				}
				header, body := kind.header(t, x), any(struct{}{})
				if line.body != nil {
					body = line.body(x)
				}
				late := s.hold(t, route.Method, path, body, header...)
				whileHeld[ending](t, x)
				before := stored(t, s.stores)
				r := late.release()
				if ending == "nothing" {
					if r.StatusCode/100 != 2 {
						t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
					}
					if made := fmt.Sprint(r.field("username")); made == "made" { // the next case creates the same user
						must(t, s.stores.Accounts.Delete(t.Context(), fmt.Sprint(r.field("id"))))
					}
					continue
				}
				if !slices.Contains([]int{400, 401, 403}, r.StatusCode) || r.StatusCode == 400 && line.by != "password" && line.by != "refresh" {
					t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
				}
				if len(r.Cookies()) > 0 {
					t.Errorf("%s: the response sets %v", name, r.Cookies())
				}
				if after := stored(t, s.stores); after != before {
					t.Errorf("%s: the refused request changed the stores from\n%s\nto\n%s", name, before, after)
				}
			}
		}
	})
}

// TestASetUpLinkThatIsUsedDuringTheBodyIsInvalid: the late request creates no administrator.
func TestASetUpLinkThatIsUsedDuringTheBodyIsInvalid(t *testing.T) {
	t.Attr("threat", "W01")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		secret, err := s.api.Accounts.SetupSecret(t.Context())
		must(t, err)
		first := func(name string) map[string]string {
			return map[string]string{"secret": secret, "username": name, "password": goodPassword}
		}
		late := s.hold(t, "POST", "/api/auth/setup", first("late"), "Origin: "+s.public)
		ok(t, s.client().send("POST", "/api/auth/setup", first("ada")))
		before := stored(t, s.stores)
		if r := late.release(); r.StatusCode != http.StatusForbidden {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		if after := stored(t, s.stores); after != before {
			t.Errorf("the refused request changed the stores from\n%s\nto\n%s", before, after)
		}
	})
}

// TestALinkOfASignUpThatIsUsedDuringTheBodyIsInvalid: the late request makes no account.
func TestALinkOfASignUpThatIsUsedDuringTheBodyIsInvalid(t *testing.T) {
	t.Attr("threat", "W01")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: openTo(), stores: open})
		s.superuser("root")
		secret := s.signUpLink("ada@example.com")
		_, answer := s.client().firstPasskey(secret, "late")
		held := []*held{
			s.hold(t, "POST", "/api/auth/signup/complete", completing(secret, "late", goodPassword), "Origin: "+s.public),
			s.hold(t, "POST", "/api/auth/signup/passkey", answer, "Origin: "+s.public),
		}
		ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)))
		before := stored(t, s.stores)
		for _, late := range held {
			if r := late.release(); !isProblem(r, 403, "link_invalid") {
				t.Errorf("got %d %s", r.StatusCode, r.body)
			}
		}
		if after := stored(t, s.stores); after != before {
			t.Errorf("the refused request changed the stores from\n%s\nto\n%s", before, after)
		}
	})
}

// TestALateBodyIsRefused, whether or not the caller is authorized first, for JSON and forms.
func TestALateBodyIsRefused(t *testing.T) {
	t.Attr("threat", "W01")
	s := start(t, options{change: func(a *httpapi.API) { a.BodyTimeout = 50 * time.Millisecond }})
	x := &scenario{s: s, actor: s.superuser("ada")}
	x.ticket = s.as(x.actor).ticket()
	for path, header := range map[string][]string{
		"/api/auth/login":          {"Content-Type: application/json"},
		"/api/auth/logout":         append(ofAPage(t, x), "Content-Type: application/x-www-form-urlencoded"),
		"/api/auth/tokens":         append(ofAPage(t, x), "Content-Type: application/json"),
		"/api/auth/admin/users":    append(ofAPage(t, x), "Content-Type: application/json"),
		"/api/auth/password/reset": {"Content-Type: application/json"},
	} {
		r := s.wire(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n%s\r\n\r\n{", path, s.host(), strings.Join(header, "\r\n")))
		if r.Request = mustRequest(t, s, "POST", path); !isProblem(r, http.StatusRequestTimeout, "body_unreadable") {
			t.Errorf("%s: got %d %s", path, r.StatusCode, r.body)
		}
		described(t, r.Request, r)
	}
	s.alive(t, "the session", x.ticket)
}

func mustRequest(t *testing.T, s *server, method, path string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
	must(t, err)
	return r
}

// TestUnauthenticatedRequestsAreRefusedBeforeTheirBodiesAreRead: a route that requires a credential reads no body without one.
func TestUnauthenticatedRequestsAreRefusedBeforeTheirBodiesAreRead(t *testing.T) {
	t.Attr("threat", "W01")
	s := start(t, options{})
	for _, route := range unsafe() {
		if by := heldRoutes[route.String()].by; by != "session" && by != "admin" || strings.Contains(route.Path, "knox") || strings.HasSuffix(route.Path, "logout") ||
			strings.HasSuffix(route.Path, "/start") { // what its body says it is for decides
			continue
		}
		r := s.wire(t, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nContent-Type: application/json\r\nContent-Length: 60000\r\nExpect: 100-continue\r\n\r\n",
			route.Method, at(route), s.host(), s.public))
		if r.StatusCode != http.StatusUnauthorized || r.code() != "not_authenticated" {
			t.Errorf("%s: got %d %s", route, r.StatusCode, r.body)
		}
	}
}
