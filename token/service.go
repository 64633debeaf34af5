// Package token creates and checks opaque bearer tokens for programs. The store has only their hashes.
//
// It knows no accounts and no HTTP: the caller that creates a token says which user owns it, and the caller that checks one
// compares its epoch with the account's.
package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// DefaultTTL is how long a personal token lives if its owner doesn't choose.
const DefaultTTL = 90 * 24 * time.Hour

// MaxTTL is the maximum TTL of a personal token that expires.
const MaxTTL = 10 * 365 * 24 * time.Hour

// ErrInvalid says that a text is not a live token.
var ErrInvalid = errors.New("invalid token")

// Token is a token that was live when it was checked. It never changes, so it is safe to share.
type Token struct {
	ID         string // the public ID, for lists and logs; it authenticates nothing
	User       string
	Epoch      string // the account's epoch when the token was created; the token has ended if the account has another one
	Kind       Kind
	Name       string
	Scopes     []string // empty: everything that its owner may do
	CreatedAt  time.Time
	LastUsedAt time.Time // zero: never; exact to a minute
	ExpiresAt  time.Time // zero: never
	IP         string    // of the client that requested it
	UserAgent  string    // of the client that requested it

	id ID
}

// Allows reports whether the token's scopes include a permission. It doesn't check whether the owner has it.
func (t *Token) Allows(permission string) bool {
	return len(t.Scopes) == 0 || slices.Contains(t.Scopes, permission)
}

// Params describes a token to create.
type Params struct {
	User, Epoch string
	Kind        Kind
	Name        string
	Scopes      []string      // empty: everything that the owner may do
	TTL         time.Duration // 0: never expires
	Limit       int           // the maximum of the owner's live tokens of this kind, including this one; 0: no limit
	Evict       bool          // at the limit the oldest tokens are deleted, instead of ErrLimit
	IP, Agent   string
}

// Claims are what a JSON Web Token proves that is an access token.
type Claims struct {
	ID              string // the jti
	User            string
	Epoch           string // the account's epoch at the sign-in; the token counts only while it is the present one
	Family          string // the public ID of the sign-in, the [Refresh] token, that it comes from
	AuthenticatedAt time.Time
	ExpiresAt       time.Time
}

// Service creates and checks tokens. Only Store is required; the methods panic without one. Set the fields before first use;
// it is then safe for concurrent use.
type Service struct {
	Store Store
	ID    func(kind Kind, text string) (ID, bool) // nil: Hash. Returns false for a text that can't be a token
	Extra func(kind Kind, text string) []byte     // returns Record.Data of a new token; nil: no data

	// Existing returns the text of a token to return instead of a new one; "" if there is none. nil: each token is new.
	Existing func(ctx context.Context, n Params) (text string, err error)

	Audit *audit.Log   // records which tokens are created and revoked; nil: nothing is recorded. Never gets a token
	Log   *slog.Logger // gets errors of the work in the background; nil: they are not logged

	mu      sync.Mutex
	running bool
	pending map[ID]int64
}

func (s *Service) store() Store {
	if s.Store == nil {
		panic("token: Service.Store is nil; give it a store, such as that of package sqlite")
	}
	return s.Store
}

func (s *Service) id(kind Kind, text string) (ID, bool) {
	if s.ID != nil {
		return s.ID(kind, text)
	}
	return Hash(kind, text)
}

