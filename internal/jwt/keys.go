package jwt

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/sealed"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
)

// namePrefix and a number name a signing key among the sealed secrets. Numbers are only added, never written over, so
// that two processes that make a key at the same time end with one.
const namePrefix = "jwt "

// lookAgain bounds how often a token with a header that nobody knows makes us read the keys again.
const lookAgain = 5 * time.Second

// Keys are the signing keys, kept in a store under the server secret. The first is made when a token is to be signed and
// there is none. Set the fields before first use; it is then safe for concurrent use.
type Keys struct {
	Ring      *keyring.Ring
	Store     sealed.Store
	Algorithm string // of the first key; "": EdDSA

	mu     sync.Mutex
	set    *keySet
	loaded time.Time
}

// Rotation says how keys are changed.
type Rotation struct {
	Algorithm string // of the new key, [EdDSA] or [ES256]; "": that of the latest one
	Drop      bool   // refuse what was signed with those before, as after a leak
}

// Rotate adds a key. It is published at once and signs some minutes later, when all who verify know it; the one before is
// accepted until the last token that it signed is over. With Drop the new one signs at once, and no other is accepted any
// more, on other nodes within a minute.
//
// Where there is no key nothing is done, unless an algorithm is asked for: the first is made when it is needed. A rotation
// by somebody else at the same moment counts for this one.
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
	r.Algorithm = or(r.Algorithm, latest.method.Alg())
	return k.add(ctx, latest.number+1, r, max(latest.made, time.Now().Unix()))
}

// add makes a key, unless there is one with the number.
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

// signer returns the key to sign with, and makes the first one.
func (k *Keys) signer(ctx context.Context, now time.Time) (*key, error) {
	set, err := k.recent(ctx)
	if err != nil {
		return nil, err
	}
	if len(set.keys) == 0 {
		if err := k.add(ctx, 1, Rotation{Algorithm: or(k.Algorithm, EdDSA)}, now.Unix()); err != nil {
			return nil, err
		}
		if set, err = k.recent(ctx); err != nil {
			return nil, err
		}
	}
	return set.signer(now.Unix()), nil
}

// find returns the key and the kind that the first part of a token names; nil if it names none that is accepted.
func (k *Keys) find(ctx context.Context, text string, now time.Time, longest time.Duration) (*key, kind, error) {
	set, err := k.recent(ctx)
	if err != nil {
		return nil, kind{}, err
	}
	h, known := set.headers[text]
	if !known {
		// Perhaps another node has made the key since the last look.
		if set, err = k.within(ctx, lookAgain); err != nil {
			return nil, kind{}, err
		}
		h, known = set.headers[text]
	}
	if !known || set.over(h.place, now.Unix(), int64(longest/time.Second)) {
		return nil, kind{}, nil
	}
	return set.keys[h.place], h.kind, nil
}

// public returns the keys that are accepted now or soon, as RFC 7517 writes a set.
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

// within returns the keys as of the given time ago or less. While the store can't be read, those known before will do:
// keys are added long before they matter.
func (k *Keys) within(ctx context.Context, age time.Duration) (*keySet, error) {
	k.mu.Lock()
	set, loaded := k.set, k.loaded
	k.mu.Unlock()
	if set != nil && time.Since(loaded) < age {
		return set, nil
	}
	fresh, err := k.load(ctx)
	if err != nil && set != nil && len(set.keys) > 0 {
		return set, nil
	}
	return fresh, err
}

// load reads the keys.
func (k *Keys) load(ctx context.Context) (*keySet, error) {
	began := time.Now()
	sealed, err := k.Store.Sealed(ctx)
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	var keys []*key
	for _, s := range sealed { // in the order of the names, which is that of the numbers
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

// keep makes set the known one, unless a later look has been faster.
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
