package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// ErrInvalidCredentials is the one answer to a wrong password, an unknown name and a disabled account.
var ErrInvalidCredentials = errors.New("invalid username or password")

// ErrLocked is an [ErrInvalidCredentials] whose reason is for the log alone: the account had too many failures under its
// other name, so that the password didn't count, right or wrong. The client is told what a wrong password is told.
var ErrLocked = fmt.Errorf("%w: too many failures under another name of the account", ErrInvalidCredentials)

// ErrEpochChanged says that the account's epoch is no longer the one that the attempt came with, or that the account is gone:
// whoever asks has been signed out since.
var ErrEpochChanged = errors.New("the account has moved on")

// Attempt is one check of a password.
type Attempt struct {
	Login    string // the username or e-mail address as typed; not looked at where the user is known already
	Password string
	Epoch    string               // the epoch of the session that asks; "": none does
	Address  netip.Addr           // the client's
	Device   func(u *User) string // the ID of a device that this user has signed in from before, in this epoch, or ""; asked only if the login is a user's; may be nil
}

// Service is what can be done with accounts, for the command line and the network alike. Store, Hasher and Guard are
// required: its methods panic if there is no Store. The fields must not change once it is in use; it is then safe for
// concurrent use.
//
// Besides the errors that are named, its methods return *[password.BusyError] where a password is hashed, and those of
// the stores, which mean that nothing is known. With an error nothing else is returned.
type Service struct {
	Store  Store
	Hasher *password.Hasher
	Policy password.Policy
	Guard  *throttle.Guard

	// HashTemplate returns an encoded hash that a new one of this user's is to be made like (see [password.Hasher.HashByTemplate]).
	// It is for users that Cloakroom shares with Django, which must read the hash, and hashes anew what has not the
	// parameters it expects. With it no weak hash is replaced. nil: new hashes are made as Hasher makes them.
	HashTemplate func(ctx context.Context, u *User) (encoded string, err error)

	// Names looks up who signs in, where another program has its own idea of names. nil: the Store does, by their keys.
	Names LoginFinder

	// OnChange is told whose rights, name or epoch this Service has changed, once it is done; "": anybody's. It must not
	// block. Nil: nobody is told.
	OnChange func(id string)

	observers []func(id string)
	actor     *Actor // see By; nil: none is judged
}

func (s *Service) store() Store {
	if s.Store == nil {
		panic("account: Service.Store is nil; give it a store, such as that of package sqlite")
	}
	return s.Store
}

func (s *Service) changed(id string) {
	if s.OnChange != nil {
		s.OnChange(id)
	}
	for _, tell := range s.observers {
		tell(id)
	}
}

// Observe adds a function that is told what OnChange is told, after it and under the same rules. It is for code that builds on
// a Service whose fields belong to somebody else. Call it before first use.
func (s *Service) Observe(changed func(id string)) { s.observers = append(s.observers, changed) }

// Authenticate returns the user whose name and password these are, and notes the sign-in. [ErrInvalidCredentials],
// *[throttle.Error].
//
// The user's Epoch is the one that was read with the hash that was verified: a session that is given it is dead from the
// start if the account has moved on since. An unknown name, a disabled account and a wrong password cost the same work.
// A hash that is weaker than those made today is replaced, which moves no epoch. What the hasher has no room for is refused
// before anything else, so that a flood costs the store nothing.
func (s *Service) Authenticate(ctx context.Context, a Attempt) (*User, error) {
	return s.authenticate(ctx, a, time.Now().Unix())
}

// Verify is Authenticate for a proof that begins nothing: no sign-in is noted.
func (s *Service) Verify(ctx context.Context, a Attempt) (*User, error) {
	return s.authenticate(ctx, a, 0)
}

// authenticate notes a sign-in at now, unless that is 0.
func (s *Service) authenticate(ctx context.Context, a Attempt, now int64) (*User, error) {
	release, err := s.Hasher.Admit()
	if err != nil {
		return nil, err
	}
	defer release()
	u, err := s.find(ctx, a.Login)
	if err != nil {
		return nil, err
	}
	weak, err := s.prove(ctx, u, a, false)
	if err != nil {
		return nil, err
	}
	if now == 0 && !weak {
		return u, nil
	}
	return s.settle(ctx, u, a.Password, weak, now)
}

