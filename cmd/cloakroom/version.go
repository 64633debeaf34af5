package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

type versionCmd struct{}

func (versionCmd) Help() string {
	return `Examples:
  cloakroom version
  cloakroom version --json`
}

// build identifies the program.
type build struct {
	Version  string `json:"version"`  // of the module; "(devel)" if it was built from a working copy without one
	Revision string `json:"revision"` // of the repository; "" if unknown
	Time     string `json:"time"`     // of the revision
	Modified bool   `json:"modified"` // the working copy differed from the revision
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	parts := []string{"cloakroom " + b.Version}
	if b.Revision != "" {
		revision := "revision " + shorten(b.Revision, 13)
		if day, _, ok := strings.Cut(b.Time, "T"); ok {
			revision += " of " + day
		}
		if b.Modified {
			revision += " with changes"
		}
		parts = append(parts, revision)
	}
	return strings.Join(append(parts, b.Go+" "+b.Platform), ", ")
}

func (versionCmd) Run(_ context.Context, a *app) error {
	b := thisBuild()
	if a.JSON {
		return a.json(b)
	}
	_, err := fmt.Fprintln(a.out, b)
	return err
}
