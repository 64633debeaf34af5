package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

const description = "Sign-in for single-page apps, done with server-side sessions."

// variablePrefix begins the name of every variable that is a flag.
const variablePrefix = "CLOAKROOM_"

// errHelpShown ends the parsing of the command line once help has been printed.
var errHelpShown = errors.New("help was given")

type helpFlag bool

// BeforeReset is called by kong when the flag is found, before kong checks whether anything is missing.
func (helpFlag) BeforeReset(c *kong.Context) error {
	h := &help{out: c.Stdout, width: helpWidth(c.Stdout)}
	node := c.Selected()
	if node == nil {
		node = lastCommand(c)
	}
	h.node(c.Model.Node, node)
	return errHelpShown
}

// lastCommand returns the last command of the command line: "user" of "user --help".
func lastCommand(c *kong.Context) *kong.Node {
	node := c.Model.Node
	for _, p := range c.Path {
		if p.Command != nil {
			node = p.Command
		}
	}
	return node
}

// helpWidth returns the terminal's width, within readable limits; 80 without a terminal.
func helpWidth(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return max(60, min(width, 100))
		}
	}
	return 80
}

// help prints the help of a command.
type help struct {
	out   io.Writer
	width int
}

func (h *help) node(root, node *kong.Node) {
	h.line("Usage: " + usage(node))
	h.line("")
	h.wrap("", node.Help)
	if node.Detail != "" {
		h.line("")
		h.text(node.Detail)
	}
	h.arguments(node)
	h.commands(node)
	local, global := flags(node), visible(root.Flags)
	if node != root {
		h.flags("Flags", local)
	}
	h.flags("Flags of every command", global)
	if hasVariable(local) || hasVariable(global) {
		h.line("")
		h.wrap("", "Each flag can also be set by the environment variable below it. The command line takes precedence.")
	}
	if len(node.Children) > 0 {
		h.line("")
		h.line(fmt.Sprintf("More about a command: %s COMMAND --help", node.FullPath()))
	}
}

func usage(node *kong.Node) string {
	words := []string{node.FullPath()}
	for _, p := range node.Positional {
		words = append(words, positional(p))
	}
	if len(node.Children) > 0 {
		words = append(words, "COMMAND")
	}
	return strings.Join(append(words, "[FLAGS]"), " ")
}

func positional(p *kong.Positional) string {
	name := strings.ToUpper(p.Name)
	if !p.Required {
		name = "[" + name + "]"
	}
	return name
}

func (h *help) arguments(node *kong.Node) {
	var rows [][2]string
	for _, p := range node.Positional {
		rows = append(rows, [2]string{positional(p), p.Help})
	}
	h.columns("Arguments", rows)
}

func (h *help) commands(node *kong.Node) {
	var rows [][2]string
	for _, leaf := range node.Leaves(true) {
		if leaf != node {
			rows = append(rows, [2]string{leaf.Path(), leaf.Help})
		}
	}
	h.columns("Commands", rows)
}

// flags returns the flags of the command and of the commands that it is part of, without the program's own.
func flags(node *kong.Node) []*kong.Flag {
	var all []*kong.Flag
	for ; node.Parent != nil; node = node.Parent {
		all = append(all, visible(node.Flags)...)
	}
	return all
}

func visible(flags []*kong.Flag) []*kong.Flag {
	var shown []*kong.Flag
	for _, f := range flags {
		if !f.Hidden {
			shown = append(shown, f)
		}
	}
	return shown
}

func hasVariable(flags []*kong.Flag) bool {
	for _, f := range flags {
		if len(f.Envs) > 0 {
			return true
		}
	}
	return false
}

func (h *help) flags(title string, flags []*kong.Flag) {
	var rows [][2]string
	for _, f := range flags {
		rows = append(rows, [2]string{flagName(f), f.Help}, [2]string{"", variable(f)})
	}
	h.columns(title, rows)
}

// flagName returns the flag as it is typed.
func flagName(f *kong.Flag) string {
	name := "--" + f.Name
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", " + name
	}
	switch {
	case f.Tag.Negatable != "":
		return "--[no-]" + f.Name
	case f.IsBool():
		return name
	case f.IsSlice():
		return name + "=" + f.PlaceHolder + "…"
	}
	return name + "=" + f.PlaceHolder
}

// variable returns the line below a flag: its variable and its default. The tag "standard" describes a default that is
// computed.
func variable(f *kong.Flag) string {
	parts := slices.Clone(f.Envs)
	standard := f.Default
	if computed := f.Tag.Get("standard"); computed != "" {
		standard = computed
	}
	if standard != "" {
		parts = append(parts, "default "+standard)
	}
	return strings.Join(parts, ", ")
}

// columns writes rows of two columns, the second wrapped. Rows without a second column are left out if they have no
// first either.
func (h *help) columns(title string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	h.line("")
	h.line(title + ":")
	wide := 0
	for _, row := range rows {
		wide = max(wide, len([]rune(row[0])))
	}
	for _, row := range rows {
		if row != [2]string{} {
			pad := strings.Repeat(" ", wide-len([]rune(row[0])))
			h.wrap("  "+row[0]+pad+"  ", row[1])
		}
	}
}

// text writes paragraphs, wrapped; lines that begin with a space stay as they are.
func (h *help) text(s string) {
	var paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			h.wrap("", strings.Join(paragraph, " "))
		}
		paragraph = nil
	}
	for line := range strings.SplitSeq(strings.TrimSpace(s), "\n") {
		switch {
		case line == "" || line[0] == ' ':
			flush()
			h.line(line)
		case strings.HasSuffix(line, ":"):
			paragraph = append(paragraph, line)
			flush()
		default:
			paragraph = append(paragraph, line)
		}
	}
	flush()
}

// wrap prints the words after first, and further lines below the first word.
func (h *help) wrap(first, words string) {
	indent := strings.Repeat(" ", len([]rune(first)))
	line, used := first, len([]rune(first))
	for i, word := range strings.Fields(words) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case used+1+n > h.width:
			h.line(line)
			line, used = indent, len(indent)
		default:
			line, used = line+" ", used+1
		}
		line, used = line+word, used+n
	}
	h.line(line)
}

func (h *help) line(s string) { fmt.Fprintln(h.out, strings.TrimRight(s, " ")) }

// variables returns the names of all variables that set a flag of some command.
func variables() []string {
	parser, err := newParser(&cli{}, io.Discard, io.Discard)
	if err != nil {
		panic(err) // the grammar is wrong
	}
	var names []string
	_ = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if f, ok := node.(*kong.Flag); ok {
			names = append(names, f.Envs...)
		}
		return next(nil)
	})
	return names
}
