package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/account"
	"golang.org/x/term"
)

// maxPassword bounds what is read as a password, in bytes; the policy's own limit is lower.
const maxPassword = 4096

// withPassword calls use with a new password. If it isn't accepted and there is a terminal, it prints why and asks again.
func (a *app) withPassword(ctx context.Context, fromInput bool, use func(password string) error) error {
	for try := 1; ; try++ {
		password, err := a.newPassword(ctx, fromInput)
		if err != nil {
			return err
		}
		err = use(password)
		if fromInput || try == 3 || !onlyPassword(err) {
			return err
		}
		a.printError(err)
	}
}

// onlyPassword reports whether err is only about the password.
func onlyPassword(err error) bool {
	e, ok := errors.AsType[*account.InvalidError](err)
	return ok && len(e.Fields) == 1 && len(e.Fields["password"]) > 0
}

// newPassword asks for a password twice, or takes it from standard input.
func (a *app) newPassword(ctx context.Context, fromInput bool) (string, error) {
	if fromInput {
		return a.passwordInput()
	}
	fd, ok := terminal(a.in)
	if !ok {
		return "", usageError("there is no terminal to ask for the password: pass it on standard input, with --password-stdin")
	}
	for range 3 {
		first, err := a.askHidden(ctx, fd, "New password: ")
		if err != nil {
			return "", err
		}
		again, err := a.askHidden(ctx, fd, "The same password again: ")
		if err != nil {
			return "", err
		}
		if first == again {
			return checkedPassword(first)
		}
		fmt.Fprintln(a.err, "The passwords differ. Try again.")
	}
	return "", errors.New("the two passwords differed each time; nothing was changed")
}

// passwordInput reads all of standard input. One line end after the password is not part of it.
func (a *app) passwordInput() (string, error) {
	b, err := io.ReadAll(io.LimitReader(a.in, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case len(b) > maxPassword:
		return "", errors.New("standard input is too long for a password")
	case strings.ContainsAny(password, "\r\n"):
		return "", errors.New("standard input has more than one line; a password is one")
	}
	return checkedPassword(password)
}

func checkedPassword(password string) (string, error) {
	switch {
	case password == "":
		return "", errors.New("the password is empty; nothing was changed")
	case !utf8.ValidString(password):
		return "", errors.New("the password is not UTF-8; nothing was changed")
	}
	return password, nil
}

// askHidden prints a question and reads a line without echo, also of what is typed before the question appears. An interrupt
// ends it and restores the terminal.
func (a *app) askHidden(ctx context.Context, fd int, question string) (line string, err error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("ask for a password: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(fd, before)) }()
	if err := echoOff(fd); err != nil {
		return "", err
	}
	fmt.Fprint(a.err, question)
	line, err = interruptible(ctx, func() (string, error) {
		b, err := term.ReadPassword(fd)
		return string(b), err
	})
	fmt.Fprintln(a.err)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return line, nil
}

// confirm asks for confirmation of something that can't be undone.
func (a *app) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	if _, ok := terminal(a.in); !ok {
		return usageError("this can't be undone, and there is no terminal to ask for confirmation: confirm with --yes")
	}
	fmt.Fprint(a.err, question+" [y/N] ")
	answer, err := interruptible(ctx, func() (string, error) { return bufio.NewReader(a.in).ReadString('\n') })
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("not confirmed; nothing was changed")
}

// interruptible waits for read or the end of ctx. The read itself can't be interrupted, but the program ends.
func interruptible(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := read()
		done <- result{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case r := <-done:
		return r.line, r.err
	}
}
