package sqlite

import (
	"errors"
	"fmt"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	lib "modernc.org/sqlite/lib"
)

// rowConn is a connection to a file that reads single rows. It calls the same SQLite as the driver of package database/sql, without
// that package and without the driver: for a row with many columns both together need several times the processor time of the
// reading itself, and ten times the allocations. It must not be used concurrently.
type rowConn struct {
	tls     *libc.TLS
	db      uintptr // sqlite3*
	out     uintptr // room for a pointer that SQLite returns
	args    uintptr // room for an argument
	argRoom int
	texts   []byte // of the row that is being copied
	queries map[string]*statement
}

// statement is a prepared query.
type statement struct {
	p       uintptr // sqlite3_stmt*
	params  int
	columns int
}

var errMemory = errors.New("SQLite: out of memory")

// openRowConn opens the file that a URI of SQLite's names. Its mode says whether the connection may write.
func openRowConn(uri string) (*rowConn, error) {
	c := &rowConn{tls: libc.NewTLS(), queries: map[string]*statement{}}
	if err := c.open(uri); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *rowConn) open(uri string) error {
	if c.out = libc.Xmalloc(c.tls, types.Size_t(unsafe.Sizeof(uintptr(0)))); c.out == 0 {
		return errMemory
	}
	name, err := libc.CString(uri)
	if err != nil {
		return err
	}
	defer libc.Xfree(c.tls, name)
	const flags = lib.SQLITE_OPEN_READWRITE | lib.SQLITE_OPEN_URI | lib.SQLITE_OPEN_NOMUTEX
	code := lib.Xsqlite3_open_v2(c.tls, name, c.out, flags, 0)
	c.db = c.returned() // there is one after most errors too
	if code != lib.SQLITE_OK {
		return c.err(code)
	}
	return c.check(lib.Xsqlite3_extended_result_codes(c.tls, c.db, 1))
}

// returned is the pointer that SQLite has stored in c.out.
func (c *rowConn) returned() uintptr { return *(*uintptr)(pointer(c.out)) }

// Close closes the connection. The rowConn must not be used afterwards.
func (c *rowConn) Close() error {
	for _, s := range c.queries {
		lib.Xsqlite3_finalize(c.tls, s.p) // its result is the error of the last step
	}
	var err error
	if c.db != 0 {
		if code := lib.Xsqlite3_close_v2(c.tls, c.db); code != lib.SQLITE_OK {
			err = c.err(code)
		}
	}
	for _, p := range []uintptr{c.out, c.args} {
		if p != 0 {
			libc.Xfree(c.tls, p)
		}
	}
	c.tls.Close()
	return err
}

// Read runs a query and returns a copy of the first row of its answer; nil if there is none. The parameters are string, []byte, int64
// or int. The query stays prepared.
func (c *rowConn) Read(query string, params ...any) (r *row, err error) {
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	if len(params) != s.params {
		return nil, fmt.Errorf("the query has %d parameters, got %d", s.params, len(params))
	}
	for i, p := range params {
		if err := c.bind(s, int32(i+1), p); err != nil {
			return nil, err
		}
	}
	code := lib.Xsqlite3_step(c.tls, s.p)
	if code == lib.SQLITE_ROW {
		r, err = c.copy(s)
	} else if code != lib.SQLITE_DONE {
		err = c.err(code)
	}
	// This ends the transaction of the read. The parameters stay bound: clearing them would make SQLite plan many queries again.
	if reset := lib.Xsqlite3_reset(c.tls, s.p); reset != lib.SQLITE_OK && err == nil {
		err = c.err(reset)
	}
	return r, err
}

// Set sets a PRAGMA, and returns the value that it has afterwards: SQLite ignores what it can't carry out.
func (c *rowConn) Set(pragma, value string) (got string, err error) {
	if _, err := c.Read("PRAGMA " + pragma + " = " + value); err != nil {
		return "", err
	}
	r, err := c.Read("PRAGMA " + pragma)
	if r == nil || err != nil {
		return "", err
	}
	return r.Text(0)
}

func (c *rowConn) prepare(query string) (*statement, error) {
	if s := c.queries[query]; s != nil {
		return s, nil
	}
	text, err := libc.CString(query)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, text)
	if err := c.check(lib.Xsqlite3_prepare_v3(c.tls, c.db, text, -1, lib.SQLITE_PREPARE_PERSISTENT, c.out, 0)); err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	p := c.returned()
	s := &statement{p, int(lib.Xsqlite3_bind_parameter_count(c.tls, p)), int(lib.Xsqlite3_column_count(c.tls, p))}
	c.queries[query] = s
	return s, nil
}

