package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
)

// long turns on what takes minutes: all platforms, builds without a cache, and a Debian system to install the package in.
var long = os.Getenv("CLOAKROOM_LONG") != ""

// clone copies a working copy into a repository of its own, with one commit that is always the same for the same files.
func clone(from, dir string) error {
	out, err := exec.Command("git", "-C", from, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		source, target := filepath.Join(from, name), filepath.Join(dir, name)
		info, err := os.Lstat(source)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and not committed yet
		}
		if err != nil {
			return err
		}
		content, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, content, info.Mode().Perm()); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "release"}, {"tag", "v0.1.0"}} {
		c := exec.Command("git", append([]string{"-C", dir, "-c", "core.fileMode=true"}, args...)...)
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE=1767323045 +0000",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com", "GIT_COMMITTER_DATE=1767323045 +0000")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", args, err, out)
		}
	}
	return nil
}

// made is one release, which the tests look at.
var made struct {
	once sync.Once
	dir  string
	out  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if made.dir != "" {
		os.RemoveAll(made.dir)
	}
	os.Exit(code)
}

// released returns the folder of the release. In short runs it has only what is for this platform.
func released(t *testing.T) string {
	t.Helper()
	made.once.Do(func() {
		if made.dir, made.err = os.MkdirTemp("", "released"); made.err != nil {
			return
		}
		made.out, made.err = releaseOf("..", made.dir)
	})
	if made.err != nil {
		t.Fatal(made.err)
	}
	return made.out
}

