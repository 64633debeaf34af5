package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-auth/cloakroom/password"
)

// NewUser describes a user to be made.
type NewUser struct {
	Username    string
	Email       string // may be empty
	FirstName   string
	LastName    string
	Password    string
	IsStaff     bool
	IsSuperuser bool // implies IsStaff

	NoPassword  bool     // nobody can sign in before one is set; Password is not looked at
	Groups      []string // names
	Permissions []string // that the user has directly
}

// Create makes a user, who is active, and returns it as it is then. *[InvalidError], also for names that are another user's
// and for groups that don't exist.
func (s *Service) Create(ctx context.Context, n NewUser) (made *User, err error) {
	wanted := &User{IsStaff: n.IsStaff, IsSuperuser: n.IsSuperuser, Groups: n.Groups, UserPermissions: n.Permissions}
	if s.actor != nil { // Nothing is hashed for an actor who may not make the user.
		err := s.transact(ctx, func(a act) error { return a.mayMake(&User{}, wanted) })
		if err != nil {
			return nil, err
		}
	}
	u, err := s.prepare(ctx, n)
	if err != nil {
		return nil, err
	}
	err = s.transact(ctx, func(a act) error {
		if err := a.mayMake(&User{}, wanted); err != nil {
			return err
		}
		next := *u
		err := a.Create(&next)
		if errors.Is(err, ErrNotFound) {
			return noSuchGroup()
		}
		if err == nil {
			made, err = a.Load(next.ID)
		}
		return err
	})
	if err != nil {
		return nil, invalidIfTaken(err)
	}
	return made, nil
}

func noSuchGroup() error {
	wrong := problems{}
	wrong.add("groups", "does_not_exist", "One of the groups does not exist.")
	return wrong.err()
}

