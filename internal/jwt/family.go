package jwt

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/token"
)

// Pair is the result of a sign-in and of each refresh.
type Pair struct {
	Access  string
	Refresh string
}

// SignIn describes a sign-in that has succeeded.
type SignIn struct {
	User    string
	Epoch   string // the account's epoch, read together with the credential that was checked
	Address string // of the client
	Agent   string // the User-Agent of the client
}

// family is the record of a family and its decoded data.
type family struct {
	*token.Record
	state
}

// state is the JSON in the column data of a family's record. It holds no token, and nothing from which one could be made.
type state struct {
	Current string    `json:"current"`           // the jti of the refresh token that is valid
	Retired []retired `json:"retired,omitempty"` // the last few before it, the oldest first
}

type retired struct {
	ID string `json:"jti"`
	At int64  `json:"at"` // milliseconds since 1970
}

// maxRetired bounds state.Retired. A client that refreshes more often than this within the grace period loses the grace for
// the oldest tokens.
const maxRetired = 16

// familyID returns the key of the family of a sid. No credential begins with a NUL, so none has this hash.
func familyID(sid string) token.ID { return sha256.Sum256([]byte("\x00jwt family\x00" + sid)) }

// Create starts a family for a user who has just signed in, and returns its first pair. User and Epoch are required.
func (s *Service) Create(ctx context.Context, in SignIn) (Pair, error) {
	if in.User == "" || in.Epoch == "" {
		return Pair{}, errors.New("jwt: Create needs User and Epoch")
	}
	now := time.Now()
	sid := token.NewPublicID()
	f := family{Record: &token.Record{
		ID: familyID(sid), PublicID: sid, User: in.User, Epoch: in.Epoch, Kind: token.Refresh,
		Created: now.Unix(), IP: in.Address, Agent: in.Agent,
	}}
	pair, err := s.next(ctx, &f, now)
	if err != nil {
		return Pair{}, err
	}
	if err := s.Store.Create(ctx, f.Record, token.Limit{}); err != nil {
		return Pair{}, fmt.Errorf("start family of tokens: %w", err)
	}
	s.record(ctx, audit.TokenKinds.Created, f.Record, "sign-in")
	return pair, nil
}

// next returns the next pair of f, and changes f accordingly. It doesn't store f.
func (s *Service) next(ctx context.Context, f *family, now time.Time) (Pair, error) {
	if f.Current != "" {
		f.Retired = append(f.Retired, retired{f.Current, now.UnixMilli()})
		f.Retired = f.Retired[max(0, len(f.Retired)-maxRetired):]
		f.Retired = slices.DeleteFunc(f.Retired, func(r retired) bool { return !s.justUsed(r, now) })
	}
	f.Current = newID()
	f.Used = now.Unix()
	f.Expires = min(now.Add(s.refreshFor()).Unix(), f.Created+int64(s.lifetime()/time.Second))
	data, err := json.Marshal(f.state)
	if err != nil {
		return Pair{}, fmt.Errorf("encode family of tokens: %w", err)
	}
	f.Data = data
	c := claims{
		Expires: f.Expires, Issued: now.Unix(), ID: f.Current, User: f.User, Issuer: s.Issuer, Audience: s.Issuer,
		Session: f.PublicID, AuthenticatedAt: f.Created,
	}
	var pair Pair
	if pair.Refresh, err = s.sign(ctx, refresh, c); err != nil {
		return Pair{}, err
	}
	c.ID, c.Expires = newID(), min(now.Add(s.accessFor()).Unix(), f.Expires)
	pair.Access, err = s.sign(ctx, access, c)
	return pair, err
}

func (s *Service) justUsed(r retired, now time.Time) bool {
	return now.UnixMilli()-r.At < s.grace().Milliseconds()
}

// Refresh exchanges a refresh token for the next pair. It fails with a *[Refusal] or [ErrNoAccount].
//
// Of concurrent uses of the token exactly one succeeds. The others, and any within the grace period, get [ErrJustUsed], and
// nothing ends. A later use means that two parties hold the token: it ends the family and gets [ErrEnded].
func (s *Service) Refresh(ctx context.Context, text string) (Pair, error) {
	c, err := s.read(ctx, text, refresh)
	if err != nil {
		return Pair{}, err
	}
	for {
		pair, err := s.refresh(ctx, c)
		if !errors.Is(err, token.ErrConflict) {
			return pair, err
		}
		if err := ctx.Err(); err != nil {
			return Pair{}, err
		}
	}
}

