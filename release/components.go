package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licensecheck"
)

// components writes what the programs contain, as a CycloneDX document: Go modules, and the npm packages in the pages.
func (r *release) components(ctx context.Context) error {
	modules, err := r.modules(ctx)
	if err != nil {
		return err
	}
	packages, err := r.npmPackages()
	if err != nil {
		return err
	}
	self := "pkg:golang/github.com/cloakroom-auth/cloakroom@v" + r.version
	var all []cyclonedx.Component
	for _, m := range modules {
		all = append(all, m.component())
	}
	for _, p := range packages {
		all = append(all, p.component())
	}
	var needs []string
	for _, c := range all {
		needs = append(needs, c.BOMRef)
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{
		Timestamp: r.commit.time.Format(time.RFC3339),
		Component: &cyclonedx.Component{
			BOMRef: self, Type: cyclonedx.ComponentTypeApplication, Name: "cloakroom", Version: r.version, Description: description,
			PackageURL: self, Licenses: licenses("Apache-2.0"),
			ExternalReferences: &[]cyclonedx.ExternalReference{{Type: cyclonedx.ERTypeVCS, URL: homepage, Comment: "commit " + r.commit.hash}},
		},
	}
	bom.Components = &all
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: self, Dependencies: &needs}}
	var b bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&b, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	return r.write("cloakroom_"+r.version+".cdx.json", b.Bytes())
}

func licenses(ids ...string) *cyclonedx.Licenses {
	var all cyclonedx.Licenses
	for _, id := range ids {
		all = append(all, cyclonedx.LicenseChoice{License: &cyclonedx.License{ID: id}})
	}
	return &all
}

// component describes a Go module. Its hash is the one of go.sum.
func (m module) component() cyclonedx.Component {
	purl := "pkg:golang/" + m.path + "@" + url.QueryEscape(m.version)
	c := cyclonedx.Component{
		BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: m.path, Version: m.version, PackageURL: purl, Scope: cyclonedx.ScopeRequired,
	}
	seen := map[string]bool{}
	for _, text := range m.licenses {
		for _, match := range licensecheck.Scan(text).Match {
			if !match.IsURL && !strings.HasSuffix(match.ID, "-Patents") && match.ID != "GooglePatentsFile" && match.ID != "GooglePatentClause" {
				seen[match.ID] = true
			}
		}
	}
	if len(seen) > 0 {
		c.Licenses = licenses(sorted(seen)...)
	}
	if h, ok := strings.CutPrefix(m.sum, "h1:"); ok {
		if sum, err := base64.StdEncoding.DecodeString(h); err == nil {
			c.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}
		}
	}
	return c
}

// npmPackage is an entry of package-lock.json.
type npmPackage struct {
	name         string
	Version      string            `json:"version"`
	Integrity    string            `json:"integrity"`
	License      string            `json:"license"`
	Link         bool              `json:"link"`
	Dependencies map[string]string `json:"dependencies"`
}

func (p npmPackage) component() cyclonedx.Component {
	purl := "pkg:npm/" + strings.Replace(p.name, "@", "%40", 1) + "@" + p.Version
	c := cyclonedx.Component{
		BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: p.name, Version: p.Version, PackageURL: purl, Scope: cyclonedx.ScopeRequired,
	}
	if p.License != "" {
		c.Licenses = licenses(p.License)
	}
	if h, ok := strings.CutPrefix(p.Integrity, "sha512-"); ok {
		if sum, err := base64.StdEncoding.DecodeString(h); err == nil {
			c.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA512, Value: hex.EncodeToString(sum)}}
		}
	}
	return c
}

// npmPackages returns the packages that the pages are built with, by name. Our own, which are in the repository, are left out.
func (r *release) npmPackages() ([]npmPackage, error) {
	text, err := os.ReadFile(filepath.Join(r.source, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	var lock struct {
		Packages map[string]npmPackage `json:"packages"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("package-lock.json: %w", err)
	}
	found := map[string]npmPackage{}
	var add func(from string) error
	add = func(from string) error {
		for name := range lock.Packages[from].Dependencies {
			at, ok := resolve(lock.Packages, from, name)
			if !ok {
				return fmt.Errorf("package-lock.json: %s needs %s, which isn't in it", from, name)
			}
			p := lock.Packages[at]
			if _, seen := found[at]; seen || p.Link {
				continue
			}
			p.name = name
			found[at] = p
			if err := add(at); err != nil {
				return err
			}
		}
		return nil
	}
	if err := add("web/pages"); err != nil {
		return nil, err
	}
	var all []npmPackage
	for _, at := range sorted(found) {
		all = append(all, found[at])
	}
	return all, nil
}

// resolve finds a package as Node does: in the folder node_modules of the folder that needs it, or of one above.
func resolve(all map[string]npmPackage, from, name string) (string, bool) {
	for dir := from; ; dir = path.Dir(dir) {
		if dir == "." {
			dir = ""
		}
		at := path.Join(dir, "node_modules", name)
		if _, ok := all[at]; ok {
			return at, true
		}
		if dir == "" {
			return "", false
		}
	}
}
