//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// patience is how long something may take before it counts as hanging.
const patience = 5 * time.Minute

// imageOf unpacks the image's archive and returns the image for this machine.
func imageOf(t *testing.T) v1.Image {
	t.Helper()
	dir := t.TempDir()
	unpack(t, bytes.NewReader(read(t, "cloakroom_0.1.0_image.tar")), dir)
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := index.IndexManifest()
	if err != nil || len(outer.Manifests) != 1 {
		t.Fatalf("the archive has %+v, %v", outer, err)
	}
	if name := outer.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; name != "0.1.0" {
		t.Errorf("the image is named %q", name)
	}
	if index, err = index.ImageIndex(outer.Manifests[0].Digest); err != nil {
		t.Fatal(err)
	}
	all, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all.Manifests {
		if m.Platform.String() == "linux/amd64" {
			img, err := index.Image(m.Digest)
			if err != nil {
				t.Fatal(err)
			}
			return img
		}
	}
	t.Fatalf("no image for linux/amd64 in %+v", all)
	return nil
}

// unpack unpacks a tar, with owners and modes if root does it.
func unpack(t *testing.T, from io.Reader, dir string) {
	t.Helper()
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(name, 0o700)
		} else if err = os.MkdirAll(filepath.Dir(name), 0o755); err == nil {
			var content []byte
			if content, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(name, content, 0o600)
			}
		}
		if err == nil && os.Geteuid() == 0 {
			err = os.Chown(name, h.Uid, h.Gid)
		}
		if err == nil {
			err = os.Chmod(name, h.FileInfo().Mode().Perm())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// freeAddress returns a local address without a listener.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts a command, waits until the server is ready, and stops it when the test ends.
func start(t *testing.T, c *exec.Cmd, address string) (stop func()) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = c.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			text, _ := os.ReadFile(log.Name())
			t.Errorf("it ended with %v\n%s", err, text)
		}
		log.Close()
	}
	t.Cleanup(stop)
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if answer, err := http.Get("http://" + address + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return stop
			}
		}
		select {
		case err := <-ended:
			stopped = true
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("it ended with %v\n%s", err, text)
		default:
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("it never became ready\n%s", text)
		}
	}
}

func TestTheImageStartsAsAUserWithoutRights(t *testing.T) {
	img := imageOf(t)
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || config.Architecture != "amd64" || len(config.RootFS.DiffIDs) != 2 || len(config.History) != 2 {
		t.Errorf("the image is %+v", config)
	}
	if os.Geteuid() != 0 {
		t.Skip("left out: to start the image takes root")
	}
	root := t.TempDir()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		content, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		unpack(t, content, root)
		content.Close()
	}
	open(t, root)
	address := freeAddress(t)
	inside := func(args ...string) *exec.Cmd {
		return &exec.Cmd{
			Path: config.Config.Entrypoint[0], Args: append(config.Config.Entrypoint[:1:1], args...), Dir: "/",
			Env:         append(config.Config.Env, "CLOAKROOM_LISTEN="+address),
			SysProcAttr: &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser}},
		}
	}
	if out, err := inside(config.Config.Healthcheck.Test[2:]...).CombinedOutput(); err == nil {
		t.Errorf("healthy before it has started: %s", out)
	}
	start(t, inside(config.Config.Cmd...), address)
	if out, err := inside(config.Config.Healthcheck.Test[2:]...).CombinedOutput(); err != nil {
		t.Errorf("not healthy: %v\n%s", err, out)
	}
	if info, err := os.Stat(filepath.Join(root, "data", "cloakroom.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the database: %v, %v", info, err)
	}
	if certificates, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt")); err != nil || bytes.Count(certificates, []byte("BEGIN CERTIFICATE")) < 50 {
		t.Errorf("the certificates: %d bytes, %v", len(certificates), err)
	}
}

// open lets other users enter a folder of the test.
func open(t *testing.T, dir string) {
	t.Helper()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o711); err != nil {
			t.Fatal(err)
		}
	}
}

// TestThePackageIsWellMade looks at it with Debian's own tool, without installing it.
func TestThePackageIsWellMade(t *testing.T) {
	file := filepath.Join(released(t), "cloakroom_0.1.0_amd64.deb")
	out, err := exec.Command("dpkg-deb", "--contents", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"-rwxr-xr-x root/root", " ./usr/bin/cloakroom\n", " ./usr/lib/systemd/system/cloakroom.service\n", " ./usr/share/man/man1/cloakroom.1.gz\n",
		"-rw------- root/root", " ./etc/cloakroom.env\n", " ./usr/share/bash-completion/completions/cloakroom\n", " ./usr/share/doc/cloakroom/copyright\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the package has no %q:\n%s", want, out)
		}
	}
	if out, err := exec.Command("dpkg-deb", "--field", file, "Package", "Version", "Architecture").CombinedOutput(); err != nil ||
		string(out) != "Package: cloakroom\nVersion: 0.1.0\nArchitecture: amd64\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestThePackageInABareDebian installs, starts, upgrades, removes and purges the package where there is nothing but Debian's
