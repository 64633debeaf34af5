package sqlite

import (
	"fmt"
	"strconv"
	"unsafe"
)

// row is a copy of one row of an answer, which never changes. It implements sqlstore.Columns. The texts that it returns keep all of
// its texts in memory.
type row struct {
	columns []column
	texts   string // one after the other
}

// column is the value of one column.
type column struct {
	kind kind
	n    int64 // an integer; where a text begins
	end  int   // of a text
}

type kind byte

const (
	null kind = iota
	integer
	text // or bytes
)

// size is the memory of the row, in bytes.
func (r *row) size() int {
	return int(unsafe.Sizeof(*r)) + len(r.columns)*int(unsafe.Sizeof(column{})) + len(r.texts)
}

func (r *row) Len() int        { return len(r.columns) }
func (r *row) Null(i int) bool { return r.columns[i].kind == null }

func (r *row) Int64(i int) (int64, error) {
	switch c := r.columns[i]; c.kind {
	case integer:
		return c.n, nil
	case text:
		n, err := strconv.ParseInt(r.texts[c.n:c.end], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("the stored value is not a whole number: %w", err)
		}
		return n, nil
	}
	return 0, nil
}

func (r *row) Text(i int) (string, error) {
	switch c := r.columns[i]; c.kind {
	case integer:
		return strconv.FormatInt(c.n, 10), nil
	case text:
		return r.texts[c.n:c.end], nil
	}
	return "", nil
}

// Bytes returns a copy.
func (r *row) Bytes(i int) ([]byte, error) {
	text, err := r.Text(i)
	return []byte(text), err
}
