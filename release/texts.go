package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// texts are what comes with each program.
type texts struct {
	license, readme, changelog, notices []byte
	man                                 []byte
	bash, zsh, fish                     []byte
}

func (r *release) readTexts(ctx context.Context) (t texts, err error) {
	for name, to := range map[string]*[]byte{"LICENSE": &t.license, "README.md": &t.readme, "CHANGELOG.md": &t.changelog} {
		if *to, err = os.ReadFile(filepath.Join(r.source, name)); err != nil {
			return t, err
		}
	}
	host, err := r.host(ctx)
	if err != nil {
		return t, err
	}
	for _, printed := range []struct {
		to   *[]byte
		args []string
	}{
		{&t.man, []string{"man"}}, {&t.bash, []string{"completion", "bash"}}, {&t.zsh, []string{"completion", "zsh"}}, {&t.fish, []string{"completion", "fish"}},
	} {
		if *printed.to, err = run(ctx, r.work, nil, host.file, printed.args...); err != nil {
			return t, err
		}
	}
	t.notices, err = r.readNotices(ctx)
	return t, err
}

// readNotices returns the licenses of all modules in the programs, and of the packages in their pages, which ask to be passed on with
// them.
func (r *release) readNotices(ctx context.Context) ([]byte, error) {
	all, err := r.modules(ctx)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("The programs contain the following Go modules.\n")
	for _, m := range all {
		fmt.Fprintf(&b, "\n%s\n%s %s\n%[1]s\n\n", strings.Repeat("=", 80), m.path, m.version)
		for _, l := range m.licenses {
			b.Write(bytes.TrimRight(l, "\n"))
			b.WriteString("\n\n")
		}
	}
	pages, err := os.ReadFile(filepath.Join(r.source, "web", "pages", "dist", "licenses.md"))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "%s\nTheir pages contain the following npm packages.\n\n%s", strings.Repeat("=", 80), pages)
	return b.Bytes(), nil
}

// module is a module in a program.
type module struct {
	path, version, sum string
	licenses           [][]byte // texts
}

// modules returns the modules of all programs by their paths, and Go's own library first.
func (r *release) modules(ctx context.Context) ([]module, error) {
	found := map[string]module{}
	for _, p := range r.programs {
		for _, d := range p.info.Deps {
			found[d.Path] = module{path: d.Path, version: d.Version, sum: d.Sum}
		}
	}
	root, err := run(ctx, r.source, nil, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	std := module{path: "std", version: r.programs[0].info.GoVersion}
	if std.licenses, err = readLicenses(strings.TrimSpace(string(root))); err != nil {
		return nil, err
	}
	all := []module{std}
	for _, path := range sorted(found) {
		m := found[path]
		dir, err := run(ctx, r.source, []string{"GOFLAGS=-mod=mod"}, "go", "list", "-m", "-f", "{{.Dir}}", m.path)
		if err != nil {
			return nil, err
		}
		if m.licenses, err = readLicenses(strings.TrimSpace(string(dir))); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// readLicenses reads the files of a module that begin with LICENSE, COPYING, NOTICE or PATENTS. A module without one is an error:
// it couldn't be passed on.
func readLicenses(dir string) (all [][]byte, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"}, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no license", dir)
	}
	return all, nil
}
