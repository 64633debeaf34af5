package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/totp"
)

// These are the days of docs/deploy.md, "When something has gone wrong": each does what the page says, beside running nodes under
// load, with every command killed several times before it may finish. restore_test.go has the day of the restored backup.

// keyFile is the server secret of the nodes.
func (d *day) keyFile() string { return filepath.Join(d.data, "secret.key") }

// token makes a personal token on the command line.
func (d *day) token(user string) string {
	d.t.Helper()
	var out struct{ Token string }
	if err := json.Unmarshal([]byte(d.run("token", "create", user, "--name", "script", "--json")), &out); err != nil {
		d.t.Fatal(err)
	}
	return out.Token
}

// jsonWebToken signs in for a JSON Web Token.
func (d *day) jsonWebToken(user string) string {
	d.t.Helper()
	got, a := d.visitor().tokens("create", map[string]string{"username": user, "password": goodPassword})
	if a.status != http.StatusOK {
		d.t.Fatal(a)
	}
	return got.Access
}

// tokenIs ends the test unless a token is answered with this status on every node.
func (d *day) tokenIs(status int, token, what string) {
	d.t.Helper()
	for _, node := range d.nodes {
		if a := node.visitor().bearing(token, "GET", "/api/me"); a.status != status {
			d.t.Fatalf("%s is answered %s, want %d", what, a, status)
		}
	}
}

// ticketsAre ends the test unless each ticket is answered with this status on every node.
func (d *day) ticketsAre(status int, tickets []string, what string) {
	d.t.Helper()
	for _, node := range d.nodes {
		for _, ticket := range tickets {
			if a := node.visitor().must(node.holding(ticket).me()); a.status != status {
				d.t.Fatalf("%s is answered %s, want %d", what, a, status)
			}
		}
	}
}

// everyoneMaySignIn ends the test unless a user can sign in at each node, and is then signed in at every node.
func (d *day) everyoneMaySignIn(name, password string) {
	d.t.Helper()
	for _, node := range d.nodes {
		v := node.visitor()
		if a := v.must(persist(func() (answer, error) { return v.signIn(name, password) })); a.status != http.StatusOK {
			d.t.Fatalf("a sign-in of %s is answered %s", name, a)
		}
		d.ticketsAre(http.StatusOK, []string{v.ticket()}, "a new ticket")
	}
}

