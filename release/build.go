package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// commit is the state of the repository that is released.
type commit struct {
	hash    string
	time    time.Time
	changed bool // the working copy differs from it
}

func readCommit(ctx context.Context, dir string) (commit, error) {
	out, err := run(ctx, dir, nil, "git", "log", "-1", "--format=%H %ct")
	if err != nil {
		return commit{}, err
	}
	hash, seconds, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return commit{}, fmt.Errorf("the time of the commit: %w", err)
	}
	changes, err := run(ctx, dir, nil, "git", "status", "--porcelain")
	return commit{hash, time.Unix(unix, 0).UTC(), len(changes) > 0}, err
}

// program is the built program for a platform.
type program struct {
	platform
	content []byte
	file    string
	info    *buildinfo.BuildInfo
}

// name is the program's name on its platform.
func (p program) name() string {
	if p.os == "windows" {
		return "cloakroom.exe"
	}
	return "cloakroom"
}

// build builds a static program without symbols and without paths of this machine. Go writes the version and the commit into it.
func (r *release) build(ctx context.Context, p platform) (program, error) {
	built := program{platform: p, file: filepath.Join(r.work, p.os+"-"+p.arch, "cloakroom")}
	environment := []string{
		"GOOS=" + p.os, "GOARCH=" + p.arch, "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off", "GOWORK=off",
	}
	_, err := run(ctx, r.source, environment, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w -buildid=", "-o", built.file, "./cmd/cloakroom")
	if err != nil {
		return program{}, err
	}
	if built.content, err = os.ReadFile(built.file); err != nil {
		return program{}, err
	}
	if built.info, err = buildinfo.Read(bytes.NewReader(built.content)); err != nil {
		return program{}, err
	}
	if v := built.info.Main.Version; v == "" || v == "(devel)" {
		return program{}, errors.New("go build found no version; release from a clone of the repository, which isn't a linked working tree")
	}
	return built, nil
}

// run runs a command in a folder and returns its standard output.
func run(ctx context.Context, dir string, environment []string, name string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), environment...)
	var failure bytes.Buffer
	c.Stderr = &failure
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, failure.String())
	}
	return out, nil
}
