package keyring

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

const (
	secretSize = 32
	maxSecrets = 8 // in a file that was written by hand; Rotate keeps fewer
)

// keyFile is the content of a key file, and its os.FileInfo when it was read.
type keyFile struct {
	secrets [][]byte // never empty
	info    fs.FileInfo
}

func readFile(path string) (*keyFile, error) {
	// Only a file is opened, since opening a pipe would wait for a writer.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("server secret: %s is not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("server secret: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("server secret: %w", err)
	}
	// Windows has no such modes; there the directory's access list decides.
	if perm := info.Mode().Perm(); perm&0o077 != 0 && runtime.GOOS != "windows" && !mountedSecret(f, perm) {
		return nil, fmt.Errorf("server secret: other users of this machine can use %s (mode %#o): run \"chmod 600 %s\"; "+
			"if they may have read it, run \"cloakroom key rotate\" as well", path, perm, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return nil, fmt.Errorf("server secret: %w", err)
	}
	secrets, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("server secret: %s: %w", path, err)
	}
	return &keyFile{secrets: secrets, info: info}, nil
}

// mountedSecret reports whether a file is one that an orchestrator has mounted for this process: on a read-only file system,
// readable by its owner and its group alone. A Secret of Kubernetes is mounted like that with mode 0440; its group is the pod's.
func mountedSecret(f *os.File, perm fs.FileMode) bool {
	return perm&^0o440 == 0 && readOnlyFileSystem(f)
}

// next reads the file again; it returns f itself if the file hasn't changed.
func (f *keyFile) next(path string) (*keyFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("server secret: %w", err)
	}
	if os.SameFile(info, f.info) && info.ModTime().Equal(f.info.ModTime()) && info.Size() == f.info.Size() &&
		info.Mode() == f.info.Mode() {
		return f, nil
	}
	next, err := readFile(path)
	if err != nil {
		return nil, err
	}
	inUse := func(s []byte) bool { return bytes.Equal(s, f.secrets[0]) }
	if !slices.ContainsFunc(next.secrets, inUse) {
		return nil, fmt.Errorf("server secret: %s no longer holds the secret in use: "+
			"put it back, below the new one, or restart", path)
	}
	return next, nil
}

// parse parses the lines of a key file. Its errors don't quote them.
func parse(text []byte) ([][]byte, error) {
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if len(lines) > maxSecrets {
		return nil, fmt.Errorf("more than %d lines", maxSecrets)
	}
	var secrets [][]byte
	for i, line := range lines {
		secret, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if slices.ContainsFunc(secrets, func(s []byte) bool { return bytes.Equal(s, secret) }) {
			return nil, fmt.Errorf("line %d: the same secret twice", i+1)
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

func parseLine(line []byte) ([]byte, error) {
	// The length is checked first, because the decoder ignores line breaks.
	if len(line) != base64.StdEncoding.EncodedLen(secretSize) {
		return nil, errors.New(`not a secret: want 32 random bytes in base64, as "openssl rand -base64 32" prints them`)
	}
	secret, err := base64.StdEncoding.Strict().AppendDecode(nil, line)
	if err != nil || len(secret) != secretSize {
		return nil, errors.New(`not a secret: want 32 random bytes in base64, as "openssl rand -base64 32" prints them`)
	}
	if bytes.Count(secret, secret[:1]) == secretSize {
		return nil, errors.New("not a secret: all bytes are the same")
	}
	return secret, nil
}

func format(secrets [][]byte) []byte {
	var text []byte
	for _, s := range secrets {
		text = append(base64.StdEncoding.AppendEncode(text, s), '\n')
	}
	return text
}

func newSecret() []byte {
	secret := make([]byte, secretSize)
	rand.Read(secret) // never returns an error; the program ends instead
	return secret
}

// createFile creates a key file if there is none. It does so atomically: no other process can read half of the file, and a crash
// can't leave half of it behind.
func createFile(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	temp, err := writeTemp(path, format([][]byte{newSecret()}), nil)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create server secret: %w", err)
	}
	return syncDir(path)
}

// replaceFile atomically replaces the file by one with these secrets. The new file is locked before other processes can see it,
// and until next is closed.
func replaceFile(path string, secrets [][]byte, old fs.FileInfo) (next *os.File, err error) {
	temp, err := writeTemp(path, format(secrets), old)
	if err != nil {
		return nil, err
	}
	defer os.Remove(temp)
	next, err = os.OpenFile(temp, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("replace server secret: %w", err)
	}
	err = lock(next)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		next.Close()
		return nil, fmt.Errorf("replace server secret: %w", err)
	}
	return next, syncDir(path)
}

// writeTemp writes a temporary file beside path, which only its owner can read, syncs it, and returns its name. It belongs to the
// owner of old, if there is an old file.
func writeTemp(path string, text []byte, old fs.FileInfo) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return "", fmt.Errorf("write server secret: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("write server secret: %w", err)
		}
	}()
	if err := keepOwner(f, old); err != nil {
		return "", err
	}
	if _, err := f.Write(text); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}

// syncDir syncs the directory of path.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // Windows has no such call and doesn't need it
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write server secret: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("write server secret: %w", err)
	}
	return nil
}
