package headervalue

import (
	"context"
	"fmt"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
)

// Unnameable lists the users that headers can't identify.
type Unnameable struct {
	Count int
	First []string // the first hundred of them: name, ID and flaw
}

const listedUsers = 100

// FindUnnameable checks all users of a store.
func FindUnnameable(ctx context.Context, s account.Store) (found Unnameable, err error) {
	for after := ""; ; {
		users, err := s.List(ctx, account.Query{After: after, Limit: 500})
		if err != nil || len(users) == 0 {
			return found, err
		}
		after = users[len(users)-1].ID
		for _, u := range users {
			found.add(u)
		}
	}
}

func (f *Unnameable) add(u *account.User) {
	flaw := IdentityFlaw(u.Username, u.Email)
	if flaw == "" {
		return
	}
	f.Count++
	if len(f.First) < listedUsers {
		f.First = append(f.First, fmt.Sprintf("%q with the ID %s (%s)", u.Username, u.ID, flaw))
	}
}

// String returns the list for a message.
func (f Unnameable) String() string {
	list := strings.Join(f.First, "; ")
	if more := f.Count - len(f.First); more > 0 {
		list += fmt.Sprintf("; and %d more", more)
	}
	return list
}
