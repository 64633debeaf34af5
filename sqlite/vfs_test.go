//go:build linux

package sqlite_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// A watcher stands between SQLite and the files below one directory. It may be called from many goroutines.
type watcher interface {
	// write, truncate, sync and delete carry a call out by calling do, or make up what it returned.
	write(path string, offset int64, data []byte, do func() int32) int32
	truncate(path string, size int64, do func() int32) int32
	sync(path string, do func() int32) int32
	delete(path string, durable bool, do func() int32) int32
}

// watch makes w the watcher of the files below dir until the test ends.
func watch(t *testing.T, dir string, w watcher) {
	t.Helper()
	shim.once.Do(shim.register)
	shim.watchers.Store(dir, w)
	t.Cleanup(func() { shim.watchers.Delete(dir) })
}

// shim is a VFS that calls SQLite's own on the same file objects, and replaces only the methods that watchers see. It is registered
// as the default, so that the code under test doesn't change.
var shim shimVFS

type shimVFS struct {
	once     sync.Once
	watchers sync.Map // of watcher, by directory
	files    sync.Map // of openFile, by the address of the sqlite3_file
	tables   sync.Map // addresses of our tables of methods, by the addresses of those they stand in for
	base     uintptr  // SQLite's own sqlite3_vfs
}

type openFile struct {
	path    string
	methods *sqlite3.Tsqlite3_io_methods // SQLite's own
	watcher watcher                      // nil: there is none
}

// at reads a value at a C address.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// pointer is the C address of a top-level Go function.
func pointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

// function is the Go function with a C address.
func function[F any](address uintptr) F { return *(*F)(unsafe.Pointer(&address)) }

func (s *shimVFS) register() {
	tls := libc.NewTLS()
	defer tls.Close()
	s.base = sqlite3.Xsqlite3_vfs_find(tls, 0)
	vfs := *at[sqlite3.Tsqlite3_vfs](s.base)
	vfs.FzName, _ = libc.CString("shim")
	vfs.FxOpen = pointer(shimOpen)
	vfs.FxDelete = pointer(shimDelete)
	sqlite3.Xsqlite3_vfs_register(tls, kept(tls, vfs), 1)
}

// kept copies a value to memory that C may use for ever.
func kept[T any](tls *libc.TLS, value T) uintptr {
	address := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(value)))
	*at[T](address) = value
	return address
}

func (s *shimVFS) watcher(path string) (found watcher) {
	s.watchers.Range(func(dir, w any) bool {
		if strings.HasPrefix(path, dir.(string)+"/") {
			found = w.(watcher)
		}
		return found == nil
	})
	return found
}

func (s *shimVFS) file(address uintptr) openFile {
	f, _ := s.files.Load(address)
	return f.(openFile)
}

// table returns SQLite's methods with some replaced.
func (s *shimVFS) table(tls *libc.TLS, own uintptr) uintptr {
	if table, ok := s.tables.Load(own); ok {
		return table.(uintptr)
	}
	methods := *at[sqlite3.Tsqlite3_io_methods](own)
	methods.FxClose = pointer(shimClose)
	methods.FxWrite = pointer(shimWrite)
	methods.FxTruncate = pointer(shimTruncate)
	methods.FxSync = pointer(shimSync)
	table, _ := s.tables.LoadOrStore(own, kept(tls, methods))
	return table.(uintptr)
}

func shimOpen(tls *libc.TLS, _, name, file uintptr, flags int32, outFlags uintptr) int32 {
	open := function[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](at[sqlite3.Tsqlite3_vfs](shim.base).FxOpen)
	code := open(tls, shim.base, name, file, flags, outFlags)
	own := at[sqlite3.Tsqlite3_file](file).FpMethods
	if code != sqlite3.SQLITE_OK || own == 0 || name == 0 {
		return code
	}
	path := libc.GoString(name)
	shim.files.Store(file, openFile{path, at[sqlite3.Tsqlite3_io_methods](own), shim.watcher(path)})
	at[sqlite3.Tsqlite3_file](file).FpMethods = shim.table(tls, own)
	return code
}

func shimClose(tls *libc.TLS, file uintptr) int32 {
	f := shim.file(file)
	shim.files.Delete(file)
	return function[func(*libc.TLS, uintptr) int32](f.methods.FxClose)(tls, file)
}

func shimWrite(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
	f := shim.file(file)
	do := func() int32 {
		return function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](f.methods.FxWrite)(tls, file, data, n, offset)
	}
	if f.watcher == nil {
		return do()
	}
	return f.watcher.write(f.path, offset, bytes.Clone(libc.GoBytes(data, int(n))), do)
}

func shimTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	f := shim.file(file)
	do := func() int32 {
		return function[func(*libc.TLS, uintptr, int64) int32](f.methods.FxTruncate)(tls, file, size)
	}
	if f.watcher == nil {
		return do()
	}
	return f.watcher.truncate(f.path, size, do)
}

func shimSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	f := shim.file(file)
	do := func() int32 {
		return function[func(*libc.TLS, uintptr, int32) int32](f.methods.FxSync)(tls, file, flags)
	}
	if f.watcher == nil {
		return do()
	}
	return f.watcher.sync(f.path, do)
}

func shimDelete(tls *libc.TLS, _, name uintptr, syncDir int32) int32 {
	path := libc.GoString(name)
	do := func() int32 {
		remove := function[func(*libc.TLS, uintptr, uintptr, int32) int32](at[sqlite3.Tsqlite3_vfs](shim.base).FxDelete)
		return remove(tls, shim.base, name, syncDir)
	}
	if w := shim.watcher(path); w != nil {
		return w.delete(path, syncDir != 0, do)
	}
	return do()
}
