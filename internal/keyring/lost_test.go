package keyring_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

func TestAFormerKeyFileIsRecognised(t *testing.T) {
	path, keys := keyFile(t, one), memory.New().Sealed
	fill(t, path, keys)
	former := keyFile(t, one)
	if err := keyring.Rotate(t.Context(), path, keys); err != nil {
		t.Fatal(err)
	}
	err := load(t, former).Check(t.Context(), keys)
	if !errors.Is(err, keyring.ErrWrongSecret) || !strings.Contains(err.Error(), former+" is from before a rotation") {
		t.Errorf("Check with the former file: %v; want advice to copy the current one", err)
	}
	stranger := keyFile(t, two)
	err = load(t, stranger).Check(t.Context(), keys)
	if !errors.Is(err, keyring.ErrWrongSecret) || !strings.Contains(err.Error(), "begun with another file than "+stranger) {
		t.Errorf("Check with another database's file: %v; want advice to put the right one back", err)
	}
	verify(t, path, keys)
}

// TestANodeWithTheFormerFileDoesNotUndoTheFingerprints checks the store by a file that holds the current and a former secret in
// the order of before the rotation.
func TestANodeWithTheFormerFileDoesNotUndoTheFingerprints(t *testing.T) {
	path, keys := keyFile(t, one), memory.New().Sealed
	fill(t, path, keys)
	if err := keyring.Rotate(t.Context(), path, keys); err != nil {
		t.Fatal(err)
	}
	current := lines(t, path)[0]
	if err := load(t, keyFile(t, one, current)).Check(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	err := load(t, keyFile(t, one)).Check(t.Context(), keys)
	if err == nil || !strings.Contains(err.Error(), "is from before a rotation") {
		t.Errorf("Check with the former file: %v", err)
	}
}

func TestALostKeyIsReplaced(t *testing.T) {
	path, keys := keyFile(t, one), memory.New().Sealed
	fill(t, path, keys)
	if _, err := keyring.ReplaceLost(t.Context(), path, keys, nil); !errors.Is(err, keyring.ErrNotLost) {
		t.Errorf("ReplaceLost with the right file: %v; want ErrNotLost", err)
	}
	write(t, path, two+"\n")
	if _, err := keyring.ReplaceLost(t.Context(), path, keys, nil); !errors.Is(err, keyring.ErrFileInTheWay) {
		t.Errorf("ReplaceLost with another file: %v; want ErrFileInTheWay", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	removed, err := keyring.ReplaceLost(t.Context(), path, keys, nil)
	if err != nil || !slices.Equal(removed, []string{"k0", "k1", "k2", "k3", "k4"}) {
		t.Errorf("ReplaceLost = %q, %v; want the five secrets", removed, err)
	}
	if err := load(t, path).Check(t.Context(), keys); err != nil {
		t.Errorf("Check with the new file: %v", err)
	}
	if err := load(t, keyFile(t, one)).Check(t.Context(), keys); err == nil || !strings.Contains(err.Error(), "is from before") {
		t.Errorf("Check with the lost file, found again: %v", err)
	}
}

// TestALostKeyIsReplacedHoweverOftenThatIsInterrupted fails each call to the store in turn, before and after it is done.
func TestALostKeyIsReplacedHoweverOftenThatIsInterrupted(t *testing.T) {
	for _, after := range []bool{false, true} {
		for call := 1; ; call++ {
			lost, keys := keyFile(t, one), memory.New().Sealed
			fill(t, lost, keys)
			path := filepath.Join(t.TempDir(), "secret")
			plan := &storetest.FaultPlan{Call: call, After: after}
			_, err := keyring.ReplaceLost(t.Context(), path, storetest.Faulty(store.Set{Sealed: keys}, plan).Sealed, nil)
			if len(plan.Calls()) < call {
				break
			}
			if err == nil {
				t.Errorf("call %d failed and ReplaceLost didn't", call)
			}
			if _, err := keyring.ReplaceLost(t.Context(), path, keys, nil); err != nil {
				t.Errorf("call %d, after %v: again: %v", call, after, err)
			}
			if err := load(t, path).Check(t.Context(), keys); err != nil {
				t.Errorf("call %d, after %v: %v", call, after, err)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
				t.Errorf("left behind: %v", left)
			}
		}
	}
}

// TestTheReplacementIsRecordedBeforeItIsDone: the new file opens the store while it is recorded, and a failure is made up for by another
// call.
func TestTheReplacementIsRecordedBeforeItIsDone(t *testing.T) {
	lost, keys := keyFile(t, one), memory.New().Sealed
	fill(t, lost, keys)
	path := filepath.Join(t.TempDir(), "secret")
	failed := errors.New("the disk is full")
	calls := 0
	record := func(file string, removed []string) error {
		calls++
		if _, err := os.Stat(path); err == nil {
			t.Errorf("call %d: the file has its name already", calls)
		}
		if err := load(t, file).Check(t.Context(), keys); err != nil {
			t.Errorf("call %d: Check with %s: %v", calls, file, err)
		}
		if calls == 1 {
			return failed
		}
		return nil
	}
	if _, err := keyring.ReplaceLost(t.Context(), path, keys, record); !errors.Is(err, failed) {
		t.Errorf("ReplaceLost = %v; want the error of the record", err)
	}
	if _, err := keyring.ReplaceLost(t.Context(), path, keys, record); err != nil || calls != 2 {
		t.Errorf("again: %v after %d calls", err, calls)
	}
	if err := load(t, path).Check(t.Context(), keys); err != nil {
		t.Errorf("Check with the new file: %v", err)
	}
}
