// Command mutants checks the tests by mutation: it plants one fault at a time into the code and demands that the test named
// beside it fails. The source files are not touched; the compiler gets the faulty text through an overlay.
//
//	go run ./internal/mutants                plants every fault of internal/mutants/*.txt
//	go run ./internal/mutants S05 csrf       only those whose title contains one of the words
//	go run ./internal/mutants -check         plants nothing; reports faults whose snippet or test no longer exists
//
// A fault is located by the declaration it stands in and a snippet of that declaration's tokens, so comments, formatting and
// the file's name may change freely.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	check := flag.Bool("check", false, "only check that the snippets and the tests still exist")
	flag.Parse()
	faults, err := load("internal/mutants")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	failed, planted := 0, 0
	for _, f := range faults {
		if !f.named(flag.Args()) {
			continue
		}
		planted++
		began := time.Now()
		if err := f.run(*check); err != nil {
			failed++
			fmt.Printf("NOT FOUND  %-60s %v\n", f.title, err)
		} else if !*check {
			fmt.Printf("found      %-60s %s, %.1f s\n", f.title, f.test, time.Since(began).Seconds())
		}
	}
	fmt.Printf("%d faults, %d not found\n", planted, failed)
	if failed > 0 || planted == 0 {
		os.Exit(1)
	}
}

// fault is one entry of the table: in a declaration, the snippet old becomes new, and test must fail.
type fault struct {
	title, dir, decl, file, pkg, test, old, new string
}

func (f fault) named(words []string) bool {
	return len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(f.title, w) })
}

func (f fault) run(check bool) error {
	file, faulty, err := f.mutate()
	if err != nil {
		return err
	}
	if check {
		return f.tested()
	}
	return f.plant(file, faulty)
}

// mutate returns the file that holds the snippet, and its faulty text.
func (f fault) mutate() (file, faulty string, err error) {
	if f.file != "" {
		return f.mutateText()
	}
	return f.mutateDecl()
}

// mutateText replaces the snippet in a file that isn't Go.
func (f fault) mutateText() (file, faulty string, err error) {
	text, err := os.ReadFile(f.file)
	if err != nil {
		return "", "", err
	}
	if n := strings.Count(string(text), f.old); n != 1 {
		return "", "", fmt.Errorf("%s contains the snippet %d times", f.file, n)
	}
	return f.file, strings.Replace(string(text), f.old, f.new, 1), nil
}

// mutateDecl replaces the snippet in a declaration of a Go package.
func (f fault) mutateDecl() (file, faulty string, err error) {
	files, err := filepath.Glob(filepath.Join(f.dir, "*.go"))
	if err != nil {
		return "", "", err
	}
	declared := false
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return "", "", err
		}
		span, ok, err := find(file, text, f.decl)
		if err != nil {
			return "", "", err
		}
		if !ok {
			continue
		}
		declared = true
		if from, to, n := match(string(text[span.from:span.to]), f.old); n == 1 {
			return file, string(text[:span.from+from]) + f.new + string(text[span.from+to:]), nil
		} else if n > 1 {
			return "", "", fmt.Errorf("%s of %s contains the snippet %d times", f.decl, f.dir, n)
		}
	}
	if !declared {
		return "", "", fmt.Errorf("%s declares no %s", f.dir, f.decl)
	}
	return "", "", fmt.Errorf("%s of %s doesn't contain the snippet", f.decl, f.dir)
}

// tested looks for the test's name in its package.
func (f fault) tested() error {
	name, _, _ := strings.Cut(f.test, "/")
	files, err := filepath.Glob(filepath.Join(f.pkg, "*_test.go"))
	if err != nil {
		return err
	}
	for _, file := range append(files, filepath.Join("storetest", "storetest.go")) {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), "func "+name+"(") {
			return nil
		}
	}
	return fmt.Errorf("%s has no test %s", f.pkg, name)
}

// plant runs the test with the faulty text and expects it to fail. A failed build, a crash or a timeout doesn't count.
func (f fault) plant(file, faulty string) error {
	dir, err := os.MkdirTemp("", "fault")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(dir, file, faulty)
	if err != nil {
		return err
	}
	pattern := "^" + strings.ReplaceAll(f.test, "/", "$/^") + "$"
	command := exec.Command("go", "test", "-count=1", "-timeout=240s", "-run", pattern, "./"+f.pkg)
	// Set in the environment, so that programs built by the test get the overlay too.
	command.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay)
	out, err := command.CombinedOutput()
	switch {
	case strings.Contains(string(out), "[build failed]"), strings.Contains(string(out), "[setup failed]"):
		return fmt.Errorf("the faulty code doesn't build:\n%s", out)
	case strings.Contains(string(out), "no tests to run"):
		return fmt.Errorf("no test matches %s", f.test)
	case err == nil:
		return fmt.Errorf("%s passed although the fault was planted", f.test)
	case strings.Contains(string(out), "panic: test timed out"):
		return fmt.Errorf("%s ran out of time", f.test)
	case !strings.Contains(string(out), "--- FAIL: "):
		return fmt.Errorf("%s neither passed nor failed:\n%s", f.test, out)
	}
	return nil
}

func writeOverlay(dir, file, faulty string) (string, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	replacement := filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(replacement, []byte(faulty), 0o600); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {path: replacement}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o600)
}

// load reads the table. Each entry is
//
//	=== title
//	in DIRECTORY Declaration        (a function, Type.method, type, variable or constant)
//	test PACKAGE TestName
//	--- old
//	tokens that the declaration contains exactly once
//	--- new
//	text in their place
//
// In place of "in", "file PATH" names a file that isn't Go. Lines that begin with # before the first entry are comments.
func load(dir string) ([]fault, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []fault
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, entry := range strings.Split("\n"+string(text), "\n=== ")[1:] {
			f, err := parse(entry)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, f)
		}
	}
	return all, nil
}

func parse(entry string) (fault, error) {
	head, rest, ok := strings.Cut(entry, "\n--- old\n")
	old, replacement, ok2 := strings.Cut(rest, "--- new\n")
	if !ok || !ok2 {
		return fault{}, fmt.Errorf("entry without old and new text: %.60q", entry)
	}
	lines := strings.Split(head, "\n")
	f := fault{title: lines[0], old: strings.TrimSuffix(old, "\n"), new: strings.TrimSuffix(replacement, "\n")}
	for _, line := range lines[1:] {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "in":
			f.dir, f.decl, _ = strings.Cut(rest, " ")
		case "file":
			f.file = rest
		case "test":
			f.pkg, f.test, _ = strings.Cut(rest, " ")
		}
	}
	if f.file == "" && f.decl == "" || f.test == "" || f.old == "" {
		return fault{}, fmt.Errorf("entry %q needs a declaration or file, a test and a snippet", f.title)
	}
	return f, nil
}