// smallest system. There is no systemd in it, so the test starts the unit's command as the unit's user.
func TestThePackageInABareDebian(t *testing.T) {
	if !long {
		t.Skip("left out: CLOAKROOM_LONG=1 makes a Debian system, which takes minutes")
	}
	if os.Geteuid() != 0 {
		t.Skip("left out: to make a Debian system takes root")
	}
	root := filepath.Join(t.TempDir(), "debian")
	args := []string{"--variant=minbase", "stable", root}
	if mirror := os.Getenv("CLOAKROOM_DEBIAN_MIRROR"); mirror != "" {
		args = append(args, mirror)
	}
	if out, err := exec.Command("debootstrap", args...).CombinedOutput(); err != nil {
		t.Fatalf("debootstrap: %v\n%s", err, out)
	}
	open(t, root)
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "cloakroom.deb"), read(t, "cloakroom_0.1.0_amd64.deb"), 0o644); err != nil {
		t.Fatal(err)
	}
	inside := func(script string) string {
		t.Helper()
		out, err := exec.Command("chroot", root, "sh", "-ec", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return string(out)
	}
	inside("dpkg -i /cloakroom.deb")
	if out := inside("cloakroom version"); !strings.HasPrefix(out, "cloakroom v0.1.0") {
		t.Errorf("%s", out)
	}
	if out := inside("stat -c '%U %G %a' /var/lib/cloakroom /etc/cloakroom.env"); out != "cloakroom cloakroom 700\nroot root 600\n" {
		t.Errorf("the owners and modes are\n%s", out)
	}
	command := strings.TrimSpace(inside("sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/cloakroom.service"))
	address := freeAddress(t)
	serve := func() *exec.Cmd {
		return exec.Command("chroot", "--userspec=cloakroom:cloakroom", root, "sh", "-c", fmt.Sprintf("exec %s --listen %s", command, address))
	}
	stop := start(t, serve(), address)
	if out := inside("cat /var/lib/cloakroom/setup-link"); !strings.Contains(out, "/auth/setup#") {
		t.Errorf("the link is %q", out)
	}
	if out, err := exec.Command("chroot", "--userspec=cloakroom:cloakroom", root, "sh", "-c", "exec "+userList(t)).CombinedOutput(); err != nil {
		t.Errorf("a command beside the service: %v\n%s", err, out)
	}
	inside("dpkg -i /cloakroom.deb") // the same as an upgrade
	stop()
	if out := inside("dpkg -r cloakroom; ls /usr/bin/cloakroom 2>&1 || true; ls /etc/cloakroom.env /var/lib/cloakroom/secret.key"); !strings.Contains(out, "cannot access") {
		t.Errorf("after its removal:\n%s", out)
	}
	inside("dpkg -P cloakroom; ! test -e /etc/cloakroom.env; test -e /var/lib/cloakroom/secret.key")
	inside("dpkg -i /cloakroom.deb")
	start(t, serve(), address)
}

// userList is the command that docs/install.md shows, which runs as the user of the service.
func userList(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`sudo systemd-run [^\\\n]* --uid cloakroom [^\\\n]*\\\n *(cloakroom .*)\n`).FindSubmatch(page)
	if command == nil {
		t.Fatal("docs/install.md has no command for systemd-run")
	}
	return string(command[1])
}

// TestThePageOfInstallingNamesWhatThereIs in a release, in the package, and in the image.
func TestThePageOfInstallingNamesWhatThereIs(t *testing.T) {
	text, err := os.ReadFile("../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(text), "VERSION", "0.1.0")
	files := regexp.MustCompile(`dist/(cloakroom_[\w.]+)`).FindAllStringSubmatch(page, -1)
	if len(files) < 2 {
		t.Errorf("it names %d files of a release", len(files))
	}
	for _, file := range files {
		if _, err := os.Stat(filepath.Join(released(t), file[1])); err != nil {
			t.Error(err)
		}
	}
	out, err := exec.Command("dpkg-deb", "--contents", filepath.Join(released(t), "cloakroom_0.1.0_amd64.deb")).CombinedOutput()
	if err != nil || !strings.Contains(page, "sudoedit /etc/cloakroom.env ") || !strings.Contains(string(out), " ./etc/cloakroom.env\n") {
		t.Errorf("the settings: %v\n%s", err, out)
	}
	config, err := imageOf(t).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--publish 127.0.0.1:8000:8000", "--volume cloakroom:/data"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page doesn't have %s", want)
		}
	}
	if _, port := config.Config.ExposedPorts["8000/tcp"]; !port {
		t.Errorf("the image shows the ports %v", config.Config.ExposedPorts)
	}
	if _, data := config.Config.Volumes["/data"]; !data {
		t.Errorf("the image has the volumes %v", config.Config.Volumes)
	}
}
