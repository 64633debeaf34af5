// Command release builds what a release of Cloakroom consists of: a program for each platform, Debian packages, an image, the npm
// package, a list of the components, and the checksums of all. Two runs at the same commit with the same Go give the same bytes,
// wherever they run. It is a module of its own, so that the main one doesn't have its dependencies.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// platforms are those that a release has programs for. The image and the Debian packages are for those with linux.
var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
}

func main() {
	log.SetFlags(0)
	r := release{}
	only := flag.String("platforms", "", "build only for these platforms, such as linux/amd64,darwin/arm64")
	flag.StringVar(&r.source, "source", "..", "the folder of the repository")
	flag.StringVar(&r.out, "out", "../dist", "the folder for the release; it is made anew")
	flag.BoolVar(&r.dirty, "dirty", false, "allow changes that aren't committed, for a try")
	flag.BoolVar(&r.withoutNPM, "without-npm", false, "leave out the npm package")
	flag.Parse()
	r.platforms = platforms
	if *only != "" {
		r.platforms = slices.DeleteFunc(slices.Clone(platforms), func(p platform) bool {
			return !slices.Contains(strings.Split(*only, ","), p.String())
		})
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := r.make(ctx); err != nil {
		log.Fatalf("release: %v", err)
	}
}

// platform is a value of GOOS and one of GOARCH.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// release is what a run makes.
type release struct {
	source, out       string
	platforms         []platform
	dirty, withoutNPM bool

	work     string // a temporary folder
	commit   commit
	version  string // as in "cloakroom version", without the v
	programs []program
	texts    texts
}

func (r *release) make(ctx context.Context) (err error) {
	if len(r.platforms) == 0 {
		return fmt.Errorf("-platforms: give some of %v", platforms)
	}
	if r.commit, err = readCommit(ctx, r.source); err != nil {
		return err
	}
	if r.commit.changed && !r.dirty {
		return errors.New("the working copy has changes; commit them, or try with -dirty")
	}
	if r.work, err = os.MkdirTemp("", "release"); err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for _, p := range r.platforms {
		built, err := r.build(ctx, p)
		if err != nil {
			return err
		}
		r.programs = append(r.programs, built)
	}
	r.version = strings.TrimPrefix(r.programs[0].info.Main.Version, "v")
	if r.texts, err = r.readTexts(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.archives, r.packages, r.image, r.components, r.npm, r.checksums} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// write writes a file of the release and prints its name.
func (r *release) write(name string, content []byte) error {
	log.Printf("%s, %.1f MB", name, float64(len(content))/1e6)
	return os.WriteFile(filepath.Join(r.out, name), content, 0o644)
}

// host returns the program for this machine, which prints the texts of all.
func (r *release) host(ctx context.Context) (program, error) {
	here := platform{runtime.GOOS, runtime.GOARCH}
	for _, p := range r.programs {
		if p.platform == here {
			return p, nil
		}
	}
	return r.build(ctx, here)
}
