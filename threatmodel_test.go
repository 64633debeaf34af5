package cloakroom_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	threatRow   = regexp.MustCompile(`(?m)^\| ([A-Z]+\d+) \|(.*)$`)
	listedTest  = regexp.MustCompile("`(Test\\w+|e2e [A-Z]+\\d+)`")
	storeCase   = regexp.MustCompile("storetest: `([^`]+)`")
	browserTest = regexp.MustCompile(`\btest\(\s*["` + "'`" + `]((?:[A-Z]+\d+ )+)`)
)

// TestThreatModelNamesEveryTest compares docs/threat-model.md with the code: the tests of a row are those that say
// t.Attr("threat", ROW), and the tests in the browser whose names begin with the row.
func TestThreatModelNamesEveryTest(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string][]string{}
	for _, m := range threatRow.FindAllStringSubmatch(string(document), -1) {
		for _, test := range listedTest.FindAllStringSubmatch(m[2], -1) {
			listed[m[1]] = append(listed[m[1]], test[1])
		}
	}
	written := testsByRow(t)
	if len(listed) == 0 || len(written) == 0 {
		t.Fatalf("%d rows list tests, %d rows have tests: the patterns don't match any more", len(listed), len(written))
	}
	for row, tests := range written {
		for _, name := range tests {
			if !slices.Contains(listed[row], name) {
				t.Errorf("row %s of docs/threat-model.md doesn't name %s", row, name)
			}
		}
	}
	for row, tests := range listed {
		for _, name := range tests {
			if !slices.Contains(written[row], name) {
				t.Errorf("row %s of docs/threat-model.md names %s, which doesn't say t.Attr(\"threat\", %q)", row, name, row)
			}
		}
	}
}

// TestThreatModelQuotesCasesOfStores checks that each case that the document quotes from package storetest exists.
func TestThreatModelQuotesCasesOfStores(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("storetest", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var cases strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases.Write(text)
	}
	quoted := storeCase.FindAllStringSubmatch(string(document), -1)
	if len(quoted) == 0 {
		t.Fatal("no row quotes a case: the pattern doesn't match any more")
	}
	for _, m := range quoted {
		if !strings.Contains(cases.String(), strconv.Quote(m[1])+", ") {
			t.Errorf("docs/threat-model.md quotes the case %q, which package storetest doesn't have", m[1])
		}
	}
}

// testsByRow returns the names of the tests of each row. Tests in the browser are named "e2e" and the row.
func testsByRow(t *testing.T) map[string][]string {
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".") && file != ".") {
			return filepath.SkipDir
		}
		switch {
		case strings.HasPrefix(file, "e2e") && strings.HasSuffix(file, ".mjs"):
			return readBrowserTests(file, found)
		case strings.HasSuffix(file, "_test.go"):
			return readGoTests(file, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func readBrowserTests(file string, found map[string][]string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, m := range browserTest.FindAllStringSubmatch(string(text), -1) {
		for row := range strings.FieldsSeq(m[1]) {
			found[row] = append(found[row], "e2e "+row)
		}
	}
	return nil
}

func readGoTests(file string, found map[string][]string) error {
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, d := range tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(f.Name.Name, "Test") {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 2 {
				return true
			}
			if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "Attr" && literal(call.Args[0]) == "threat" {
				row := literal(call.Args[1])
				found[row] = append(found[row], f.Name.Name)
			}
			return true
		})
	}
	return nil
}

// literal returns the value of a string literal.
func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		text, _ := strconv.Unquote(l.Value)
		return text
	}
	return ""
}
