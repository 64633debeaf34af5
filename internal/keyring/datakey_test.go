package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/sealed"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

const purpose = "factors.secret"

// onFile opens the sealed rows of an SQLite file.
func onFile(t *testing.T) sealed.Store {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "cloakroom.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db.Sealed
}

// dataRows returns the names of the data keys in a store.
func dataRows(t *testing.T, store sealed.Store) (names []string) {
	t.Helper()
	all, err := store.Sealed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if strings.HasPrefix(s.Name, "data-key-") {
			names = append(names, s.Name)
		}
	}
	return names
}

func TestAValueOpensInItsPlaceOnly(t *testing.T) {
	d := keyring.NewDataKeys(load(t, keyFile(t, one)), memory.New().Sealed)
	box, err := d.Seal(t.Context(), purpose, "7", []byte("the secret"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := d.Open(t.Context(), purpose, "7", box); err != nil || string(plain) != "the secret" {
		t.Errorf("it opens as %q, %v", plain, err)
	}
	for _, place := range [][2]string{{purpose, "8"}, {purpose, ""}, {"factors.name", "7"}, {"factors.secret:7", ""}, {"factors", "secret:7"}} {
		if _, err := d.Open(t.Context(), place[0], place[1], box); !errors.Is(err, keyring.ErrWrongSecret) {
			t.Errorf("at %q: %v", place, err)
		}
	}
	colons, err := d.Seal(t.Context(), "a:b", "c", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(t.Context(), "a", "b:c", colons); !errors.Is(err, keyring.ErrWrongSecret) {
		t.Errorf("two places are the same: %v", err)
	}
	for n := range box {
		other := bytes.Clone(box)
		other[n] ^= 1
		if _, err := d.Open(t.Context(), purpose, "7", other); err == nil {
			t.Errorf("it opens although byte %d is another", n)
		}
	}
	for _, other := range [][]byte{nil, box[:4], box[:8], box[:12]} {
		if _, err := d.Open(t.Context(), purpose, "7", other); err == nil {
			t.Errorf("%d bytes of it open", len(other))
		}
	}
}

// TestProcessesMakeOneDataKey although all of them need it for the first time at once.
func TestProcessesMakeOneDataKey(t *testing.T) {
	store, file := onFile(t), keyFile(t, one)
	boxes := make([][]byte, 12)
	var all sync.WaitGroup
	for n := range boxes {
		all.Go(func() {
			var err error
			if boxes[n], err = keyring.NewDataKeys(load(t, file), store).Seal(t.Context(), purpose, "7", []byte{byte(n)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if rows := dataRows(t, store); !slices.Equal(rows, []string{"data-key-1"}) {
		t.Errorf("the data keys are %v", rows)
	}
	d := keyring.NewDataKeys(load(t, file), store)
	for n, box := range boxes {
		if plain, err := d.Open(t.Context(), purpose, "7", box); err != nil || !bytes.Equal(plain, []byte{byte(n)}) {
			t.Errorf("box %d opens as %v, %v", n, plain, err)
		}
	}
}

// TestRotationsOfTheSecretLeaveValuesAlone, more of them than the key file keeps secrets.
func TestRotationsOfTheSecretLeaveValuesAlone(t *testing.T) {
	store, file := onFile(t), keyFile(t, one)
	box, err := keyring.NewDataKeys(load(t, file), store).Seal(t.Context(), purpose, "7", []byte("the secret"))
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		if err := keyring.Rotate(t.Context(), file, store); err != nil {
			t.Fatal(err)
		}
	}
	if plain, err := keyring.NewDataKeys(load(t, file), store).Open(t.Context(), purpose, "7", box); err != nil || string(plain) != "the secret" {
		t.Errorf("it opens as %q, %v", plain, err)
	}
}

// column keeps its values in sealed rows, sealed by the ring as well, so that a rotation of the secret leaves them alone.
type column struct {
	store sealed.Store
	ring  *keyring.Ring
	mu    *sync.Mutex // a row is compared and replaced under it
}

func (c column) Purpose() string { return purpose }

func (c column) Values(ctx context.Context, after string, limit int) (values []keyring.Value, err error) {
	all, err := c.store.Sealed(ctx)
	for _, s := range all {
		id, ok := strings.CutPrefix(s.Name, "value-")
		if !ok || id <= after || len(values) == limit {
			continue
		}
		box, err := c.ring.Open(s)
		if err != nil {
			return nil, err
		}
		values = append(values, keyring.Value{ID: id, Box: box})
	}
	return values, err
}

func (c column) put(ctx context.Context, id string, box []byte) error {
	return c.store.PutSealed(ctx, []sealed.Secret{c.ring.Seal("value-"+id, box)})
}

func (c column) Replace(ctx context.Context, id string, old, new []byte) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	values, err := c.Values(ctx, "", 1<<30)
	if err != nil {
		return false, err
	}
	for _, v := range values {
		if v.ID == id && bytes.Equal(v.Box, old) {
			return true, c.put(ctx, id, new)
		}
	}
	return false, nil
}

// write seals a value and stores it, as a server does.
func (c column) write(ctx context.Context, d *keyring.DataKeys, id, plain string) error {
	box, err := d.Seal(ctx, purpose, id, []byte(plain))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.put(ctx, id, box)
}

// expect ends the test unless the column has these values.
func (c column) expect(t *testing.T, d *keyring.DataKeys, want map[string]string) (boxes map[string][]byte) {
	t.Helper()
	values, err := c.Values(t.Context(), "", 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	boxes = map[string][]byte{}
	for _, v := range values {
		plain, err := d.Open(t.Context(), purpose, v.ID, v.Box)
		if err != nil || string(plain) != want[v.ID] {
			t.Fatalf("row %s is %q, %v; want %q", v.ID, plain, err, want[v.ID])
		}
		boxes[v.ID] = v.Box
	}
	if len(boxes) != len(want) {
		t.Fatalf("%d values, want %d", len(boxes), len(want))
	}
	return boxes
}

// TestResealingBesideAServer replaces the data key while another process reads and writes values. In the end each is sealed under the
// new key.
func TestResealingBesideAServer(t *testing.T) {
	store, file := onFile(t), keyFile(t, one)
	server, command := keyring.NewDataKeys(load(t, file), store), keyring.NewDataKeys(load(t, file), store)
	c := column{store, load(t, file), &sync.Mutex{}}
	want := map[string]string{}
	for n := range 30 {
		id := fmt.Sprintf("%03d", n)
		want[id] = "first " + id
		if err := c.write(t.Context(), server, id, want[id]); err != nil {
			t.Fatal(err)
		}
	}
	before := c.expect(t, server, want)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			id := fmt.Sprintf("%03d", n%40) // some are new
			want[id] = fmt.Sprintf("%d of %s", n, id)
			if err := c.write(t.Context(), server, id, want[id]); err != nil {
				t.Error(err)
				return
			}
			values, err := c.Values(t.Context(), "", 5)
			if err != nil {
				t.Error(err)
				return
			}
			for _, v := range values {
				if _, err := server.Open(t.Context(), purpose, v.ID, v.Box); err != nil {
					t.Errorf("row %s: %v", v.ID, err)
					return
				}
			}
			time.Sleep(time.Millisecond)
		}
	}()
	late := keyring.NewDataKeys(load(t, file), store)
	if _, err := late.Open(t.Context(), purpose, "000", before["000"]); err != nil { // reads the keys of before
		t.Fatal(err)
	}
	if _, err := command.Reseal(t.Context(), c); err != nil {
		t.Error(err)
	}
	close(stop)
	<-stopped
	want["late"] = "sealed after the command had ended"
	if err := c.write(t.Context(), late, "late", want["late"]); err != nil {
		t.Fatal(err)
	}
	for id, box := range c.expect(t, server, want) {
		if old := before["000"][:8]; bytes.HasPrefix(box, old) {
			t.Errorf("row %s is sealed under the old data key", id)
		}
	}
	if rows := dataRows(t, store); len(rows) != 2 {
		t.Errorf("the data keys are %v", rows)
	}
}

// TestResealingMayBeInterruptedAnywhere lets each call to the store fail, done or not, and all after it, and repeats the whole.
func TestResealingMayBeInterruptedAnywhere(t *testing.T) {
	file := keyFile(t, one)
	var runs sync.WaitGroup
	for _, after := range []bool{false, true} {
		for n := 1; n <= 12; n++ {
			runs.Go(func() { // each waits for other processes
				db := memory.New().Sealed
				ring := load(t, file)
				c := column{db, ring, &sync.Mutex{}}
				server := keyring.NewDataKeys(ring, db)
				want := map[string]string{"1": "one", "2": "two"}
				for id, plain := range want {
					if err := c.write(t.Context(), server, id, plain); err != nil {
						t.Error(err)
						return
					}
				}
				plan := &storetest.FaultPlan{Call: n, Rest: true, After: after}
				faulty := storetest.Faulty(store.Set{Sealed: db}, plan).Sealed
				_, err := keyring.NewDataKeys(ring, faulty).Reseal(t.Context(), column{faulty, ring, c.mu})
				if len(plan.Calls()) >= n && !errors.Is(err, storetest.ErrFault) {
					t.Errorf("call %d failed, and Reseal returns %v", n, err)
				}
				if n, err := keyring.NewDataKeys(ring, db).Reseal(t.Context(), c); err != nil || n != 2 {
					t.Errorf("Reseal = %d, %v", n, err)
				}
				values, err := c.Values(t.Context(), "", 10)
				if err != nil || len(values) != 2 {
					t.Errorf("%d values, %v", len(values), err)
				}
				for _, v := range values {
					if plain, err := server.Open(t.Context(), purpose, v.ID, v.Box); err != nil || string(plain) != want[v.ID] {
						t.Errorf("row %s is %q, %v", v.ID, plain, err)
					}
				}
			})
		}
	}
	runs.Wait()
}

func TestResealingWhereNothingIsSealed(t *testing.T) {
	db := memory.New().Sealed
	if n, err := keyring.NewDataKeys(load(t, keyFile(t, one)), db).Reseal(t.Context()); n != 0 || err != nil || len(dataRows(t, db)) > 0 {
		t.Errorf("Reseal = %d, %v; the data keys are %v", n, err, dataRows(t, db))
	}
}

// TestAValueOfALostKeyIsRecognised after another data key has taken the name of its own.
func TestAValueOfALostKeyIsRecognised(t *testing.T) {
	db := memory.New().Sealed
	box, err := keyring.NewDataKeys(load(t, keyFile(t, one)), db).Seal(t.Context(), purpose, "7", []byte("the secret"))
	if err != nil {
		t.Fatal(err)
	}
	removed, err := keyring.ReplaceLost(t.Context(), filepath.Join(t.TempDir(), "secret.key"), db, nil)
	if err != nil || !slices.Contains(removed, "data-key-1") {
		t.Fatalf("ReplaceLost = %v, %v", removed, err)
	}
	d := keyring.NewDataKeys(load(t, keyFile(t, two)), db)
	if _, err := d.Seal(t.Context(), purpose, "7", []byte("another")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(t.Context(), purpose, "7", box); !errors.Is(err, keyring.ErrUnknownDataKey) {
		t.Errorf("Open: %v", err)
	}
	// Sealing everything anew leaves it as it is, and comes to the others.
	c := column{db, load(t, keyFile(t, two)), &sync.Mutex{}}
	if err := c.put(t.Context(), "7", box); err != nil {
		t.Fatal(err)
	}
	if err := c.write(t.Context(), d, "8", "another"); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Reseal(t.Context(), c); n != 1 || err != nil {
		t.Errorf("Reseal = %d, %v; want 1", n, err)
	}
}
