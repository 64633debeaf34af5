package django_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
)

// noticeKey is the key of an ID as package nearcache computes it.
func noticeKey(kind, id string) string {
	sum := make([]byte, 16)
	if len(id) < 16 {
		sum[0] = byte(len(id))
		copy(sum[1:], id)
	} else {
		hash := sha256.Sum256([]byte(id))
		copy(sum, hash[:])
	}
	return kind + ":" + base64.RawURLEncoding.EncodeToString(sum)
}

// bytesKey is the key of an ID that is bytes.
func bytesKey(kind string, id []byte) string {
	return kind + ":" + base64.RawURLEncoding.EncodeToString(id[:16])
}

// Each change sends a notice with the key by which a cache knows the changed entry, and no other notice.
func TestTheFeedNamesWhatHasChanged(t *testing.T) {
	t.Parallel()
	address := postgresAddress(t)
	p := &pair{config: cloakroom.Config{DB: "django+" + address}, site: djangoserver.New(t, djangoserver.Config{Database: address, Keys: keys})}
	p.site.Start(t)
	var ann, bob, cid string
	p.site.Run(t, "add", map[string]any{"name": "ann", "password": good}, &ann)
	p.site.Run(t, "add", map[string]any{"name": "bob", "password": good}, &bob)
	p.site.Run(t, "add", map[string]any{"name": "cid", "password": good}, &cid)
	p.site.Run(t, "group", map[string]any{"name": "editors", "labels": []string{"auth.view_user"}}, nil)
	knoxTable(t, address, "ann", strings.Repeat("9f4b", 16))
	if _, err := opened(t, django.Config{Database: address, Keys: keys}).InstallFeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	const key = "0123456789abcdefghijklmnopqrstuv"
	everyone := bytesKey("g", make([]byte, 16))
	digest := sha256.Sum256([]byte("a digest")) // 64 digits; knox has 128
	hex128 := fmt.Sprintf("%x%x", digest, digest)
	hex40 := fmt.Sprintf("%x", digest)[:40]
	hear := p.notices(t, address)
	for _, c := range []struct{ change, want string }{
		{`INSERT INTO django_session VALUES ('` + key + `', '` + data("a", 1) + `', now() + interval '1 day')`, ""},
		{`UPDATE django_session SET session_data = '` + data("a", 2) + `', expire_date = now() + interval '2 days'`, ""},
		{`UPDATE django_session SET session_data = '` + data("b", 2) + `'`, bytesKey("s", []byte(key))},
		{`UPDATE django_session SET session_data = '` + data("b", 2) + `x'`, bytesKey("s", []byte(key))},
		{`UPDATE django_session SET session_data = 'y'`, bytesKey("s", []byte(key))},
		{`UPDATE django_session SET session_data = '` + data("b", 3) + `'`, bytesKey("s", []byte(key))},
		{`UPDATE django_session SET expire_date = now() + interval '1 day'`, bytesKey("s", []byte(key))},
		{`UPDATE django_session SET session_data = 'y' WHERE false`, ""},
		{`BEGIN; SET LOCAL cloakroom.touch = 'on'; UPDATE django_session SET session_data = 'y'; COMMIT`, ""},
		{`UPDATE django_session SET session_data = 'z'`, bytesKey("s", []byte(key))},
		{`DELETE FROM django_session`, bytesKey("s", []byte(key))},
		{`INSERT INTO django_session VALUES ('` + key + `', 'x', now() - interval '1 hour')`, ""},
		{`DELETE FROM django_session`, ""}, // as clearsessions does
		{`INSERT INTO django_session VALUES ('short', 'x', now())`, ""},
		{`DELETE FROM django_session`, ""},
		{`UPDATE auth_user SET last_login = now()`, ""},
		{`UPDATE auth_user SET is_active = is_active`, ""},
		{`INSERT INTO auth_user (username, password, is_superuser, first_name, last_name, email, is_staff, is_active, date_joined)
			VALUES ('dan', '!', false, '', '', '', false, false, now())`, ""},
		{`UPDATE auth_user SET is_active = false WHERE username = 'ann'`, noticeKey("u", ann)},
		{`UPDATE auth_user SET is_active = false`, noticeKey("u", bob) + " " + noticeKey("u", cid)},
		{`DELETE FROM auth_user WHERE username = 'cid'`, noticeKey("u", cid)},
		{`INSERT INTO auth_user_groups (user_id, group_id) SELECT ` + ann + `, id FROM auth_group`, noticeKey("u", ann)},
		{`UPDATE auth_user_groups SET user_id = ` + bob, noticeKey("u", ann) + " " + noticeKey("u", bob)},
		{`DELETE FROM auth_user_groups`, noticeKey("u", bob)},
		{`INSERT INTO auth_user_user_permissions (user_id, permission_id) SELECT ` + bob + `, min(id) FROM auth_permission`, noticeKey("u", bob)},
		{`DELETE FROM auth_user_user_permissions`, noticeKey("u", bob)},
		{`DELETE FROM auth_group_permissions`, everyone},
		{`UPDATE auth_group SET name = 'writers'`, everyone},
		{`UPDATE auth_permission SET codename = 'see_user' WHERE codename = 'view_user'`, everyone},
		{`UPDATE django_content_type SET app_label = 'aath' WHERE app_label = 'auth'`, everyone},
		{`INSERT INTO authtoken_token VALUES ('` + hex40 + `', now(), ` + ann + `)`, bytesKey("t", unhexed(t, hex40))},
		{`DELETE FROM authtoken_token`, bytesKey("t", unhexed(t, hex40))},
		{`UPDATE knox_authtoken SET digest = '` + hex128 + `'`, bytesKey("t", unhexed(t, knoxDigest(strings.Repeat("9f4b", 16)))) + " " + bytesKey("t", unhexed(t, hex128))},
		{`DELETE FROM knox_authtoken`, bytesKey("t", unhexed(t, hex128))},
		{`TRUNCATE auth_user_groups`, "everything"},
	} {
		p.execute(t, c.change)
		heard := hear()
		for _, want := range strings.Fields(c.want) {
			if !strings.Contains(heard+" ", " "+want+" ") {
				t.Errorf("%s: heard %q, without %s", c.change, heard, want)
			}
		}
		if n := len(strings.Fields(c.want)); strings.Count(heard, "I django") > n {
			t.Errorf("%s: heard %q, want no more than %q", c.change, heard, c.want)
		}
	}
	for _, c := range []struct {
		name   string
		n      int
		keys   int
		wholly bool
	}{
		{"'sessions that begin alike ' || n", 1000, 1, false},
		{"n || ' sessions of one transaction'", 1000, 1000, false},
		{"n || ' sessions of one transaction'", 2001, 2000, true},
	} {
		p.execute(t, fmt.Sprintf(`INSERT INTO django_session SELECT %s, 'x', now() + interval '1 day' FROM generate_series(1000, %d) n`, c.name, 999+c.n))
		p.execute(t, `DELETE FROM django_session`)
		heard := hear()
		if n := strings.Count(heard, " s:"); n != c.keys || strings.Contains(heard, "everything") != c.wholly {
			t.Errorf("the end of %d sessions named %s is told with %d keys; everything: %t", c.n, c.name, n, strings.Contains(heard, "everything"))
		}
	}
}

