package memory

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
)

type keys struct {
	mu    sync.Mutex
	boxes map[string][]byte
}

func newKeys() *keys {
	return &keys{boxes: map[string][]byte{}}
}

func (k *keys) Sealed(ctx context.Context) ([]keyring.Sealed, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []keyring.Sealed
	for _, name := range slices.Sorted(maps.Keys(k.boxes)) {
		all = append(all, keyring.Sealed{Name: name, Box: bytes.Clone(k.boxes[name])})
	}
	return all, nil
}

func (k *keys) PutSealed(ctx context.Context, sealed []keyring.Sealed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range sealed {
		k.boxes[s.Name] = bytes.Clone(s.Box)
	}
	return nil
}

func (k *keys) AddSealed(ctx context.Context, s keyring.Sealed) (keyring.Sealed, error) {
	if err := ctx.Err(); err != nil {
		return keyring.Sealed{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.boxes[s.Name]; !ok {
		k.boxes[s.Name] = bytes.Clone(s.Box)
	}
	return keyring.Sealed{Name: s.Name, Box: bytes.Clone(k.boxes[s.Name])}, nil
}
