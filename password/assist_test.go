package password_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/password"
)

// beStorm is what this program does in a process of its own; nil where there is no such test.
var beStorm func()

// TestMain lets this program be a Hasher's Program, and the process of its own that a storm needs.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "assist":
		if err := password.Assist(os.Args[2:]); err != nil {
			panic(err)
		}
		return
	case os.Getenv("PASSWORD_STORM") != "":
		beStorm()
		return
	}
	os.Exit(m.Run())
}

const bcryptLike = "bcrypt$$2b$04$abcdefghijklmnopqrstuub/FUwqLfgPnORQpxKUTVVsl3OiUaO0K"

// assisted returns a Hasher with a Program.
func assisted(t *testing.T) *password.Hasher {
	t.Helper()
	h := &password.Hasher{Program: []string{os.Args[0], "assist"}}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestAProgramComputesTheSame(t *testing.T) {
	theirs, ours := assisted(t), &password.Hasher{}
	encoded, err := theirs.Hash(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ encoded, plain string }{
		"the right password":          {encoded, good},
		"a wrong password":            {encoded, "wrong horse battery staple"},
		"nobody's":                    {"", good},
		"bytes that aren't UTF-8":     {encoded, "\xff\x00\xfe"},
		"an old hash":                 {django(t, 1000, good), good},
		"an old hash, wrong":          {django(t, 1000, good), "wrong horse battery staple"},
		"a megabyte":                  {encoded, strings.Repeat("x", 1<<20)},
		"blank":                       {encoded, "  "},
		"in the form NFD, Django's":   {django(t, 1000, "cafe\u0301"), "cafe\u0301"},
		"in the form NFD, nobody's":   {"", "cafe\u0301"},
		"a hash that needs much room": {reference(t, "m=40960,t=1,p=1", 16, 32, good), good},
	} {
		before, beforeOurs := theirs.Spent(), ours.Spent()
		got, err := theirs.Verify(t.Context(), c.encoded, c.plain)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, err := ours.Verify(t.Context(), c.encoded, c.plain)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got != want {
			t.Errorf("%s: %v, in this process %v", name, got, want)
		}
		if cost, costOurs := theirs.Spent()-before, ours.Spent()-beforeOurs; cost != costOurs {
			t.Errorf("%s: costs %v, in this process %v", name, cost, costOurs)
		}
	}
}

func TestAProgramMakesHashesLikeOthers(t *testing.T) {
	h := assisted(t)
	for _, like := range []string{django(t, 1000, "another"), bcryptLike} {
		made, err := h.HashLike(t.Context(), like, good)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := h.Verify(t.Context(), made, good); err != nil || !r.Match {
			t.Errorf("%s: %v, %v", made, r, err)
		}
	}
	_, err := h.HashLike(t.Context(), bcryptLike, strings.Repeat("x", 73))
	if e, ok := errors.AsType[*password.TooLongError](err); !ok || e.Max != 72 {
		t.Errorf("73 bytes for bcrypt: %v", err)
	}
	if _, err := h.HashLike(t.Context(), "md5$salt$a688caa5421707d129ded6976b25d97a", good); err == nil {
		t.Error("a hash was made like one without a price")
	}
}

func TestTheProgramStartsAtStart(t *testing.T) {
	h := &password.Hasher{Program: []string{"/nowhere/at/all"}}
	if err := h.Start(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that isn't there: %v", err)
	}
	if err := assisted(t).Start(); err != nil {
		t.Errorf("one that is: %v", err)
	}
}
