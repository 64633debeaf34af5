package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// imageUser is the user and group of the image. No system has an account with it.
const imageUser = 65532

// image writes an image for Linux as an OCI archive, which docker load, podman load and skopeo read. It has nothing below the
// program but the certificates of public authorities, for https to mail servers and providers.
func (r *release) image(context.Context) error {
	var all v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	n := 0
	for _, p := range r.programs {
		if p.os != "linux" {
			continue
		}
		img, err := r.imageOf(p)
		if err != nil {
			return err
		}
		all = mutate.AppendManifests(all, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}},
		})
		n++
	}
	if n == 0 {
		return nil
	}
	named := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{
		Add: all, Descriptor: v1.Descriptor{Annotations: map[string]string{
			"org.opencontainers.image.ref.name": r.tag(), "io.containerd.image.name": "docker.io/cloakroom/cloakroom:" + r.tag(),
		}},
	})
	dir := filepath.Join(r.work, "image")
	if _, err := layout.Write(dir, named); err != nil {
		return err
	}
	content, err := tarFolder(dir, r.commit.time)
	if err != nil {
		return err
	}
	return r.write("cloakroom_"+r.version+"_image.tar", content)
}

// tag is the version as a tag of an image, which has no "+".
func (r *release) tag() string {
	return string(bytes.ReplaceAll([]byte(r.version), []byte("+"), []byte("-")))
}

func (r *release) imageOf(p program) (v1.Image, error) {
	base, err := r.layer([]entry{
		{name: "data/", mode: 0o700, owner: imageUser},
		{name: "etc/", mode: 0o755}, {name: "etc/ssl/", mode: 0o755}, {name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, content: authorities()},
		{name: "licenses/", mode: 0o755},
		{name: "licenses/LICENSE", mode: 0o644, content: r.texts.license},
		{name: "licenses/NOTICES", mode: 0o644, content: r.texts.notices},
		{name: "tmp/", mode: 0o700, owner: imageUser},
	})
	if err != nil {
		return nil, err
	}
	own, err := r.layer([]entry{{name: "cloakroom", mode: 0o755, content: p.content}})
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), base, own)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, r.imageConfig(img, p))
}

func (r *release) imageConfig(img v1.Image, p program) *v1.ConfigFile {
	made := v1.Time{Time: r.commit.time}
	config := &v1.ConfigFile{OS: p.os, Architecture: p.arch, Created: made, Config: v1.Config{
		User:         "65532:65532",
		Env:          []string{"CLOAKROOM_DATA=/data", "CLOAKROOM_LISTEN=:8000", "CLOAKROOM_LOG_FORMAT=json"},
		Entrypoint:   []string{"/cloakroom"},
		Cmd:          []string{"serve"},
		ExposedPorts: map[string]struct{}{"8000/tcp": {}},
		Volumes:      map[string]struct{}{"/data": {}},
		Healthcheck:  &v1.HealthConfig{Test: []string{"CMD", "/cloakroom", "healthcheck"}, Interval: 30 * time.Second, Timeout: 5 * time.Second},
		Labels: map[string]string{
			"org.opencontainers.image.title": "cloakroom", "org.opencontainers.image.description": description,
			"org.opencontainers.image.source": homepage, "org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.version": r.version, "org.opencontainers.image.revision": r.commit.hash,
			"org.opencontainers.image.created": r.commit.time.Format(time.RFC3339),
		},
	}}
	if was, err := img.ConfigFile(); err == nil {
		config.RootFS = was.RootFS
		for range was.RootFS.DiffIDs {
			config.History = append(config.History, v1.History{Created: made, CreatedBy: "release"})
		}
	}
	return config
}

func (r *release) layer(entries []entry) (v1.Layer, error) {
	content, err := tarred(entries, r.commit.time)
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithMediaType(types.OCILayer))
}

// authorities returns the certificates of the authorities that Mozilla trusts, without those that it trusts only in part.
func authorities() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes everything
		}
	}
	return b.Bytes()
}

// tarFolder returns a tar of the files of a folder, in the order of their names.
func tarFolder(dir string, at time.Time) ([]byte, error) {
	var all []entry
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(file)
		all = append(all, entry{name: filepath.ToSlash(name), content: content, mode: 0o644})
		return err
	})
	if err != nil {
		return nil, err
	}
	return tarred(all, at)
}
