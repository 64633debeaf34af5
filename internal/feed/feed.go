// Package feed defines the broadcast between the nodes of one installation: a node announces what it changes, and the
// others drop their cached copies. All nodes hear the messages in the same order.
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
//     message whose Send begins afterwards, on any node;
//   - between Up and Down a listener hears every message whose Send begins after its Up was called, its own node's messages
//     too, each once and in that order; if a message can't be delivered, Down follows, never a gap;
//   - a listener never hears messages that are sent while it is down.
//
// A connection whose other end has vanished silently isn't noticed at once. To be sure that it still hears, a listener sends
// a message and waits for it. To start again, it ends the context of Listen and calls Listen again.
type Feed interface {
	// Send broadcasts a message that [Check] accepts, even if no node listens. After an error it is unknown whether the
	// message was delivered or will be.
	Send(ctx context.Context, message string) error

	// Listen hears the feed until ctx ends, and then returns nil. It connects, and after each loss connects again within a
	// second. It returns an error only if waiting can't help.
	Listen(ctx context.Context, l Listener) error
}

// Listener has the callbacks of [Feed].Listen: Up, then any number of Messages, then Down, and so on. None is called after
// Listen has returned; if the listener was up, Down is called before. They are called one at a time. They must be quick and
// must not call Send, because the message that they wait for may be queued behind them. None may be nil.
type Listener struct {
	Up      func()
	Message func(message string)
	Down    func(err error) // why; never nil
	Failed  func(err error) // an attempt to connect failed, and another will follow; never nil
}

// MaxMessage is the length of the longest message, in bytes: a little less than PostgreSQL's NOTIFY carries.
const MaxMessage = 7900

// ErrMessage says that a message is empty, too long, or not printable ASCII.
var ErrMessage = errors.New("not a message for a feed")

// Check returns an [ErrMessage] unless the message is 1 to [MaxMessage] bytes of printable ASCII. Every database carries
// that unchanged, in any encoding.
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