// data is a session's data in the form of Django, with another signature for each n.
func data(payload string, n int) string {
	return fmt.Sprintf("%s:1t%d:%043d", payload, n, n)
}

func unhexed(t testing.TB, text string) (b []byte) {
	t.Helper()
	if _, err := fmt.Sscanf(text, "%x", &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// notices listens on the channel. The returned function returns all notices since its last call, each with a blank before
// it.
func (p *pair) notices(t testing.TB, address string) func() string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	const channel = `'cloakroom_' || left(encode(sha256('cloakroom'), 'hex'), 16)`
	var name string
	if err := conn.QueryRow(t.Context(), `SELECT `+channel).Scan(&name); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `LISTEN `+name); err != nil {
		t.Fatal(err)
	}
	return func() string {
		p.execute(t, `SELECT pg_notify(`+channel+`, 'end')`)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		heard := ""
		for {
			n, err := conn.WaitForNotification(ctx)
			if err != nil {
				t.Fatalf("after %q: %v", heard, err)
			}
			if n.Payload == "end" {
				return heard
			}
			heard += " " + n.Payload
		}
	}
}

// The notices have the key by which a cache knows a user with a UUID.
func TestTheFeedNamesUsersWithUUIDs(t *testing.T) {
	t.Parallel()
	address := postgresAddress(t)
	p := &pair{config: cloakroom.Config{DB: "django+" + address}, site: djangoserver.New(t, djangoserver.Config{Database: address, Keys: keys, UserModel: people.name})}
	p.site.Start(t)
	var ann string
	p.site.Run(t, "add", map[string]any{"name": "ann@example.com", "password": good}, &ann)
	db := opened(t, django.Config{Database: address, Keys: keys, UserTable: "people_person", UserKey: "uid", UserLogin: "email"})
	if _, err := db.InstallFeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	hear := p.notices(t, address)
	p.site.Run(t, "set_active", map[string]any{"name": "ann@example.com", "active": false}, nil)
	if heard, want := hear(), noticeKey("u", ann); !strings.Contains(heard, want) || strings.Contains(heard, "everything") {
		t.Errorf("heard %q, without %s", heard, want)
	}
}
