package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/foreseen"
	"github.com/cloakroom-auth/cloakroom/password"
)

// NewUser describes a user to create.
type NewUser struct {
	Username    string
	Email       string // may be empty
	FirstName   string
	LastName    string
	Language    string // see [User.Language]
	Password    string
	IsStaff     bool
	IsSuperuser bool // implies IsStaff

	NoPassword  bool     // no sign-in by password is possible until one is set; Password is ignored
	Withheld    bool     // with NoPassword: the user can't set one by mail alone; see [User.PasswordWithheld]
	Groups      []string // names
	Permissions []string // given to the user directly
	Extra       Extra    // what the program keeps with the user

	proven  bool          // the user has proven to receive mail at Email; see SignUp
	joining *SignUpByLink // see SignUp
}

// Create creates an active user and returns it. *[InvalidError], also if a name belongs to another user or a group doesn't
// exist.
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
		if err == nil {
			err = a.join(made, n.joining)
		}
		return notStored(err)
	})
	if err != nil {
		return nil, invalidIfTaken(err)
	}
	return made, nil
}

// MayCreate returns the error that Create would return now because of the groups of n, or because the actor may not make such a user. It
// looks at nothing else of n.
func (s *Service) MayCreate(ctx context.Context, n NewUser) error {
	wanted := &User{IsStaff: n.IsStaff, IsSuperuser: n.IsSuperuser, Groups: n.Groups, UserPermissions: n.Permissions}
	return s.transact(ctx, func(a act) error {
		if err := a.mayMake(&User{}, wanted); err != nil {
			return err
		}
		for _, name := range n.Groups {
			switch _, err := a.Group(name); {
			case errors.Is(err, ErrNotFound):
				return noSuchGroup()
			case err != nil:
				return err
			}
		}
		return nil
	})
}

func noSuchGroup() error {
	wrong := problems{}
	wrong.add("groups", "does_not_exist", "One of the groups does not exist.")
	return wrong.err()
}

// prepare returns the user that n describes, or all that is wrong with it in one error.
func (s *Service) prepare(ctx context.Context, n NewUser) (*User, error) {
	u := &User{
		Username: n.Username, Email: n.Email, FirstName: n.FirstName, LastName: n.LastName, Language: n.Language,
		IsActive: true, IsStaff: n.IsStaff, IsSuperuser: n.IsSuperuser, DateJoined: time.Now().Unix(), Epoch: newEpoch(),
		Groups: n.Groups, UserPermissions: n.Permissions, Extra: n.Extra,
	}
	wrong := problems{}
	normalize(u, User{}, wrong)
	if n.proven {
		u.EmailProven = u.Email
	}
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
		u.Password, u.PasswordWithheld = unusable(), n.Withheld
		return u, nil
	}
	var err error
	u.Password, err = s.hash(ctx, u, "password", n.Password)
	return u, err
}

// hash returns the hash of a new password of u. A password that the algorithm would truncate is a wrong field.
func (s *Service) hash(ctx context.Context, u *User, field, new string) (string, error) {
	if s.HashTemplate == nil {
		return s.Hasher.Hash(ctx, new)
	}
	example, err := s.HashTemplate(ctx, u)
	if err != nil {
		return "", fmt.Errorf("choose how to hash the password: %w", err)
	}
	encoded, err := s.Hasher.HashByTemplate(ctx, example, new)
	if e, ok := errors.AsType[*password.TooLongError](err); ok {
		wrong := problems{}
		wrong.add(field, "password_too_long", fmt.Sprintf("This password is too long. It must contain at most %d bytes.", e.Max))
		return "", wrong.err()
	}
	return encoded, err
}

// checkFree adds names that belong to another user to wrong. The store checks this again when it writes; it is checked
// before so that all that is wrong is in one error and no password is hashed in vain.
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

// invalidIfTaken converts the store's error for a taken name into a wrong field.
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

// unusable returns a hash that no password matches, in the form of Django's make_password(None): "!" and 40 random characters.
func unusable() string { return "!" + (rand.Text() + rand.Text())[:40] }

// newEpoch returns a random epoch, so that no earlier session matches it.
func newEpoch() string { return rand.Text() }

// newOwnEpoch returns a random epoch for which [User.ChangedByOwner] is true.
func newOwnEpoch() string { return ownEpoch + rand.Text() }

// ChangePassword sets a new password for the user with this ID after checking the current one, a.Password. It changes the
// epoch in the same step and returns the user with the new one. [ErrInvalidCredentials], *[throttle.Error], *[InvalidError]
// with the field new_password; [ErrEpochChanged] also if the epoch has changed since the current password was checked, since
// that may no longer be the current one.
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
		c.Password, c.PasswordWithheld, c.Epoch = hash, false, newEpoch()
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

