package cloakroom_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mostNames is how many exported names, without methods and fields, a package may have, so that "go doc" of it can be read.
const mostNames = 30

// notForPrograms are folders whose packages no program imports.
var notForPrograms = []string{"cmd", "internal", "test", "web", "examples", "bench", "release", "e2e", "findings", "scripts", "docs"}

// publicPackages calls visit with each package that programs import, parsed without its tests.
func publicPackages(t *testing.T, visit func(dir string, files []*ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		top, _, _ := strings.Cut(filepath.ToSlash(dir), "/")
		if name := entry.Name(); dir != "." && (slices.Contains(notForPrograms, top) || name == "testdata" || name == "node_modules" || name[0] == '.') {
			return filepath.SkipDir
		}
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			return err
		}
		var files []*ast.File
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files = append(files, file)
		}
		if len(files) > 0 {
			visit(filepath.ToSlash(dir), files)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPackageHasFewNames(t *testing.T) {
	seen := 0
	publicPackages(t, func(dir string, files []*ast.File) {
		seen++
		names := map[string]bool{}
		for _, file := range files {
			for _, d := range file.Decls {
				for _, name := range declared(d) {
					if name.IsExported() {
						names[name.Name] = true
					}
				}
			}
		}
		if len(names) > mostNames {
			t.Errorf("package %s exports %d names, more than %d: %v", dir, len(names), mostNames, slices.Sorted(maps.Keys(names)))
		}
	})
	if seen < 20 {
		t.Errorf("%d packages were found", seen)
	}
}

// declared returns the names of the package that a declaration declares.
func declared(d ast.Decl) (names []*ast.Ident) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name)
			case *ast.ValueSpec:
				names = append(names, spec.Names...)
			}
		}
	}
	return names
}

// TestNoNameNeedsAnInternalType: a program can name all types of what it sets, passes and gets.
func TestNoNameNeedsAnInternalType(t *testing.T) {
	publicPackages(t, func(dir string, files []*ast.File) {
		for _, file := range files {
			internal := map[string]string{}
			for _, spec := range file.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(path, "/internal/") {
					name := path[strings.LastIndexByte(path, '/')+1:]
					if spec.Name != nil {
						name = spec.Name.Name
					}
					internal[name] = path
				}
			}
			for _, d := range file.Decls {
				for of, expr := range exportedTypes(d) {
					ast.Inspect(expr, func(n ast.Node) bool {
						if s, ok := n.(*ast.SelectorExpr); ok {
							if x, ok := s.X.(*ast.Ident); ok && internal[x.Name] != "" {
								t.Errorf("%s.%s has the type %s.%s of %s", dir, of, x.Name, s.Sel.Name, internal[x.Name])
							}
						}
						return true
					})
				}
			}
		}
	})
}

// exportedTypes returns the types of the exported fields, methods, parameters and results of a declaration, by what has them.
func exportedTypes(d ast.Decl) map[string]ast.Node {
	all := map[string]ast.Node{}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || isExportedReceiver(d.Recv.List[0].Type)) {
			all[d.Name.Name] = d.Type
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				if spec.Type != nil && slices.ContainsFunc(spec.Names, (*ast.Ident).IsExported) {
					all[spec.Names[0].Name] = spec.Type
				}
			case *ast.TypeSpec:
				if !spec.Name.IsExported() {
					continue
				}
				structure, ok := spec.Type.(*ast.StructType)
				if !ok {
					all[spec.Name.Name] = spec.Type
					continue
				}
				for _, field := range structure.Fields.List {
					if slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
						all[spec.Name.Name+"."+field.Names[0].Name] = field.Type
					}
				}
			}
		}
	}
	return all
}

func isExportedReceiver(e ast.Expr) bool {
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	name, ok := e.(*ast.Ident)
	return ok && name.IsExported()
}
