package main

import (
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
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

func (c *completionCmd) Run(a *app) error {
	_, err := io.WriteString(a.out, map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell])
	return err
}

// candidate is a word that may be next on the command line.
type candidate struct{ word, help string }

// complete prints the words that may be where the last of these words is.
func complete(out io.Writer, words []string) {
	parser, err := newParser(&cli{}, io.Discard, io.Discard)
	if err != nil {
		panic(err) // the grammar is wrong
	}
	words = joinValues(words)
	if len(words) == 0 {
		words = []string{""}
	}
	last := len(words) - 1
	for _, c := range candidates(parser.Model.Node, words[:last], words[last]) {
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
func candidates(root *kong.Node, before []string, begun string) []candidate {
	node, arguments := root, 0
	var open *kong.Flag // whose value comes next
	for i, word := range before {
		switch {
		case open != nil:
			open = nil
		case word == "help" && i == 0:
		case strings.HasPrefix(word, "-"):
			open = valueFlag(node, word)
		case child(node, word) != nil:
			node = child(node, word)
		default:
			arguments++
		}
	}
	if open != nil {
		return values("", open.Value)
	}
	if name, _, ok := strings.Cut(begun, "="); ok && strings.HasPrefix(begun, "--") {
		if f := findFlag(node, strings.TrimPrefix(name, "--")); f != nil {
			return values(name+"=", f.Value)
		}
		return nil
	}
	if strings.HasPrefix(begun, "-") {
		return flagCandidates(node)
	}
	var found []candidate
	for _, c := range node.Children {
		if !c.Hidden {
			found = append(found, candidate{c.Name, c.Help})
		}
	}
	if arguments < len(node.Positional) {
		found = append(found, values("", node.Positional[arguments])...)
	}
	return found
}

func child(node *kong.Node, name string) *kong.Node {
	for _, c := range node.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// valueFlag returns the flag if its value is the next word, otherwise nil.
func valueFlag(node *kong.Node, word string) *kong.Flag {
	if f := findFlag(node, strings.TrimPrefix(word, "--")); f != nil && !f.IsBool() {
		return f
	}
	return nil
}

func findFlag(node *kong.Node, name string) *kong.Flag {
	for _, f := range allFlags(node) {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// allFlags returns the flags of the command, of those that it is part of, and of the program.
func allFlags(node *kong.Node) []*kong.Flag {
	root := node
	for root.Parent != nil {
		root = root.Parent
	}
	return append(flags(node), visible(root.Flags)...)
}

func flagCandidates(node *kong.Node) []candidate {
	var found []candidate
	for _, f := range allFlags(node) {
		found = append(found, candidate{"--" + f.Name, f.Help})
		if f.Tag.Negatable != "" {
			found = append(found, candidate{"--no-" + f.Name, f.Help})
		}
	}
	return found
}

// values returns the values that a flag or argument may have, if they can be listed.
func values(prefix string, v *kong.Value) []candidate {
	var found []candidate
	if v.Enum != "" {
		for _, value := range v.EnumSlice() {
			if value != "" {
				found = append(found, candidate{prefix + value, ""})
			}
		}
	}
	return found
}
