package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
)

const (
	homepage    = "https://github.com/cloakroom-auth/cloakroom"
	description = "Sign-in for single-page apps, with server-side sessions"
)

// packages writes a Debian package for each program for Linux.
func (r *release) packages(context.Context) error {
	for _, p := range r.programs {
		if p.os != "linux" {
			continue
		}
		info, err := r.packageInfo(p)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := deb.Default.Package(info, &b); err != nil {
			return err
		}
		if err := r.write(deb.Default.ConventionalFileName(info), b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) packageInfo(p program) (*nfpm.Info, error) {
	folder := filepath.Join(r.work, "deb-"+p.arch)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	own := filepath.Join(r.source, "release", "debian")
	i := &nfpm.Info{
		Name: "cloakroom", Arch: p.arch, Platform: "linux", Version: "v" + r.version, Section: "web", Priority: "optional",
		Maintainer: "The Cloakroom authors <" + homepage + ">", Homepage: homepage, License: "Apache-2.0", MTime: r.commit.time,
		Description: description + "\nOne program with the pages, the API and an embedded database, or on PostgreSQL and Redis.",
	}
	i.Depends = []string{"passwd"}
	i.Recommends = []string{"ca-certificates"}
	i.Scripts = nfpm.Scripts{
		PostInstall: filepath.Join(own, "postinst"), PreRemove: filepath.Join(own, "prerm"), PostRemove: filepath.Join(own, "postrm"),
	}
	man, err := gzipped(r.texts.man)
	if err != nil {
		return nil, err
	}
	changelog, err := gzipped(r.texts.changelog)
	if err != nil {
		return nil, err
	}
	copyright := strings.Join([]string{string(r.texts.license), string(r.texts.notices)}, "\n")
	for _, f := range []struct {
		target  string
		content []byte
		mode    os.FileMode
		kind    string
	}{
		{"/usr/bin/cloakroom", p.content, 0o755, files.TypeFile},
		{"/usr/share/man/man1/cloakroom.1.gz", man, 0o644, files.TypeFile},
		{"/usr/share/doc/cloakroom/changelog.gz", changelog, 0o644, files.TypeFile},
		{"/usr/share/doc/cloakroom/copyright", []byte(copyright), 0o644, files.TypeFile},
		{"/usr/share/bash-completion/completions/cloakroom", r.texts.bash, 0o644, files.TypeFile},
		{"/usr/share/zsh/vendor-completions/_cloakroom", r.texts.zsh, 0o644, files.TypeFile},
		{"/usr/share/fish/vendor_completions.d/cloakroom.fish", r.texts.fish, 0o644, files.TypeFile},
	} {
		source := filepath.Join(folder, strings.ReplaceAll(f.target, "/", "_"))
		if err := os.WriteFile(source, f.content, 0o600); err != nil {
			return nil, err
		}
		i.Contents = append(i.Contents, r.packed(source, f.target, f.mode, f.kind))
	}
	i.Contents = append(i.Contents,
		r.packed(filepath.Join(own, "cloakroom.service"), "/usr/lib/systemd/system/cloakroom.service", 0o644, files.TypeFile),
		r.packed(filepath.Join(own, "cloakroom.env"), "/etc/cloakroom.env", 0o600, files.TypeConfigNoReplace))
	return nfpm.WithDefaults(i), nil
}

func (r *release) packed(source, target string, mode os.FileMode, kind string) *files.Content {
	return &files.Content{Source: source, Destination: target, Type: kind, FileInfo: &files.ContentFileInfo{
		Owner: "root", Group: "root", Mode: mode, MTime: r.commit.time,
	}}
}
