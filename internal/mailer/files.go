package mailer

import (
	"bytes"
	"context"
	"fmt"
	netmail "net/mail"
	"os"
	"path/filepath"
	"time"

	"github.com/cloakroom-auth/cloakroom/mail"
)

// Files writes each message to a file in a directory, which only its owner can read, instead of sending it. It is for trying
// things out on one machine. Tell is called with the path of each file.
type Files struct {
	Dir  string
	From netmail.Address
	Tell func(m *mail.Message, path string)
}

// Send implements [mail.Sender].
func (f *Files) Send(_ context.Context, m *mail.Message) error {
	msg, err := build(m, f.From)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if _, err := msg.WriteTo(&text); err != nil {
		return fmt.Errorf("write the message: %w", err)
	}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return fmt.Errorf("make the directory for mail: %w", err)
	}
	// The name sorts by time; the same message again replaces its file.
	path := filepath.Join(f.Dir, time.Unix(m.Created, 0).UTC().Format("20060102T150405Z")+"-"+m.Kind+"-"+m.ID+".eml")
	if err := write(path, text.Bytes()); err != nil {
		return fmt.Errorf("write the message: %w", err)
	}
	f.Tell(m, path)
	return nil
}

// write puts a whole file in place.
func write(path string, text []byte) error {
	temporary := path + ".part"
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
