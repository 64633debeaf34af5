package keyring

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/sealed"
)

// ErrUnknownDataKey means that a value was sealed under a data key that the store doesn't have.
var ErrUnknownDataKey = errors.New("sealed under a data key that is not there")

// DataKeys seal what lies outside the ring's own table. A data key is 32 random bytes, and itself a row of the ring's table, so that a
// rotation of the server secret seals this one row anew instead of every value. The first key is made on first use. It is safe for
// concurrent use, also by several processes.
//
// A sealed value begins with the ID of its data key: 8 bytes derived from it. What follows is as [Ring.Seal] makes it. Earlier data keys
// stay in the table, so a value that was sealed under one can be read until [DataKeys.Reseal] has come to it.
type DataKeys struct {
	ring  *Ring
	store sealed.Store

	mu     sync.Mutex
	keys   []dataKey // the latest one last
	readAt time.Time
}

type dataKey struct {
	id     string // 8 bytes
	secret []byte
}

// NewDataKeys returns the data keys that are in a store, sealed with the ring.
func NewDataKeys(ring *Ring, store sealed.Store) *DataKeys {
	return &DataKeys{ring: ring, store: store}
}

const (
	dataKeyPrefix = "data-key-" // and a number, of the names of data keys
	dataKeyID     = 8           // bytes
	// dataKeysFor is how long data keys are used before the store is read again, so how long a new one takes to be used everywhere.
	dataKeysFor = time.Second
)

// Seal encrypts a value with the latest data key. The result is bound to its purpose, which is a table and a column such as
// "factors.secret", and to the ID of its row.
func (d *DataKeys) Seal(ctx context.Context, purpose, id string, plain []byte) ([]byte, error) {
	keys, err := d.current(ctx, dataKeysFor)
	if err == nil && len(keys) == 0 {
		keys, err = d.add(ctx, 0)
	}
	if err != nil {
		return nil, err
	}
	return keys[len(keys)-1].seal(purpose, id, plain), nil
}

// Open decrypts what Seal has encrypted for this purpose and row. Otherwise the error is [ErrUnknownDataKey], or wraps
// [ErrWrongSecret].
func (d *DataKeys) Open(ctx context.Context, purpose, id string, box []byte) ([]byte, error) {
	keys, err := d.current(ctx, dataKeysFor)
	if err != nil {
		return nil, err
	}
	plain, err := openUnder(keys, purpose, id, box)
	if !errors.Is(err, ErrUnknownDataKey) {
		return plain, err
	}
	// Perhaps another process has made a key since.
	if keys, err = d.current(ctx, 0); err != nil {
		return nil, err
	}
	return openUnder(keys, purpose, id, box)
}

func openUnder(keys []dataKey, purpose, id string, box []byte) ([]byte, error) {
	for _, k := range keys {
		if strings.HasPrefix(string(box), k.id) {
			return open([][]byte{k.secret}, sealed.Secret{Name: place(purpose, id), Box: box[dataKeyID:]})
		}
	}
	return nil, ErrUnknownDataKey
}

func (k dataKey) seal(purpose, id string, plain []byte) []byte {
	return append([]byte(k.id), seal(k.secret, place(purpose, id), plain).Box...)
}

// place is what a value is bound to. No two places have the same text.
func place(purpose, id string) string { return strconv.Itoa(len(purpose)) + ":" + purpose + ":" + id }

// current returns the data keys, which are at most so old.
func (d *DataKeys) current(ctx context.Context, within time.Duration) ([]dataKey, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.keys) > 0 && time.Since(d.readAt) < within {
		return d.keys, nil
	}
	return d.read(ctx)
}

