package nearcache_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/foreseen"
	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// TestManyUsersEndAtOnce: once many users are disabled in one step, no node honours any of them, and the keys of 200 share a notice.
func TestManyUsersEndAtOnce(t *testing.T) {
	t.Attr("threat", "X12")
	const many = 450
	for _, direct := range []bool{false, true} {
		inClusterWith(t, direct, 3, func(t *testing.T, c *cluster) {
			var ids []string
			for n := range many {
				u := &account.User{Username: fmt.Sprint("u", n), IsActive: true, Epoch: "1"}
				if err := c.db.Accounts.Create(t.Context(), u); err != nil {
					t.Fatal(err)
				}
				ids = append(ids, u.ID)
			}
			disable := func(foreseeing bool, epoch string) {
				t.Helper()
				for _, m := range c.nodes {
					for _, id := range ids {
						m.viewUser(id)
					}
				}
				ctx, before, runs := t.Context(), len(c.net.said("I")), 0
				if foreseeing {
					ctx = foreseen.WithUsers(ctx, ids...)
				}
				err := c.nodes[0].accounts.Transact(ctx, func(tx account.Tx) error {
					runs++
					users, err := tx.LoadEach(ids)
					if err != nil {
						return err
					}
					var all []*account.User
					for _, id := range ids {
						users[id].IsActive, users[id].Epoch = false, epoch
						all = append(all, users[id])
					}
					if err := tx.Disable(all); err != nil {
						return err
					}
					if u, err := tx.Load(ids[7]); err != nil || u.Epoch != epoch {
						t.Errorf("the step doesn't see what it has written: %+v, %v", u, err)
					}
					if u, err := tx.LoadEach(ids[8:9]); err != nil || u[ids[8]].Epoch != epoch {
						t.Errorf("the step doesn't see what it has written: %+v, %v", u, err)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				for i, m := range c.nodes {
					for n, id := range ids {
						if u := m.viewUser(id); u.IsActive || u.Epoch != epoch {
							t.Fatalf("node %d honours user %d of %d", i, n, many)
						}
					}
				}
				if n := len(c.net.said("I")) - before; n != 3 || foreseeing && runs != 1 {
					t.Errorf("%d notices, and %d runs", n, runs)
				}
			}
			disable(true, "2")
			time.Sleep(2 * hold)
			disable(false, "3")
			time.Sleep(2 * hold)

			// Sessions and tokens of many users.
			var live []session.ID
			for n := range byte(200) {
				r := record(ids[n], n)
				tok := &token.Record{ID: token.ID{n, 9}, PublicID: fmt.Sprint("t", n), User: ids[n], Kind: token.Personal, Epoch: "3"}
				if err := c.db.Sessions.Create(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				if err := c.db.Tokens.Create(t.Context(), tok, token.Limit{}); err != nil {
					t.Fatal(err)
				}
				for _, m := range c.nodes {
					if _, err := token.LoadCached(t.Context(), m.tokens, tok.ID); err != nil || !m.valid(r.ID) {
						t.Fatalf("a node doesn't know the session or the token: %v", err)
					}
				}
				live = append(live, r.ID)
			}
			before := len(c.net.said("I"))
			of := slices.Clone(ids[:150])
			if n, err := removal.Sessions(t.Context(), c.nodes[1].sessions, of); err != nil || len(n) != 150 || n[of[0]] != 1 {
				t.Errorf("deleted the sessions %v, %v", n, err)
			}
			if n, err := removal.Tokens(t.Context(), c.nodes[1].tokens, of); err != nil || len(n) != 150 || n[of[0]] != 1 {
				t.Errorf("deleted the tokens %v, %v", n, err)
			}
			for i, m := range c.nodes {
				for n, id := range live {
					_, err := token.LoadCached(t.Context(), m.tokens, token.ID{byte(n), 9})
					if m.valid(id) != (n >= 150) || (err == nil) != (n >= 150) {
						t.Fatalf("node %d honours the session of user %d: %v, the token: %v", i, n, m.valid(id), err)
					}
				}
			}
			if n := len(c.net.said("I")) - before; n != 2 {
				t.Errorf("%d notices", n)
			}
		})
	}
}
