package walwatch

import (
	"sync/atomic"
	"unsafe"
)

// walHeader is the state of SQLite's log (WalIndexHdr in its source, described at
// https://sqlite.org/walformat.html#the_wal_index_header): 48 bytes, among them a number that each commit raises by one, the
// number of valid frames, and checksums of the log and of the header itself.
type walHeader [6]uint64

// number is the field iChange, at offset 8.
func (h *walHeader) number() uint32 {
	return *(*uint32)(unsafe.Pointer(&h[1]))
}

// walIndex is the header as every process has it mapped.
type walIndex struct {
	words *walHeader   // changed by other processes
	check func() error // fs.ErrNotExist: the file has been removed
}

// read returns the present state. A state that is read while it is being written equals none before or after it, since the
// number and the checksum change with it.
func (i *walIndex) read() (h walHeader) {
	for n := range h {
		h[n] = atomic.LoadUint64(&i.words[n])
	}
	return h
}

// holds reports whether the state is h.
func (i *walIndex) holds(h *walHeader) bool {
	w := i.words
	return atomic.LoadUint64(&w[0]) == h[0] && atomic.LoadUint64(&w[1]) == h[1] && atomic.LoadUint64(&w[2]) == h[2] &&
		atomic.LoadUint64(&w[3]) == h[3] && atomic.LoadUint64(&w[4]) == h[4] && atomic.LoadUint64(&w[5]) == h[5]
}
