package django_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/session"
)

// TestRightsComeAndGoBetweenChecks: each load has the groups and permissions of that moment, however the last one was answered, also after a
// migration of the project has added columns.
func TestRightsComeAndGoBetweenChecks(t *testing.T) {
	t.Attr("threat", "X09")
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		database := address(t)
		djangoserver.New(t, djangoserver.Config{Database: database, Keys: keys})
		p, db := &pair{config: cloakroom.Config{DB: "django+" + database}}, opened(t, django.Config{Database: database, Keys: keys})
		u := &account.User{Username: "ada", IsActive: true, Password: "!"}
		if err := db.Accounts().Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		now := time.Now().Unix()
		r := &session.Record{ID: session.ID([]byte("abcdefghijklmnopqrstuvwxyz012345")), PublicID: "public", User: u.ID,
			Created: now, Seen: now, Idle: 1000, Deadline: now + 2000, Expires: now + 1000}
		if err := db.Sessions().Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		rights := func(groups, own, all []string) {
			t.Helper()
			for range 2 {
				got, err := db.Accounts().Load(t.Context(), u.ID)
				if err != nil || !slices.Equal(got.Groups, groups) || !slices.Equal(got.UserPermissions, own) || !slices.Equal(got.Permissions, all) {
					t.Fatalf("the user has %+v, %v; want the groups %q and the permissions %q, of which %q are the user's own", got, err, groups, all, own)
				}
				if got, err := db.Sessions().Load(t.Context(), r.ID); err != nil || got.User != u.ID {
					t.Fatalf("the session is %+v, %v", got, err)
				}
			}
		}
		p.execute(t, `INSERT INTO auth_group (name) VALUES ('staff')`)
		p.execute(t, `INSERT INTO auth_group_permissions (group_id, permission_id)
			SELECT g.id, p.id FROM auth_group g, auth_permission p WHERE p.codename = 'add_group'`)
		for range 2 {
			rights(nil, nil, nil)
			p.execute(t, `INSERT INTO auth_user_groups (user_id, group_id) SELECT u.id, g.id FROM auth_user u, auth_group g`)
			rights([]string{"staff"}, nil, []string{"auth.add_group"})
			p.execute(t, `DELETE FROM auth_user_groups`)
			p.execute(t, `INSERT INTO auth_user_user_permissions (user_id, permission_id)
				SELECT u.id, p.id FROM auth_user u, auth_permission p WHERE p.codename = 'change_group'`)
			rights(nil, []string{"auth.change_group"}, []string{"auth.change_group"})
			p.execute(t, `DELETE FROM auth_user_user_permissions`)
		}
		rights(nil, nil, nil)
		p.execute(t, `ALTER TABLE auth_user ADD COLUMN nickname text`)
		p.execute(t, `ALTER TABLE django_session ADD COLUMN note text`)
		rights(nil, nil, nil)
	})
}
