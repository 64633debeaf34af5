// Package servertest_test drives the built program from outside, as its world does: it kills it in the middle of things,
// fills its disk, floods it, and stops it under load, and holds it to what it has acknowledged.
package server_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	// With it, go test knows the results to be stale when the program has changed.
	_ "github.com/cloakroom-auth/cloakroom"
)

// long asks for the runs that take minutes, and for what only an idle machine can promise.
var long = os.Getenv("CLOAKROOM_LONG") != ""

// built is where the programs lie, until the last test has ended.
var built struct {
	sync.Mutex
	dir      string
	programs map[string]func() (string, error)
}

func TestMain(m *testing.M) {
	if os.Getenv(rushVariable) != "" {
		takePart()
		return
	}
	if os.Getenv(busyVariable) != "" {
		spin()
	}
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// program returns the path of the built program, which lies in this folder of the module. Each is built once.
func program(t *testing.T, folder string) string {
	t.Helper()
	built.Lock()
	if built.programs == nil {
		built.programs = map[string]func() (string, error){}
	}
	if built.programs[folder] == nil {
		built.programs[folder] = sync.OnceValues(func() (string, error) { return build(folder) })
	}
	path := built.programs[folder]
	built.Unlock()
	file, err := path()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func build(folder string) (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	source := filepath.Join("..", "..", filepath.FromSlash(folder))
	if err := look(source); err != nil {
		return "", err
	}
	file := filepath.Join(dir, filepath.Base(folder)+".exe")
	args := []string{"build", "-o", file}
	if raceDetector {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "./"+filepath.ToSlash(source))...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("[build failed] %s: %w\n%s", folder, err, out)
	}
	return file, nil
}

func buildDir() (string, error) {
	built.Lock()
	defer built.Unlock()
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "servertest")
		if err != nil {
			return "", err
		}
		built.dir = dir
	}
	return built.dir, nil
}

// look looks at each file of a folder, which tells go test that the result depends on it.
func look(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			return err
		}
	}
	return nil
}
