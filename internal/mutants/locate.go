package main

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
)

type span struct{ from, to int }

// find returns where a file declares name: a function, "Type.method", or a type, variable or constant.
func find(file string, text []byte, name string) (span, bool, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
	if err != nil {
		return span{}, false, err
	}
	for _, d := range tree.Decls {
		for _, n := range names(d) {
			if n == name {
				return span{set.Position(d.Pos()).Offset, set.Position(d.End()).Offset}, true, nil
			}
		}
	}
	return span{}, false, nil
}

// names returns what a top-level declaration declares.
func names(d ast.Decl) []string {
	var all []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return []string{d.Name.Name}
		}
		return []string{receiver(d.Recv.List[0].Type) + "." + d.Name.Name}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				all = append(all, s.Name.Name)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					all = append(all, n.Name)
				}
			}
		}
	}
	return all
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// match returns where the tokens of snippet stand in text, and how often.
func match(text, snippet string) (from, to, n int) {
	all, want := tokens(text), tokens(snippet)
	for i := 0; i+len(want) <= len(all); i++ {
		equal := true
		for j, w := range want {
			if all[i+j].text != w.text {
				equal = false
				break
			}
		}
		if equal {
			n++
			from, to = all[i].from, all[i+len(want)-1].to
		}
	}
	return from, to, n
}

type tok struct {
	text     string
	from, to int
}

// tokens returns the tokens of Go source without comments and without the semicolons that line ends stand for.
func tokens(src string) []tok {
	var s scanner.Scanner
	set := token.NewFileSet()
	file := set.AddFile("", set.Base(), len(src))
	s.Init(file, []byte(src), func(token.Position, string) {}, 0)
	var all []tok
	for {
		pos, kind, lit := s.Scan()
		if kind == token.EOF {
			return all
		}
		if kind == token.SEMICOLON && lit == "\n" {
			continue
		}
		if lit == "" || kind == token.SEMICOLON {
			lit = kind.String()
		}
		at := file.Offset(pos)
		all = append(all, tok{lit, at, at + len(lit)})
	}
}
