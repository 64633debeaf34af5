package keyring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/cloakroom-auth/cloakroom/sealed"
)

// ErrNotLost reports that the key file opens the store, so nothing is lost.
var ErrNotLost = errors.New("the key file opens everything in the database: it isn't lost")

// ErrFileInTheWay reports that there is a key file, which doesn't open the store. Moving it away is up to the operator: it may
// be another database's.
var ErrFileInTheWay = errors.New("there is a key file, which is another database's or from before a rotation: move it away first")

// newSuffix is added to the key file's name while a lost one is being replaced.
const newSuffix = ".new"

// ReplaceLost makes a new key file at path for a store whose own is lost, and removes every sealed secret that only the lost
// one opened. It returns the names of the secrets that are removed.
//
// It can be interrupted at any moment and called again: the new secret is written beside path first, then the store changes
// in one step, then the file gets its name. In between it calls record with the names and with the path that the file has until
// then, unless record is nil; so record may be called more than once, and an error of it is returned.
func ReplaceLost(ctx context.Context, path string, store sealed.Store, record func(file string, removed []string) error) (removed []string, err error) {
	all, err := store.Sealed(ctx)
	if err != nil {
		return nil, fmt.Errorf("read sealed secrets: %w", err)
	}
	if err := refuseUnlessLost(path, all); err != nil {
		return nil, err
	}
	next, err := Create(path + newSuffix)
	if err != nil {
		return nil, err
	}
	if next.opens(all...) != nil { // an earlier call may have come further
		for _, s := range all {
			if s.Name != fingerprintsName && s.Name != checkName {
				removed = append(removed, s.Name)
			}
		}
		kept := slices.DeleteFunc(slices.Clone(all), func(s sealed.Secret) bool { return s.Name != fingerprintsName })
		if err := store.ReplaceAllSealed(ctx, append(kept, next.Seal(checkName, []byte(checkPlain)))); err != nil {
			return nil, fmt.Errorf("remove what the lost secret sealed: %w", err)
		}
	}
	if record != nil {
		if err := record(path+newSuffix, removed); err != nil {
			return nil, err
		}
	}
	if err := os.Rename(path+newSuffix, path); err != nil {
		return nil, fmt.Errorf("make server secret: %w", err)
	}
	return removed, syncDir(path)
}

func refuseUnlessLost(path string, all []sealed.Secret) error {
	ring, err := Load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", ErrFileInTheWay, err)
	case ring.opens(all...) == nil:
		return ErrNotLost
	}
	return ErrFileInTheWay
}
