package keyring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cloakroom-auth/cloakroom/sealed"
)

const keepOld = 3

// ErrReadOnly reports that the key file is on a read-only file system, so that Rotate can't write the new secret there.
var ErrReadOnly = errors.New("the key file is mounted read-only, as a Secret of Kubernetes is: " +
	"copy it to a writable place, run \"cloakroom key rotate --key-file COPY\" there, and put the copy into the Secret")

// Rotate puts a new secret on the first line of the file at path, keeps the three latest ones, and seals everything in store with
// the new one. Servers that use the file reload it by themselves. If the file's secrets can't open everything in store, Rotate
// changes nothing and returns [ErrWrongSecret].
//
// An error or a crash at any moment leaves a file that opens everything in store, and Rotate can be called again. Two calls for
// one file wait for each other. Meanwhile no one else may replace values in store; adding some does no harm.
func Rotate(ctx context.Context, path string, store sealed.Store) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("server secret: %w", err)
	}
	locked, err := lockFile(path)
	if errors.Is(err, syscall.EROFS) {
		return ErrReadOnly
	}
	if err != nil {
		return fmt.Errorf("lock server secret: %w", err)
	}
	defer locked.Close()
	old, err := readFile(path)
	if err != nil {
		return err
	}
	// An interrupted rotation may have left values that only an older secret opens, so that secret is kept.
	if err := reseal(ctx, store, old.secrets); err != nil {
		return err
	}
	secrets := append([][]byte{newSecret()}, old.secrets[:min(keepOld, len(old.secrets))]...)
	next, err := replaceFile(path, secrets, old.info)
	if next != nil {
		defer next.Close()
	}
	if err != nil {
		return err
	}
	if err := reseal(ctx, store, secrets); err != nil {
		return err
	}
	all, err := store.Sealed(ctx)
	if err != nil {
		return fmt.Errorf("read sealed secrets: %w", err)
	}
	return noteFingerprints(ctx, store, all, secrets)
}

// lockFile locks the file that has this name now. After waiting for the lock, the file may have been replaced, so it tries again.
func lockFile(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		if err := lock(f); err != nil {
			f.Close()
			return nil, err
		}
		mine, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		if named, err := os.Stat(path); err == nil && os.SameFile(mine, named) {
			return f, nil
		}
		f.Close()
	}
}

// reseal seals with the first secret what only the other secrets open.
func reseal(ctx context.Context, store sealed.Store, secrets [][]byte) error {
	all, err := store.Sealed(ctx)
	if err != nil {
		return fmt.Errorf("read sealed secrets: %w", err)
	}
	var again []sealed.Secret
	for _, s := range all {
		if s.Name == fingerprintsName {
			continue
		}
		if _, err := open(secrets[:1], s); err == nil {
			continue
		}
		plain, err := open(secrets, s)
		if err != nil {
			return err
		}
		again = append(again, seal(secrets[0], s.Name, plain))
	}
	if len(again) == 0 {
		return nil
	}
	if err := store.PutSealed(ctx, again); err != nil {
		return fmt.Errorf("write sealed secrets: %w", err)
	}
	return nil
}
