// Package keyring holds the server secret: what derives the keys of cookies and tokens, and seals the keys that live in
// the database.
//
// The secret is a file: one line of base64 (RFC 4648 section 4, with padding) for each secret of 32 random bytes. The
// first line is the current secret, the others are older ones that are still accepted. Only the owner may read it.
package keyring

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/sealed"
)

// ErrWrongSecret says that no secret of the ring opens a sealed value.
var ErrWrongSecret = errors.New("sealed with another server secret")

// Ring is the secrets of one file. It notices within a second that the file was rotated, and goes on with the secrets it
// has if the file can't be read, is not well-formed, or no longer holds the secret in use. It is safe for concurrent use.
type Ring struct {
	// Warn is told why a changed file is not used: once, until the reason changes. Nil: the default logger is. It must be
	// set before the ring is used, and must not use the ring.
	Warn func(error)

	path   string
	loaded time.Time
	now    atomic.Pointer[keyFile]

	mu       sync.Mutex   // held by who looks at the file
	looked   atomic.Int64 // when, since loaded: the clock of the wall may be put back
	reported string
}

const lookAgain = time.Second

// Load reads the file at path. The error says what to do about a file that others can read, or that holds anything but
// secrets; it wraps [fs.ErrNotExist] if there is none. No error shows what is in the file.
func Load(path string) (*Ring, error) {
	f, err := readFile(path)
	if err != nil {
		return nil, err
	}
	r := &Ring{path: path, loaded: time.Now()}
	r.now.Store(f)
	return r, nil
}

// Create is Load, but makes the file with a new secret if there is none. Processes that do so at the same time all load
// the same secret. The file is on the disk when Create returns.
func Create(path string) (*Ring, error) {
	if err := createFile(path); err != nil {
		return nil, err
	}
	return Load(path)
}

// Derive returns a key of 32 bytes for this purpose from each secret, by HKDF-SHA256 (RFC 5869): the current one first,
// to make things with; all of them to check things by.
func (r *Ring) Derive(purpose string) [][]byte {
	secrets := r.secrets()
	keys := make([][]byte, len(secrets))
	for i, s := range secrets {
		keys[i] = derive(s, "cloakroom derive "+purpose)
	}
	return keys
}

// Seal encrypts plain under the current secret, with AES-256-GCM and a random nonce, and binds it to name.
func (r *Ring) Seal(name string, plain []byte) sealed.Secret {
	return seal(r.secrets()[0], name, plain)
}

// Open returns what was sealed under one of the secrets and this very name; else the error wraps [ErrWrongSecret].
func (r *Ring) Open(s sealed.Secret) ([]byte, error) {
	plain, err := open(r.secrets(), s)
	if err != nil {
		// Perhaps another process has rotated the file and sealed the value anew since the last look.
		plain, err = open(r.look(0), s)
	}
	return plain, err
}

const (
	checkName  = "check"
	checkPlain = "this is the right secret"
)

// Check makes sure that store belongs to this ring: every value in it can be opened, else the error wraps
// [ErrWrongSecret] and the server must not start. A store that holds nothing gets a value for later starts to check by,
// so that two servers with different secrets can't both begin with an empty store. The store also keeps the fingerprints
// of the secrets that it was sealed with, by which a file from before a rotation is recognised.
func (r *Ring) Check(ctx context.Context, store sealed.Store) error {
	all, err := store.Sealed(ctx)
	if err != nil {
		return fmt.Errorf("read sealed secrets: %w", err)
	}
	if err := r.opens(all...); err != nil {
		return err
	}
	if err := noteFingerprints(ctx, store, all, r.secrets()); err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(s sealed.Secret) bool { return s.Name == checkName }) {
		return nil
	}
	check, err := store.AddSealed(ctx, r.Seal(checkName, []byte(checkPlain)))
	if err != nil {
		return fmt.Errorf("add a sealed secret: %w", err)
	}
	return r.opens(check)
}

// opens returns an error that says what to do about the file, unless the ring opens all of these.
func (r *Ring) opens(all ...sealed.Secret) error {
	for _, s := range all {
		if s.Name == fingerprintsName {
			continue
		}
		if _, err := r.Open(s); err != nil {
			return fmt.Errorf("%w: %s", err, advice(r.path, r.secrets()[0], all))
		}
	}
	return nil
}

// secrets returns the secrets as of a second ago or less.
func (r *Ring) secrets() [][]byte {
	if int64(time.Since(r.loaded))-r.looked.Load() < int64(lookAgain) {
		return r.now.Load().secrets
	}
	return r.look(lookAgain)
}

// look reads the file if it has changed, unless somebody has looked within the given time.
func (r *Ring) look(within time.Duration) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	have := r.now.Load()
	if now := int64(time.Since(r.loaded)); now-r.looked.Load() >= int64(within) {
		r.looked.Store(now)
		next, err := have.next(r.path)
		if err != nil {
			r.warn(err)
			return have.secrets
		}
		r.reported = ""
		r.now.Store(next)
		have = next
	}
	return have.secrets
}

func (r *Ring) warn(err error) {
	switch {
	case err.Error() == r.reported:
		return
	case r.Warn != nil:
		r.Warn(err)
	default:
		slog.Warn("the server secret stays as it was", "error", err)
	}
	r.reported = err.Error()
}

func derive(secret []byte, info string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, info, 32)
	if err != nil {
		panic(err) // of a length that HKDF can't give, or a hash that FIPS mode refuses: not these
	}
	return key
}

func seal(secret []byte, name string, plain []byte) sealed.Secret {
	return sealed.Secret{Name: name, Box: aead(secret).Seal(nil, nil, plain, []byte(name))}
}

func open(secrets [][]byte, s sealed.Secret) ([]byte, error) {
	for _, secret := range secrets {
		if plain, err := aead(secret).Open(nil, nil, s.Box, []byte(s.Name)); err == nil {
			return plain, nil
		}
	}
	return nil, fmt.Errorf("open %q: %w", s.Name, ErrWrongSecret)
}

func aead(secret []byte) cipher.AEAD {
	block, err := aes.NewCipher(derive(secret, "cloakroom seal"))
	if err != nil {
		panic(err) // of a key length that AES doesn't have: not 32
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // of a block size other than that of AES
	}
	return gcm
}
