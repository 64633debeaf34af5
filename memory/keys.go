package memory

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/cloakroom-auth/cloakroom/sealed"
)

type keys struct {
	mu    guard
	boxes map[string][]byte
}

func newKeys() *keys {
	return &keys{boxes: map[string][]byte{}}
}

func (k *keys) Sealed(ctx context.Context) ([]sealed.Secret, error) {
	if err := k.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer k.mu.Unlock()
	var all []sealed.Secret
	for _, name := range slices.Sorted(maps.Keys(k.boxes)) {
		all = append(all, sealed.Secret{Name: name, Box: bytes.Clone(k.boxes[name])})
	}
	return all, nil
}

func (k *keys) PutSealed(ctx context.Context, sealed []sealed.Secret) error {
	if err := k.mu.lock(ctx); err != nil {
		return err
	}
	defer k.mu.Unlock()
	for _, s := range sealed {
		k.boxes[s.Name] = bytes.Clone(s.Box)
	}
	return nil
}

func (k *keys) ReplaceAllSealed(ctx context.Context, sealed []sealed.Secret) error {
	if err := k.mu.lock(ctx); err != nil {
		return err
	}
	defer k.mu.Unlock()
	clear(k.boxes)
	for _, s := range sealed {
		k.boxes[s.Name] = bytes.Clone(s.Box)
	}
	return nil
}

func (k *keys) AddSealed(ctx context.Context, s sealed.Secret) (sealed.Secret, error) {
	if err := k.mu.lock(ctx); err != nil {
		return sealed.Secret{}, err
	}
	defer k.mu.Unlock()
	if _, ok := k.boxes[s.Name]; !ok {
		k.boxes[s.Name] = bytes.Clone(s.Box)
	}
	return sealed.Secret{Name: s.Name, Box: bytes.Clone(k.boxes[s.Name])}, nil
}
