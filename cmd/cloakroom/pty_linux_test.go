package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// openPTY returns both ends of a new terminal.
func openPTY(ts *testscript.TestScript) (ours, theirs *os.File) {
	ours, theirs, err := newPTY()
	ts.Check(err)
	return ours, theirs
}

func newPTY() (ours, theirs *os.File, err error) {
	ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(ours.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	err = errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0), unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100}))
	if err == nil {
		theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(err, ours.Close())
	}
	return ours, theirs, nil
}

// onPTY connects a command's input and output to a terminal, whose screen goes to out. A standard error that is set stays.
func onPTY(ts *testscript.TestScript, command *exec.Cmd, out io.Writer) (wait func() error) {
	ours, theirs := openPTY(ts)
	command.Stdin, command.Stdout = theirs, theirs
	if command.Stderr == nil {
		command.Stderr = theirs
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		_, _ = io.Copy(out, ours) // ends with an error when the last process has closed the terminal
	}()
	return func() error {
		theirs.Close()
		err := command.Wait()
		<-shown
		ours.Close()
		return err
	}
}

// tty runs a program on a terminal and answers its questions.
func tty(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] tty ANSWERS PROGRAM ARGS…")
	}
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	command := exec.Command(path, args[2:]...)
	command.Dir, command.Env = ts.MkAbs("."), environment(ts)
	ours, theirs := openPTY(ts)
	defer ours.Close()
	command.Stdin, command.Stdout, command.Stderr = theirs, theirs, theirs
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(command.Start())
	theirs.Close()
	screen := newOutput(ts, "tty")
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		_, _ = io.Copy(screen, ours)
	}()
	for _, answer := range strings.SplitAfter(ts.ReadFile(args[0]), "\n") {
		if answer != "" {
			awaitQuestion(ts, screen, shown)
			answer = strings.ReplaceAll(answer, "^C\n", "\x03")
			_, _ = io.WriteString(ours, answer) // the program may have ended: its exit code tells
		}
	}
	err = command.Wait()
	<-shown
	if (err != nil) != neg {
		ts.Fatalf("%v:\n%s", err, screen)
	}
}

// awaitQuestion waits until the screen ends with a question that hasn't been answered.
func awaitQuestion(ts *testscript.TestScript, screen output, shown <-chan struct{}) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if s := screen.String(); strings.HasSuffix(s, ": ") || strings.HasSuffix(s, "] ") {
			return
		}
		select {
		case <-shown:
			return
		default:
		}
	}
	ts.Fatalf("no question in time:\n%s", screen)
}
