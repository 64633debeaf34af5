package assistant

import (
	"errors"
	"io"
	"net/rpc"
	"os"
	"os/signal"
	"syscall"
)

const service = "Passwords"

// Serve answers questions on the standard input until nobody is left to ask. args are those that [Process] has added to
// the program's own: they say whether to take the lowest priority. It ignores the signals that a terminal or a service
// manager sends to all processes of a server, which ends it when there is nothing left to do.
func Serve(args []string, compute func(Question) (Answer, error)) error {
	if len(args) != 1 || args[0] != humbly && args[0] != hurriedly {
		return errors.New("this is for a server to start, not for people: it would do nothing but wait")
	}
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if args[0] == humbly {
		giveWay()
	}
	s := rpc.NewServer()
	if err := s.RegisterName(service, answerer(compute)); err != nil {
		return err
	}
	s.ServeConn(struct {
		io.Reader
		io.WriteCloser
	}{os.Stdin, os.Stdout})
	return nil
}

type answerer func(Question) (Answer, error)

// Compute has the form that net/rpc asks for.
func (compute answerer) Compute(q Question, a *Answer) error {
	var err error
	*a, err = compute(q)
	return err
}
