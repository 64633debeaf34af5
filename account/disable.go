package account

import (
	"context"
	"errors"
	"slices"

	"github.com/cloakroom-auth/cloakroom/internal/foreseen"
)

// maxTogether is how many users [Service.DisableAll] disables in one step at most.
const maxTogether = 1000

// Disabled is what [Service.DisableAll] has done to a user.
type Disabled struct {
	ID      string
	User    *User // as it is now; nil if there is an Err
	Already bool  // the user was disabled before
	Err     error // [ErrNotFound], [DeniedErrors].Outranked or [DeniedErrors].OwnAccount: the user is as before; nil: the user is disabled
}

// DisableAll disables users in one atomic step, as SetActive does one by one: all sessions and tokens of each end. A user who can't be
// disabled holds none of the others up. It returns what has become of each ID, in the order in which it was first given. With any error
// none of them has changed, unless the error is that of a commit whose answer was lost or, beside Django, of the removal of sessions and
// tokens, which comes after the commit; call it again. It takes 1,000 IDs at most.
func (s *Service) DisableAll(ctx context.Context, ids []string) ([]Disabled, error) {
	ids = unique(ids)
	if len(ids) > maxTogether {
		return nil, errors.New("account: DisableAll has too many users for one step")
	}
	var all []Disabled
	err := s.transact(foreseen.WithUsers(ctx, ids...), func(a act) (err error) {
		all, err = a.disable(ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if d.Err == nil {
			s.changed(d.ID)
		}
	}
	return all, nil
}

// disable disables users. The actor's rights are compared with those of each. One who is disabled already is written as well, since the
// call that has done that may not have returned yet.
func (a act) disable(ids []string) ([]Disabled, error) {
	users, err := a.LoadEach(ids)
	if err != nil {
		return nil, err
	}
	var all []Disabled
	var changed []*User
	for _, id := range ids {
		u, there := users[id]
		if !there {
			all = append(all, Disabled{ID: id, Err: ErrNotFound})
			continue
		}
		if err := a.mayManageOther(u); err != nil {
			all = append(all, Disabled{ID: id, Err: err})
			continue
		}
		d := Disabled{ID: id, User: u, Already: !u.IsActive}
		if !d.Already {
			u.IsActive, u.Epoch = false, newEpoch()
		}
		all, changed = append(all, d), append(changed, u)
	}
	if len(changed) == 0 {
		return all, nil
	}
	return all, a.Disable(changed)
}

// unique returns the texts without those that came before.
func unique(all []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(all), func(one string) bool {
		before := seen[one]
		seen[one] = true
		return before
	})
}
