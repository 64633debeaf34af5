package djangoserver

import (
	"os"
	"strings"
	"testing"
)

func TestTwoFoldersWithTheSameDjangoHaveAProcessEach(t *testing.T) {
	dir := files(t)
	for _, d := range []Django{{"5.2", t.TempDir()}, {"5.2", t.TempDir()}} {
		p, err := preforkOf(dir, d)
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.run(append(os.Environ(), d.Environ()...), nil, []string{"site"})
		if err != nil {
			t.Fatal(err)
		}
		output, err := r.wait()
		if err != nil || !strings.Contains(output, d.path) {
			t.Errorf("Python says %v, %q: want its sys.path, with %s", err, output, d.path)
		}
		r.kill() // does nothing, and returns
	}
}
