package cloakroom_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	goTest      = regexp.MustCompile(`(?m)^func (Test[A-Z]+\d+_\w+)\(`)
	browserTest = regexp.MustCompile(`\btest\(\s*["` + "'`" + `]((?:[A-Z]+\d+ )+)`)
	listedTest  = regexp.MustCompile("`(Test[A-Z]+\\d+_\\w+|e2e [A-Z]+\\d+)`")
)

// TestThreatModelNamesEveryTest holds docs/threat-model.md against the code: each test that it names exists, and each
// test that carries a row's name is in it.
func TestThreatModelNamesEveryTest(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range listedTest.FindAllStringSubmatch(string(document), -1) {
		listed[m[1]] = true
	}
	written := rowTests(t)
	if len(listed) == 0 || len(written) == 0 {
		t.Fatalf("%d tests listed, %d written: the patterns don't match any more", len(listed), len(written))
	}
	for name, file := range written {
		if !listed[name] {
			t.Errorf("%s: %s is not in docs/threat-model.md", file, name)
		}
	}
	for name := range listed {
		if written[name] == "" {
			t.Errorf("docs/threat-model.md names %s, and there is no such test", name)
		}
	}
}

// rowTests returns the tests that carry a row's name, with their files. Those in the browser begin with their rows, and
// are listed as "e2e" and the row.
func rowTests(t *testing.T) map[string]string {
	found := map[string]string{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".") && file != ".") {
			return filepath.SkipDir
		}
		browser := strings.HasPrefix(file, "e2e") && strings.HasSuffix(file, ".mjs")
		if !browser && !strings.HasSuffix(file, "_test.go") && !(strings.HasPrefix(file, "storetest") && strings.HasSuffix(file, ".go")) {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !browser {
			for _, m := range goTest.FindAllStringSubmatch(string(text), -1) {
				found[m[1]] = file
			}
			return nil
		}
		for _, m := range browserTest.FindAllStringSubmatch(string(text), -1) {
			for row := range strings.FieldsSeq(m[1]) {
				found["e2e "+row] = file
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
