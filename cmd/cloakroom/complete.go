package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/cmdline"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

func (completionCmd) Help() string {
	return `Packages of Cloakroom install these scripts where the shell finds them.

Examples:
  source <(cloakroom completion bash)      # in ~/.bashrc
  source <(cloakroom completion zsh)       # in ~/.zshrc, after compinit
  cloakroom completion fish > ~/.config/fish/completions/cloakroom.fish`
}

// The scripts ask the program itself what may follow: cloakroom __complete WORD…, where the last word is the one before the
// cursor, empty if it isn't begun yet. Each line of the answer is a word and what it means, with a tab between them. If there
// is no line, the shell completes the names of files.
var (
	//go:embed completion/cloakroom.bash
	bashScript string
	//go:embed completion/cloakroom.zsh
	zshScript string
	//go:embed completion/cloakroom.fish
	fishScript string
)

const completeCommand = "__complete"

func (c *completionCmd) Run(_ context.Context, a *app) error {
	_, err := io.WriteString(a.out, map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell])
	return err
}

// candidate is a word that may be next on the command line.
type candidate struct{ word, help string }

// complete prints the words that may be where the last of these words is.
func complete(out io.Writer, words []string) {
	words = joinValues(words)
	if len(words) == 0 {
		words = []string{""}
	}
	last := len(words) - 1
	for _, c := range candidates(newGrammar(&cli{}), words[:last], words[last]) {
		if strings.HasPrefix(c.word, words[last]) {
			fmt.Fprintf(out, "%s\t%s\n", c.word, c.help)
		}
	}
}

// joinValues joins a flag and its value, which bash passes as three words: --csrf, = and strict.
func joinValues(words []string) []string {
	var joined []string
	for i := 0; i < len(words); i++ {
		n := len(joined)
		if words[i] != "=" || n == 0 || !strings.HasPrefix(joined[n-1], "--") {
			joined = append(joined, words[i])
			continue
		}
		joined[n-1] += "="
		if i+1 < len(words) {
			i++
			joined[n-1] += words[i]
		}
	}
	return joined
}

// candidates returns what may follow the words before; the word that was begun says only of which kind.
func candidates(c *cmdline.Command, before []string, begun string) []candidate {
	arguments := 0
	var open *cmdline.Flag // whose value comes next
	for i, word := range before {
		switch {
		case open != nil:
			open = nil
		case word == "help" && i == 0:
		case strings.HasPrefix(word, "-"):
			open = valueFlag(c, word)
		case part(c, word) != nil:
			c = part(c, word)
		default:
			arguments++
		}
	}
	if open != nil {
		return values("", &open.Value)
	}
	if name, _, ok := strings.Cut(begun, "="); ok && strings.HasPrefix(begun, "--") {
		if f := findFlag(c, strings.TrimPrefix(name, "--")); f != nil {
			return values(name+"=", &f.Value)
		}
		return nil
	}
	if strings.HasPrefix(begun, "-") {
		return flagCandidates(c)
	}
	var found []candidate
	for _, p := range c.Commands {
		found = append(found, candidate{p.Name, p.Help})
	}
	if arguments < len(c.Arguments) {
		found = append(found, values("", c.Arguments[arguments])...)
	}
	return found
}

// part returns the part of a command that has a name, or nil.
func part(c *cmdline.Command, name string) *cmdline.Command {
	for _, p := range c.Commands {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// valueFlag returns the flag if its value is the next word, otherwise nil.
func valueFlag(c *cmdline.Command, word string) *cmdline.Flag {
	if f := findFlag(c, strings.TrimPrefix(word, "--")); f != nil && !f.IsBool() {
		return f
	}
	return nil
}

func findFlag(c *cmdline.Command, name string) *cmdline.Flag {
	for _, f := range allFlags(c) {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// allFlags returns the flags of the command, of those that it is part of, and of the program.
func allFlags(c *cmdline.Command) []*cmdline.Flag {
	return append(flags(c), visible(program(c).Flags)...)
}

func flagCandidates(c *cmdline.Command) []candidate {
	var found []candidate
	for _, f := range allFlags(c) {
		found = append(found, candidate{"--" + f.Name, f.Help})
		if f.Negatable {
			found = append(found, candidate{"--no-" + f.Name, f.Help})
		}
	}
	return found
}

// values returns the values that a flag or argument may have, if they can be listed.
func values(prefix string, v *cmdline.Value) []candidate {
	var found []candidate
	for _, value := range v.Enum {
		if value != "" {
			found = append(found, candidate{prefix + value, ""})
		}
	}
	return found
}
