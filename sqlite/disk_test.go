//go:build linux

package sqlite_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"
)

// disk is a watcher that knows what a disk could hold after a power cut: all that was synced, and any part of the rest.
type disk struct {
	mu     sync.Mutex
	files  map[string]*image
	writes int
	lies   func(path string) bool // whether a sync of this file is acknowledged and forgotten; nil: never
	after  func(writes int)       // called after each write, while nothing else happens on the disk; may be nil
}

// image is the content of a file on the disk.
type image struct {
	durable []byte
	pending []change // since the last sync, in their order
}

// change is a write, or, without data, a truncation.
type change struct {
	offset int64
	data   []byte
}

func (c change) apply(to []byte) []byte {
	if c.data == nil {
		return slices.Grow(to, int(c.offset))[:c.offset]
	}
	if end := int(c.offset) + len(c.data); end > len(to) {
		to = append(to, make([]byte, end-len(to))...)
	}
	copy(to[c.offset:], c.data)
	return to
}

func newDisk() *disk { return &disk{files: map[string]*image{}} }

func (d *disk) file(path string) *image {
	if d.files[path] == nil {
		d.files[path] = &image{}
	}
	return d.files[path]
}

func (d *disk) write(path string, offset int64, data []byte, do func() int32) int32 {
	return d.change(path, change{offset, data}, do)
}

func (d *disk) truncate(path string, size int64, do func() int32) int32 {
	return d.change(path, change{offset: size}, do)
}

func (d *disk) change(path string, c change, do func() int32) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	code := do()
	if code == sqlite3.SQLITE_OK {
		f := d.file(path)
		f.pending = append(f.pending, c)
		d.writes++
		if d.after != nil {
			d.after(d.writes)
		}
	}
	return code
}

// sync makes pending changes durable. It doesn't sync the real disk, which would only take time.
func (d *disk) sync(path string, _ func() int32) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lies != nil && d.lies(path) {
		return sqlite3.SQLITE_OK
	}
	f := d.file(path)
	for _, c := range f.pending {
		f.durable = c.apply(f.durable)
	}
	f.pending = nil
	return sqlite3.SQLITE_OK
}

// delete drops a file. On a real disk, a file that was deleted without syncing its directory may come back; SQLite deletes no
// such file while a database is in use.
func (d *disk) delete(path string, _ bool, do func() int32) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	code := do()
	if code == sqlite3.SQLITE_OK {
		delete(d.files, path)
	}
	return code
}

// wreck is the content of a disk after a power cut.
type wreck map[string][]byte

// cut returns what the disk could hold after a power cut now. Each write that was not synced may be there, missing, or there in
// part, as sectors are written one by one. It is called from after.
func (d *disk) cut(random *rand.Rand) wreck {
	fate := [...]func() float64{
		func() float64 { return 0 }, func() float64 { return 1 }, random.Float64,
	}[random.IntN(3)]
	w := wreck{}
	for _, path := range slices.Sorted(maps.Keys(d.files)) {
		content := slices.Clone(d.files[path].durable)
		for _, c := range d.files[path].pending {
			content = reached(content, c, fate(), random)
		}
		w[filepath.Base(path)] = content
	}
	return w
}

// reached applies a change as a whole, not at all, or some of its sectors.
func reached(content []byte, c change, fate float64, random *rand.Rand) []byte {
	const sector = 512
	switch {
	case fate < 0.4:
		return content
	case fate > 0.6 || c.data == nil:
		return c.apply(content)
	}
	for start := 0; start < len(c.data); start += sector {
		if random.IntN(2) == 0 {
			piece := c.data[start:min(start+sector, len(c.data))]
			content = change{c.offset + int64(start), piece}.apply(content)
		}
	}
	return content
}

// salvage writes the files into a new directory, as they are after the power cut.
func (w wreck) salvage(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range w {
		if strings.HasSuffix(name, "-shm") {
			continue // shared memory
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
