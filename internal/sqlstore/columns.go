package sqlstore

import (
	"fmt"
	"reflect"
)

// Columns are the values of one row, by position.
type Columns interface {
	Len() int
	Null(i int) bool
	Int64(i int) (int64, error) // 1 and 0 for a Boolean
	Text(i int) (string, error) // also of a column of bytes
	Bytes(i int) ([]byte, error)
}

// row is n columns of a row that [Dialect.ReadRow] has found, beginning with the one at from.
type row struct {
	columns Columns
	from, n int
}

// wholeRow returns all columns.
func wholeRow(c Columns) row { return row{c, 0, c.Len()} }

// Scan sets what each of dest points to, which is an int64, bool, string, []byte or of a type made from these, to a column. NULL is
// the zero value.
func (r row) Scan(dest ...any) error {
	if len(dest) != r.n {
		return fmt.Errorf("the answer has %d columns, want %d", r.n, len(dest))
	}
	for i, d := range dest {
		if err := scanColumn(r.columns, r.from+i, d); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

func scanColumn(c Columns, i int, dest any) (err error) {
	null := c.Null(i)
	switch d := dest.(type) {
	case *string:
		if *d = ""; !null {
			*d, err = c.Text(i)
		}
	case *int64:
		if *d = 0; !null {
			*d, err = c.Int64(i)
		}
	case *bool:
		var n int64
		if !null {
			n, err = c.Int64(i)
		}
		*d = n != 0
	case *[]byte:
		if *d = nil; !null {
			*d, err = c.Bytes(i)
		}
	default:
		into := reflect.ValueOf(dest).Elem()
		if into.SetZero(); !null {
			err = scanKind(c, i, into)
		}
	}
	return err
}

// scanKind is scanColumn for other types of these kinds.
func scanKind(c Columns, i int, into reflect.Value) error {
	switch into.Kind() {
	case reflect.String:
		text, err := c.Text(i)
		into.SetString(text)
		return err
	case reflect.Int, reflect.Int64:
		n, err := c.Int64(i)
		into.SetInt(n)
		return err
	}
	return fmt.Errorf("can't be read into %s", into.Type())
}
