package jwt

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/sealed"
)

// namePrefix begins the name of a signing key among the sealed secrets; a number ends it. A key is never overwritten, so two
// processes that add a key at the same time end up with the same one.
const namePrefix = "jwt "

// reloadUnknownAfter limits how often tokens with an unknown header make us load the keys, once there is one.
const reloadUnknownAfter = 5 * time.Second

// Keys are the signing keys. The store keeps them sealed with the server secret. The first key is generated when a token is
// signed and there is none. Ring and Store are required. Set the fields before first use; Keys are then safe for concurrent
// use.
type Keys struct {
	Ring      *keyring.Ring
	Store     sealed.Store
	Algorithm string // of the first key: EdDSA (the default) or ES256

	mu     sync.Mutex
	set    *keySet
	loaded time.Time
}

// Rotation describes a change of the signing key.
type Rotation struct {
	Algorithm string // of the new key, [EdDSA] or [ES256]; "": the algorithm of the latest key
	Drop      bool   // refuse tokens that earlier keys signed, as after a leak
}

// Rotate adds a key. The key is published at once and signs some minutes later, when every verifier has it. The key before it
// is accepted until the last token that it signed has expired. With Drop the new key signs at once, and no earlier key is
// accepted any more; other nodes follow within a minute.
//
// If there is no key yet and no algorithm is given, Rotate does nothing, since the first key is generated on demand. Of
// concurrent rotations one takes effect.
func (k *Keys) Rotate(ctx context.Context, r Rotation) error {
	set, err := k.load(ctx)
	if err != nil {
		return err
	}
	if len(set.keys) == 0 {
		if r.Algorithm == "" {
			return nil
		}
		return k.add(ctx, 1, r, time.Now().Unix())
	}
	latest := set.keys[len(set.keys)-1]
	r.Algorithm = cmp.Or(r.Algorithm, latest.method.Alg())
	return k.add(ctx, latest.number+1, r, max(latest.made, time.Now().Unix()))
}

// add generates and stores a key, unless there is one with the number.
func (k *Keys) add(ctx context.Context, number int, r Rotation, made int64) error {
	plain, err := encodeKey(r.Algorithm, made, r.Drop)
	if err != nil {
		return err
	}
	if _, err := k.Store.AddSealed(ctx, k.Ring.Seal(keyName(number), plain)); err != nil {
		return fmt.Errorf("store signing key: %w", err)
	}
	_, err = k.load(ctx)
	return err
}

func keyName(number int) string { return fmt.Sprintf("%s%06d", namePrefix, number) }

// signer returns the key to sign with. It generates the first key.
func (k *Keys) signer(ctx context.Context, now time.Time) (*key, error) {
	set, err := k.recent(ctx)
	if err != nil {
		return nil, err
	}
	if len(set.keys) == 0 {
		if err := k.add(ctx, 1, Rotation{Algorithm: cmp.Or(k.Algorithm, EdDSA)}, now.Unix()); err != nil {
			return nil, err
		}
		if set, err = k.recent(ctx); err != nil {
			return nil, err
		}
	}
	return set.signer(now.Unix()), nil
}

// find returns the key and the kind for the encoded header of a token. The key is nil if the header isn't one of ours, or its
// key isn't accepted any more.
func (k *Keys) find(ctx context.Context, encoded string, now time.Time, longest time.Duration) (*key, kind, error) {
	set, err := k.recent(ctx)
	if err != nil {
		return nil, kind{}, err
	}
	h, known := set.headers[encoded]
	if !known {
		// Another node may have added the key since we loaded them. The first key signs at once.
		age := reloadUnknownAfter
		if len(set.keys) == 0 {
			age = 0
		}
		if set, err = k.within(ctx, age); err != nil {
			return nil, kind{}, err
		}
		h, known = set.headers[encoded]
	}
	if !known || set.retired(h.index, now.Unix(), int64(longest/time.Second)) {
		return nil, kind{}, nil
	}
	return set.keys[h.index], h.kind, nil
}

// public returns the JWK Set (RFC 7517) of the keys that are accepted now or will be soon, and their number.
func (k *Keys) public(ctx context.Context, now time.Time, longest time.Duration) ([]byte, int, error) {
	set, err := k.recent(ctx)
	if err != nil {
		return nil, 0, err
	}
	keys := set.published(now.Unix(), int64(longest/time.Second))
	text, err := json.Marshal(map[string][]webKey{"keys": keys})
	return text, len(keys), err
}

func (k *Keys) recent(ctx context.Context) (*keySet, error) { return k.within(ctx, reloadAfter) }

// within returns the keys as they were at most age ago. While the store can't be read, it returns the keys loaded last: a new
// key is stored long before it signs.
func (k *Keys) within(ctx context.Context, age time.Duration) (*keySet, error) {
	k.mu.Lock()
	set, loaded := k.set, k.loaded
	k.mu.Unlock()
	if set != nil && time.Since(loaded) < age {
		return set, nil
	}
	loadedNow, err := k.load(ctx)
	if err != nil && set != nil && len(set.keys) > 0 {
		return set, nil
	}
	return loadedNow, err
}

// load loads the keys from the store.
func (k *Keys) load(ctx context.Context) (*keySet, error) {
	began := time.Now()
	sealed, err := k.Store.Sealed(ctx)
	if err != nil {
		return nil, fmt.Errorf("load signing keys: %w", err)
	}
	var keys []*key
	for _, s := range sealed { // ordered by name, and so by number
		number, ok := keyNumber(s.Name)
		if !ok {
			continue
		}
		plain, err := k.Ring.Open(s)
		if err != nil {
			return nil, fmt.Errorf("open signing key: %w", err)
		}
		opened, err := decodeKey(number, plain)
		if err != nil {
			return nil, fmt.Errorf("open signing key %q: %w", s.Name, err)
		}
		keys = append(keys, opened)
	}
	return k.keep(newKeySet(keys), began), nil
}

// keep stores set in k, unless k has a later one, and returns the set that k has.
func (k *Keys) keep(set *keySet, began time.Time) *keySet {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.set == nil || began.After(k.loaded) || len(set.keys) > len(k.set.keys) {
		k.set, k.loaded = set, began
	}
	return k.set
}

func keyNumber(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, namePrefix)
	if !ok {
		return 0, false
	}
	number, err := strconv.Atoi(digits)
	return number, err == nil && keyName(number) == name
}