// prepare returns the user that n describes, with all that is wrong about it said together.
func (s *Service) prepare(ctx context.Context, n NewUser) (*User, error) {
	u := &User{
		Username: n.Username, Email: n.Email, FirstName: n.FirstName, LastName: n.LastName,
		IsActive: true, IsStaff: n.IsStaff, IsSuperuser: n.IsSuperuser, DateJoined: time.Now().Unix(), Epoch: newEpoch(),
		Groups: n.Groups, UserPermissions: n.Permissions,
	}
	wrong := problems{}
	normalize(u, User{}, wrong)
	promote(u, User{}, wrong)
	if err := s.checkFree(ctx, u, wrong); err != nil {
		return nil, err
	}
	if found := s.Policy.Check(n.Password, attributes(u)...); len(found) > 0 && !n.NoPassword {
		wrong["password"] = found
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	if n.NoPassword {
		u.Password = unusable()
		return u, nil
	}
	var err error
	u.Password, err = s.hash(ctx, u, "password", n.Password)
	return u, err
}

// hash returns the hash of a new password of u. A password that the algorithm would cut is a wrong field.
func (s *Service) hash(ctx context.Context, u *User, field, new string) (string, error) {
	if s.HashTemplate == nil {
		return s.Hasher.Hash(ctx, new)
	}
	example, err := s.HashTemplate(ctx, u)
	if err != nil {
		return "", fmt.Errorf("find out how passwords are hashed: %w", err)
	}
	encoded, err := s.Hasher.HashByTemplate(ctx, example, new)
	if e, ok := errors.AsType[*password.TooLongError](err); ok {
		wrong := problems{}
		wrong.add(field, "password_too_long", fmt.Sprintf("This password is too long. It must contain at most %d bytes.", e.Max))
		return "", wrong.err()
	}
	return encoded, err
}

// checkFree says which of the names are somebody's. The store has the last word; it is asked beforehand so that this is
// said together with the rest, and nothing is hashed for nothing.
func (s *Service) checkFree(ctx context.Context, u *User, wrong problems) error {
	for field, name := range map[string]string{"username": u.Username, "email": u.Email} {
		if name == "" || len(wrong[field]) > 0 {
			continue
		}
		switch _, err := s.store().Find(ctx, CanonicalLogin(name)); {
		case err == nil:
			wrong.addTaken(field)
		case !errors.Is(err, ErrNotFound):
			return fmt.Errorf("find user: %w", err)
		}
	}
	return nil
}

func (p problems) addTaken(field string) {
	name := field
	if field == "email" {
		name = "email address"
	}
	p.add(field, "unique", "A user with that "+name+" already exists.")
}

// invalidIfTaken turns the store's word for a clash of names into a wrong field.
func invalidIfTaken(err error) error {
	e, ok := errors.AsType[*TakenError](err)
	if !ok {
		return err
	}
	wrong := problems{}
	wrong.addTaken(e.Field)
	return wrong.err()
}

func attributes(u *User) []password.Attribute {
	return []password.Attribute{
		{Name: "username", Value: u.Username}, {Name: "first name", Value: u.FirstName},
		{Name: "last name", Value: u.LastName}, {Name: "email address", Value: u.Email},
	}
}

// unusable is a hash that no password matches, in Django's form.
func unusable() string { return "!" + rand.Text() }

// newEpoch is never the same twice, so that no session from before fits by chance.
func newEpoch() string { return rand.Text() }

// ChangePassword gives the user with this ID a new password after checking the present one, a.Password. The epoch moves
// with the hash, in one step; the user is returned with the new one. [ErrInvalidCredentials], *[throttle.Error],
// *[InvalidError] with the field new_password; [ErrEpochChanged] also if the account has moved on since the present password was
// checked, which is then perhaps not the present one any more.
func (s *Service) ChangePassword(ctx context.Context, id string, a Attempt, new string) (*User, error) {
	u, err := s.Confirm(ctx, id, a)
	if err != nil {
		return nil, err
	}
	hash, err := s.newHash(ctx, u, "new_password", new)
	if err != nil {
		return nil, err
	}
	changed, err := s.store().Change(ctx, id, func(c *User) error {
		if c.Epoch != u.Epoch {
			return ErrEpochChanged
		}
		c.Password, c.Epoch = hash, newEpoch()
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		err = ErrEpochChanged
	}
	if err == nil {
		s.changed(id)
	}
	return changed, err
}

// SetPassword gives a user a new password on an administrator's word, which ends everything of the user's.
// [ErrNotFound], *[InvalidError] with the field password.
func (s *Service) SetPassword(ctx context.Context, id, new string) error {
	u, err := s.Subject(ctx, id)
	if err != nil {
		return err
	}
	hash, err := s.newHash(ctx, u, "password", new)
	if err != nil {
		return err
	}
	return s.change(ctx, act.subject, id, func(c *User) { c.Password, c.Epoch = hash, newEpoch() })
}

// change alters a user whom find returns, in the same step, and passes on that it has.
func (s *Service) change(ctx context.Context, find func(act, string) (*User, error), id string, alter func(*User)) error {
	err := s.transact(ctx, func(a act) error {
		u, err := find(a, id)
		if err != nil {
			return err
		}
		alter(u)
		return a.Change(u)
	})
	if err == nil {
		s.changed(id)
	}
	return err
}

func (s *Service) newHash(ctx context.Context, u *User, field, new string) (string, error) {
	if found := s.Policy.Check(new, attributes(u)...); len(found) > 0 {
		return "", &InvalidError{Fields: map[string][]password.Problem{field: found}}
	}
	return s.hash(ctx, u, field, new)
}

// SetActive enables a user, or disables one, which ends everything of theirs; enabling brings none of it back.
// [ErrNotFound].
func (s *Service) SetActive(ctx context.Context, id string, active bool) error {
	return s.change(ctx, act.other, id, func(u *User) {
		if u.IsActive != active {
			u.IsActive, u.Epoch = active, newEpoch()
		}
	})
}

// RevokeAll moves a user's epoch, which ends every session and token of theirs at once. [ErrNotFound].
func (s *Service) RevokeAll(ctx context.Context, id string) error {
	return s.change(ctx, act.subject, id, func(u *User) { u.Epoch = newEpoch() })
}

// Edit changes a user's names, flags, groups and permissions, and returns the user as it is then. Hash, epoch and ID stay as
// they are, whatever change makes of them; but as with SetActive, who is disabled is signed out everywhere. Only what change
// has altered is judged, so that a name which another program once let in stands in the way of nothing else. Who becomes a
// superuser becomes staff as well, and a superuser can't be made to be none. change must be
// quick, do no I/O, and may be called more than once; its error comes back as it is. [ErrNotFound], *[InvalidError], also
// for groups that don't exist.
func (s *Service) Edit(ctx context.Context, id string, change func(*User) error) (edited *User, err error) {
	err = s.transact(ctx, func(a act) error {
		u, err := a.subject(id)
		if err != nil {
			return err
		}
		if err := a.edit(u, change); err != nil {
			return err
		}
		if edited, err = a.Load(id); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return nil, invalidIfTaken(err)
	}
	s.changed(id)
	return edited, nil
}

func (a act) edit(u *User, change func(*User) error) error {
	before := *u
	before.Groups, before.UserPermissions = slices.Clone(u.Groups), slices.Clone(u.UserPermissions)
	if err := change(u); err != nil {
		return err
	}
	u.ID, u.Password, u.Epoch = before.ID, before.Password, before.Epoch
	if u.IsActive != before.IsActive {
		u.Epoch = newEpoch()
	}
	if err := a.mayMake(&before, u); err != nil {
		return err
	}
	wrong := problems{}
	normalize(u, before, wrong)
	promote(u, before, wrong)
	if err := wrong.err(); err != nil {
		return err
	}
	err := a.Change(u)
	if errors.Is(err, ErrNotFound) {
		return noSuchGroup()
	}
	return err
}

// Delete removes a user; every session of theirs is dead from then on. Nobody is spared, not even the last superuser:
// whoever may delete users decides. [ErrNotFound].
func (s *Service) Delete(ctx context.Context, id string) error {
	err := s.transact(ctx, func(a act) error {
		if _, err := a.other(id); err != nil {
			return err
		}
		return a.Delete(id)
	})
	if err == nil {
		s.changed(id)
	}
	return err
}

// Lookup returns the user with this username or e-mail address or, if it is nobody's name, with this ID: of a user called
// "7" and another whose ID is 7, the one who is called so. [ErrNotFound].
func (s *Service) Lookup(ctx context.Context, name string) (*User, error) {
	u, err := s.find(ctx, name)
	if err != nil || u != nil {
		return u, err
	}
	return s.store().Load(ctx, name)
}
