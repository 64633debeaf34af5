package gateway_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// image is the image that buildah builds from docs/deploy.md, and a container of it.
type image struct {
	t       *testing.T
	buildah []string // the program, and where it keeps what it makes
	volume  string
	listen  string
}

// command returns a buildah command.
func (i image) command(args ...string) []string {
	return append(append([]string{}, i.buildah...), args...)
}

func (i image) buildahed(args ...string) string {
	i.t.Helper()
	args = i.command(args...)
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		i.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// inside returns a command in the container, with the user and environment of the image.
func (i image) inside(args ...string) []string {
	return append(i.command("run", "--isolation", "chroot", "--network", "host", "-v", i.volume+":/data:rw", "-e", "CLOAKROOM_LISTEN="+i.listen,
		"-e", "CLOAKROOM_URL=http://localhost:"+portOf(i.listen), "c", "--"), args...)
}

// buildImage builds the image of the documentation. It runs the commands of the first stage here, because its base image
// would need a registry.
func buildImage(t *testing.T) image {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "deploy.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```dockerfile\n")
	text, _, _ = strings.Cut(text, "```")
	first, second, ok := strings.Cut(text, "\nFROM scratch\n")
	_, commands, isRun := strings.Cut(first, "\nRUN ")
	if !ok || !isRun {
		t.Fatalf("docs/deploy.md has no Dockerfile of two stages:\n%s", text)
	}
	dir := t.TempDir()
	build := exec.Command("sh", "-ec", strings.ReplaceAll(commands, "/out/", dir+"/out/"))
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", commands, err, out)
	}
	certificates := filepath.Join(dir, "etc/ssl/certs")
	if err := os.MkdirAll(certificates, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(certificates, "ca-certificates.crt"), []byte("of the build image"), 0o600); err != nil {
		t.Fatal(err)
	}
	second = "FROM scratch\n" + strings.ReplaceAll(second, "--from=build ", "")
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(second), 0o600); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	i := image{t: t, buildah: []string{need(t, "buildah"), "--root", state + "/root", "--runroot", state + "/run", "--storage-driver", "vfs"},
		volume: filepath.Join(state, "volume"), listen: net.JoinHostPort("127.0.0.1", strconv.Itoa(harness.FreePort(t)))}
	i.buildahed("bud", "--isolation", "chroot", "--format", "docker", "-t", "cloakroom", dir)
	return i
}

func TestTheImageOfTheDocumentationRuns(t *testing.T) {
	if !long {
		t.Skip("left out: CLOAKROOM_LONG=1 builds an image, which takes a minute")
	}
	if os.Geteuid() != 0 {
		t.Skip("left out: to build and run an image takes root")
	}
	i := buildImage(t)
	i.buildahed("from", "--name", "c", "cloakroom")
	var is struct {
		Docker struct {
			Config struct {
				User            string
				Volumes         map[string]any
				Healthcheck     struct{ Test []string }
				Entrypoint, Cmd []string
			} `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(i.buildahed("inspect", "c")), &is); err != nil {
		t.Fatal(err)
	}
	config := is.Docker.Config
	if _, ok := config.Volumes["/data"]; !ok || config.User != "65532:65532" || len(config.Healthcheck.Test) < 2 {
		t.Fatalf("the image is %+v", config)
	}
	healthy := func() error {
		args := i.inside(config.Healthcheck.Test[1:]...)
		return exec.Command(args[0], args[1:]...).Run()
	}
	serve := func() *process {
		args := i.inside(append(config.Entrypoint, config.Cmd...)...)
		p := run(t, args[0], args[1:]...)
		p.listening(i.listen)
		return p
	}
	if err := os.Mkdir(i.volume, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(i.volume, 65532, 65532); err != nil {
		t.Fatal(err)
	}
	serve().stop() // in the folder of the image, which hides the other as long as it is said to be a volume
	i.buildahed("config", "--volume", "/data-", "c")
	if entries, err := os.ReadDir(i.volume); err != nil || len(entries) > 0 {
		t.Fatalf("the image's own folder was not used: %v, %v", entries, err)
	}
	if healthy() == nil {
		t.Error("healthy before it has started")
	}
	server := serve()
	if err := healthy(); err != nil {
		t.Errorf("not healthy: %v", err)
	}
	args := i.inside("/cloakroom", "user", "add", "ada", "--superuser", "--password-stdin")
	add := exec.Command(args[0], args[1:]...)
	add.Stdin = strings.NewReader(goodPassword + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Errorf("beside the server: %v\n%s", err, out)
	}
	server.stop()
	if healthy() == nil {
		t.Error("healthy after its end")
	}
	serve()
	args = i.inside("/cloakroom", "user", "list")
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ada") {
		t.Errorf("after another start: %v\n%s", err, out)
	}
	if info, err := os.Stat(filepath.Join(i.volume, "cloakroom.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the database: %v, %v", info, err)
	}
}