// Confirm returns the user with this ID if the password is theirs. a.Login plays no part. [ErrInvalidCredentials],
// *[throttle.Error], [ErrEpochChanged].
func (s *Service) Confirm(ctx context.Context, id string, a Attempt) (*User, error) {
	release, err := s.Hasher.Admit()
	if err != nil {
		return nil, err
	}
	defer release()
	u, err := s.store().Load(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrEpochChanged
	}
	if err != nil {
		return nil, err
	}
	if a.Epoch != "" && a.Epoch != u.Epoch {
		return nil, ErrEpochChanged
	}
	a.Login = u.Username
	if _, err := s.prove(ctx, u, a, true); err != nil {
		return nil, err
	}
	return u, nil
}

// maxLogin bounds the name that is looked for, in bytes: no username or address is as long.
const maxLogin = 4 * maxEmail

// find returns the user of a name as typed; nil if there is none.
func (s *Service) find(ctx context.Context, login string) (*User, error) {
	key := loginKey(login)
	if key == "" {
		return nil, nil
	}
	u, err := s.lookUp(ctx, strings.TrimSpace(login), key)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find user: %w", err)
	}
	return u, nil
}

func (s *Service) lookUp(ctx context.Context, typed, key string) (*User, error) {
	if s.Names != nil {
		return s.Names.FindLogin(ctx, typed)
	}
	return s.store().Find(ctx, key)
}

// loginKey returns "", which is nobody's key, for what is too long to be a name.
func loginKey(login string) string {
	if len(login) > maxLogin {
		return ""
	}
	return CanonicalLogin(strings.TrimSpace(login))
}

// prove verifies a password against a user, or against nobody if u is nil. A try is reserved before anything is hashed,
// so that guesses made at the same time can't exceed the limit; one that ends without a verdict is given back.
func (s *Service) prove(ctx context.Context, u *User, a Attempt, signedIn bool) (weak bool, err error) {
	try, err := s.Guard.Reserve(ctx, counted(u, a, signedIn))
	if err != nil {
		return false, err
	}
	defer try.Undo(ctx)
	encoded := ""
	if u != nil {
		encoded = u.Password
	}
	result, err := s.Hasher.Verify(ctx, encoded, a.Password)
	if err != nil {
		return false, err
	}
	if u == nil || !u.IsActive || !result.Match || try.Barred() {
		_ = try.Failed(ctx) // needs no store: its error is always nil
		if try.Barred() {
			return false, ErrLocked
		}
		return false, ErrInvalidCredentials
	}
	return result.Weak, try.Succeeded(ctx)
}

// counted says what an attempt is counted against: the name that was typed, which alone decides what the client is told
// (besides the address), and in silence the user whose name it is. Who is signed in proves to be the same user, and may
// know what is counted against that user.
func counted(u *User, a Attempt, signedIn bool) throttle.Attempt {
	t := throttle.Attempt{Name: "name:" + loginKey(a.Login), Address: a.Address, SignedIn: signedIn}
	if u == nil {
		return t
	}
	t.Account = "user:" + u.ID
	if a.Device != nil {
		t.Device = a.Device(u)
	}
	return t
}

// settle notes a sign-in, unless now is 0, and replaces a weak hash if it is still the one that was verified. The user is returned
// with the epoch from before.
func (s *Service) settle(ctx context.Context, u *User, typed string, weak bool, now int64) (*User, error) {
	better := ""
	if weak && s.HashTemplate == nil {
		// Without room in the pool the weak hash serves until the next sign-in.
		better, _ = s.Hasher.Hash(ctx, typed)
	}
	changed, err := s.store().NoteSignIn(ctx, u.ID, SignIn{At: now, Verified: u.Password, Rehash: better})
	if errors.Is(err, ErrNotFound) {
		return nil, ErrInvalidCredentials
	}
	if err != nil {
		return nil, fmt.Errorf("note sign-in: %w", err)
	}
	changed.Epoch = u.Epoch
	return changed, nil
}
