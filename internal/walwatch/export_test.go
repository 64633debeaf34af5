package walwatch

// Log is a log whose state the test changes.
type Log struct {
	header  walHeader
	Counter *Counter
}

// NewLog returns a Log and the Counter that watches it.
func NewLog() *Log {
	l := &Log{Counter: New(func() bool { return false })}
	l.Counter.last.Store(&count{})
	l.Counter.index.Store(&walIndex{words: &l.header})
	return l
}

// Commit changes the header as a COMMIT of any process does.
func (l *Log) Commit() {
	l.header[1] = l.header[1]&^0xffffffff | uint64(l.header.number()+1)
	l.header[5]++
}

// Begin, Hook and End are the steps of a commit by the watched connection.
func (l *Log) Begin()        { l.Counter.Begin() }
func (l *Log) Hook()         { l.Counter.BeforeCommit() }
func (l *Log) End(err error) { l.Counter.End(err) }
