package main

import (
	"bytes"
	"io"
	"strings"
	"syscall"
	"testing"
)

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestACommandFailsIfItsResultCantBePrinted: a script must not take a token for made that it never got.
func TestACommandFailsIfItsResultCantBePrinted(t *testing.T) {
	data := t.TempDir()
	command := func(stdout io.Writer, stdin string, args ...string) (int, string) {
		var stderr bytes.Buffer
		code := run(t.Context(), append([]string{"--data", data}, args...), strings.NewReader(stdin), stdout, &stderr)
		return code, stderr.String()
	}
	if code, said := command(io.Discard, "two coats and a hat", "user", "add", "ada", "--password-stdin"); code != exitOK {
		t.Fatalf("got %d %s", code, said)
	}
	for _, args := range [][]string{
		{"token", "create", "ada", "--name", "ci"},
		{"token", "create", "ada", "--name", "ci", "--json"},
		{"user", "reset", "ada"},
		{"user", "set", "ada", "--last-name", "Lovelace"},
		{"user", "list"},
		{"version"},
	} {
		if code, said := command(full{}, "", args...); code != exitFailed || !strings.Contains(said, "no space left") {
			t.Errorf("%v: got %d %s", args, code, said)
		}
	}
}
