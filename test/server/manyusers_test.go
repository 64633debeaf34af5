package server_test

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/session"
)

// TestManyUsersEndOnEveryNode: three nodes have the sessions of many users in memory. Once one of them has acknowledged that it has disabled
// the users, none honours any. If it is killed meanwhile, either all are disabled or none is, and the same request to another node finishes
// what was begun.
func TestManyUsersEndOnEveryNode(t *testing.T) {
	t.Attr("threat", "X12")
	t.Parallel()
	const many = 250
	all := apart(t, pgserver.Test(t), nil, nil, nil)
	s, mortal := all[0], all[1]
	db := s.stores()
	defer db.Close()
	boss := &account.User{Username: "boss", IsActive: true, IsStaff: true, IsSuperuser: true, DateJoined: time.Now().Unix(), Epoch: "first"}
	if err := db.Accounts.Create(t.Context(), boss); err != nil {
		t.Fatal(err)
	}
	root := s.give(boss)[0]
	spared := everywhere(all, s.give(s.people("spared", 1)...)[0])
	for i, name := range []string{"ann", "kim", "lou"} {
		killed := i > 0
		users := s.people(name, many)
		var ids []string
		for _, u := range users {
			ids = append(ids, u.ID)
		}
		var held [][]*visitor
		for _, ticket := range s.give(users...) {
			held = append(held, everywhere(all, ticket))
		}
		for range 2 { // the second check is answered from memory
			for _, v := range held {
				demandAll(v, http.StatusOK, "before the act")
			}
		}
		disable := func(node *server) (answer, error) {
			return node.holding(root).send("POST", "/api/auth/admin/users/disable", map[string][]string{"users": ids})
		}
		if killed {
			go func() {
				time.Sleep(rand.N(80 * time.Millisecond))
				mortal.kill()
			}()
			_, _ = disable(mortal) // an answer may come or not
			<-mortal.done
			active := 0
			found, err := db.Accounts.List(t.Context(), account.Query{Search: name})
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range found {
				if slices.Contains(ids, u.ID) && u.IsActive {
					active++
				}
			}
			if active != 0 && active != many {
				t.Errorf("after a kill %d of %d users are active", active, many)
			}
			t.Logf("%d users were active after the kill", active)
		}
		a, err := disable(s)
		for err == nil && a.status == http.StatusServiceUnavailable { // the store may still wait for what the killed node has begun
			time.Sleep(100 * time.Millisecond)
			a, err = disable(s)
		}
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("got %s, %v", a, err)
		}
		for _, v := range held {
			for i, one := range v {
				if !killed || all[i] != mortal {
					one.demand(http.StatusUnauthorized, "after the act")
				}
			}
		}
		for _, id := range []string{ids[0], ids[many-1]} {
			if left, err := db.Sessions.List(t.Context(), session.Query{User: id}); err != nil || len(left) > 0 {
				t.Errorf("%d sessions are left, %v", len(left), err)
			}
		}
		if killed {
			mortal.start()
		}
		demandAll(spared, http.StatusOK, "a user who wasn't named")
	}
}
