package gateway_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNoRedirectSendsABodyAgain reads the source code: 303, after which browsers use GET, must be the only redirect in it. 304
// is no redirect.
func TestNoRedirectSendsABodyAgain(t *testing.T) {
	t.Attr("threat", "J04")
	others := []string{"StatusMultipleChoices", "StatusMovedPermanently", "StatusFound", "StatusUseProxy", "StatusTemporaryRedirect",
		"StatusPermanentRedirect", "300", "301", "302", "305", "307", "308"}
	seeOther := 0
	err := filepath.WalkDir("../..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (slices.Contains([]string{"node_modules", "bench", "examples"}, entry.Name()) || strings.HasPrefix(entry.Name(), ".") && file != "../..") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			status := statusOf(n)
			if status == "StatusSeeOther" {
				seeOther++
			}
			if slices.Contains(others, status) {
				t.Errorf("%s leads elsewhere with %s", file, status)
			}
			return true
		})
		return nil
	})
	if err != nil || seeOther == 0 {
		t.Errorf("%d redirects with 303 found, %v", seeOther, err)
	}
}

// statusOf is the status that an expression names: a constant of net/http, or a number as an argument of WriteHeader or
// Redirect.
func statusOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "http" && strings.HasPrefix(n.Sel.Name, "Status") {
			return n.Sel.Name
		}
	case *ast.CallExpr:
		called, ok := n.Fun.(*ast.SelectorExpr)
		if !ok || len(n.Args) == 0 || called.Sel.Name != "WriteHeader" && called.Sel.Name != "Redirect" {
			return ""
		}
		if number, ok := n.Args[len(n.Args)-1].(*ast.BasicLit); ok {
			return number.Value
		}
	}
	return ""
}
