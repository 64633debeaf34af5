package fieldvalue

import (
	"context"
	"fmt"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
)

// Unnameable is the users whom no header can name.
type Unnameable struct {
	Count int
	First []string // the first hundred of them: name, ID, and what is wrong
}

const listedUsers = 100

// FindUnnameable looks at all users of a store.
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

// String lists them.
func (f Unnameable) String() string {
	list := strings.Join(f.First, "; ")
	if more := f.Count - len(f.First); more > 0 {
		list += fmt.Sprintf("; and %d more", more)
	}
	return list
}