func releaseOf(from, dir string) (string, error) {
	source := filepath.Join(dir, "source")
	if err := clone(from, source); err != nil {
		return "", err
	}
	r := release{source: source, out: filepath.Join(dir, "out"), platforms: platforms[:1]}
	if long {
		r.platforms = platforms
	}
	return r.out, r.make(context.Background())
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(released(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestTwoReleasesAreEqual: the second is made in another folder, in a long run also without what Go has kept from the first.
func TestTwoReleasesAreEqual(t *testing.T) {
	first := released(t)
	if long {
		t.Setenv("GOCACHE", t.TempDir())
	}
	second, err := releaseOf(filepath.Join(made.dir, "source"), filepath.Join(t.TempDir(), "another", "folder"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := sums(t, first), sums(t, second)
	if len(a) < 6 || !maps.Equal(a, b) {
		t.Errorf("the releases differ:\n%v\n%v", a, b)
	}
}

// sums returns the checksum of each file in a folder.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		all[e.Name()] = hex.EncodeToString(sum[:])
	}
	return all
}

func TestTheReleaseIsComplete(t *testing.T) {
	want := []string{
		"SHA256SUMS", "cloakroom-client-0.1.0.tgz", "cloakroom_0.1.0_amd64.deb", "cloakroom_0.1.0.cdx.json", "cloakroom_0.1.0_image.tar",
		"cloakroom_0.1.0_linux_amd64.tar.gz",
	}
	if long {
		want = append(want, "cloakroom_0.1.0_arm64.deb", "cloakroom_0.1.0_linux_arm64.tar.gz", "cloakroom_0.1.0_darwin_amd64.tar.gz",
			"cloakroom_0.1.0_darwin_arm64.tar.gz", "cloakroom_0.1.0_windows_amd64.zip", "cloakroom_0.1.0_windows_arm64.zip")
	}
	slices.Sort(want)
	all := sums(t, released(t))
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
		t.Fatalf("the release has %q, want %q", got, want)
	}
	listed := 0
	for line := range strings.Lines(string(read(t, "SHA256SUMS"))) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if listed++; all[name] != sum {
			t.Errorf("SHA256SUMS says that %s is %s", name, sum)
		}
	}
	if listed != len(all)-1 {
		t.Errorf("SHA256SUMS lists %d files of %d", listed, len(all)-1)
	}
}

// unpacked returns the files of a compressed tar.
func unpacked(t *testing.T, compressed []byte) map[string][]byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if all[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// largestProgram is how many bytes the program for linux/amd64 may have.
const largestProgram = 30_000_000

func TestTheProgramKnowsItsRelease(t *testing.T) {
	all := unpacked(t, read(t, "cloakroom_0.1.0_linux_amd64.tar.gz"))
	const in = "cloakroom_0.1.0_linux_amd64/"
	program := filepath.Join(t.TempDir(), "cloakroom")
	if err := os.WriteFile(program, all[in+"cloakroom"], 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "cloakroom v0.1.0, revision ") || !strings.Contains(string(out), " of 2026-01-02, go1.") {
		t.Errorf("%s, %v", out, err)
	}
	for name, want := range map[string]string{
		"cloakroom.1": `"cloakroom v0.1.0"`, "completion/cloakroom.bash": "complete -o default", "completion/_cloakroom": "#compdef cloakroom",
		"completion/cloakroom.fish": "complete --command cloakroom", "LICENSE": "Apache License", "NOTICES": "github.com/spf13/pflag v",
	} {
		if !strings.Contains(string(all[in+name]), want) {
			t.Errorf("%s has no %q", name, want)
		}
	}
	for _, name := range []string{"react", "@base-ui/react", "scheduler"} {
		if !strings.Contains(string(all[in+"NOTICES"]), "\n## "+name+" - ") {
			t.Errorf("NOTICES has no license of %s, which the pages contain", name)
		}
	}
	if size := len(all[in+"cloakroom"]); size > largestProgram {
		t.Errorf("the program has %d bytes; at most %d are allowed", size, largestProgram)
	}
	// Static, and with no path of the machine that built it.
	if text, err := exec.Command("ldd", program).CombinedOutput(); err == nil && !strings.Contains(string(text), "statically linked") {
		t.Errorf("it is linked with\n%s", text)
	}
	if bytes.Contains(all[in+"cloakroom"], []byte(made.dir)) {
		t.Errorf("the program has the path %s in it", made.dir)
	}
}

// TestTheComponentsAreListed: each module of the program and each package of the pages, with its version, hash and license.
func TestTheComponentsAreListed(t *testing.T) {
	var bom cyclonedx.BOM
	if err := json.Unmarshal(read(t, "cloakroom_0.1.0.cdx.json"), &bom); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, c := range *bom.Components {
		found[c.Name] = true
		if c.Version == "" || c.Licenses == nil || c.Hashes == nil && c.Name != "std" {
			t.Errorf("%s is listed as %+v", c.Name, c)
		}
	}
	for _, name := range []string{"std", "modernc.org/sqlite", "github.com/jackc/pgx/v5", "react", "@base-ui/react", "scheduler"} {
		if !found[name] {
			t.Errorf("%s isn't listed", name)
		}
	}
	for _, name := range []string{"pgregory.net/rapid", "vite", "@cloakroom/client"} {
		if found[name] {
			t.Errorf("%s isn't in the program, but listed", name)
		}
	}
}

// TestTheClientPackageHasOnlyItsBuild, and the files that npm always adds.
func TestTheClientPackageHasOnlyItsBuild(t *testing.T) {
	all := unpacked(t, read(t, "cloakroom-client-0.1.0.tgz"))
	for _, name := range []string{"package/package.json", "package/README.md", "package/LICENSE", "package/dist/index.js", "package/dist/react.d.ts"} {
		if _, ok := all[name]; !ok {
			t.Errorf("the package has no %s", name)
		}
		delete(all, name)
	}
	for name := range all {
		if !strings.HasPrefix(name, "package/dist/") || !strings.HasSuffix(name, ".js") && !strings.HasSuffix(name, ".d.ts") {
			t.Errorf("the package has %s", name)
		}
	}
}

// TestTheClientPackageCanBePublished with a provenance: npm compares the repository with the one that built it. A package with a scope is
// private unless it says otherwise. Nothing runs where it is installed, and it brings nothing along.
func TestTheClientPackageCanBePublished(t *testing.T) {
	var p struct {
		Name, Version, License string
		Repository             struct{ Type, URL, Directory string }
		PublishConfig          map[string]string
		Dependencies, Scripts  map[string]string
	}
	if err := json.Unmarshal(unpacked(t, read(t, "cloakroom-client-0.1.0.tgz"))["package/package.json"], &p); err != nil {
		t.Fatal(err)
	}
	if p.Name != "@cloakroom/client" || p.Version != "0.1.0" || p.License != "Apache-2.0" || p.PublishConfig["access"] != "public" {
		t.Errorf("%+v", p)
	}
	if r := p.Repository; r.Type != "git" || r.URL != "git+"+homepage+".git" || r.Directory != "web/client" {
		t.Errorf("the repository is %+v", r)
	}
	if len(p.Dependencies) > 0 {
		t.Errorf("it depends on %v", p.Dependencies)
	}
	for _, name := range []string{"preinstall", "install", "postinstall", "prepare", "prepublish", "prepublishOnly"} {
		if script, ok := p.Scripts[name]; ok {
			t.Errorf("%s runs %s", name, script)
		}
	}
}

func TestAReleaseNeedsACleanWorkingCopy(t *testing.T) {
	dir := t.TempDir()
	if err := clone("..", dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "new.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := release{source: dir, out: filepath.Join(dir, "out"), platforms: platforms}
	if err := r.make(t.Context()); err == nil || !strings.Contains(err.Error(), "has changes") {
		t.Errorf("with a new file: %v", err)
	}
	if _, err := os.Stat(r.out); err == nil {
		t.Error("something was written")
	}
}

// TestTheUnitIsTheDocumentedOne, but for where the program is.
func TestTheUnitIsTheDocumentedOne(t *testing.T) {
	unit, err := os.ReadFile("debian/cloakroom.service")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(string(unit), "/usr/bin/", "/usr/local/bin/")
	want = strings.ReplaceAll(want, "Documentation=man:cloakroom(1)\n", "")
	if !strings.Contains(string(page), "```ini\n"+want+"```\n") {
		t.Errorf("docs/deploy.md doesn't have this unit:\n%s", want)
	}
}

// TestTheUnitIsHardened: systemd knows each of its settings, and gives it an exposure of at most 1.6 out of 10.
func TestTheUnitIsHardened(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CLOAKROOM_TESTS_NEED_ALL") != "" {
			t.Fatal("systemd-analyze isn't installed: apt-get install systemd")
		}
		t.Skip("left out: systemd isn't installed (make test installs it)")
	}
	text, err := os.ReadFile("debian/cloakroom.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := strings.ReplaceAll(string(text), "Documentation=man:cloakroom(1)\n", "") // neither is installed
	unit = strings.ReplaceAll(unit, "/usr/bin/cloakroom", "/bin/true")
	check := func(unit string) (string, error) {
		file := filepath.Join(t.TempDir(), "cloakroom.service")
		if err := os.WriteFile(file, []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), analyze, "verify", file).CombinedOutput()
		if err != nil || len(out) > 0 {
			return string(out), cmp.Or(err, errors.New("it complains"))
		}
		out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", "--threshold=16", file).CombinedOutput()
		return string(out), err
	}
	if out, err := check(unit); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, fault := range []string{
		strings.Replace(unit, "ProtectClock=", "ProtectClocks=", 1), strings.Replace(unit, "ProtectSystem=strict\n", "", 1), strings.Replace(unit, "NoNewPrivileges=yes\n", "", 1),
	} {
		if _, err := check(fault); err == nil || fault == unit {
			t.Errorf("this is found good:\n%s", fault)
		}
	}
}
