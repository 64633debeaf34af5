// Package keyring holds the server secret. The keys of cookies and tokens are derived from it, and the keys in the database are
// sealed with it.
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

// ErrWrongSecret means that no secret of the ring can open a sealed value.
var ErrWrongSecret = errors.New("sealed with another server secret")

// Ring is the secrets of one file. It reloads a rotated file within a second. If the file can't be read, is malformed, or no longer
// holds the secret in use, it keeps the secrets that it has. It is safe for concurrent use.
type Ring struct {
	// Warn is called with the reason why a changed file is not used, once for each reason. It must be set before the ring is
	// used, and must not use the ring. nil: the default logger logs the reason.
	Warn func(error)

	path   string
	loaded time.Time
	now    atomic.Pointer[keyFile]

	mu        sync.Mutex   // held while the file is reloaded
	checkedAt atomic.Int64 // when the file was last checked, as a duration since loaded: the wall clock may be set back
	reported  string
}

const reloadInterval = time.Second

// Load reads the file at path. The error for a file that other users can read, or that doesn't hold secrets, says what to do. It
// wraps [fs.ErrNotExist] if there is no file. No error quotes the file.
func Load(path string) (*Ring, error) {
	f, err := readFile(path)
	if err != nil {
		return nil, err
	}
	r := &Ring{path: path, loaded: time.Now()}
	r.now.Store(f)
	return r, nil
}

// Create is Load, but creates the file with a new secret if there is none. Processes that do so at the same time all load the
// same secret. The file is on the disk when Create returns.
func Create(path string) (*Ring, error) {
	if err := createFile(path); err != nil {
		return nil, err
	}
	return Load(path)
}

// Derive returns a key of 32 bytes for a purpose from each secret, by HKDF-SHA256 (RFC 5869). The first key is that of the
// current secret: use it to make things, and all of them to verify things.
func (r *Ring) Derive(purpose string) [][]byte {
	secrets := r.secrets()
	keys := make([][]byte, len(secrets))
	for i, s := range secrets {
		keys[i] = derive(s, "cloakroom derive "+purpose)
	}
	return keys
}

// Seal encrypts plain with the current secret, AES-256-GCM and a random nonce. The result is bound to name.
func (r *Ring) Seal(name string, plain []byte) sealed.Secret {
	return seal(r.secrets()[0], name, plain)
}

// Open decrypts what Seal has encrypted with one of the secrets and this name. Otherwise the error wraps [ErrWrongSecret].
func (r *Ring) Open(s sealed.Secret) ([]byte, error) {
	plain, err := open(r.secrets(), s)
	if err != nil {
		// Perhaps another process has rotated the file and sealed the value again since the last reload.
		plain, err = open(r.reload(0), s)
	}
	return plain, err
}

const (
	checkName  = "check"
	checkPlain = "this is the right secret"
)

// Check returns an error if the store doesn't belong to this ring: if a value in it can't be opened, the error wraps
// [ErrWrongSecret], and the server must not start. Check adds a value to an empty store, so that two servers with different
// secrets can't both start on it. The store also keeps the fingerprints of the secrets that it was sealed with, by which a file
// from before a rotation is recognised.
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

// secrets returns the secrets. They are at most a second old.
func (r *Ring) secrets() [][]byte {
	if int64(time.Since(r.loaded))-r.checkedAt.Load() < int64(reloadInterval) {
		return r.now.Load().secrets
	}
	return r.reload(reloadInterval)
}

// reload reads the file if it has changed, unless it was checked within the given time, and returns the secrets.
func (r *Ring) reload(within time.Duration) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	have := r.now.Load()
	if now := int64(time.Since(r.loaded)); now-r.checkedAt.Load() >= int64(within) {
		r.checkedAt.Store(now)
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
		slog.Warn("the changed file of the server secret is not used", "error", err)
	}
	r.reported = err.Error()
}

func derive(secret []byte, info string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, info, 32)
	if err != nil {
		panic(err) // only for other lengths and hashes
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
		panic(err) // only for other key lengths than 32
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for other ciphers than AES
	}
	return gcm
}