// Create creates a token of the kind [DRF], [Knox] or [Personal] and returns its text, which is not stored. [ErrLimit];
// [ErrEpochChanged] if the Store finds that the account has another epoch. A Store that doesn't check this stores a token that has
// already ended.
func (s *Service) Create(ctx context.Context, n Params) (text string, t *Token, err error) {
	switch {
	case n.User == "" || n.Epoch == "":
		return "", nil, errors.New("token: Create needs User and Epoch")
	case n.Kind != DRF && n.Kind != Knox && n.Kind != Personal:
		return "", nil, fmt.Errorf("token: Create makes no text for the kind %q: give DRF, Knox or Personal", n.Kind)
	case n.TTL < 0:
		return "", nil, fmt.Errorf("token: Create got the TTL %v, which is over already; 0 is for ever", n.TTL)
	}
	if s.Existing != nil {
		if text, err = s.Existing(ctx, n); err != nil {
			return "", nil, fmt.Errorf("find existing token: %w", err)
		}
		if text != "" {
			return s.again(ctx, text, n)
		}
	}
	text = newText(n.Kind)
	id, ok := s.id(n.Kind, text)
	if !ok {
		return "", nil, errors.New("token: ID doesn't accept a new token")
	}
	now := time.Now().Unix()
	r := &Record{
		ID: id, PublicID: NewPublicID(), User: n.User, Epoch: n.Epoch, Kind: n.Kind, Name: n.Name, Scopes: set(n.Scopes),
		Created: now, IP: n.IP, Agent: n.Agent,
	}
	if s.Extra != nil {
		r.Data = s.Extra(n.Kind, text)
	}
	if n.TTL > 0 {
		r.Expires = now + max(1, int64(n.TTL/time.Second))
	}
	err = s.store().Create(ctx, r, Limit{Max: n.Limit, Now: now, Evict: n.Evict})
	if errors.Is(err, ErrExists) && s.Existing != nil { // another call has made the user's only token meanwhile
		existing, findErr := s.Existing(ctx, n)
		if findErr == nil && existing != "" {
			return s.again(ctx, existing, n)
		}
		err = errors.Join(err, findErr)
	}
	if errors.Is(err, ErrLimit) || errors.Is(err, ErrEpochChanged) {
		return "", nil, err
	}
	if err != nil {
		return "", nil, fmt.Errorf("create token: %w", err)
	}
	s.Audit.Record(ctx, audit.TokenKinds.Created, about(r)...)
	return text, newToken(r), nil
}

// again returns an existing token instead of a new one.
func (s *Service) again(ctx context.Context, text string, n Params) (string, *Token, error) {
	t, err := s.Check(ctx, text, n.Kind)
	if errors.Is(err, ErrInvalid) {
		return "", nil, ErrEpochChanged // it has ended since Existing found it
	}
	if err != nil {
		return "", nil, err
	}
	if t.User != n.User || t.Epoch != n.Epoch {
		return "", nil, ErrEpochChanged
	}
	return text, t, nil
}

// Check returns the live token with this text, if it is of one of these kinds. [ErrInvalid]; any other error is an outage.
// The caller must compare the token's epoch with the account's.
func (s *Service) Check(ctx context.Context, text string, kinds ...Kind) (*Token, error) {
	kind, ok := kindOf(text)
	if !ok || !slices.Contains(kinds, kind) {
		return nil, ErrInvalid
	}
	id, ok := s.id(kind, text)
	if !ok {
		return nil, ErrInvalid
	}
	r, err := LoadCached(ctx, s.store(), id)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrInvalid
	}
	if err != nil {
		return nil, fmt.Errorf("load token: %w", err)
	}
	now := time.Now().Unix()
	if r.Kind != kind || over(r, now) {
		return nil, ErrInvalid
	}
	return newToken(r), nil
}

// Use records a use of a token, if the last known one was at least a minute ago. Call it once the request is accepted.
func (s *Service) Use(ctx context.Context, t *Token) {
	now := time.Now().Unix()
	if now-t.LastUsedAt.Unix() < int64(touchEvery/time.Second) || s.wait(t.id, now) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resilience.BackgroundTimeout)
	defer cancel()
	s.write(ctx, []LastUse{{ID: t.id, At: now}})
}

func over(r *Record, now int64) bool { return r.Expires != 0 && now >= r.Expires }

