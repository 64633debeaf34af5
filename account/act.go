package account

import (
	"context"
	"errors"
	"slices"
)

// The errors of a [Service] that acts for an [Actor].
var (
	// ErrNotPermitted says that the actor is not, or no longer, staff with the permission for the act.
	ErrNotPermitted = errors.New("the actor lacks the permission")
	// ErrOutranked says that the subject has, or that the actor would give, a permission that the actor doesn't have.
	ErrOutranked = errors.New("the actor has fewer rights than the subject")
	// ErrSuperuserOnly says that only a superuser changes who is staff or a superuser.
	ErrSuperuserOnly = errors.New("only a superuser may do this")
	// ErrOwnAccount says that the act is one that an administrator can't do to their own account.
	ErrOwnAccount = errors.New("the act is not possible on one's own account")
	// ErrNotMember says that the actor puts a user into a group without being a member of it.
	ErrNotMember = errors.New("the actor is not a member of the group")
)

// ChangeGroup is the permission to change groups, as Django calls it. Whoever has it may also put users into a group that
// they are not a member of.
const ChangeGroup = "auth.change_group"

// Actor is the administrator for whom a [Service] acts.
type Actor struct {
	ID         string // the user's
	Epoch      string // that the user had when the request was judged
	Permission string // that the act takes
}

// By returns a Service that acts for an administrator. Each of its methods that changes users or groups reads the actor,
// and the user or group that is changed, in the step of the store that writes, and judges by what it reads there:
//
//   - The actor is active, at the same epoch, staff, and has the permission: else [ErrEpochChanged] or [ErrNotPermitted].
//   - The user, or group, has no permission that the actor lacks, and neither has what it becomes: [ErrOutranked].
//   - Only a superuser changes who is staff or a superuser: [ErrSuperuserOnly].
//   - Nobody disables, enables or deletes their own account or takes their own flags away: [ErrOwnAccount].
//   - Only members, superusers and those with [ChangeGroup] put users into a group: [ErrNotMember].
//
// A Service that acts for no actor is the operator, or the user, and is not judged.
func (s *Service) By(actor Actor) *Service {
	by := *s
	by.actor = &actor
	return &by
}

// act is a step of the store in which something is judged and done.
type act struct {
	Tx
	actor *User // nil: none is judged
}

// transact does something in one step of the store, after it has judged the actor.
func (s *Service) transact(ctx context.Context, do func(a act) error) error {
	return s.store().Transact(ctx, func(tx Tx) error {
		a := act{Tx: tx}
		if s.actor != nil {
			var err error
			if a.actor, err = s.actor.load(tx); err != nil {
				return err
			}
		}
		return do(a)
	})
}

// load returns the actor, who may do what takes the permission.
func (a *Actor) load(tx Tx) (*User, error) {
	u, err := tx.Load(a.ID)
	if errors.Is(err, ErrNotFound) || err == nil && (!u.IsActive || u.Epoch != a.Epoch) {
		return nil, ErrEpochChanged
	}
	if err != nil {
		return nil, err
	}
	if !u.IsStaff || !u.Has(a.Permission) {
		return nil, ErrNotPermitted
	}
	return u, nil
}

// Subject returns the user with this ID if the actor may act on them, as it is in one step of the store. It is for acts on
// what other stores keep, such as sessions: these can't be part of the step. [ErrNotFound], and the errors of [Service.By].
func (s *Service) Subject(ctx context.Context, id string) (u *User, err error) {
	if s.actor == nil {
		return s.store().Load(ctx, id)
	}
	err = s.transact(ctx, func(a act) error {
		u, err = a.subject(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// subject returns the user with this ID, on whom the actor may act.
func (a act) subject(id string) (*User, error) {
	u, err := a.Load(id)
	if err != nil {
		return nil, err
	}
	if a.actor == nil || a.actor.IsSuperuser {
		return u, nil
	}
	if u.IsSuperuser || !a.hasAll(u.Permissions) {
		return nil, ErrOutranked
	}
	return u, nil
}

// other is subject for what nobody should do to their own account.
func (a act) other(id string) (*User, error) {
	u, err := a.subject(id)
	if err == nil && a.actor != nil && a.actor.ID == u.ID {
		return nil, ErrOwnAccount
	}
	return u, err
}

func (a act) hasAll(permissions []string) bool {
	return a.actor == nil || !slices.ContainsFunc(permissions, func(p string) bool { return !a.actor.Has(p) })
}

// group returns a group that gives nothing that the actor lacks.
func (a act) group(name string) (Group, error) {
	g, err := a.Group(name)
	if err == nil && !a.hasAll(g.Permissions) {
		return Group{}, ErrOutranked
	}
	return g, err
}

// mayMake refuses what would make more of a user than the actor may give. before is the zero User for a new one.
func (a act) mayMake(before, after *User) error {
	if a.actor == nil {
		return nil
	}
	lost := before.IsStaff && !after.IsStaff || before.IsSuperuser && !after.IsSuperuser
	if before.ID == a.actor.ID && lost {
		return ErrOwnAccount
	}
	if a.actor.IsSuperuser {
		return nil
	}
	if before.IsStaff != after.IsStaff || before.IsSuperuser != after.IsSuperuser {
		return ErrSuperuserOnly
	}
	if !a.hasAll(added(before.UserPermissions, after.UserPermissions)) {
		return ErrOutranked
	}
	for _, name := range added(before.Groups, after.Groups) {
		if err := a.mayAddTo(name); err != nil {
			return err
		}
	}
	return nil
}

// mayAddTo refuses to put a user into a group. Its permissions are not all that counts: programs behind the gateway are
// told the names of groups, and give rights by them that nobody here knows of.
func (a act) mayAddTo(name string) error {
	switch _, err := a.group(name); {
	case errors.Is(err, ErrNotFound):
		return noSuchGroup()
	case err != nil:
		return err
	case !slices.Contains(a.actor.Groups, name) && !a.actor.Has(ChangeGroup):
		return ErrNotMember
	}
	return nil
}

// added returns what is in after and not in before.
func added(before, after []string) (names []string) {
	for _, name := range after {
		if !slices.Contains(before, name) {
			names = append(names, name)
		}
	}
	return names
}
