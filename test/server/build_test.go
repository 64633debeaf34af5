// Package server_test runs the built program and observes it from outside: it kills the program under load, fills its disk,
// floods it and stops it, and checks that everything that was acknowledged holds.
package server_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"

	// This import makes go test's cached results stale when the program changes.
	_ "github.com/cloakroom-auth/cloakroom"
)

// long turns on the runs that take minutes, and the checks that need an idle machine.
var long = os.Getenv("CLOAKROOM_LONG") != ""

// built is the folder of the built programs. It is removed after the last test.
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
	// Most parallel tests wait most of the time.
	flag.Parse()
	usual := strconv.Itoa(runtime.GOMAXPROCS(0))
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == usual {
		if err := parallel.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	debug.SetGCPercent(400) // of the tests alone: the program keeps its own
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// program builds the program in a folder of the module, once, and returns the path of the binary.
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
	args := []string{"build", "-ldflags=-s -w", "-o", file}
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

// look calls stat on each file of a folder, so that go test's cached result depends on them.
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