// List returns the live tokens of a user of these kinds, or of all kinds that are shown to people, the newest first.
func (s *Service) List(ctx context.Context, user string, kinds ...Kind) ([]*Token, error) {
	records, err := s.store().List(ctx, Query{User: user})
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	if len(kinds) == 0 {
		kinds = []Kind{DRF, Knox, Personal, Refresh}
	}
	now := time.Now().Unix()
	records = slices.DeleteFunc(records, func(r *Record) bool { return over(r, now) || !slices.Contains(kinds, r.Kind) })
	slices.SortStableFunc(records, func(a, b *Record) int { return cmp.Compare(b.Created, a.Created) })
	tokens := make([]*Token, len(records))
	for i, r := range records {
		tokens[i] = newToken(r)
	}
	return tokens, nil
}

// Find returns the token with this public ID, of any user. [ErrNotFound] if there is none or it has expired.
func (s *Service) Find(ctx context.Context, id string) (*Token, error) {
	r, err := s.find(ctx, "", id)
	if err != nil {
		return nil, err
	}
	if over(r, time.Now().Unix()) {
		return nil, ErrNotFound
	}
	return newToken(r), nil
}

// find returns the record with this public ID and this owner; user "" means any owner.
func (s *Service) find(ctx context.Context, user, id string) (*Record, error) {
	if id == "" {
		return nil, ErrNotFound
	}
	records, err := s.store().List(ctx, Query{User: user, PublicID: id, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("find token: %w", err)
	}
	if len(records) == 0 || records[0].Kind == UsedJTI {
		return nil, ErrNotFound
	}
	return records[0], nil
}

// Revoke ends the token with this public ID and this owner; user "" means any owner. [ErrNotFound] if there is none. After
// any other error the token may not have ended.
func (s *Service) Revoke(ctx context.Context, user, id string) error {
	r, err := s.find(ctx, user, id)
	if err != nil {
		return err
	}
	if err := s.store().Delete(ctx, r.ID); err != nil {
		return fmt.Errorf("end token: %w", err)
	}
	s.Audit.Record(ctx, audit.TokenKinds.Revoked, about(r)...)
	return nil
}

// RevokeAll ends the tokens of a user of these kinds, or of all kinds, and returns how many. After an error the tokens may
// not have ended.
func (s *Service) RevokeAll(ctx context.Context, user string, kinds ...Kind) (int, error) {
	if user == "" {
		return 0, errors.New("token: RevokeAll needs a user")
	}
	n, err := s.store().DeleteUser(ctx, user, kinds...)
	if err != nil {
		return 0, fmt.Errorf("end tokens: %w", err)
	}
	if n > 0 {
		s.Audit.Record(ctx, audit.TokenKinds.Revoked, slog.String("user", user), slog.Int("tokens", n))
	}
	return n, nil
}

// together is how many users' tokens are ended in one step of the store.
const together = 200

// RevokeAllOf is RevokeAll for each of the users, and for all kinds of tokens.
func (s *Service) RevokeAllOf(ctx context.Context, users []string) error {
	if slices.Contains(users, "") {
		return errors.New("token: RevokeAllOf needs the names of users")
	}
	for some := range slices.Chunk(users, together) {
		ended, err := removal.Tokens(ctx, s.store(), some)
		if err != nil {
			return fmt.Errorf("end tokens: %w", err)
		}
		for _, user := range some {
			if n := ended[user]; n > 0 {
				s.Audit.Record(ctx, audit.TokenKinds.Revoked, slog.String("user", user), slog.Int("tokens", n))
			}
		}
	}
	return nil
}

// about returns the attributes that identify a token in the log.
func about(r *Record) []slog.Attr {
	return []slog.Attr{slog.String("user", r.User), slog.String("token", r.PublicID), slog.String("kind", string(r.Kind))}
}

func newToken(r *Record) *Token {
	return &Token{
		ID: r.PublicID, User: r.User, Epoch: r.Epoch, Kind: r.Kind, Name: r.Name, Scopes: r.Scopes,
		CreatedAt: at(r.Created), LastUsedAt: at(r.Used), ExpiresAt: at(r.Expires), IP: r.IP, UserAgent: r.Agent, id: r.ID,
	}
}

// at converts seconds since 1970 into a time; 0 into the zero time.
func at(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

func set(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }
