package djangoserver

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Django is an installed version of Django. The zero value is the one that Python finds by itself.
type Django struct {
	Version string // such as "5.2"
	path    string // PYTHONPATH
}

// Environ returns the environment variables that make Python find this Django.
func (d Django) Environ() []string {
	if d.path == "" {
		return nil
	}
	return []string{"PYTHONPATH=" + d.path}
}

// Newer returns the versions of Django from later Debian releases, the newest last. make test unpacks them into
// .cache/django. If there are none, Newer skips the test, or fails it if CLOAKROOM_TESTS_NEED_ALL is set.
func Newer(t testing.TB) (all []Django) {
	t.Helper()
	places, err := filepath.Glob(filepath.Join(root(t), ".cache", "django", "*", "usr", "lib", "python3", "dist-packages"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range places {
		version, err := versionIn(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Django{version, path})
	}
	slices.SortFunc(all, func(a, b Django) int { return strings.Compare(a.Version, b.Version) })
	switch {
	case len(all) == 0 && os.Getenv("CLOAKROOM_TESTS_NEED_ALL") != "":
		t.Fatal("no newer Django is in .cache/django: scripts/tools.sh has need_newer_djangos, which unpacks them")
	case len(all) == 0:
		t.Skip("left out: no newer Django is in .cache/django (make test unpacks them)")
	}
	return all
}

// root returns the directory of the module that contains the test.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("there is no go.mod above the test")
	return ""
}

var versionLine = regexp.MustCompile(`(?m)^VERSION = \((\d+), (\d+),`)

func versionIn(path string) (string, error) {
	text, err := os.ReadFile(filepath.Join(path, "django", "__init__.py"))
	if err != nil {
		return "", fmt.Errorf("read a Django's version: %w", err)
	}
	numbers := versionLine.FindSubmatch(text)
	if numbers == nil {
		return "", fmt.Errorf("read a Django's version: there is none in %s", path)
	}
	return fmt.Sprintf("%s.%s", numbers[1], numbers[2]), nil
}
