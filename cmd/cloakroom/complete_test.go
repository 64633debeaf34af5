package main

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestCompletion(t *testing.T) {
	for line, want := range map[string]string{
		"":                             "serve user group",
		"us":                           "user",
		"help us":                      "user",
		"user a":                       "add",
		"serve --cs":                   "--csrf",
		"serve --csrf ":                "auto strict",
		"serve --csrf=":                "--csrf=auto --csrf=strict",
		"serve --csrf = s":             "--csrf=strict",
		"serve --basic --cookie-same":  "--cookie-samesite",
		"serve --listen user --cs":     "--csrf", // user is a value here
		"user list --js":               "--json",
		"--json user li":               "list",
		"completion ":                  "bash zsh fish",
		"completion zsh ":              "",
		"serve --no-such=":             "",
		"serve --tls-cert ":            "", // the shell completes files
		"user reset ada x":             "",
		"session revoke-all ada --no-": "",
	} {
		var out bytes.Buffer
		complete(&out, strings.Split(line, " "))
		var got []string
		for l := range strings.Lines(out.String()) {
			word, _, _ := strings.Cut(l, "\t")
			got = append(got, word)
		}
		if line == "" && len(got) > 3 {
			got = got[:3] // there are more commands
		}
		if strings.Join(got, " ") != want {
			t.Errorf("after %q come %q, want %q", line, got, want)
		}
	}
}

// TestShellsComplete loads the scripts into the shells that they are for.
func TestShellsComplete(t *testing.T) {
	for shell, c := range map[string]struct {
		script string
		want   []string
	}{
		"bash": {`
source <(cloakroom completion bash)
ask() { COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _cloakroom; echo "${COMPREPLY[@]}"; }
ask cloakroom user a
ask cloakroom serve --csrf = s
ask cloakroom serve --csrf ''
ask cloakroom serve --tls-cert /
complete -p cloakroom`, []string{"add", "strict", "auto strict", "", "complete -o default -F _cloakroom cloakroom"}},
		"fish": {`
cloakroom completion fish | source
complete -C "cloakroom user a"
complete -C "cloakroom serve --csrf=s"
complete -C "cloakroom serve --tls-cert /et"`, []string{"add\tAdd a user.", "--csrf=strict", "/etc/"}},
		// zsh has no command that completes a given line, so this stands in for its own functions.
		"zsh": {`
compdef() { echo "compdef $*" }
_describe() { print -l -- $found }
_files() { echo files }
source <(cloakroom completion zsh)
ask() { words=("$@") CURRENT=$#; _cloakroom }
ask cloakroom user a
ask cloakroom serve --csrf=s
ask cloakroom serve --tls-cert /`, []string{"compdef _cloakroom cloakroom", "add:Add a user.", "--csrf=strict:", "files"}},
	} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil && os.Getenv("CLOAKROOM_TESTS_NEED_ALL") == "" {
				t.Skipf("left out: %v", err)
			}
			cmd := exec.Command(shell, "-c", c.script)
			cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%v, and the output\n%s\nwant\n%s", err, out, strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestTheManualPageHasEveryCommandAndFlag: and no line of text is taken for a request of roff.
func TestTheManualPageHasEveryCommandAndFlag(t *testing.T) {
	program := newGrammar(&cli{})
	p := &manPage{}
	p.program(program, build{Version: "v1.2.3", Time: "2026-05-06T07:08:09Z"})
	page := p.String()
	if !strings.HasPrefix(page, `.TH "CLOAKROOM" "1" "2026\-05\-06" "cloakroom v1.2.3" "Cloakroom"`+"\n") {
		t.Errorf("the page begins with %q", strings.SplitN(page, "\n", 2)[0])
	}
	terms := map[string]bool{}
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		name, _, _ := strings.Cut(line, " ")
		terms[line] = true
		if strings.HasPrefix(line, ".") && !slices.Contains(strings.Fields(".TH .SH .SS .PP .TP .B .I .nf .fi"), name) {
			t.Errorf("%q is taken for a request", line)
		}
	}
	for c := range program.All() {
		if want := `.SS "` + roff.Replace(usage(c)) + `"`; len(c.Commands) == 0 && !terms[want] {
			t.Errorf("the page has no %s", want)
		}
		for _, f := range visible(c.Flags) {
			if want := `.B "` + roff.Replace(flagName(f)) + `"`; !terms[want] {
				t.Errorf("the page has no %s", want)
			}
		}
	}
}
