package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/sealed"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// fill checks a ring against a store and seals some values into it.
func fill(t *testing.T, path string, keys sealed.Store) {
	t.Helper()
	r := load(t, path)
	if err := r.Check(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := keys.AddSealed(t.Context(), r.Seal(fmt.Sprint("k", i), []byte{byte(i)})); err != nil {
			t.Fatal(err)
		}
	}
}

// verify makes sure that the file opens everything that fill has sealed.
func verify(t *testing.T, path string, keys sealed.Store) {
	t.Helper()
	r := load(t, path)
	if err := r.Check(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	all, err := keys.Sealed(t.Context())
	if err != nil || len(all) != 7 {
		t.Fatalf("%d values, %v; want the check, the fingerprints and five more", len(all), err)
	}
	for i, s := range all[2:] {
		plain, err := r.Open(s)
		if err != nil || len(plain) != 1 || plain[0] != byte(i) {
			t.Fatalf("%s: %v, %v", s.Name, plain, err)
		}
	}
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

func TestRotate(t *testing.T) {
	path, keys := keyFile(t, one), memory.New().Sealed
	fill(t, path, keys)
	for i, want := range []int{2, 3, 4, 4, 4} {
		before := lines(t, path)
		if err := keyring.Rotate(t.Context(), path, keys); err != nil {
			t.Fatal(err)
		}
		after := lines(t, path)
		if len(after) != want || after[0] == before[0] || after[1] != before[0] {
			t.Fatalf("rotation %d: %d lines", i+1, len(after))
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Fatalf("%v %v", info, err)
		}
		verify(t, path, keys)
		verify(t, keyFile(t, after[0]), keys) // nothing needs an older secret any more
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRotateFollowsALink(t *testing.T) {
	path, keys := keyFile(t, one), memory.New().Sealed
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := keyring.Rotate(t.Context(), link, keys); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 || len(lines(t, path)) != 2 {
		t.Fatalf("the link was replaced: %v %v", info, err)
	}
}

func TestRotateRefusesTheSecretOfAnotherStore(t *testing.T) {
	keys := memory.New().Sealed
	fill(t, keyFile(t, one), keys)
	path := keyFile(t, two)
	if err := keyring.Rotate(t.Context(), path, keys); !errors.Is(err, keyring.ErrWrongSecret) {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 1 || got[0] != two {
		t.Fatal("the file was changed")
	}
	if err := keyring.Rotate(t.Context(), filepath.Join(t.TempDir(), "none"), keys); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

// failing fails the n-th call, before or after it has had its effect.
type failing struct {
	sealed.Store
	n     int
	after bool
}

var errFailed = errors.New("connection lost")

func (f *failing) Sealed(ctx context.Context) ([]sealed.Secret, error) {
	if f.n--; f.n == 0 {
		return nil, errFailed
	}
	return f.Store.Sealed(ctx)
}

func (f *failing) PutSealed(ctx context.Context, s []sealed.Secret) error {
	f.n--
	if f.n == 0 && !f.after {
		return errFailed
	}
	err := f.Store.PutSealed(ctx, s)
	if f.n == 0 {
		return errFailed
	}
	return err
}

func TestABrokenOffRotationLosesNothingHoweverOften(t *testing.T) {
	for n := 1; n <= 4; n++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("call %d, after %v", n, after), func(t *testing.T) {
				path, keys := keyFile(t, one), memory.New().Sealed
				fill(t, path, keys)
				broken := 0
				for range 6 {
					err := keyring.Rotate(t.Context(), path, &failing{keys, n, after})
					if err != nil && !errors.Is(err, errFailed) {
						t.Fatal(err)
					}
					if err != nil {
						broken++
					}
					verify(t, path, keys)
				}
				if n <= 3 && broken == 0 {
					t.Fatal("no rotation was broken off")
				}
				if err := keyring.Rotate(t.Context(), path, keys); err != nil {
					t.Fatal(err)
				}
				verify(t, keyFile(t, lines(t, path)[0]), keys)
			})
		}
	}
}

func TestRotationsAtTheSameTimeWaitForEachOther(t *testing.T) {
	path, keys := keyFile(t, one), memory.New().Sealed
	fill(t, path, keys)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := keyring.Rotate(t.Context(), path, keys); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	verify(t, path, keys)
}

// meddled tries another rotation at each store call, and records whether it succeeds.
type meddled struct {
	sealed.Store
	path    string
	others  *sync.WaitGroup
	through *int
}

func (m meddled) Sealed(ctx context.Context) ([]sealed.Secret, error) {
	done := make(chan error, 1)
	m.others.Go(func() { done <- keyring.Rotate(ctx, m.path, m.Store) })
	select {
	case <-done:
		*m.through++
	case <-time.After(100 * time.Millisecond):
	}
	return m.Store.Sealed(ctx)
}

// TestARotationIsAloneToItsEnd: the file that replaces the former one is locked like it.
func TestARotationIsAloneToItsEnd(t *testing.T) {
	path, keys := keyFile(t, one), memory.New().Sealed
	fill(t, path, keys)
	var others sync.WaitGroup
	through := 0
	if err := keyring.Rotate(t.Context(), path, meddled{keys, path, &others, &through}); err != nil {
		t.Error(err)
	}
	if through > 0 {
		t.Errorf("%d rotations didn't wait", through)
	}
	others.Wait()
	verify(t, path, keys)
}

func TestRotateKeepsTheOwnerOfTheFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := keyFile(t, one)
	if err := os.Chown(path, 12345, 12346); err != nil {
		t.Fatal(err)
	}
	if err := keyring.Rotate(t.Context(), path, memory.New().Sealed); err != nil {
		t.Fatal(err)
	}
	if uid, gid := owner(t, path); uid != 12345 || gid != 12346 {
		t.Fatalf("the file now belongs to %d:%d", uid, gid)
	}
}

func owner(t *testing.T, path string) (uid, gid uint32) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("no owner in %T", info.Sys())
	}
	return sys.Uid, sys.Gid
}
