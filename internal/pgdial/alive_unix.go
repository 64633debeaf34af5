//go:build unix

package pgdial

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/sys/unix"
)

// reuse looks at a connection before it is used again, which costs a system call: whatever there is to read on one that
// waits for no answer, the server's farewell or the end of the stream, means that it is over. After a pause the server is
// asked as well.
func reuse() []stdlib.OptionOpenDB {
	return []stdlib.OptionOpenDB{
		stdlib.OptionShouldPing(unanswered),
		stdlib.OptionResetSession(func(_ context.Context, conn *pgx.Conn) error {
			if !quiet(conn.PgConn().Conn()) {
				return driver.ErrBadConn
			}
			return nil
		}),
	}
}

// quiet reports whether a connection is open and has nothing to read.
func quiet(conn net.Conn) bool {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return true // there is no telling
	}
	file, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	var read error
	// Not file.Read, which would wait for a reader that the driver may have left waiting for the next answer.
	err = file.Control(func(fd uintptr) {
		_, _, read = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	})
	return err == nil && (errors.Is(read, unix.EAGAIN) || errors.Is(read, unix.EWOULDBLOCK))
}