// postWith sends a request with the token against forged requests that the page of a visitor has.
func (v *visitor) postWith(csrf, path string) answer {
	v.s.t.Helper()
	r, err := http.NewRequest("POST", v.s.base+path, strings.NewReader(`{"password":"`+goodPassword+`"}`))
	if err != nil {
		v.s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-CSRFToken", csrf)
	return v.must(v.do(r))
}

// TestADayWithALostKey loses the key file while the nodes run. Users who were signed in stay so, and what had ended stays ended; lost are
// JSON Web Tokens and the pages' CSRF tokens.
func TestADayWithALostKey(t *testing.T) {
	t.Attr("threat", "C16")
	onEachPlace(t, func(t *testing.T, d *day) {
		d.people("ann", 1)
		d.people("bob", 1)
		onlyApp, andCode := d.person("dan"), d.person("eve")
		d.giveApp(onlyApp)
		d.giveApp(andCode, [32]byte{1})
		load := attend(d.nodes, "ann0", 3)
		d.stay("bob0")
		token := d.token("bob0")
		rounds, _ := repetitions()
		for range rounds {
			jwt, page := d.jsonWebToken("bob0"), d.signedIn("bob0")
			csrf := page.cookies["csrftoken"]
			eventually(t, "sign-outs", func() bool { return len(load.out()) > 0 })

			lost := filepath.Join(t.TempDir(), "lost.key")
			rename(t, d.keyFile(), lost)
			for _, node := range d.nodes {
				node.stop()
			}
			if out := d.fails("user", "list"); !strings.Contains(out, "key replace-lost") {
				t.Errorf("the refusal doesn't say what to do:\n%s", out)
			}
			if out := d.fails("key", "replace-lost"); !strings.Contains(out, "nothing was changed") || !strings.Contains(out, "1 user has nothing but") {
				t.Errorf("without --yes the command says:\n%s", out)
			}
			for range d.kills {
				d.killed(300*time.Millisecond, "key", "replace-lost", "--yes")
			}
			if _, err := os.Stat(d.keyFile()); errors.Is(err, fs.ErrNotExist) {
				d.run("key", "replace-lost", "--yes")
			}
			if out := d.fails("key", "replace-lost", "--yes"); !strings.Contains(out, "isn't lost") {
				t.Errorf("once more the command says:\n%s", out)
			}
			for _, node := range d.nodes {
				node.again()
			}

			for _, u := range []string{onlyApp.Username, andCode.Username} {
				v := d.visitor()
				if a := v.must(persist(func() (answer, error) { return v.signIn(u, goodPassword) })); a.code() != "second_factor_required" {
					t.Errorf("a password without the second step is answered %s", a)
				}
			}
			d.tokenIs(http.StatusOK, token, "a personal token")
			d.tokenIs(http.StatusUnauthorized, jwt, "a JSON Web Token that the lost key signed")
			d.tokenIs(http.StatusOK, d.jsonWebToken("bob0"), "a new JSON Web Token")
			d.ticketsAre(http.StatusUnauthorized, load.out(), "a ticket that was signed out")
			d.ticketsAre(http.StatusOK, []string{page.ticket()}, "an open page")
			if a := page.postWith(csrf, "/api/auth/reauthenticate"); a.code() != "csrf_failed" {
				t.Errorf("the CSRF token of an open page is answered %s", a)
			}
			page.must(page.get("/api/auth/csrf"))
			if a := page.postWith(page.cookies["csrftoken"], "/api/auth/reauthenticate"); a.status != http.StatusOK {
				t.Errorf("a new CSRF token is answered %s", a)
			}
			d.everyoneMaySignIn("ann0", goodPassword)
		}
		d.goHome()
		load.leave()
		if list := d.run("audit", "list", "--limit", "0"); !strings.Contains(list, "command=key replace-lost") {
			t.Errorf("the audit log doesn't have the command:\n%s", list)
		}
	})
}

// TestADayWithAStolenServer: the thief has the database and the key file. Afterwards nothing of what the thief has counts, and a user who
// signs in meanwhile is not signed out by the rotations.
func TestADayWithAStolenServer(t *testing.T) {
	t.Attr("threat", "S17")
	onEachPlace(t, func(t *testing.T, d *day) {
		d.people("ann", 1)
		d.people("bob", 1)
		dan := d.person("dan")
		secret := d.giveApp(dan)
		load := attend(d.nodes, "ann0", 3)
		rounds, _ := repetitions()
		for range rounds {
			token, jwt, page := d.token("bob0"), d.jsonWebToken("bob0"), d.signedIn("bob0")
			eventually(t, "sign-ins", func() bool { return len(load.held()) > 3 })
			stolen, former := d.copyKey(), d.fingerprints()
			tickets := append(load.held(), page.ticket())

			d.persist(time.Second, "after-restore", "--yes")
			nothingFromBefore(t, d.nodes, tickets, "ann0")
			d.tokenIs(http.StatusUnauthorized, token, "a token from before")
			d.stay("bob0")
			page = d.signedIn("bob0")
			csrf := page.cookies["csrftoken"]
			d.persist(4*time.Second, "key", "rotate", "--drop-jwt-keys", "--reseal")
			for anyOf(former, d.fingerprints()) {
				d.persist(time.Second, "key", "rotate")
			}
			d.opensNothing(stolen)
			d.appOpens(dan, secret)
			d.goHome()
			for _, node := range d.nodes {
				node.stop()
				node.again()
			}
			d.tokenIs(http.StatusUnauthorized, jwt, "a JSON Web Token from before")
			d.tokenIs(http.StatusOK, d.jsonWebToken("bob0"), "a new JSON Web Token")
			d.ticketsAre(http.StatusOK, []string{page.ticket()}, "an open page")
			if a := page.postWith(csrf, "/api/auth/reauthenticate"); a.code() != "csrf_failed" {
				t.Errorf("a CSRF token under the stolen secret is answered %s", a)
			}
			d.everyoneMaySignIn("ann0", goodPassword)
		}
		load.leave()
	})
}

// copyKey copies the key file, as a thief does.
func (d *day) copyKey() (path string) {
	d.t.Helper()
	text, err := os.ReadFile(d.keyFile())
	if err != nil {
		d.t.Fatal(err)
	}
	path = filepath.Join(d.t.TempDir(), "stolen.key")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// fingerprints returns those of the secrets that still count.
func (d *day) fingerprints() (all []string) {
	d.t.Helper()
	var out []struct{ Fingerprint string }
	if err := json.Unmarshal([]byte(d.run("key", "show", "--json")), &out); err != nil {
		d.t.Fatal(err)
	}
	for _, key := range out {
		all = append(all, key.Fingerprint)
	}
	return all
}

func anyOf(some, list []string) bool {
	for _, s := range some {
		for _, l := range list {
			if s == l {
				return true
			}
		}
	}
	return false
}

// giveApp gives a user an authenticator app and recovery codes, and returns the app's secret.
func (d *day) giveApp(u *account.User, codes ...[32]byte) (secret []byte) {
	d.t.Helper()
	db := d.stores()
	defer db.Close()
	secret = totp.NewSecret()
	f := &factor.Factor{ID: authenticator.NewID(), User: u.ID, Kind: factor.TOTP, State: factor.Active, Epoch: u.Epoch}
	box, err := d.dataKeys(db).Seal(d.t.Context(), authenticator.Column(db.Factors).Purpose(), f.ID+"|"+u.ID, secret)
	f.Data = box
	if err := errors.Join(err, db.Factors.Add(d.t.Context(), f), db.Factors.SetRecoveryCodes(d.t.Context(), u.ID, codes)); err != nil {
		d.t.Fatal(err)
	}
	return secret
}

func (d *day) dataKeys(db stores) *keyring.DataKeys {
	d.t.Helper()
	ring, err := keyring.Load(d.keyFile())
	if err != nil {
		d.t.Fatal(err)
	}
	return keyring.NewDataKeys(ring, db.Sealed)
}

// appOpens ends the test unless a user's authenticator app is sealed under the latest data key, with its secret.
func (d *day) appOpens(u *account.User, secret []byte) {
	d.t.Helper()
	db := d.stores()
	defer db.Close()
	column, keys := authenticator.Column(db.Factors), d.dataKeys(db)
	values, err := column.Values(d.t.Context(), "", 10)
	if err != nil || len(values) != 1 {
		d.t.Fatalf("there are %d apps, %v", len(values), err)
	}
	latest, err := keys.Seal(d.t.Context(), column.Purpose(), values[0].ID, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if !bytes.Equal(latest[:8], values[0].Box[:8]) {
		d.t.Error("the app is sealed under an earlier data key")
	}
	if plain, err := keys.Open(d.t.Context(), column.Purpose(), values[0].ID, values[0].Box); err != nil || !bytes.Equal(plain, secret) {
		d.t.Errorf("the app's secret is another: %v", err)
	}
}

// opensNothing ends the test if a key file opens anything in the database.
func (d *day) opensNothing(file string) {
	d.t.Helper()
	ring, err := keyring.Load(file)
	if err != nil {
		d.t.Fatal(err)
	}
	db := d.stores()
	defer db.Close()
	all, err := db.Sealed.Sealed(d.t.Context())
	if err != nil || len(all) == 0 {
		d.t.Fatalf("the database has %d sealed secrets, %v", len(all), err)
	}
	for _, s := range all {
		if _, err := ring.Open(s); err == nil {
			d.t.Errorf("the stolen key file opens %q", s.Name)
		}
	}
}

// TestADayWithACompromisedAccount: an attacker uses an account on every node, and an administrator takes it back, by a command that is
// killed several times, and over HTTP from a node that is killed. No other user notices.
func TestADayWithACompromisedAccount(t *testing.T) {
	t.Attr("threat", "X10")
	onEachPlace(t, func(t *testing.T, d *day) {
		rounds, _ := repetitions()
		victims := d.people("ann", 2*rounds)
		d.people("bob", 1)
		root := d.person("root").Username
		d.run("user", "set", root, "--superuser")
		d.stay("bob0")
		for range rounds {
			for name, takeBack := range map[string]func(*account.User) (link string){
				"command": func(u *account.User) string {
					return linkOf(t, d.persist(500*time.Millisecond, "user", "compromised", u.Username, "--json"))
				},
				"page": func(u *account.User) string { return d.takeBackOverHTTP(root, u.ID) },
			} {
				ann := victims[0].Username
				attackers := attend(d.nodes, ann, 6)
				eventually(t, "sign-ins", func() bool { return len(attackers.held()) > 6 })
				token, jwt := d.token(ann), d.jsonWebToken(ann)
				earlier := linkOf(t, d.run("user", "reset", ann, "--json"))

				link := takeBack(victims[0])
				for _, node := range d.nodes {
					v := node.visitor()
					if a := v.must(persist(func() (answer, error) { return v.signIn(ann, goodPassword) })); a.status != http.StatusUnauthorized && a.code() != "throttled" {
						t.Fatalf("%s: the attacker's password is answered %s", name, a)
					}
				}
				d.ticketsAre(http.StatusUnauthorized, attackers.held(), "a ticket of the attacker")
				attackers.leave()
				d.ticketsAre(http.StatusUnauthorized, attackers.held(), "a ticket of the attacker")
				d.tokenIs(http.StatusUnauthorized, token, "a personal token of the account")
				d.tokenIs(http.StatusUnauthorized, jwt, "a JSON Web Token of the account")
				const fresh = "another horse battery staple"
				owner := d.nodes[len(d.nodes)-1].visitor()
				if a := owner.setPassword(earlier, fresh); a.status != http.StatusForbidden {
					t.Errorf("%s: the earlier link is answered %s", name, a)
				}
				if a := owner.setPassword(link, fresh); a.status != http.StatusOK {
					t.Fatalf("%s: the link is answered %s", name, a)
				}
				if a := owner.setPassword(link, goodPassword); a.status != http.StatusForbidden {
					t.Errorf("%s: the link is answered a second time with %s", name, a)
				}
				// The attacker's tries have used up the limit of guesses, but not for this browser.
				if a := owner.must(persist(func() (answer, error) { return owner.signIn(ann, fresh) })); a.status != http.StatusOK {
					t.Fatalf("%s: the owner's sign-in is answered %s", name, a)
				}
				d.ticketsAre(http.StatusOK, []string{owner.ticket()}, "the owner's ticket")
				victims = victims[1:]
			}
		}
		d.goHome()
		if list := d.run("audit", "list", "--event", "user_compromised", "--limit", "0"); strings.Count(list, "user_compromised") < 2*rounds {
			t.Errorf("the audit log doesn't have each time:\n%s", list)
		}
	})
}

// takeBackOverHTTP declares an account compromised as the administration's page does. The node is killed at a random moment, so the
// answer may be lost, and the administrator repeats it at the node that runs again.
func (d *day) takeBackOverHTTP(admin, user string) (link string) {
	d.t.Helper()
	node := d.nodes[rand.N(len(d.nodes))]
	v := node.signedIn(admin)
	path := "/api/auth/admin/users/" + user + "/compromised"
	for range d.kills {
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			_, _ = node.holding(v.ticket()).send("POST", path, nil)
		}()
		time.Sleep(rand.N(60 * time.Millisecond))
		node.kill()
		<-asked
		node.again()
	}
	a := v.must(persist(func() (answer, error) { return v.send("POST", path, map[string]bool{"keep_factors": false}) }))
	if a.status != http.StatusOK {
		d.t.Fatalf("taking the account back is answered %s", a)
	}
	return linkOf(d.t, string(a.body))
}

// linkOf returns the link in the JSON of a command or an answer.
func linkOf(t *testing.T, text string) string {
	t.Helper()
	var out struct{ Link string }
	if err := json.Unmarshal([]byte(text), &out); err != nil || out.Link == "" {
		t.Fatalf("%v: %s", err, text)
	}
	return out.Link
}

// setPassword uses a link.
func (v *visitor) setPassword(link, password string) answer {
	v.s.t.Helper()
	_, secret, _ := strings.Cut(link, "#")
	return v.must(v.send("POST", "/api/auth/password/reset", map[string]string{"secret": secret, "new_password": password}))
}
