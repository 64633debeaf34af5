package cloakroom_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
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

// TestEachDecisionHasItsOwnNumber also checks that the list has each page of docs/adr under the number of its file.
func TestEachDecisionHasItsOwnNumber(t *testing.T) {
	list, err := os.ReadFile("docs/adr/README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("docs/adr/[0-9]*.md")
	if err != nil || len(pages) < 2 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	numbers := map[int]string{}
	for _, page := range pages {
		name := filepath.Base(page)
		number, err := strconv.Atoi(name[:4])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if other := numbers[number]; other != "" {
			t.Errorf("%s and %s have the same number", other, name)
		}
		numbers[number] = name
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| %d \| \[[^]]+\]\(%s\) \|$`, number, regexp.QuoteMeta(name)))
		if n := len(row.FindAll(list, -1)); n != 1 {
			t.Errorf("the list has %d rows of %s with its number, want 1", n, name)
		}
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

// TestThePageOfTheAPIHasEachCode that the routes and the gateway answer: clients branch on them.
func TestThePageOfTheAPIHasEachCode(t *testing.T) {
	page, err := os.ReadFile("docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`(?:problem\.New\(http\.\w+, |\bCode: +)"([a-z_]+)"`)
	found := map[string]bool{}
	for _, dir := range []string{"auth", "csrf", "internal/basicauth", "internal/gateway", "internal/httpapi", "internal/problem"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, match := range code.FindAllSubmatch(source, -1) {
				found[string(match[1])] = true
			}
		}
	}
	if len(found) < 50 {
		t.Errorf("only %d codes were found: has the way to write them changed?", len(found))
	}
	for c := range found {
		if !bytes.Contains(page, []byte("`"+c+"`")) {
			t.Errorf("docs/http-api.md doesn't have the code %s", c)
		}
	}
}
