package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// TestTwoUsersOfOneSlot: there are more users than slots.
func TestTwoUsersOfOneSlot(t *testing.T) {
	t.Attr("threat", "J1")
	var remembered told
	users := make([]*account.User, 5*len(remembered.slots))
	for i := range users {
		users[i] = &account.User{ID: fmt.Sprint(i + 1), Username: fmt.Sprintf("user-%d", i)}
	}
	for range 2 {
		for _, u := range users {
			if line := string(remembered.user(u)); !strings.Contains(line, fmt.Sprintf("%q", u.Username)) {
				t.Fatalf("%s is told %s", u.Username, line)
			}
		}
	}
	later := *users[0]
	later.Email = "new@example.org"
	remembered.user(users[0])
	if line := string(remembered.user(&later)); !strings.Contains(line, later.Email) {
		t.Errorf("after a change: %s", line)
	}
}
