package main

import (
	"context"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// asked is a terminal for the question. It answers at once, and records whether the answer was shown.
type asked struct {
	terminal *os.File
	shown    []bool
}

func (a *asked) Write(b []byte) (int, error) {
	if string(b) != "\n" {
		settings, err := unix.IoctlGetTermios(int(a.terminal.Fd()), unix.TCGETS)
		if err != nil {
			return 0, err
		}
		a.shown = append(a.shown, settings.Lflag&unix.ECHO != 0)
		if _, err := a.terminal.WriteString("purple canary\n"); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// A password that is typed, or pasted, the moment it is asked for isn't shown either.
func TestTheTerminalHidesBeforeItAsks(t *testing.T) {
	ours, theirs, err := newPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	screen := &asked{terminal: ours}
	a := &app{err: screen}
	for range 2 {
		line, err := a.askHidden(context.Background(), int(theirs.Fd()), "New password: ")
		if err != nil || line != "purple canary" {
			t.Errorf("%q, %v", line, err)
		}
	}
	if len(screen.shown) != 2 || screen.shown[0] || screen.shown[1] {
		t.Errorf("the terminal shows what is typed when the question comes: %v", screen.shown)
	}
	settings, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	if err != nil || settings.Lflag&unix.ECHO == 0 {
		t.Errorf("afterwards it shows nothing: %v", err)
	}
}
