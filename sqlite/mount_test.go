//go:build linux

package sqlite_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cloakroom-auth/cloakroom/sqlite"
)

const namespaceVariable = "CLOAKROOM_TEST_NAMESPACE"

// inNamespace reports whether the test runs in a mount namespace of its own. If not, it runs the test again in a process with one,
// whose mounts end with the process. It needs root, or user namespaces.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(namespaceVariable) != "" {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), namespaceVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("in a mount namespace: %v\n%s", err, out)
	}
	return false
}

// mounted mounts a small disk for the rest of the process.
func mounted(t *testing.T, options string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func TestDiskThatIsFullIsAnErrorUntilThereIsRoom(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := mounted(t, "size=4m")
	db := open(t, filepath.Join(dir, "cloakroom.db"))
	succeed(t, db, 0)
	for n := 1; n <= 3; n++ {
		prepare(t, db, n)
		fill(t, filepath.Join(dir, "ballast"))
		var failed bool
		for range 50 { // the log may have room for some more
			if err := db.Ping(t.Context()); err != nil {
				failed = true
				break
			}
		}
		if !failed {
			t.Fatal("the disk is full, and Ping says that all is well")
		}
		for name, err := range writes(t.Context(), db, n) {
			if !isOutage(err) {
				t.Errorf("%s returns %v", name, err)
			}
		}
		reads(t, db)
		if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
			t.Fatal(err)
		}
		succeed(t, db, 10+n)
	}
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func TestDiskThatIsReadOnlyIsAnErrorAtStart(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := mounted(t, "size=4m")
	path := filepath.Join(dir, "cloakroom.db")
	db := open(t, path)
	succeed(t, db, 0)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{
		path: "must be writable", filepath.Join(dir, "new.db"): "read-only", filepath.Join(dir, "sub", "new.db"): "read-only",
	} {
		if db, err := sqlite.Open(t.Context(), path); err == nil {
			db.Close()
			t.Errorf("%s was opened", path)
		} else if !strings.Contains(err.Error(), why) {
			t.Errorf("the error says %q, not %q", err, why)
		}
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	succeed(t, open(t, path), 1)
}
