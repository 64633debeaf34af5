package keyring_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/sealed"
	"github.com/cloakroom-auth/cloakroom/store"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

func TestDerive(t *testing.T) {
	r := load(t, keyFile(t, one, two))
	keys := r.Derive("csrf")
	for i, line := range []string{one, two} {
		secret, _ := base64.StdEncoding.DecodeString(line)
		want, err := hkdf.Key(sha256.New, secret, nil, "cloakroom derive csrf", 32)
		if err != nil || !bytes.Equal(keys[i], want) {
			t.Errorf("key %d is not that of line %d", i, i+1)
		}
	}
	for _, purpose := range []string{"", "CSRF", "csrf ", "device"} {
		if bytes.Equal(r.Derive(purpose)[0], keys[0]) {
			t.Errorf("%q has the key of another purpose", purpose)
		}
	}
}

func TestSealedValuesOpenByTheirNameOnly(t *testing.T) {
	r := load(t, keyFile(t, one))
	for _, plain := range [][]byte{nil, {0}, []byte("the signing key"), make([]byte, 1<<16)} {
		s := r.Seal("a", plain)
		got, err := r.Open(s)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%q came back as %q, %v", plain, got, err)
		}
		if bytes.Equal(s.Box, r.Seal("a", plain).Box) {
			t.Fatal("the same box twice: no nonce")
		}
		if len(plain) > 8 && bytes.Contains(s.Box, plain[:8]) {
			t.Fatal("the value is in the clear")
		}
		for _, name := range []string{"", "b", "A", "a\x00"} {
			if _, err := r.Open(sealed.Secret{Name: name, Box: s.Box}); !errors.Is(err, keyring.ErrWrongSecret) {
				t.Fatalf("opened as %q: %v", name, err)
			}
		}
	}
}

func TestEveryChangeOfABoxIsNoticed(t *testing.T) {
	r := load(t, keyFile(t, one))
	s := r.Seal("a", []byte("the signing key"))
	for n := range s.Box {
		changed := bytes.Clone(s.Box)
		changed[n] ^= 1
		for _, box := range [][]byte{changed, s.Box[:n], append(bytes.Clone(s.Box), byte(n))} {
			if _, err := r.Open(sealed.Secret{Name: "a", Box: box}); !errors.Is(err, keyring.ErrWrongSecret) {
				t.Fatalf("byte %d: %v", n, err)
			}
		}
	}
}

func TestOlderSecretsStillOpen(t *testing.T) {
	s := load(t, keyFile(t, two)).Seal("a", []byte("x"))
	if _, err := load(t, keyFile(t, one, three, two)).Open(s); err != nil {
		t.Error(err)
	}
	if _, err := load(t, keyFile(t, one, three)).Open(s); !errors.Is(err, keyring.ErrWrongSecret) {
		t.Errorf("a ring without the secret: %v", err)
	}
}

