package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

var issueCode = regexp.MustCompile(`newIssue\("([EWI]\d{3})", (?:fmt\.Sprintf\()?(.{12})`)

// TestACodeOfCheckMeansOneThing: programs that read the output of check decide by the code.
func TestACodeOfCheckMeansOneThing(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	meanings := map[string]string{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range issueCode.FindAllStringSubmatch(string(text), -1) {
			code, begins := found[1], found[2]
			if before, used := meanings[code]; used && before != begins {
				t.Errorf("%s stands for the issues that begin with %s and %s", code, before, begins)
			}
			meanings[code] = begins
		}
	}
	if len(meanings) < 40 {
		t.Errorf("found only %d codes", len(meanings))
	}
}
