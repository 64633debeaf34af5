package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/cmdline"
	"golang.org/x/term"
)

const description = "Sign-in for single-page apps, done with server-side sessions."

// variablePrefix begins the name of every variable that is a flag.
const variablePrefix = "CLOAKROOM_"

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

func (h *help) command(c *cmdline.Command) {
	h.line("Usage: " + usage(c))
	h.line("")
	h.wrap("", c.Help)
	if c.Detail != "" {
		h.line("")
		h.text(c.Detail)
	}
	h.arguments(c)
	h.commands(c)
	local, global := flags(c), visible(program(c).Flags)
	if c.Parent != nil {
		h.flags("Flags", local)
	}
	h.flags("Flags of every command", global)
	if hasVariable(local) || hasVariable(global) {
		h.line("")
		h.wrap("", "Each flag can also be set by the environment variable below it. The command line takes precedence.")
	}
	if len(c.Commands) > 0 {
		h.line("")
		h.line(fmt.Sprintf("More about a command: %s COMMAND --help", c.FullPath()))
	}
}

// program returns the program that a command is part of.
func program(c *cmdline.Command) *cmdline.Command {
	for c.Parent != nil {
		c = c.Parent
	}
	return c
}

func usage(c *cmdline.Command) string {
	words := []string{c.FullPath()}
	for _, v := range c.Arguments {
		words = append(words, argument(v))
	}
	if len(c.Commands) > 0 {
		words = append(words, "COMMAND")
	}
	return strings.Join(append(words, "[FLAGS]"), " ")
}

func argument(v *cmdline.Value) string {
	name := strings.ToUpper(v.Name)
	if !v.Required {
		name = "[" + name + "]"
	}
	return name
}

func (h *help) arguments(c *cmdline.Command) {
	var rows [][2]string
	for _, v := range c.Arguments {
		rows = append(rows, [2]string{argument(v), v.Help})
	}
	h.columns("Arguments", rows)
}

func (h *help) commands(c *cmdline.Command) {
	var rows [][2]string
	for leaf := range c.Leaves() {
		if leaf != c {
			rows = append(rows, [2]string{leaf.Path(), leaf.Help})
		}
	}
	h.columns("Commands", rows)
}

// flags returns the flags of the command and of the commands that it is part of, without the program's own.
func flags(c *cmdline.Command) []*cmdline.Flag {
	var all []*cmdline.Flag
	for ; c.Parent != nil; c = c.Parent {
		all = append(all, visible(c.Flags)...)
	}
	return all
}

func visible(flags []*cmdline.Flag) []*cmdline.Flag {
	var shown []*cmdline.Flag
	for _, f := range flags {
		if !f.Hidden {
			shown = append(shown, f)
		}
	}
	return shown
}

func hasVariable(flags []*cmdline.Flag) bool {
	for _, f := range flags {
		if f.Variable != "" {
			return true
		}
	}
	return false
}

func (h *help) flags(title string, flags []*cmdline.Flag) {
	var rows [][2]string
	for _, f := range flags {
		rows = append(rows, [2]string{flagName(f), f.Help}, [2]string{"", variable(f)})
	}
	h.columns(title, rows)
}

// flagName returns the flag as it is typed.
func flagName(f *cmdline.Flag) string {
	name := "--" + f.Name
	if f.Short != "" {
		name = "-" + f.Short + ", " + name
	}
	switch {
	case f.Negatable:
		return "--[no-]" + f.Name
	case f.IsBool():
		return name
	case f.IsSlice():
		return name + "=" + f.Placeholder + "…"
	}
	return name + "=" + f.Placeholder
}

// variable returns the line below a flag: its variable and its default.
func variable(f *cmdline.Flag) string {
	var parts []string
	if f.Variable != "" {
		parts = append(parts, f.Variable)
	}
	if standard := cmp.Or(f.Standard, f.Default); standard != "" {
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
	var names []string
	for c := range newGrammar(&cli{}).All() {
		for _, f := range c.Flags {
			if f.Variable != "" {
				names = append(names, f.Variable)
			}
		}
	}
	return names
}
