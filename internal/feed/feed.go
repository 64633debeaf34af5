// Package feed tells what changed to whoever keeps copies: a broadcast between the nodes of one installation, in one
// order for all of them.
package feed

import (
	"context"
	"errors"
	"fmt"
)

// Feed is a totally ordered broadcast. Implementations are safe for concurrent use and keep these promises, which package
// storetest checks:
//
//   - there is one order of all messages, the same for every listener; a message whose Send has returned comes before each
//     whose Send begins afterwards, on whatever node;
//   - a listener hears everything whose Send begins after its Up was called, its own node's messages too, each once and in
//     that order, until Down: what can't be delivered ends in Down, never in a gap;
//   - what is sent while a listener is down, it never hears.
//
// A connection whose other end has vanished without a word is not noticed at once. Who must know that it hears sends
// something and waits for it; to begin anew, it ends Listen's context and calls Listen again.
type Feed interface {
	// Send broadcasts a message that [Check] accepts, whether or not anybody listens. After an error nobody knows whether
	// it was heard or will be.
	Send(ctx context.Context, message string) error

	// Listen hears the feed until ctx ends, and then returns nil: it connects, and connects again after each loss, a
	// second later at most. Any other error is one that no waiting mends.
	Listen(ctx context.Context, l Listener) error
}

// Listener is told what a [Feed] does: Up, then any number of Messages, then Down, and so on; nothing after Listen has
// returned, and Down before it returns if it was up. The functions are called one at a time. They must be quick, and must
// not call Send: what they wait for may be behind them in the line. None may be nil.
type Listener struct {
	Up      func()
	Message func(message string)
	Down    func(err error) // why; never nil
	Failed  func(err error) // while it is down: an attempt to come up failed, and there will be another; never nil
}

// MaxMessage is the longest message, in bytes: what PostgreSQL's NOTIFY carries, with some room.
const MaxMessage = 7900

// ErrMessage says that a message is empty, too long, or holds more than printable ASCII.
var ErrMessage = errors.New("not a message for a feed")

// Check returns an [ErrMessage] unless the message is 1 to [MaxMessage] bytes of printable ASCII, which every engine
// carries as it is, whatever its encoding.
func Check(message string) error {
	if len(message) == 0 || len(message) > MaxMessage {
		return fmt.Errorf("%w: %d bytes, must be 1 to %d", ErrMessage, len(message), MaxMessage)
	}
	for i := range len(message) {
		if message[i] < ' ' || message[i] > '~' {
			return fmt.Errorf("%w: byte %#x at %d", ErrMessage, message[i], i)
		}
	}
	return nil
}
