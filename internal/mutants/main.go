// Command mutants plants each fault of a table into the code, one at a time, and demands that the test named beside it
// fails: a check that has never failed proves nothing. The files themselves stay as they are; the compiler is handed the
// faulty text in their place.
//
//	go run ./internal/mutants                plants all of internal/mutants/*.txt
//	go run ./internal/mutants S05 csrf       only those whose title holds one of the words
//	go run ./internal/mutants -check         plants nothing; looks whether each text and each test is still there
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
	check := flag.Bool("check", false, "only look whether the texts and the tests are still there")
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

// fault is one line of the table: in file the text old, which is there once, becomes new, and test must fail.
type fault struct {
	title, file, pkg, test, old, new string
}

func (f fault) named(words []string) bool {
	return len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(f.title, w) })
}

func (f fault) run(check bool) error {
	text, err := os.ReadFile(f.file)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), f.old); n != 1 {
		return fmt.Errorf("%s holds the text %d times", f.file, n)
	}
	if check {
		return f.tested()
	}
	return f.plant(strings.Replace(string(text), f.old, f.new, 1))
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

// plant runs the test with the faulty text, and wants its verdict: a failure to build, a crash or a test that runs out of
// time finds nothing.
func (f fault) plant(faulty string) error {
	dir, err := os.MkdirTemp("", "fault")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(dir, f.file, faulty)
	if err != nil {
		return err
	}
	pattern := "^" + strings.ReplaceAll(f.test, "/", "$/^") + "$"
	command := exec.Command("go", "test", "-count=1", "-timeout=240s", "-run", pattern, "./"+f.pkg)
	// By way of the environment it reaches the programs too that a test builds.
	command.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay)
	out, err := command.CombinedOutput()
	switch {
	case strings.Contains(string(out), "[build failed]"), strings.Contains(string(out), "[setup failed]"):
		return fmt.Errorf("the faulty code doesn't build:\n%s", out)
	case strings.Contains(string(out), "no tests to run"):
		return fmt.Errorf("no test matches %s", f.test)
	case err == nil:
		return fmt.Errorf("%s passed all the same", f.test)
	case strings.Contains(string(out), "panic: test timed out"):
		return fmt.Errorf("%s ran out of time", f.test)
	case !strings.Contains(string(out), "--- FAIL: "):
		return fmt.Errorf("%s didn't come to a verdict:\n%s", f.test, out)
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
//	file PATH
//	test PACKAGE TestName
//	--- old
//	text that is there once
//	--- new
//	text in its place
//
// and lines that begin with # before the first entry are comments.
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
		case "file":
			f.file = rest
		case "test":
			f.pkg, f.test, _ = strings.Cut(rest, " ")
		}
	}
	if f.file == "" || f.test == "" || f.old == "" {
		return fault{}, fmt.Errorf("entry %q needs file, test and an old text", f.title)
	}
	return f, nil
}
