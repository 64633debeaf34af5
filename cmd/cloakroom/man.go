package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/cmdline"
)

type manCmd struct {
	Markdown bool `help:"Print a page of Markdown with all commands and flags."`
}

func (manCmd) Help() string {
	return `Packages of Cloakroom install the page; "man cloakroom" then shows it.

Examples:
  cloakroom man | man -l -
  cloakroom man > /usr/local/share/man/man1/cloakroom.1
  cloakroom man --markdown`
}

func (c manCmd) Run(_ context.Context, a *app) error {
	if c.Markdown {
		return reference(a.out, newGrammar(&cli{}))
	}
	p := &manPage{}
	p.program(newGrammar(&cli{}), thisBuild())
	_, err := io.WriteString(a.out, p.String())
	return err
}

// manPage is a manual page in roff, with the macros of man(7). It has what --help has, of all commands.
type manPage struct{ strings.Builder }

// roff escapes text that could be taken for a request or an escape.
var roff = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`)

func (p *manPage) text(s string) {
	s = roff.Replace(strings.TrimSpace(s))
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	p.WriteString(s + "\n")
}

// macro writes a line such as .SH "COMMANDS".
func (p *manPage) macro(name string, args ...string) {
	p.WriteString("." + name)
	for _, a := range args {
		p.WriteString(` "` + strings.ReplaceAll(roff.Replace(a), `"`, `\(dq`) + `"`)
	}
	p.WriteString("\n")
}

func (p *manPage) program(root *cmdline.Command, b build) {
	date, _, _ := strings.Cut(b.Time, "T")
	p.macro("TH", "CLOAKROOM", "1", date, "cloakroom "+b.Version, "Cloakroom")
	p.macro("SH", "NAME")
	p.WriteString(`cloakroom \- sign\-in for single\-page apps, with server\-side sessions` + "\n")
	p.macro("SH", "SYNOPSIS")
	p.WriteString(".B cloakroom\n.I COMMAND\n[FLAGS]\n")
	p.macro("SH", "DESCRIPTION")
	p.text(root.Help)
	p.macro("PP")
	p.text("Every command works on the data directory or the database itself, also while a server runs: the server sees at its next " +
		"request what a command has changed. Each flag can also be set by the environment variable that stands with it. The " +
		"command line takes precedence.")
	p.macro("SH", "COMMANDS")
	for leaf := range root.Leaves() {
		p.command(leaf)
	}
	p.macro("SH", "FLAGS OF EVERY COMMAND")
	p.flags(visible(root.Flags))
	p.macro("SH", "EXIT STATUS")
	for _, row := range [][2]string{
		{fmt.Sprint(exitOK), "The command did what it was asked, or the answer to its question is yes."},
		{fmt.Sprint(exitFailed), "The command failed, or the answer to its question is no."},
		{fmt.Sprint(exitUsage), "The command line is wrong."},
	} {
		p.item(row[0], row[1])
	}
	p.macro("SH", "FILES")
	p.item("cloakroom-data", "The data directory, unless --data names another: the database, the server secret, and, until there is a user, the setup link.")
}

func (p *manPage) command(c *cmdline.Command) {
	p.macro("SS", usage(c))
	p.text(c.Help)
	p.detail(c.Detail)
	for _, v := range c.Arguments {
		p.item(argument(v), v.Help)
	}
	p.flags(flags(c))
}

// detail writes paragraphs; lines that begin with a space stay as they are.
func (p *manPage) detail(s string) {
	block, paragraph := false, false
	for line := range strings.SplitSeq(strings.TrimSpace(s), "\n") {
		indented := strings.HasPrefix(line, " ")
		switch {
		case indented != block && indented:
			p.macro("PP")
			p.macro("nf")
		case indented != block:
			p.macro("fi")
		}
		switch {
		case line == "":
			paragraph = false
		case !indented && !paragraph:
			p.macro("PP")
			paragraph = true
		}
		block = indented
		if indented {
			p.WriteString(roff.Replace(line) + "\n")
		} else if line != "" {
			p.text(line)
		}
	}
	if block {
		p.macro("fi")
	}
}

func (p *manPage) flags(all []*cmdline.Flag) {
	for _, f := range all {
		text := f.Help
		if v := variable(f); v != "" {
			text += " (" + v + ")"
		}
		p.item(flagName(f), text)
	}
}

// item writes a term and what it means.
func (p *manPage) item(term, text string) {
	p.macro("TP")
	p.macro("B", term)
	p.text(text)
}
