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

// ErrInvalidCredentials is returned for a wrong password, an unknown name and a disabled account alike.
var ErrInvalidCredentials = errors.New("invalid username or password")

// ErrSilentLimit is an [ErrInvalidCredentials] with a reason that is only for the log: the account had too many failures under
// its other name, so the password was not accepted, right or wrong. Clients get the same answer as for a wrong password.
var ErrSilentLimit = fmt.Errorf("%w: too many failures under another name of the account", ErrInvalidCredentials)

// ErrEpochChanged says that the account no longer has the epoch of the attempt, or was deleted: the user has been signed out
// since.
var ErrEpochChanged = errors.New("the account's epoch has changed: the user was signed out")

// Attempt is one check of a password.
type Attempt struct {
	Login    string // the username or e-mail address as typed; ignored where the user is already known
	Password string
	Epoch    string               // the epoch of the session that the request came with; "": none
	Address  netip.Addr           // the client's address
	Device   func(u *User) string // returns the ID of the device if this user has signed in from it before, in this epoch; else "". Called only if the login is a user's; may be nil
}

// Service authenticates, creates and changes accounts, for the command line and for HTTP. Store, Hasher and Guard are
// required: the methods panic if Store is nil. Set the fields before first use; the Service is then safe for concurrent use.
//
// Besides the errors they name, methods return *[password.BusyError] where a password is hashed, and the errors of the
// stores, which mean that the result is unknown. Methods that return an error return no other value.
type Service struct {
	Store  Store
	Hasher *password.Hasher
	Policy password.Policy
	Guard  *throttle.Guard

	// Unsupported is what the Store has no place for.
	Unsupported Unsupported

	// HashTemplate returns an encoded hash whose algorithm and parameters new hashes of this user get (see
	// [password.Hasher.HashByTemplate]). It is for a database shared with Django, which must be able to read the hash and
	// replaces hashes that don't have the parameters it expects. With HashTemplate, weak hashes are not replaced. nil: new
	// hashes have the parameters of Hasher.
	HashTemplate func(ctx context.Context, u *User) (encoded string, err error)

	// FindLogin returns the user who signs in with a name, as it was typed but without spaces around it, where another program that
	// writes the same accounts decides which names are equal: two of its users may have the same [CanonicalLogin]. [ErrNotFound].
	// nil: the Store finds users by CanonicalLogin.
	FindLogin func(ctx context.Context, name string) (*User, error)

	// Resets has the reset links of another program that shares the accounts. nil: there are none.
	Resets ExternalResetLinks

	// OnChange is called with the ID of a user whose rights, name or epoch this Service has changed, after the change; with
	// "" if it may concern any user. It must not block. nil: it is not called.
	OnChange func(id string)

	// EndMailed makes links of a user invalid that were mailed to addresses which the account has had or was to get, and invitations that
	// the user has made. It is called when an administrator takes the account in hand, by DeclareCompromised, SetPassword, and an Edit
	// that changes the address: before they write, so that no such link overtakes them, and afterwards, for what was made meanwhile. They
	// return its error; what they have written stays. nil: there are no such links.
	EndMailed func(ctx context.Context, id string) error

	// Moving prepares to tell the address of a user that an Edit is about to give the account another one, as which it will be stored. Edit
	// calls moved once that is written. If it isn't called, it is for Moving to find out whether it has happened. nil: the address isn't told.
	Moving func(ctx context.Context, before *User, address string) (moved func(context.Context), err error)

	observers []func(id string)
	actor     *Actor // see By; nil: no actor is checked
}

func (s *Service) store() Store {
	if s.Store == nil {
		panic("account: Service.Store is nil; give it a store, such as that of package sqlite")
	}
	return s.Store
}

func (s *Service) endMailed(ctx context.Context, id string) error {
	if s.EndMailed == nil {
		return nil
	}
	return s.EndMailed(ctx, id)
}

func (s *Service) changed(id string) {
	if s.OnChange != nil {
		s.OnChange(id)
	}
	for _, tell := range s.observers {
		tell(id)
	}
}

