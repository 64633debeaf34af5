package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// TestUsersThatShareASlotAreNotMixedUp describes more users than the cache has slots.
func TestUsersThatShareASlotAreNotMixedUp(t *testing.T) {
	t.Attr("threat", "J1")
	var cache userCache
	users := make([]*account.User, 5*len(cache.slots))
	for i := range users {
		users[i] = &account.User{ID: fmt.Sprint(i + 1), Username: fmt.Sprintf("user-%d", i)}
	}
	for range 2 {
		for _, u := range users {
			if line := string(cache.line(u)); !strings.Contains(line, fmt.Sprintf("%q", u.Username)) {
				t.Fatalf("%s is described as %s", u.Username, line)
			}
		}
	}
	later := *users[0]
	later.Email = "new@example.org"
	cache.line(users[0])
	if line := string(cache.line(&later)); !strings.Contains(line, later.Email) {
		t.Errorf("after a change: %s", line)
	}
}