// transient makes SQLite copy an argument.
const transient = ^uintptr(0)

func (c *rowConn) bind(s *statement, i int32, param any) error {
	switch p := param.(type) {
	case int64:
		return c.check(lib.Xsqlite3_bind_int64(c.tls, s.p, i, p))
	case int:
		return c.check(lib.Xsqlite3_bind_int64(c.tls, s.p, i, int64(p)))
	case string:
		at, err := c.argument(len(p))
		if err != nil {
			return err
		}
		copy(bytesAt(at, len(p)), p)
		return c.check(lib.Xsqlite3_bind_text(c.tls, s.p, i, at, int32(len(p)), transient))
	case []byte:
		at, err := c.argument(len(p))
		if err != nil {
			return err
		}
		copy(bytesAt(at, len(p)), p)
		return c.check(lib.Xsqlite3_bind_blob(c.tls, s.p, i, at, int32(len(p)), transient))
	}
	return fmt.Errorf("parameter %d has the type %T", i, param)
}

// maxArgument bounds an argument. It is far above that of any query, and far below what SQLite's lengths can hold.
const maxArgument = 1 << 20

// argument returns room for n bytes.
func (c *rowConn) argument(n int) (uintptr, error) {
	if n > maxArgument {
		return 0, fmt.Errorf("a parameter has %d bytes", n)
	}
	if n < c.argRoom || c.args != 0 && n == c.argRoom {
		return c.args, nil
	}
	room := max(64, n)
	p := libc.Xrealloc(c.tls, c.args, types.Size_t(room))
	if p == 0 {
		return 0, errMemory
	}
	c.args, c.argRoom = p, room
	return p, nil
}

// pointer is an address in SQLite's memory, which isn't the garbage collector's.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// bytesAt is n bytes of SQLite's memory.
func bytesAt(p uintptr, n int) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(p)), n)
}

func (c *rowConn) check(code int32) error {
	if code == lib.SQLITE_OK {
		return nil
	}
	return c.err(code)
}

// err is the error of a result code, with the text of the connection.
func (c *rowConn) err(code int32) error {
	text := libc.GoString(lib.Xsqlite3_errstr(c.tls, code))
	if c.db != 0 {
		if more := libc.GoString(lib.Xsqlite3_errmsg(c.tls, c.db)); more != text {
			text += ": " + more
		}
	}
	return fmt.Errorf("%s (%d)", text, code)
}

// copy returns a copy of the row that a query has reached.
func (c *rowConn) copy(s *statement) (*row, error) {
	r := &row{columns: make([]column, s.columns)}
	c.texts = c.texts[:0]
	for i := range r.columns {
		// A sqlite3_value is cheaper to read than the column. It may be used since the connection is used by one goroutine at a time,
		// without SQLite's mutexes.
		v := lib.Xsqlite3_column_value(c.tls, s.p, int32(i))
		switch col := &r.columns[i]; lib.Xsqlite3_value_type(c.tls, v) {
		case lib.SQLITE_NULL:
			col.kind = null
		case lib.SQLITE_INTEGER:
			col.kind, col.n = integer, lib.Xsqlite3_value_int64(c.tls, v)
		case lib.SQLITE_BLOB:
			if err := c.append(col, lib.Xsqlite3_value_blob(c.tls, v), v); err != nil {
				return nil, err
			}
		default: // a floating-point number is read as text
			if err := c.append(col, lib.Xsqlite3_value_text(c.tls, v), v); err != nil {
				return nil, err
			}
		}
	}
	r.texts = string(c.texts)
	return r, nil
}

// append makes a column the text or blob at p, which is that of a sqlite3_value.
func (c *rowConn) append(col *column, p, value uintptr) error {
	size := 0
	if p != 0 {
		size = int(lib.Xsqlite3_value_bytes(c.tls, value))
	} else if lib.Xsqlite3_errcode(c.tls, c.db)&0xff == lib.SQLITE_NOMEM {
		return errMemory // otherwise the value is empty
	}
	col.kind, col.n = text, int64(len(c.texts))
	c.texts = append(c.texts, bytesAt(p, size)...)
	col.end = len(c.texts)
	return nil
}