func TestAServerWhoseSecretOpensNothingDoesNotStart(t *testing.T) {
	t.Attr("threat", "C16")
	keys := memory.New().Sealed
	mine, other := load(t, keyFile(t, one)), load(t, keyFile(t, two))
	if err := mine.Check(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if err := mine.Check(t.Context(), keys); err != nil {
		t.Fatalf("the second start: %v", err)
	}
	if err := other.Check(t.Context(), keys); !errors.Is(err, keyring.ErrWrongSecret) {
		t.Fatalf("another secret: %v", err)
	}
	if err := load(t, keyFile(t, two, one)).Check(t.Context(), keys); err != nil {
		t.Fatalf("the secret as an older one: %v", err)
	}
	if all, _ := keys.Sealed(t.Context()); len(all) != 2 {
		t.Fatalf("%d values in the store; want the check and the fingerprints", len(all))
	}
}

func TestCheckReadsTheSecretsThatWereThereBefore(t *testing.T) {
	keys := memory.New().Sealed
	if _, err := keys.AddSealed(t.Context(), load(t, keyFile(t, one)).Seal("jwt", []byte("x"))); err != nil {
		t.Fatal(err)
	}
	if err := load(t, keyFile(t, two)).Check(t.Context(), keys); !errors.Is(err, keyring.ErrWrongSecret) {
		t.Fatalf("another secret: %v", err)
	}
	if err := load(t, keyFile(t, one)).Check(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
}

func TestOfTwoFirstStartsWithDifferentSecretsOneIsRefused(t *testing.T) {
	for range 50 {
		keys := memory.New().Sealed
		rings := []*keyring.Ring{load(t, keyFile(t, one)), load(t, keyFile(t, two))}
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, r := range rings {
			wg.Go(func() { errs[i] = r.Check(t.Context(), keys) })
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("%v, %v", errs[0], errs[1])
		}
	}
}

// TestCheckWritesOnlyToAnEmptyStore: a check of a database that is set up needs no turn to write.
func TestCheckWritesOnlyToAnEmptyStore(t *testing.T) {
	r, plan := load(t, keyFile(t, one)), &storetest.FaultPlan{}
	secrets := storetest.Faulty(store.Set{Sealed: memory.New().Sealed}, plan).Sealed
	for range 2 {
		if err := r.Check(t.Context(), secrets); err != nil {
			t.Fatal(err)
		}
	}
	if calls := strings.Join(plan.Calls(), " "); calls != "sealed.Sealed sealed.PutSealed sealed.AddSealed sealed.Sealed" {
		t.Errorf("the calls were %s", calls)
	}
}

func TestARunningServerNoticesARotatedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := keyFile(t, one)
		r := load(t, path)
		r.Warn = func(err error) { t.Error(err) }
		before := r.Derive("x")
		write(t, path+".new", two+"\n"+one+"\n")
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		after := r.Derive("x")
		if len(after) != 2 || !bytes.Equal(after[1], before[0]) {
			t.Fatalf("%d keys; the older one may be lost", len(after))
		}
		if _, err := load(t, path).Open(r.Seal("a", nil)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAValueSealedByTheRotationOpensWithoutAWait(t *testing.T) {
	path := keyFile(t, one)
	r := load(t, path)
	write(t, path, two+"\n"+one+"\n")
	if _, err := r.Open(load(t, path).Seal("a", nil)); err != nil {
		t.Fatal(err)
	}
}

func TestAnUnreadableFileKeepsTheOldRingAndIsReportedOnce(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"removed":          os.Remove,
		"garbled":          func(path string) error { return os.WriteFile(path, []byte("garbled"), 0o600) },
		"emptied":          func(path string) error { return os.Truncate(path, 0) },
		"readable":         func(path string) error { return os.Chmod(path, 0o644) },
		"another's secret": func(path string) error { return os.WriteFile(path, []byte(two+"\n"+three+"\n"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := keyFile(t, one)
				r := load(t, path)
				var warnings []string
				r.Warn = func(err error) { warnings = append(warnings, err.Error()) }
				before := r.Derive("x")[0]
				if err := spoil(path); err != nil {
					t.Fatal(err)
				}
				for range 5 {
					time.Sleep(time.Second)
					if now := r.Derive("x"); len(now) != 1 || !bytes.Equal(now[0], before) {
						t.Fatal("the keys have changed")
					}
				}
				if len(warnings) != 1 || strings.Contains(warnings[0], two[:10]) {
					t.Fatalf("warnings: %q", warnings)
				}
				_ = os.Remove(path)
				write(t, path, four+"\n"+one+"\n")
				time.Sleep(time.Second)
				if n := len(r.Derive("x")); n != 2 {
					t.Fatalf("%d keys once the file is well again", n)
				}
				if len(warnings) != 1 && name != "removed" {
					t.Fatalf("warnings: %q", warnings)
				}
			})
		})
	}
}

func TestARingIsSafeForConcurrentUse(t *testing.T) {
	path := keyFile(t, one)
	r := load(t, path)
	keys := memory.New().Sealed
	secret := r.Seal("a", []byte("x"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				if _, err := r.Open(secret); err != nil {
					t.Error(err)
				}
				if _, err := r.Open(sealed.Secret{Name: "b"}); err == nil {
					t.Error("opened nothing")
				}
				r.Derive("x")
			}
		})
	}
	for range 3 {
		if err := keyring.Rotate(t.Context(), path, keys); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}
