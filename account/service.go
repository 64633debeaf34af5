package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-auth/cloakroom/password"
)

// New describes a user to be made.
type New struct {
	Username    string
	Email       string
	FirstName   string
	LastName    string
	Password    string
	IsStaff     bool
	IsSuperuser bool
}

// Create makes a user. *InvalidError.
func (s *Service) Create(ctx context.Context, n New) (*User, error) {
	u, err := s.prepare(ctx, n)
	if err != nil {
		return nil, err
	}
	return u, s.taken(s.Store.Create(ctx, u))
}

// CreateFirst makes the first user, an administrator, of whoever knows the set-up secret. ErrSetupSpent, *InvalidError.
func (s *Service) CreateFirst(ctx context.Context, secret string, n New) (*User, error) {
	n.IsStaff, n.IsSuperuser = true, true
	if needed, err := s.NeedsSetup(ctx); err != nil {
		return nil, err
	} else if !needed {
		return nil, ErrSetupSpent // before anything is hashed for a stranger
	}
	u, err := s.prepare(ctx, n)
	if err != nil {
		return nil, err
	}
	return u, s.taken(s.Store.CreateFirst(ctx, u, sha256.Sum256([]byte(secret)), u.DateJoined))
}

// prepare returns the user that n describes, with all that is wrong about it said together.
func (s *Service) prepare(ctx context.Context, n New) (*User, error) {
	u := &User{
		Username: n.Username, Email: n.Email, FirstName: n.FirstName, LastName: n.LastName,
		IsActive: true, IsStaff: n.IsStaff, IsSuperuser: n.IsSuperuser, DateJoined: time.Now().Unix(), Epoch: newEpoch(),
	}
	wrong := problems{}
	normalize(u, wrong)
	if found := s.Policy.Check(n.Password, attributes(u)...); len(found) > 0 {
		wrong["password"] = found
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	var err error
	u.Password, err = s.Hasher.Hash(ctx, n.Password)
	return u, err
}

func attributes(u *User) []password.Attribute {
	return []password.Attribute{
		{Name: "username", Value: u.Username}, {Name: "first name", Value: u.FirstName},
		{Name: "last name", Value: u.LastName}, {Name: "email address", Value: u.Email},
	}
}

// newEpoch is never the same twice, so that no session from before fits by chance.
func newEpoch() string { return rand.Text() }

// taken turns a clash of names into a wrong field.
func (s *Service) taken(err error) error {
	e, ok := errors.AsType[*TakenError](err)
	if !ok {
		return err
	}
	wrong := problems{}
	if e.Field == "email" {
		wrong.add("email", "unique", "A user with that email address already exists.")
	} else {
		wrong.add("username", "unique", "A user with that username already exists.")
	}
	return wrong.err()
}

// setupLife is how long a set-up secret is good for.
const setupLife = 30 * time.Minute

// SetupSecret returns a secret of 128 bits with which the first user can be made within 30 minutes, once. An earlier one
// is void from then on. Only its hash is kept.
func (s *Service) SetupSecret(ctx context.Context) (string, error) {
	secret := rand.Text()
	err := s.Store.SetSetup(ctx, sha256.Sum256([]byte(secret)), time.Now().Add(setupLife).Unix())
	if err != nil {
		return "", fmt.Errorf("store set-up secret: %w", err)
	}
	return secret, nil
}

// NeedsSetup reports whether there is no user yet.
func (s *Service) NeedsSetup(ctx context.Context) (bool, error) {
	users, err := s.Store.List(ctx, Query{Limit: 1})
	if err != nil {
		return false, fmt.Errorf("look for users: %w", err)
	}
	return len(users) == 0, nil
}

// ChangePassword gives the user with this ID a new password after checking the present one, a.Password. The epoch moves
// with the hash. ErrInvalidCredentials, *throttle.Error, *InvalidError with the field new_password.
func (s *Service) ChangePassword(ctx context.Context, id string, a Attempt, new string) (*User, error) {
	u, err := s.Confirm(ctx, id, a)
	if err != nil {
		return nil, err
	}
	hash, err := s.newHash(ctx, u, "new_password", new)
	if err != nil {
		return nil, err
	}
	return s.Store.Change(ctx, id, func(c *User) error {
		if c.Epoch != u.Epoch {
			return ErrInvalidCredentials // the password that was checked is no longer the password
		}
		c.Password, c.Epoch = hash, newEpoch()
		return nil
	})
}

// SetPassword gives a user a new password on an administrator's word. It ends everything of the user's.
// ErrNotFound, *InvalidError with the field password.
func (s *Service) SetPassword(ctx context.Context, id, new string) error {
	u, err := s.Store.Load(ctx, id)
	if err != nil {
		return err
	}
	hash, err := s.newHash(ctx, u, "password", new)
	if err != nil {
		return err
	}
	_, err = s.Store.Change(ctx, id, func(c *User) error {
		c.Password, c.Epoch = hash, newEpoch()
		return nil
	})
	return err
}

func (s *Service) newHash(ctx context.Context, u *User, field, new string) (string, error) {
	if found := s.Policy.Check(new, attributes(u)...); len(found) > 0 {
		return "", &InvalidError{Fields: map[string][]password.Problem{field: found}}
	}
	return s.Hasher.Hash(ctx, new)
}

// SetActive enables a user, or disables one, which ends everything of theirs; enabling brings none of it back.
// ErrNotFound.
func (s *Service) SetActive(ctx context.Context, id string, active bool) error {
	_, err := s.Edit(ctx, id, func(u *User) error {
		u.IsActive = active
		return nil
	})
	return err
}

// EndEverything moves a user's epoch, which ends every session and token of theirs at once. ErrNotFound.
func (s *Service) EndEverything(ctx context.Context, id string) error {
	_, err := s.Store.Change(ctx, id, func(u *User) error {
		u.Epoch = newEpoch()
		return nil
	})
	return err
}

// Edit changes a user's names, flags, groups and permissions. Hash, epoch and ID stay as they are, whatever change makes
// of them; but who becomes inactive is signed out everywhere. ErrNotFound, *InvalidError.
func (s *Service) Edit(ctx context.Context, id string, change func(*User) error) (*User, error) {
	u, err := s.Store.Change(ctx, id, func(u *User) error {
		before := *u
		if err := change(u); err != nil {
			return err
		}
		u.ID, u.Password, u.Epoch = before.ID, before.Password, before.Epoch
		if before.IsActive && !u.IsActive {
			u.Epoch = newEpoch()
		}
		wrong := problems{}
		normalize(u, wrong)
		return wrong.err()
	})
	return u, s.taken(err)
}

// Delete removes a user; every session of theirs is dead from then on. ErrNotFound.
func (s *Service) Delete(ctx context.Context, id string) error { return s.Store.Delete(ctx, id) }

// Lookup returns the user with this username, e-mail address or, if it is nobody's name, ID. ErrNotFound.
func (s *Service) Lookup(ctx context.Context, name string) (*User, error) {
	u, err := s.find(ctx, name)
	if err != nil || u != nil {
		return u, err
	}
	return s.Store.Load(ctx, name)
}