// SetPassword sets a user's password for an administrator, and ends all sessions and tokens of the user, and links that were mailed for a
// change of the address. [ErrNotFound], *[InvalidError] with the field password.
func (s *Service) SetPassword(ctx context.Context, id, new string) error {
	u, err := s.ManagedUser(ctx, id)
	if err != nil {
		return err
	}
	hash, err := s.newHash(ctx, u, "password", new)
	if err != nil {
		return err
	}
	if err := s.endMailed(ctx, id); err != nil {
		return err
	}
	if err := s.change(ctx, act.subject, id, func(c *User) { c.Password, c.PasswordWithheld, c.Epoch = hash, false, newEpoch() }); err != nil {
		return err
	}
	return s.endMailed(ctx, id)
}

// change finds and alters a user in one step, and then calls OnChange.
func (s *Service) change(ctx context.Context, find func(act, string) (*User, error), id string, alter func(*User)) error {
	err := s.transact(foreseen.WithUsers(ctx, id), func(a act) error {
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

// SetActive enables or disables a user. Disabling ends all sessions and tokens of the user, and enabling doesn't bring them
// back. [ErrNotFound].
func (s *Service) SetActive(ctx context.Context, id string, active bool) error {
	err := s.transact(foreseen.WithUsers(ctx, id), func(a act) error {
		u, err := a.other(id)
		switch {
		case err != nil:
			return err
		case u.IsActive == active:
			return a.Change(u)
		case active:
			return a.enable(u)
		}
		u.IsActive, u.Epoch = false, newEpoch()
		return a.Change(u)
	})
	if err == nil {
		s.changed(id)
	}
	return err
}

// RevokeAll changes a user's epoch, which ends all sessions and tokens of the user at once. [ErrNotFound].
func (s *Service) RevokeAll(ctx context.Context, id string) error {
	return s.change(ctx, act.subject, id, func(u *User) { u.Epoch = newEpoch() })
}

// RevokeAllIfUnchanged is RevokeAll for a user whose epoch still is the given one. It returns the user with the new one. [ErrEpochChanged].
func (s *Service) RevokeAllIfUnchanged(ctx context.Context, id, epoch string) (*User, error) {
	return s.moveEpoch(ctx, id, epoch, newEpoch())
}

// RenewEpoch is RevokeAllIfUnchanged for a change by the user, of which [User.ChangedByOwner] tells.
func (s *Service) RenewEpoch(ctx context.Context, id, epoch string) (*User, error) {
	return s.moveEpoch(ctx, id, epoch, newOwnEpoch())
}

func (s *Service) moveEpoch(ctx context.Context, id, from, to string) (*User, error) {
	changed, err := s.store().Change(ctx, id, func(u *User) error {
		if u.Epoch != from {
			return ErrEpochChanged
		}
		u.Epoch = to
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		err = ErrEpochChanged
	}
	if err != nil {
		return nil, err
	}
	s.changed(id)
	return changed, nil
}

// ProveEmail notes that a user receives mail at an address, and returns the user. [ErrEpochChanged] if the user has another address or
// epoch by now, or is disabled. [ErrNotFound].
func (s *Service) ProveEmail(ctx context.Context, id, epoch, address string) (*User, error) {
	u, err := s.store().Change(ctx, id, func(u *User) error {
		if !u.IsActive || u.Epoch != epoch || u.Email != address {
			return ErrEpochChanged
		}
		u.EmailProven = address
		return nil
	})
	if err == nil {
		s.changed(id)
	}
	return u, err
}

// UsernameAfterEmailChange returns the username of u once [Service.ChangeEmail] has given u an address. It is the one of now, but a username that is the
// address of u follows it: as its former name it would be another person's address one day. Beside Django, where names and addresses
// are apart, it stays. *[InvalidError] with the field email if the address can't be a username.
func (s *Service) UsernameAfterEmailChange(u *User, address string) (string, error) {
	if s.FindLogin != nil || u.Email == "" || CanonicalLogin(u.Username) != CanonicalLogin(u.Email) {
		return u.Username, nil
	}
	name, wrong := normalizeUsername(address), problems{}
	if checkUsername(name, wrong); len(wrong) > 0 {
		wrong = problems{}
		wrong.add("email", "invalid", "Your username is your address, and this address can't be a username. Ask an administrator for another username first.")
	}
	return name, wrong.err()
}

// ChangeEmail gives the user before another address, at which the user has proven to receive mail, and ends all sessions and tokens. It
// returns the user as changed, with the name of [Service.UsernameAfterEmailChange], whose error it returns. [ErrEpochChanged] if the user has
// another epoch than before, or is disabled; [AddressErrors].Changed if the user has another address than before, or it is proven by now;
// [AddressErrors].Taken; [ErrNotFound]. After any other error it may be done.
func (s *Service) ChangeEmail(ctx context.Context, before *User, address string) (*User, error) {
	after, err := s.store().Change(ctx, before.ID, func(u *User) error {
		switch {
		case !u.IsActive || u.Epoch != before.Epoch:
			return ErrEpochChanged
		case u.Email != before.Email || u.EmailProven != before.EmailProven:
			return AddressErrors.Changed
		}
		name, err := s.UsernameAfterEmailChange(u, address)
		if err != nil {
			return err
		}
		u.Username = name
		u.Email, u.EmailProven, u.Epoch = address, address, newOwnEpoch()
		return nil
	})
	if _, taken := errors.AsType[*TakenError](err); taken {
		err = AddressErrors.Taken
	}
	if err != nil {
		return nil, err
	}
	s.changed(before.ID)
	return after, nil
}

// CheckRevert is what [Service.RevertEmail] checks of the user and the names in the step that writes: [ErrDisabled], [AddressErrors].WrongName.
func (u *User) CheckRevert(name, told string) error {
	switch {
	case !u.IsActive:
		return ErrDisabled
	case loginKey(name) != CanonicalLogin(u.Username) && (told == "" || loginKey(name) != CanonicalLogin(told)):
		return AddressErrors.WrongName
	}
	return nil
}

// RevertEmail gives an account back to the owner of an address that it had: the address counts as proven, and as after
// [Service.DeclareCompromised] the password, all sessions, all tokens and earlier reset secrets no longer count, and the secret that it
// returns sets a new password. name must be the user's name or told, the one that its owner was told, in any spelling that signs in. A name
// that is the address is renamed as by [Service.ChangeEmail]. before is the user as read before the caller has found that the owner may do
// this: [ErrEpochChanged] if the user has another epoch or address by now. If the secret is lost, the user gets another by mail: unlike
// after DeclareCompromised, the account may have a first password by mail, and [User.ChangedByOwner] is true. [AddressErrors].WrongName,
// [AddressErrors].Taken, [ErrDisabled], [ErrNotFound]; nothing has changed then.
func (s *Service) RevertEmail(ctx context.Context, before *User, name, told, address string) (secret string, expires time.Time, err error) {
	id := before.ID
	secret, expires, err = s.newResetSecret(ctx, id, func(a act) error {
		u, err := a.subject(id)
		switch {
		case err != nil:
			return err
		case u.Epoch != before.Epoch || u.Email != before.Email:
			return ErrEpochChanged
		}
		if err := u.CheckRevert(name, told); err != nil {
			return err
		}
		if former, err := s.UsernameAfterEmailChange(u, address); err == nil {
			u.Username = former
		}
		u.Email, u.EmailProven = address, address
		return a.removeWaysIn(u, false, newOwnEpoch())
	})
	if _, taken := errors.AsType[*TakenError](err); taken {
		err = AddressErrors.Taken
	}
	if err == nil {
		s.changed(id)
	}
	return secret, expires, err
}

// Edit changes a user's names, flags, groups and permissions, and returns the user. Hash, epoch and ID stay the same,
// whatever change sets, and so does the proven address, which no longer counts if the address is another, and links that were mailed for
// a change of the address are void then; but a user who is disabled is signed out everywhere, as by SetActive. Only fields that change has
// altered are checked, so that a name which another program once accepted doesn't prevent other edits. A user who becomes a
// superuser becomes staff, too, and staff can't be taken from a superuser. change must be quick, do no I/O, and may be
// called more than once; Edit returns its error unchanged. [ErrNotFound], *[InvalidError], also for groups that don't exist.
func (s *Service) Edit(ctx context.Context, id string, change func(*User) error) (edited *User, err error) {
	moved, err := s.beforeMove(ctx, id, change)
	if err != nil {
		return nil, invalidIfTaken(err)
	}
	var former string
	err = s.transact(ctx, func(a act) error {
		u, err := a.subject(id)
		if err != nil {
			return err
		}
		former = u.Email
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
	if edited.Email != former {
		moved(ctx)
		if err := s.endMailed(ctx, id); err != nil {
			return nil, err
		}
	}
	return edited, nil
}

// errTried rolls back an edit that would be done.
var errTried = errors.New("the edit was only tried")

// beforeMove calls EndMailed and Moving if change will alter the address, and the edit would be done now; else it returns why not. moved
// is never nil.
func (s *Service) beforeMove(ctx context.Context, id string, change func(*User) error) (moved func(context.Context), err error) {
	moved = func(context.Context) {}
	if s.EndMailed == nil && s.Moving == nil {
		return moved, nil
	}
	before, err := s.ManagedUser(ctx, id)
	if err != nil {
		return moved, err
	}
	after := *before
	after.Groups, after.UserPermissions = slices.Clone(before.Groups), slices.Clone(before.UserPermissions)
	if err := change(&after); err != nil {
		return moved, err
	}
	wrong := problems{}
	normalize(&after, *before, wrong)
	if after.Email == before.Email || len(wrong["email"]) > 0 {
		return moved, nil
	}
	// An edit that is refused must end no link: the whole edit is tried first, and rolled back.
	err = s.transact(ctx, func(a act) error {
		u, err := a.subject(id)
		if err != nil {
			return err
		}
		if err := a.edit(u, change); err != nil {
			return err
		}
		return errTried
	})
	if !errors.Is(err, errTried) {
		return moved, err
	}
	if err := s.endMailed(ctx, id); err != nil || s.Moving == nil {
		return moved, err
	}
	return s.Moving(ctx, before, after.Email)
}

func (a act) edit(u *User, change func(*User) error) error {
	before := *u
	before.Groups, before.UserPermissions = slices.Clone(u.Groups), slices.Clone(u.UserPermissions)
	if err := change(u); err != nil {
		return err
	}
	u.ID, u.Password, u.Epoch, u.EmailProven = before.ID, before.Password, before.Epoch, before.EmailProven
	u.PasswordWithheld = before.PasswordWithheld
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
	return notStored(err)
}

// Delete deletes a user, which ends all of the user's sessions. It deletes even the last superuser: whether that is allowed
// is up to the caller. [ErrNotFound].
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

// DeleteOwn deletes a user who has asked for it, which ends all sessions and tokens of the user. [DeniedErrors].LastAdministrator if the
// user is the only superuser who isn't disabled; [ErrEpochChanged] if the user has another epoch, is disabled, or was deleted meanwhile.
func (s *Service) DeleteOwn(ctx context.Context, id, epoch string) error {
	for other := ""; ; {
		before, err := s.store().Load(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return ErrEpochChanged
		}
		if err != nil {
			return err
		}
		if before.IsSuperuser {
			if other, err = s.nextSuperuser(ctx, id, other); err != nil {
				return err
			}
		}
		err = s.transact(ctx, func(a act) error { return a.deleteOwn(id, epoch, other, before.IsSuperuser) })
		if err == nil {
			s.changed(id)
		}
		if !errors.Is(err, errRightsMoved) {
			return err
		}
	}
}

// errRightsMoved says that the user has become a superuser, or that the other user isn't one any more, since they were read.
var errRightsMoved = errors.New("who is a superuser has changed meanwhile")

// deleteOwn deletes a user. Of two superusers who do so at the same time one stays, since other is read in the step that deletes. searched
// reports whether another superuser was looked for.
func (a act) deleteOwn(id, epoch, other string, searched bool) error {
	u, err := a.Load(id)
	if errors.Is(err, ErrNotFound) || err == nil && (!u.IsActive || u.Epoch != epoch) {
		return ErrEpochChanged
	}
	if err != nil {
		return err
	}
	if !u.IsSuperuser {
		return a.Delete(id)
	}
	if !searched {
		return errRightsMoved
	}
	if other == "" {
		return DeniedErrors.LastAdministrator
	}
	switch left, err := a.Load(other); {
	case errors.Is(err, ErrNotFound), err == nil && !isAdministrator(left):
		return errRightsMoved
	case err != nil:
		return err
	}
	return a.Delete(id)
}

func isAdministrator(u *User) bool { return u.IsActive && u.IsSuperuser }

// nextSuperuser returns the ID of the first superuser after a user who isn't disabled, and isn't the user with this ID; "" if there is none.
func (s *Service) nextSuperuser(ctx context.Context, id, after string) (string, error) {
	for {
		page, err := s.store().List(ctx, Query{Superusers: true, After: after, Limit: superuserPage})
		if err != nil || len(page) == 0 {
			return "", err
		}
		for _, u := range page {
			if u.ID != id && isAdministrator(u) {
				return u.ID, nil
			}
		}
		after = page[len(page)-1].ID
	}
}

const superuserPage = 50 // superusers that are read at a time, since some may be disabled

// Lookup returns the user with this username or e-mail address, or else the user with this ID: if one user is named "7" and
// another has the ID 7, it returns the one with the name. [ErrNotFound].
func (s *Service) Lookup(ctx context.Context, name string) (*User, error) {
	u, err := s.find(ctx, name)
	if err != nil || u != nil {
		return u, err
	}
	return s.store().Load(ctx, name)
}
