package sqlite

import (
	"math"
	"sync"
)

// maxRemembered bounds the memory of all remembered rows, and maxRow that of one, in bytes.
const (
	maxRemembered = 4 << 20
	maxRow        = 16 << 10
)

// rowMemory remembers the rows of answers until anything is committed to the file, by whatever process. It is as exact as
// SQLite's own page cache, which SQLite keeps as long as the header of the log's index is the same one: the commit counter compares
// that header. Its zero value remembers nothing. It is safe for concurrent use.
type rowMemory struct {
	commits func() (all uint64, ok bool) // the number of commits; not ok: unknown at the moment

	mu   sync.Mutex
	at   uint64 // the number of commits as of which the rows are
	rows map[parameter][]remembered
	size int
}

// parameter is the only parameter of a query: bytes or a number.
type parameter struct {
	bytes  string
	number int64
}

// remembered is the row of one query.
type remembered struct {
	query string
	row   *row
}

// find returns the row that a query with one parameter would read now; nil if that is not known.
func (m *rowMemory) find(query string, params []any) *row {
	if m.commits == nil || len(params) != 1 {
		return nil
	}
	now, ok := m.commits()
	if !ok {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at != now {
		return nil
	}
	switch p := params[0].(type) {
	case []byte:
		return rowOf(m.rows[parameter{bytes: string(p)}], query) // copies no bytes
	case int64:
		return rowOf(m.rows[parameter{number: p}], query)
	}
	return nil
}

// rowOf returns the row of a query.
func rowOf(all []remembered, query string) *row {
	for _, r := range all {
		if r.query == query {
			return r.row
		}
	}
	return nil
}

// begin begins a read. The row that is read afterwards may be given to keep.
func (m *rowMemory) begin() (before uint64, ok bool) {
	if m.commits == nil {
		return 0, false
	}
	return m.commits()
}

// keep remembers the row of a query, unless anything was committed since the read began. That no row was found isn't remembered: then
// strangers would fill the memory.
func (m *rowMemory) keep(before uint64, query string, params []any, r *row) {
	key, ok := parameterOf(params)
	size := r.size() + len(key.bytes)
	if !ok || size > maxRow {
		return
	}
	now, ok := m.commits()
	if !ok || now != before {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at > now {
		return // another caller has seen a later commit
	}
	if m.rows == nil || m.at < now || m.size+size > maxRemembered {
		m.at, m.rows, m.size = now, map[parameter][]remembered{}, 0
	}
	if rowOf(m.rows[key], query) == nil {
		m.rows[key] = append(m.rows[key], remembered{query, r})
		m.size += size
	}
}

// close forgets everything for good.
func (m *rowMemory) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at, m.rows = math.MaxUint64, nil
}

// parameterOf returns the only parameter of a query. The rows of queries with others aren't remembered.
func parameterOf(params []any) (p parameter, ok bool) {
	if len(params) != 1 {
		return p, false
	}
	switch only := params[0].(type) {
	case []byte:
		return parameter{bytes: string(only)}, true
	case int64:
		return parameter{number: only}, true
	}
	return p, false
}
