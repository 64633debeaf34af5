package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// entry is a file or folder in an archive.
type entry struct {
	name    string
	content []byte
	mode    int64 // with the bits of its kind, for folders
	owner   int
}

// archives writes one archive for each program: a zip for Windows, a compressed tar for the others.
func (r *release) archives(context.Context) error {
	for _, p := range r.programs {
		name := fmt.Sprintf("cloakroom_%s_%s_%s", r.version, p.os, p.arch)
		files := []entry{
			{name: p.name(), content: p.content, mode: 0o755},
			{name: "LICENSE", content: r.texts.license, mode: 0o644},
			{name: "NOTICES", content: r.texts.notices, mode: 0o644},
			{name: "README.md", content: r.texts.readme, mode: 0o644},
			{name: "CHANGELOG.md", content: r.texts.changelog, mode: 0o644},
		}
		if p.os == "windows" {
			content, err := zipped(name, files, r.commit.time)
			if err != nil {
				return err
			}
			if err := r.write(name+".zip", content); err != nil {
				return err
			}
			continue
		}
		files = append(files,
			entry{name: "cloakroom.1", content: r.texts.man, mode: 0o644},
			entry{name: "completion/cloakroom.bash", content: r.texts.bash, mode: 0o644},
			entry{name: "completion/_cloakroom", content: r.texts.zsh, mode: 0o644},
			entry{name: "completion/cloakroom.fish", content: r.texts.fish, mode: 0o644})
		for i := range files {
			files[i].name = name + "/" + files[i].name
		}
		plain, err := tarred(files, r.commit.time)
		if err != nil {
			return err
		}
		content, err := gzipped(plain)
		if err != nil {
			return err
		}
		if err := r.write(name+".tar.gz", content); err != nil {
			return err
		}
	}
	return nil
}

func zipped(folder string, files []entry, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		h := &zip.FileHeader{Name: folder + "/" + f.name, Method: zip.Deflate, Modified: at}
		h.SetMode(os.FileMode(f.mode))
		w, err := z.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

func tarred(files []entry, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.content)), ModTime: at, Uid: f.owner, Gid: f.owner}
		if f.name[len(f.name)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

func gzipped(content []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// npm packs the npm package.
func (r *release) npm(ctx context.Context) error {
	if r.withoutNPM {
		return nil
	}
	out, err := filepath.Abs(r.out)
	if err != nil {
		return err
	}
	_, err = run(ctx, filepath.Join(r.source, "web", "client"), nil, "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", out)
	return err
}

// checksums writes SHA256SUMS, in the form that "sha256sum --check" reads.
func (r *release) checksums(context.Context) error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, e := range entries {
		f, err := os.Open(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", h.Sum(nil), e.Name())
	}
	return r.write("SHA256SUMS", b.Bytes())
}
