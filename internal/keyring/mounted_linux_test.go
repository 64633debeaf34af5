package keyring_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// TestAKeyFileThatIsMountedAsASecretIsRead mounts key files as Kubernetes mounts a Secret: on a read-only file system, with the
// mode of its items.
func TestAKeyFileThatIsMountedAsASecretIsRead(t *testing.T) {
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=755")
	if errors.Is(err, fs.ErrPermission) && os.Getenv("KEYRING_TEST_NAMESPACE") == "" {
		inNamespace(t)
		return
	}
	if err != nil {
		t.Fatalf("mount a file system (this needs root, or unprivileged user namespaces): %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	modes := map[fs.FileMode]bool{0o440: true, 0o400: true, 0o600: true, 0o640: false, 0o444: false, 0o644: false, 0o660: false, 0o404: false, 0o450: false}
	path := func(mode fs.FileMode) string { return filepath.Join(dir, mode.String()) }
	for mode := range modes {
		write(t, path(mode), one+"\n")
		if err := os.Chmod(path(mode), mode); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := keyring.Load(path(0o440)); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("Load of mode 0440 on a file system that can be written: %v; want a refusal", err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for mode, accepted := range modes {
		if _, err := keyring.Load(path(mode)); (err == nil) != accepted {
			t.Errorf("Load of mode %#o on a read-only file system: %v; want it accepted: %v", mode, err, accepted)
		}
	}
	keys := memory.New().Sealed
	if err := keyring.Rotate(t.Context(), path(0o440), keys); !errors.Is(err, keyring.ErrReadOnly) {
		t.Errorf("Rotate: %v; want ErrReadOnly", err)
	}
}

// inNamespace runs the test once more, as the root of a user and a mount namespace.
func inNamespace(t *testing.T) {
	t.Helper()
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), "KEYRING_TEST_NAMESPACE=1")
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("in a namespace of its own (without root, this needs unprivileged user namespaces): %v\n%s", err, out)
	}
}