// read reads the data keys from the store. The caller holds mu.
func (d *DataKeys) read(ctx context.Context) ([]dataKey, error) {
	now := time.Now()
	all, err := d.store.Sealed(ctx)
	if err != nil {
		return nil, fmt.Errorf("read data keys: %w", err)
	}
	rows := map[int]sealed.Secret{}
	for _, s := range all {
		if number, ok := strings.CutPrefix(s.Name, dataKeyPrefix); ok {
			if n, err := strconv.Atoi(number); err == nil {
				rows[n] = s
			}
		}
	}
	var keys []dataKey
	for n := 1; n <= len(rows); n++ { // they are numbered from 1, and none is removed alone
		k, err := d.unseal(rows[n])
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	d.keys, d.readAt = keys, now
	return keys, nil
}

func (d *DataKeys) unseal(row sealed.Secret) (dataKey, error) {
	secret, err := d.ring.Open(row)
	if err != nil {
		return dataKey{}, fmt.Errorf("open data key: %w", err)
	}
	return dataKey{string(derive(secret, "cloakroom derive data key ID")[:dataKeyID]), secret}, nil
}

// add adds a data key if there are no more than have, and returns all. Of several processes that do so at the same time, all get the
// same one.
func (d *DataKeys) add(ctx context.Context, have int) ([]dataKey, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	keys, err := d.read(ctx)
	if err != nil || len(keys) > have {
		return keys, err
	}
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	row, err := d.store.AddSealed(ctx, d.ring.Seal(dataKeyPrefix+strconv.Itoa(len(keys)+1), secret))
	if err != nil {
		return nil, fmt.Errorf("add a data key: %w", err)
	}
	k, err := d.unseal(row)
	if err != nil {
		return nil, err
	}
	d.keys = append(keys[:len(keys):len(keys)], k)
	return d.keys, nil
}

// Value is a sealed value of a column.
type Value struct {
	ID  string // of its row
	Box []byte
}

// Column is a column of values that are sealed under a data key.
type Column interface {
	// Purpose is the purpose for which the values are sealed.
	Purpose() string

	// Values returns at most limit values, in the order of their IDs, which come after the given one.
	Values(ctx context.Context, after string, limit int) ([]Value, error)

	// Replace replaces the value of a row if it still is old, and reports whether it did.
	Replace(ctx context.Context, id string, old, new []byte) (bool, error)
}

// resealBatch is how many values are read at a time.
const resealBatch = 200

// Reseal makes a new data key and seals the values of all columns under it, beside processes that use them. It returns how many values that
// were. Values that [ReplaceLost] has left without their key stay as they are. It can be interrupted at any moment and called again, with
// another key.
func (d *DataKeys) Reseal(ctx context.Context, columns ...Column) (resealed int, err error) {
	keys, err := d.current(ctx, 0)
	if err != nil || len(keys) == 0 {
		return 0, err // nothing was ever sealed
	}
	if _, err = d.add(ctx, len(keys)); err != nil {
		return 0, err
	}
	// Until then other processes may still seal under the former key. One that writes such a value even later can read it, too, and
	// the next call seals it anew.
	select {
	case <-time.After(2 * dataKeysFor):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for _, c := range columns {
		n, err := d.resealColumn(ctx, c)
		if resealed += n; err != nil {
			return resealed, fmt.Errorf("seal %s anew: %w", c.Purpose(), err)
		}
	}
	return resealed, nil
}

// resealColumn goes through a column until it finds nothing that is sealed under an earlier key.
func (d *DataKeys) resealColumn(ctx context.Context, c Column) (resealed int, err error) {
	for found := true; found; {
		found = false
		for after := ""; ; {
			values, err := c.Values(ctx, after, resealBatch)
			if err != nil {
				return resealed, err
			}
			if len(values) == 0 {
				break
			}
			after = values[len(values)-1].ID
			for _, v := range values {
				earlier, replaced, err := d.resealValue(ctx, c, v)
				if err != nil {
					return resealed, fmt.Errorf("row %s: %w", v.ID, err)
				}
				found = found || earlier
				if replaced {
					resealed++
				}
			}
		}
	}
	return resealed, nil
}

// resealValue seals a value under the latest key. It reports whether it was sealed under an earlier one, and whether it was still the
// value of its row.
func (d *DataKeys) resealValue(ctx context.Context, c Column, v Value) (earlier, replaced bool, err error) {
	plain, err := d.Open(ctx, c.Purpose(), v.ID, v.Box) // reads a key that another process has made since
	if errors.Is(err, ErrUnknownDataKey) {
		return false, false, nil // it was sealed before the server secret was lost, and nothing opens it
	}
	if err != nil {
		return false, false, err
	}
	keys, err := d.current(ctx, dataKeysFor)
	if err != nil {
		return false, false, err
	}
	latest := keys[len(keys)-1]
	if strings.HasPrefix(string(v.Box), latest.id) {
		return false, false, nil
	}
	replaced, err = c.Replace(ctx, v.ID, v.Box, latest.seal(c.Purpose(), v.ID, plain))
	return true, replaced, err
}
