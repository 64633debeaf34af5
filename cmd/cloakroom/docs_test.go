package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/cmdline"
)

// TestCommandsInTheDocsAreRight parses each command of the program in the pages of documentation, without running it.
func TestCommandsInTheDocsAreRight(t *testing.T) {
	var files []string
	for _, root := range []string{"../../docs", "../../examples", "../../README.md", "../../web/client/README.md"} {
		err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")) { // the built site has copies of the pages
				return filepath.SkipDir
			}
			if strings.HasSuffix(file, ".md") {
				files = append(files, file)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	pages := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pages[file] = string(text)
	}
	// The grammar reads files of secrets.
	t.Chdir(t.TempDir())
	for _, name := range []string{"smtp-password", "hooks.secret"} {
		if err := os.WriteFile(name, []byte("a secret of more than sixteen bytes, for these pages alone\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for file, page := range pages {
		for _, command := range docCommands(page) {
			n++
			args, err := shellWords(command)
			if err != nil {
				t.Errorf("%s: %s: %v", file, command, err)
				continue
			}
			if _, err := newGrammar(&cli{}).Parse(normalizeArgs(args[1:])); err != nil && !errors.Is(err, cmdline.ErrHelp) {
				t.Errorf("%s: %s: %v", file, command, err)
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d commands are found in %d pages", n, len(files))
	}
}

// docCommands returns the commands in blocks of code that begin with the name of the program. A line ends with a comment after two
// spaces, and goes on in the next after a backslash. README.md has several commands in a line, in columns.
func docCommands(page string) []string {
	var found []string
	blocks := strings.Split(page, "```")
	for i := 1; i < len(blocks); i += 2 {
		language, code, _ := strings.Cut(blocks[i], "\n")
		if language != "" && language != "sh" && language != "bash" {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(code, "\\\n", " ")) {
			for _, column := range regexp.MustCompile(`\s{3,}`).Split(strings.TrimSpace(line), -1) {
				command, _, _ := strings.Cut(column, "  ")
				command, _, _ = strings.Cut(command, " #")
				if strings.HasPrefix(command, "cloakroom ") && !strings.Contains(command, "…") {
					found = append(found, regexp.MustCompile(` (>|<|\|).*`).ReplaceAllString(command, ""))
				}
			}
		}
	}
	return found
}

// shellWords splits a command as a shell does.
func shellWords(command string) ([]string, error) {
	out, err := exec.Command("bash", "-c", "printf '%s\\0' "+command).Output()
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), err
}

// TestThePageOfFlagsIsCurrent: docs/commands.md is what the command prints. With UPDATE_SCRIPTS=1 in the environment, it is brought up
// to date.
func TestThePageOfFlagsIsCurrent(t *testing.T) {
	const page = "../../docs/commands.md"
	var want bytes.Buffer
	if code := run(t.Context(), []string{"man", "--markdown"}, nil, &want, io.Discard); code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	if os.Getenv("UPDATE_SCRIPTS") != "" {
		if err := os.WriteFile(page, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil || string(have) != want.String() {
		t.Errorf("docs/commands.md is not current, %v; run: UPDATE_SCRIPTS=1 go test ./cmd/cloakroom -run TestThePageOfFlagsIsCurrent", err)
	}
	if strings.Count(want.String(), "\n### ") < 40 || !strings.Contains(want.String(), "| `--listen=HOST:PORT` |") {
		t.Errorf("the page lacks commands or flags:\n%s", want.String())
	}
}