// refresh tries Refresh once. It returns token.ErrConflict if another request has changed the family meanwhile.
func (s *Service) refresh(ctx context.Context, c *claims) (Pair, error) {
	r, err := s.live(ctx, c, token.Store.Load)
	if err != nil {
		return Pair{}, err
	}
	f, err := decode(r)
	if err != nil {
		return Pair{}, err
	}
	now := time.Now()
	if c.ID != f.Current {
		return Pair{}, s.reused(ctx, f, c.ID, now)
	}
	renewed := *f.Record
	next := family{&renewed, f.state}
	pair, err := s.next(ctx, &next, now)
	if err != nil {
		return Pair{}, err
	}
	err = s.Store.Replace(ctx, f.Record, next.Record)
	if errors.Is(err, token.ErrNotFound) {
		return Pair{}, ErrEnded
	}
	if err != nil {
		return Pair{}, fmt.Errorf("refresh tokens: %w", err)
	}
	s.record(ctx, audit.TokenKinds.Renewed, next.Record, "refresh")
	return pair, nil
}

// reused returns the error for a refresh token that was used before, and ends the family if that was too long ago.
func (s *Service) reused(ctx context.Context, f *family, id string, now time.Time) error {
	for _, r := range f.Retired {
		if r.ID == id && s.justUsed(r, now) {
			return ErrJustUsed
		}
	}
	if err := s.Store.Delete(ctx, f.ID); err != nil {
		return fmt.Errorf("end family of tokens: %w", err)
	}
	s.record(ctx, audit.TokenKinds.Reuse, f.Record, "a refresh token was used again, so its family was ended")
	return ErrEnded
}

// read returns the claims of a token that was issued for us and is of the kind want.
func (s *Service) read(ctx context.Context, text string, want kind) (*claims, error) {
	c, of, err := s.open(ctx, text, s.Issuer)
	if err != nil {
		return nil, err
	}
	if of != want {
		return nil, ErrWrongType
	}
	return c, nil
}

// loader loads the record of a family: token.Store.Load if the caller will change the family, otherwise view.
type loader func(s token.Store, ctx context.Context, id token.ID) (*token.Record, error)

// view may answer from the near cache.
func view(s token.Store, ctx context.Context, id token.ID) (*token.Record, error) {
	return token.LoadCached(ctx, s, id)
}

// find returns the family of a token. It returns ErrEnded if there is none, or it has expired.
func (s *Service) find(ctx context.Context, c *claims, load loader) (*token.Record, error) {
	r, err := load(s.Store, ctx, familyID(c.Session))
	if errors.Is(err, token.ErrNotFound) {
		return nil, ErrEnded
	}
	if err != nil {
		return nil, fmt.Errorf("load family of tokens: %w", err)
	}
	if r.Kind != token.Refresh || r.User != c.User || r.Expires <= time.Now().Unix() {
		return nil, ErrEnded
	}
	return r, nil
}

// decode returns the family of a record.
func decode(r *token.Record) (*family, error) {
	f := &family{Record: r}
	if err := json.Unmarshal(r.Data, &f.state); err != nil {
		return nil, fmt.Errorf("decode family of tokens: %w", err)
	}
	return f, nil
}

// live returns the family of a token, like find, if the epoch of the account is still the family's. Otherwise it returns
// ErrEnded, or [ErrNoAccount] if there is no account.
func (s *Service) live(ctx context.Context, c *claims, load loader) (*token.Record, error) {
	epoch, err := s.epoch(ctx, c.User)
	if err != nil {
		return nil, err
	}
	r, err := s.find(ctx, c, load)
	if err != nil {
		return nil, err
	}
	if epoch == "" || epoch != r.Epoch {
		return nil, ErrEnded
	}
	return r, nil
}

// epoch returns the user's present epoch, or [ErrNoAccount].
func (s *Service) epoch(ctx context.Context, user string) (string, error) {
	epoch, err := s.Accounts.Epoch(ctx, user)
	if err != nil {
		return "", fmt.Errorf("load epoch: %w", err)
	}
	if epoch == "" {
		return "", ErrNoAccount
	}
	return epoch, nil
}

// Blacklist ends the family of a refresh token, which may have been used before. It fails with a *[Refusal].
func (s *Service) Blacklist(ctx context.Context, text string) error {
	c, err := s.read(ctx, text, refresh)
	if err != nil {
		return err
	}
	r, err := s.find(ctx, c, token.Store.Load)
	if err != nil {
		return err
	}
	if err := s.Store.Delete(ctx, r.ID); err != nil {
		return fmt.Errorf("end family of tokens: %w", err)
	}
	s.record(ctx, audit.TokenKinds.Revoked, r, "logout")
	return nil
}
