package cloakroom_test

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"`)
	heading      = regexp.MustCompile(`(?m)^#+ (.*)$`)
	codeBlock    = regexp.MustCompile("(?ms)^ *```.*?^ *```")
)

// TestLinksInTheDocsResolve follows each relative link of each Markdown file to a file, and to a heading if it names one.
func TestLinksInTheDocsResolve(t *testing.T) {
	links := 0
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "dist" || strings.HasPrefix(entry.Name(), ".") && file != ".") {
			return filepath.SkipDir
		}
		if filepath.Ext(file) != ".md" {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range markdownLink.FindAllStringSubmatch(codeBlock.ReplaceAllString(string(text), ""), -1) {
			target, err := url.Parse(m[1] + m[2])
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if target.Scheme == "" {
				links++
				followLink(t, file, target)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if links == 0 {
		t.Fatal("no Markdown file has a relative link: the pattern doesn't match any more")
	}
}

func followLink(t *testing.T, file string, target *url.URL) {
	t.Helper()
	to := file
	if target.Path != "" {
		to = filepath.Join(filepath.Dir(file), filepath.FromSlash(target.Path))
	}
	if _, err := os.Stat(to); err != nil {
		t.Errorf("%s links to %s: no such file", file, target)
		return
	}
	if target.Fragment == "" || filepath.Ext(to) != ".md" {
		return
	}
	text, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(string(text), ""), -1) {
		if headingAnchor(m[1]) == target.Fragment {
			return
		}
	}
	t.Errorf("%s links to %s: no such heading", file, target)
}

// headingAnchor returns the fragment that code hosts give a heading: lower case, hyphens for spaces, no punctuation.
func headingAnchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}
