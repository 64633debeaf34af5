package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/cmdline"
)

// reference writes what --help says of all commands as a page of Markdown.
func reference(out io.Writer, root *cmdline.Command) error {
	p := &markdownPage{}
	p.line("# Commands and flags")
	p.line("")
	p.line("Made by `cloakroom man --markdown`. Every command works on the data directory or the database itself, also while a server runs: the")
	p.line("server sees at its next request what a command has changed. Each flag can also be set by the variable that stands with it.")
	p.line("The command line takes precedence. The exit code is 0, or 1 if the command failed or the answer to its question is no, or 2")
	p.line("if the command line is wrong.")
	p.line("")
	p.line("## Flags of every command")
	p.flags(visible(root.Flags))
	p.line("")
	p.line("## Commands")
	for leaf := range root.Leaves() {
		p.command(leaf)
	}
	_, err := io.WriteString(out, p.String())
	return err
}

type markdownPage struct{ strings.Builder }

func (p *markdownPage) line(s string) { p.WriteString(s + "\n") }

func (p *markdownPage) command(c *cmdline.Command) {
	p.line("")
	p.line("### " + c.Path())
	p.line("")
	p.line("`" + usage(c) + "`")
	p.line("")
	p.line(inMarkdown.Replace(c.Help))
	p.detail(c.Detail)
	for i, v := range c.Arguments {
		if i == 0 {
			p.line("")
		}
		p.line("* `" + argument(v) + "`: " + inMarkdown.Replace(v.Help))
	}
	p.flags(flags(c))
}

// detail writes paragraphs; lines that begin with a space are a block of text as it is.
func (p *markdownPage) detail(s string) {
	block := false
	for line := range strings.SplitSeq("\n"+strings.TrimSpace(s), "\n") {
		if indented := strings.HasPrefix(line, " "); indented != block {
			if indented {
				p.line("")
			}
			p.line("```")
			block = indented
		}
		if block {
			p.line(strings.TrimPrefix(line, "  "))
		} else {
			p.line(inMarkdown.Replace(line))
		}
	}
	if block {
		p.line("```")
	}
}

func (p *markdownPage) flags(all []*cmdline.Flag) {
	if len(all) == 0 {
		return
	}
	p.line("")
	p.line("| flag | meaning | variable, default |")
	p.line("|---|---|---|")
	for _, f := range all {
		fmt.Fprintf(p, "| `%s` | %s | %s |\n", flagName(f), inMarkdown.Replace(f.Help), inMarkdown.Replace(variable(f)))
	}
}

// inMarkdown lets a text mean itself in a table of Markdown.
var inMarkdown = strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "[", `\[`, "`", "\\`")
