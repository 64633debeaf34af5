package server_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// TestChangesOfFactorsOverlapOnThreeProcesses lets sign-ins at two nodes overlap with the first second factor, and with its removal, at a
// third. Once a change is acknowledged, no session of a sign-in that began before counts at any node.
func TestChangesOfFactorsOverlapOnThreeProcesses(t *testing.T) {
	t.Attr("threat", "M06")
	t.Parallel()
	all := apart(t, pgserver.Test(t), nil, nil, nil)
	first := all[0]
	rounds := 2
	if long {
		rounds = 60
	}
	for _, u := range first.people("kim", rounds) {
		owner := first.signedIn(u.Username)
		before := all[2].signedIn(u.Username)
		begun := owner.beginsApp()
		var added answer
		for _, ticket := range during(all, func() { added = owner.confirms(begun) }, func(v *visitor, _ int) {
			_, _ = v.signIn(u.Username, goodPassword)
		}) {
			demandAll(everywhere(all, ticket), http.StatusUnauthorized, "a sign-in by the password alone that overlaps with the first factor")
		}
		demandAll(everywhere(all, before.ticket()), http.StatusUnauthorized, "a session from before the first factor")
		demandAll(everywhere(all, owner.ticket()), owner.after(added), "the session that has set the factor up")
		if added.status != http.StatusOK {
			continue
		}

		codes := owner.recoveryCodes(added)
		owner = all[1].atSecondStep(u.Username)
		owner.reads(owner.must(owner.second(codes[0])), &struct{}{})
		before = all[2].atSecondStep(u.Username)
		before.reads(before.must(before.second(codes[9])), &struct{}{})
		var has struct{ Factors []struct{ ID string } }
		owner.reads(owner.must(owner.get("/api/auth/factors")), &has)
		var removed answer
		for _, ticket := range during(all, func() {
			removed = owner.must(owner.send("DELETE", "/api/auth/factors/"+has.Factors[0].ID, nil))
		}, func(v *visitor, n int) {
			if a, err := v.signIn(u.Username, goodPassword); err != nil || a.code() != "second_factor_required" {
				delete(v.cookies, sessionCookie) // it came after the removal
				return
			}
			_, _ = v.second(codes[1+n])
		}) {
			demandAll(everywhere(all, ticket), http.StatusUnauthorized, "a sign-in that overlaps with the removal")
		}
		demandAll(everywhere(all, before.ticket()), http.StatusUnauthorized, "a session from before the removal")
		demandAll(everywhere(all, owner.ticket()), owner.after(removed), "the session that has removed the factor")
		for _, node := range all {
			node.signedIn(u.Username) // no second step is asked for any more
		}
	}
}

// after returns how the session of a change of factors is answered once the change was. A sign-in that finds a change under way finishes it, and
// ends everything from before; the request of the change then has no session any more.
func (v *visitor) after(change answer) int {
	v.s.t.Helper()
	switch {
	case change.status == http.StatusOK:
		return http.StatusOK
	case change.code() == "session_ended":
		return http.StatusUnauthorized
	}
	v.s.t.Fatalf("the change is answered %s", change)
	return 0
}

// during does a deed while visitors of each node do something, and returns the tickets that they have got.
func during(all []*server, deed func(), something func(v *visitor, n int)) (tickets []string) {
	var visitors []*visitor
	for range 2 {
		for _, node := range all {
			visitors = append(visitors, node.visitor())
		}
	}
	var wait sync.WaitGroup
	for n, v := range visitors {
		wait.Go(func() { something(v, n) })
	}
	deed()
	wait.Wait()
	for _, v := range visitors {
		if v.ticket() != "" {
			tickets = append(tickets, v.ticket())
		}
	}
	return tickets
}
