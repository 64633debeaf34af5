package cloakroom_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unplain matches words and phrases that make a sentence harder to read than it must be, and the names of tests that are made
// of such words. "No session", "no user", "anyone" or the field's own term says the same.
var unplain = regexp.MustCompile(`\b(?:[Nn]obody|[Ss]omebody|[Ww]hoever|[Ww]hom|which is none|[Bb]e it|by and by)\b|` +
	`\bfunc Test\w*(?:Nobody|Somebody|Whoever|Whom)|\bfunc TestWho[A-Z]`)

// plainEnough are lines in which one of these words is right, by file.
var plainEnough = map[string]string{
	"english_test.go":          "", // this list
	"e2e/lib/postgres.mjs":     "the user nobody",
	"internal/pgserver/run.go": `nobody`, // an account of the operating system
}

// texts are the files with comments, messages, names or documentation.
var texts = []string{
	".go", ".ts", ".tsx", ".mjs", ".js", ".jsx", ".vue", ".html", ".css", ".md", ".txt", ".txtar", ".yaml", ".yml", ".sql", ".lua", ".sh", ".py",
}

// TestPlainEnglish finds words that make comments, messages, test names and documentation hard to read.
func TestPlainEnglish(t *testing.T) {
	found := map[string]bool{}
	files := 0
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		file = filepath.ToSlash(file)
		if entry.IsDir() {
			if entry.Name() == "node_modules" || entry.Name() == "dist" || strings.HasPrefix(entry.Name(), ".") && file != "." {
				return filepath.SkipDir
			}
			return nil
		}
		if !slices.Contains(texts, filepath.Ext(file)) {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		files++
		right, exempt := plainEnough[file]
		for n, line := range strings.Split(string(text), "\n") {
			word := unplain.FindString(line)
			if word == "" {
				continue
			}
			if exempt && strings.Contains(line, right) {
				found[file] = true
				continue
			}
			t.Errorf("%s:%d: write a plainer sentence without %q: %s", file, n+1, word, strings.TrimSpace(line))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 500 {
		t.Errorf("only %d files were read: the pattern of names doesn't match any more", files)
	}
	for file := range plainEnough {
		if !found[file] {
			t.Errorf("%s has none of these words any more: remove it from the exceptions", file)
		}
	}
}
