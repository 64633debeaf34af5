package keyring_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
)

const (
	one   = "mE1lzwXyLTbKIjuOZ5JvTd1eKQ+6r2qHB7W0tzjN8xg="
	two   = "Qn2vSx9Z4rTqk6Jb8dWcY1fHgLm3pA0eUoIiKsEtRjM="
	three = "zX81cVbN7mAsDfGhJkLqWeRtYuIoP0+9/4321QaZwSo="
	four  = "p0OiUyTrEwQlKjHgFdSaMnBvCxZ98765432/+10qWeM="
)

// keyFile writes a key file with these lines and returns its path.
func keyFile(t testing.TB, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, strings.Join(lines, "\n")+"\n")
	return path
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, path string) *keyring.Ring {
	t.Helper()
	r, err := keyring.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCreateMakesAFileThatOnlyTheOwnerCanRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if _, err := keyring.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Load without a file: %v", err)
	}
	made, err := keyring.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 || info.Size() != 45 {
		t.Fatalf("%v %v", info, err)
	}
	again, err := keyring.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made.Derive("x")[0], again.Derive("x")[0]) {
		t.Error("the second start made another secret")
	}
	other, err := keyring.Create(filepath.Join(t.TempDir(), "secret"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(made.Derive("x")[0], other.Derive("x")[0]) {
		t.Error("two files with the same secret")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestConcurrentStartsEndWithOneSecret(t *testing.T) {
	if path := os.Getenv("KEYRING_TEST_CREATE"); path != "" {
		r, err := keyring.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(os.Getenv("KEYRING_TEST_OUT"), r.Derive("x")[0], 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	dir := t.TempDir()
	var started []*exec.Cmd
	for i := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestConcurrentStartsEndWithOneSecret$")
		cmd.Env = append(os.Environ(), "KEYRING_TEST_CREATE="+filepath.Join(dir, "secret"),
			"KEYRING_TEST_OUT="+filepath.Join(dir, "out"+string(rune('0'+i))))
		cmd.Stdout = os.Stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		started = append(started, cmd)
	}
	want := []byte(nil)
	for i, cmd := range started {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "out"+string(rune('0'+i))))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Fatal("two processes loaded different secrets")
		}
	}
}

func TestEmptyShortAndDefaultSecretsAreRefused(t *testing.T) {
	t.Attr("threat", "J4")
	zeros := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, text := range map[string]string{
		"empty":                "",
		"a line break":         "\n",
		"31 bytes":             base64.StdEncoding.EncodeToString(make([]byte, 31)) + "\n",
		"33 bytes":             base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("ab"), 17)[:33]) + "\n",
		"zeros":                zeros + "\n",
		"one byte all along":   base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32)) + "\n",
		"zeros further down":   one + "\n" + zeros + "\n",
		"a word":               "changeme\n",
		"not base64":           strings.Replace(one, "z", "!", 1) + "\n",
		"URL-safe base64":      strings.Replace(one, "+", "-", 1) + "\n",
		"no padding":           strings.TrimSuffix(one, "=") + "\n",
		"loose last bits":      strings.Replace(one, "xg=", "xh=", 1) + "\n",
		"a line break inside":  one[:20] + "\n" + one[20:] + "\n",
		"a carriage return":    one + "\r\n",
		"a blank line":         one + "\n\n" + two + "\n",
		"two line breaks":      one + "\n\n",
		"a blank in front":     " " + one + "\n",
		"the same line twice":  one + "\n" + two + "\n" + one + "\n",
		"half of a secret":     one[:22] + "\n",
		"more than a few":      strings.Repeat(one+"\n", 9),
		"a megabyte":           strings.Repeat(one+"\n", 23_000),
		"a byte order mark":    "\ufeff" + one + "\n",
		"a NUL after the line": one + "\x00\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			write(t, path, text)
			for _, start := range []func(string) (*keyring.Ring, error){keyring.Load, keyring.Create} {
				_, err := start(path)
				if err == nil {
					t.Fatal("accepted")
				}
				if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), one[:10]) {
					t.Errorf("the error names no file, or shows the secret: %v", err)
				}
			}
			if now, err := os.ReadFile(path); err != nil || string(now) != text {
				t.Error("the file was changed")
			}
		})
	}
	load(t, keyFile(t, one, two, three))
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, one) // no line break at the end
	load(t, path)
}

func TestAFileThatOthersCanUseOrIsUnreadableIsRefused(t *testing.T) {
	t.Attr("threat", "C16")
	path := keyFile(t, one)
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := keyring.Load(path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %#o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	load(t, path)

	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{t.TempDir(), pipe, dangling, path + "/secret", "", "/proc/self/mem"} {
		if _, err := keyring.Load(path); err == nil {
			t.Errorf("Load(%q) succeeds", path)
		}
		if _, err := keyring.Create(path); err == nil {
			t.Errorf("Create(%q) succeeds", path)
		}
	}
}

func FuzzKeyFile(f *testing.F) {
	f.Add([]byte(one + "\n"))
	f.Add([]byte(one + "\n" + two + "\n" + three))
	f.Add([]byte(one + "\n\n"))
	f.Add([]byte(one + "\r\n"))
	f.Add([]byte{})
	path := filepath.Join(f.TempDir(), "secret")
	f.Fuzz(func(t *testing.T, text []byte) {
		write(t, path, string(text))
		r, err := keyring.Load(path)
		if err != nil {
			for line := range bytes.SplitSeq(text, []byte("\n")) {
				if len(line) > 20 && !strings.Contains(path, string(line)) && strings.Contains(err.Error(), string(line)) {
					t.Fatalf("the error shows what is in the file: %v", err)
				}
			}
			return
		}
		var again []byte
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		for _, line := range lines {
			secret, err := base64.StdEncoding.DecodeString(line)
			if err != nil || len(secret) != 32 || bytes.Equal(secret, make([]byte, 32)) {
				t.Fatalf("%q passed for a secret", line)
			}
			again = append(base64.StdEncoding.AppendEncode(again, secret), '\n')
		}
		if !bytes.Equal(bytes.TrimSuffix(again, []byte("\n")), bytes.TrimSuffix(text, []byte("\n"))) {
			t.Fatal("the file has more than one form")
		}
		if n := len(r.Derive("x")); n != len(lines) {
			t.Fatalf("%d secrets of %d lines", n, len(lines))
		}
	})
}
