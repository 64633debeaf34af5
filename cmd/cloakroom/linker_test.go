package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTheLinkerDropsMethods that nothing calls. It can't if any code that is linked looks up methods by names that are computed, as
// text/template, html/template and some parsers of command lines do: the program is then larger by a third.
func TestTheLinkerDropsMethods(t *testing.T) {
	// The linker prints each symbol, with those that need it, and marks functions that look up methods.
	out, err := exec.Command("go", "build", "-ldflags=-dumpdep", "-o", filepath.Join(t.TempDir(), "cloakroom"), ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	var culprits []string
	edges := 0
	for line := range strings.Lines(string(out)) {
		from, _, isEdge := strings.Cut(line, " -> ")
		if !isEdge {
			continue
		}
		edges++
		if name, ok := strings.CutSuffix(from, " <ReflectMethod>"); ok && !slices.Contains(culprits, name) {
			culprits = append(culprits, name)
		}
	}
	if len(culprits) > 0 || edges < 10_000 {
		t.Errorf("of %d edges, those of these functions have the linker keep every exported method: %s", edges, strings.Join(culprits, ", "))
	}
}
