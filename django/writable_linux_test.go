package django_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// SQLite needs to write to the directory too, for the journal. Root may write anywhere, so the test tries it as another
// user.
func TestAFileThatCannotBeWrittenIsNoticed(t *testing.T) {
	t.Parallel()
	p := newPair(t, sqliteAddress(t), nil)
	name, _ := p.user(t)
	p.person(t).signsIn("Django", name, good)
	content, err := os.ReadFile(strings.TrimPrefix(p.config.DB, "django+sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what      string
		file, dir os.FileMode
		want      string
	}{
		{"both can be written", 0o666, 0o777, "<nil>"},
		{"not the directory", 0o666, 0o555, "can't be written to"},
		{"not the file", 0o444, 0o777, "can't be written to"},
		{"not even read", 0o000, 0o777, "permission denied"},
	} {
		dir, err := os.MkdirTemp("", "cloakroom-writable-*")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(dir, 0o700); _ = os.RemoveAll(dir) })
		file := filepath.Join(dir, "db.sqlite3")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for path, mode := range map[string]os.FileMode{file: c.file, dir: c.dir} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		child := exec.CommandContext(t.Context(), "/proc/self/exe")
		child.Env, child.Dir = append(os.Environ(), writableChild+"=sqlite:"+file), "/"
		if os.Geteuid() == 0 {
			child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := child.CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v, %s", c.what, err, out)
		}
		if now, err := os.ReadFile(file); os.Geteuid() == 0 && (err != nil || string(now) != string(content)) {
			t.Errorf("%s: the file has changed: %v", c.what, err)
		}
	}
}
