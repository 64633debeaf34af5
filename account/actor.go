package account

import (
	"context"
	"errors"
	"slices"
)

// DeniedErrors are the errors for what an administrator may not do. A [Service] that acts for an [Actor] returns the first five,
// [Service.DeleteOwn] the last:
//
//   - Permission: the actor is not staff with the permission for the action, or no longer.
//   - Outranked: the user has, or would be given, a permission that the actor lacks.
//   - SuperuserOnly: only a superuser changes who is staff or a superuser.
//   - OwnAccount: administrators can't do this to their own account.
//   - NotMember: the actor tries to add a user to a group without being a member of it.
//   - LastAdministrator: no other superuser would be left.
var DeniedErrors = struct{ Permission, Outranked, SuperuserOnly, OwnAccount, NotMember, LastAdministrator error }{
	errors.New("the actor lacks the permission"), errors.New("the actor has fewer rights than the subject"),
	errors.New("only a superuser may do this"), errors.New("the act is not possible on one's own account"),
	errors.New("the actor is not a member of the group"), errors.New("no other superuser would be left"),
}

// changeGroup is Django's name for the permission to change groups. Users with this permission may also add users to groups
// that they are not members of.
const changeGroup = "auth.change_group"

// Actor is the administrator that a [Service] acts for.
type Actor struct {
	ID         string // the user's
	Epoch      string // the user's epoch when the request was checked
	Permission string // the permission that the action needs
	Earlier    bool   // the actor has decided it earlier, so Epoch doesn't count; the actor's rights are those of now
}

// By returns a Service that acts for an administrator. Its methods that change users or groups read the actor and the user
// or group in the same atomic step of the store that writes, and check there:
//
//   - The actor is active, at the same epoch unless it was decided earlier, staff, and has the permission: else [ErrEpochChanged] or [DeniedErrors].Permission.
//   - The user, or group, has no permission that the actor lacks, and neither has what it becomes: [DeniedErrors].Outranked.
//   - Only a superuser changes who is staff or a superuser: [DeniedErrors].SuperuserOnly.
//   - Actors don't disable, enable or delete their own account, or remove their own flags: [DeniedErrors].OwnAccount.
//   - Only members, superusers and users with auth.change_group add users to a group: [DeniedErrors].NotMember.
//
// A Service without an actor acts for the operator or for the user, and checks none of this.
func (s *Service) By(actor Actor) *Service {
	by := *s
	by.actor = &actor
	return &by
}

// Actor returns the administrator that the Service acts for, if it acts for one.
func (s *Service) Actor() (a Actor, ok bool) {
	if s.actor == nil {
		return Actor{}, false
	}
	return *s.actor, true
}

// act is an atomic step of the store, with the actor that it is checked against.
type act struct {
	Tx
	actor *User // nil: nothing is checked
}

// transact runs an action in one atomic step of the store, after it has checked the actor.
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

// load returns the actor, or why the actor lacks the permission.
func (a *Actor) load(tx Tx) (*User, error) {
	u, err := tx.Load(a.ID)
	if errors.Is(err, ErrNotFound) || err == nil && (!u.IsActive || u.Epoch != a.Epoch && !a.Earlier) {
		return nil, ErrEpochChanged
	}
	if err != nil {
		return nil, err
	}
	if !u.IsStaff || !u.Has(a.Permission) {
		return nil, DeniedErrors.Permission
	}
	return u, nil
}

// ManagedUser returns the user with this ID if the actor may manage that user, as read in one step of the store. It is for
// actions on data of other stores, such as sessions, which can't be part of the step. [ErrNotFound], and the errors of
// [Service.By].
func (s *Service) ManagedUser(ctx context.Context, id string) (u *User, err error) {
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

// subject returns the user with this ID if the actor may manage that user.
func (a act) subject(id string) (*User, error) {
	u, err := a.Load(id)
	if err == nil {
		err = a.mayManage(u)
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// mayManage returns an error if the user has a right that the actor lacks.
func (a act) mayManage(u *User) error {
	if a.actor == nil || a.actor.IsSuperuser {
		return nil
	}
	if u.IsSuperuser || !a.hasAll(u.Permissions) {
		return DeniedErrors.Outranked
	}
	return nil
}

// other is subject for actions that are refused on one's own account.
func (a act) other(id string) (*User, error) {
	u, err := a.Load(id)
	if err == nil {
		err = a.mayManageOther(u)
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// mayManageOther is mayManage for actions that are refused on one's own account.
func (a act) mayManageOther(u *User) error {
	if err := a.mayManage(u); err != nil {
		return err
	}
	if a.actor != nil && a.actor.ID == u.ID {
		return DeniedErrors.OwnAccount
	}
	return nil
}

func (a act) hasAll(permissions []string) bool {
	return a.actor == nil || !slices.ContainsFunc(permissions, func(p string) bool { return !a.actor.Has(p) })
}

// group returns the group if it has no permission that the actor lacks.
func (a act) group(name string) (Group, error) {
	g, err := a.Group(name)
	if err == nil && !a.hasAll(g.Permissions) {
		return Group{}, DeniedErrors.Outranked
	}
	return g, err
}

// mayMake returns an error if after has flags, permissions or groups that the actor may not give. before is the zero User
// for a new one.
func (a act) mayMake(before, after *User) error {
	if a.actor == nil {
		return nil
	}
	lost := before.IsStaff && !after.IsStaff || before.IsSuperuser && !after.IsSuperuser
	if before.ID == a.actor.ID && lost {
		return DeniedErrors.OwnAccount
	}
	if a.actor.IsSuperuser {
		return nil
	}
	if before.IsStaff != after.IsStaff || before.IsSuperuser != after.IsSuperuser {
		return DeniedErrors.SuperuserOnly
	}
	if !a.hasAll(added(before.UserPermissions, after.UserPermissions)) {
		return DeniedErrors.Outranked
	}
	for _, name := range added(before.Groups, after.Groups) {
		if err := a.mayAddTo(name); err != nil {
			return err
		}
	}
	return nil
}

// mayAddTo returns an error if the actor may not add users to the group. The permissions of the group are not enough to
// decide this: applications behind the gateway receive the names of groups and may grant rights by them that Cloakroom
// doesn't know.
func (a act) mayAddTo(name string) error {
	switch _, err := a.group(name); {
	case errors.Is(err, ErrNotFound):
		return noSuchGroup()
	case err != nil:
		return err
	case !slices.Contains(a.actor.Groups, name) && !a.actor.Has(changeGroup):
		return DeniedErrors.NotMember
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