// Observe adds a function that is called after OnChange, with the same argument and under the same rules. It is for code
// that uses a Service whose fields belong to the program. Call it before first use.
func (s *Service) Observe(changed func(id string)) { s.observers = append(s.observers, changed) }

// Authenticate returns the user with this name and password, and records the sign-in as the last one.
// [ErrInvalidCredentials], *[throttle.Error].
//
// The user's Epoch is the one that was read together with the verified hash: if it has changed since, a session with it is
// refused. An unknown name, a disabled account and a wrong password cost the same work. A hash that is weaker than new ones
// is replaced, which doesn't change the epoch. If the hasher's pool is full, Authenticate fails before it uses the store, so
// that a flood costs the store nothing.
func (s *Service) Authenticate(ctx context.Context, a Attempt) (*User, error) {
	return s.authenticate(ctx, a, time.Now().Unix())
}

// Verify is Authenticate for a check that is no sign-in: the last sign-in is not updated.
func (s *Service) Verify(ctx context.Context, a Attempt) (*User, error) {
	return s.authenticate(ctx, a, 0)
}

// authenticate records a sign-in at now; none if now is 0.
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

// NoteSignIn records a sign-in of u by something else than the password, in a language, which a user who has none gets at the
// first sign-in; "": it isn't known. It returns the user as stored, with the epoch of u. [ErrInvalidCredentials] if there is no such user any more.
func (s *Service) NoteSignIn(ctx context.Context, u *User, language string) (*User, error) {
	return s.noted(ctx, u, SignInUpdate{At: time.Now().Unix(), Verified: u.Password, Language: s.kept(language)})
}

// Confirm returns the user with this ID if the password is right. It ignores a.Login. [ErrInvalidCredentials],
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

// maxLogin is the maximum length of a name that is looked up, in bytes. No username or address is as long.
const maxLogin = 4 * maxEmail

// find returns the user with a name as it was typed; nil if there is none.
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
	if s.FindLogin != nil {
		return s.FindLogin(ctx, typed)
	}
	return s.store().Find(ctx, key)
}

// loginKey returns "", which is no user's key, if the text is too long for a name.
func loginKey(login string) string {
	if len(login) > maxLogin {
		return ""
	}
	return CanonicalLogin(strings.TrimSpace(login))
}

// prove verifies the password of u; if u is nil, it does the same work and fails. It reserves a try before it hashes, so
// that parallel guesses can't exceed the limit, and gives the try back if it ends without a result.
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
	if u == nil || !u.IsActive || !result.Match || try.SilentlyLimited() {
		_ = try.Failed(ctx) // Failed always returns nil
		if try.SilentlyLimited() {
			return false, ErrSilentLimit
		}
		return false, ErrInvalidCredentials
	}
	return result.Outdated, try.Succeeded(ctx)
}

// counted returns what the throttle counts the attempt against: the name as typed, which together with the address decides
// the response, and the user of that name, whose limit the response doesn't reveal. A signed-in client is known to be the
// user, so the response may reveal that limit.
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

// settle records a sign-in, unless now is 0, and replaces a weak hash if it is still the one that was verified. It returns
// the user with the epoch from before.
func (s *Service) settle(ctx context.Context, u *User, typed string, weak bool, now int64) (*User, error) {
	better := ""
	if weak && s.HashTemplate == nil {
		// If the pool is full, the weak hash stays until the next sign-in.
		better, _ = s.Hasher.Hash(ctx, typed)
	}
	return s.noted(ctx, u, SignInUpdate{At: now, Verified: u.Password, Rehash: better})
}

func (s *Service) noted(ctx context.Context, u *User, note SignInUpdate) (*User, error) {
	changed, err := s.store().NoteSignIn(ctx, u.ID, note)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrInvalidCredentials
	}
	if err != nil {
		return nil, fmt.Errorf("record sign-in: %w", err)
	}
	changed.Epoch = u.Epoch
	return changed, nil
}
