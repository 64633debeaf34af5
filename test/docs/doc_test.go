// Package docs_test holds the README and the pages of docs/ to what they show: it knows for each block of code how it is run, compiled,
// read or compared. A block that it doesn't know fails the test, and so does a rule without a block.
package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	// This import makes go test's cached results stale when the program changes.
	_ "github.com/cloakroom-auth/cloakroom"
)

const root = "../../"

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cloakroom-docs")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "cloakroom")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", binary, root+"cmd/cloakroom").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "[build failed] %v\n%s", err, out)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// block is a fenced block of a page.
type block struct {
	page     string // from the root of the repository
	line     int
	language string
	text     string
}

func (b block) String() string {
	first, _, _ := strings.Cut(b.text, "\n")
	return fmt.Sprintf("%s:%d %q", b.page, b.line, first)
}

var fence = regexp.MustCompile("(?ms)^( *)```([^\n]*)\n(.*?)^ *```$")

// blocksOf returns the blocks of a page, without the indent of a list.
func blocksOf(t *testing.T, page string) (all []block) {
	t.Helper()
	text := readText(t, page)
	for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
		part := func(n int) string { return text[m[2*n]:m[2*n+1]] }
		content := regexp.MustCompile("(?m)^"+part(1)).ReplaceAllString(part(3), "")
		all = append(all, block{page, 1 + strings.Count(text[:m[0]], "\n"), part(2), content})
	}
	if len(all)*2 != strings.Count(text, "```") {
		t.Errorf("%s has a fence that doesn't begin or end a block", page)
	}
	return all
}

func readText(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(root + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pages are the README and the pages of docs/.
func pages(t *testing.T) []string {
	t.Helper()
	all := []string{"README.md"}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range found {
			all = append(all, strings.TrimPrefix(filepath.ToSlash(page), root))
		}
	}
	return all
}

// rule says how the blocks of a page are checked that begin with a text.
type rule struct {
	page   string
	begins string // "": each of the page
	check  func(t *testing.T, b block)
}

func (r rule) matches(b block) bool { return r.page == b.page && strings.HasPrefix(b.text, r.begins) }

// TestEachBlockOfTheDocsIsWhatItSays runs the rule of each block.
func TestEachBlockOfTheDocsIsWhatItSays(t *testing.T) {
	t.Parallel()
	used := make([]int, len(rules))
	for _, page := range pages(t) {
		for _, b := range blocksOf(t, page) {
			var of []int
			for i, r := range rules {
				if r.matches(b) {
					of = append(of, i)
					used[i]++
				}
			}
			if len(of) != 1 {
				t.Errorf("%s has %d rules, want one: add to the table how the block is checked", b, len(of))
				continue
			}
			t.Run(fmt.Sprintf("%s:%d", strings.ReplaceAll(b.page, "/", " "), b.line), func(t *testing.T) {
				t.Parallel()
				rules[of[0]].check(t, b)
			})
		}
	}
	for i, n := range used {
		if n == 0 || n > 1 && rules[i].begins != "" {
			t.Errorf("%d blocks of %s begin with %q, want one", n, rules[i].page, rules[i].begins)
		}
	}
}

// by is the check of a block that another test reads from its page: the one whose name or title stands in a file.
func by(file, test string) func(*testing.T, block) {
	return func(t *testing.T, b block) {
		text := readText(t, file)
		if !strings.Contains(text, "func "+test+"(") && !strings.Contains(text, `test("`+test+`"`) {
			t.Errorf("%s has no test %q of %s", file, test, b)
		}
		page := b.page
		if strings.HasPrefix(page, "docs/start/") { // which are followed one by one
			page = "docs/start"
		}
		if !strings.Contains(text, page) {
			t.Errorf("%s doesn't read %s", file, b.page)
		}
	}
}

// sample is the check of an output that can't be compared with a new run, such as measurements: each name with which a line begins stands
// in the source that prints it.
func sample(sources string, skip ...string) func(*testing.T, block) {
	return func(t *testing.T, b block) {
		files, err := filepath.Glob(root + sources)
		if err != nil || len(files) == 0 {
			t.Fatalf("%d sources: %v", len(files), err)
		}
		var source strings.Builder
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(text)
		}
		names := 0
		for _, m := range regexp.MustCompile(`(?m)^([a-z]+(?:-[a-z]+)*)/`).FindAllStringSubmatch(b.text, -1) {
			names++
			if !strings.Contains(source.String(), `"`+m[1]) {
				t.Errorf("%s names %s, which %s doesn't print", b, m[1], sources)
			}
		}
		for _, words := range skip {
			names++
			if !strings.Contains(b.text, words) || !strings.Contains(source.String(), words) {
				t.Errorf("%s and %s don't both have %q", b, sources, words)
			}
		}
		if names == 0 {
			t.Errorf("%s: no name is compared", b)
		}
	}
}

// bySnippets is the check of JavaScript that the checks of the npm package compile.
func bySnippets(t *testing.T, b block) {
	if text := readText(t, "web/client/scripts/snippets.mjs"); !strings.Contains(text, `"`+b.page+`"`) {
		t.Errorf("web/client/scripts/snippets.mjs doesn't know %s", b.page)
	}
}
