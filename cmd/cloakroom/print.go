package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// printable makes a text safe for a terminal that a stranger may have written. Characters other than letters, marks, numbers,
// signs and spaces, such as the start of a control sequence or a change of the writing direction, become their Go escapes.
func printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// json prints v, indented. Characters that aren't printable are escaped, because JSON may be read on a terminal.
func (a *app) json(v any) error {
	text, err := encodeJSON(v, "")
	if err == nil {
		_, err = io.WriteString(a.out, text)
	}
	return err
}

// encodeJSON returns what json prints, with a prefix before every line but the first.
func encodeJSON(v any, prefix string) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, "  ")
	if err := e.Encode(v); err != nil {
		return "", fmt.Errorf("print JSON: %w", err)
	}
	return escapeJSON(b.String()), nil
}

// escapeJSON escapes the characters that printable escapes, as JSON does. Outside strings, all of JSON but its line ends is
// printable.
func escapeJSON(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// table prints rows below a header, the columns aligned.
func (a *app) table(header []string, rows [][]string) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = orDash(printable(cell))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// card prints one thing: its name, and its fields below.
func (a *app) card(name string, fields [][2]string) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, printable(name))
	for _, f := range fields {
		fmt.Fprintf(w, "  %s\t%s\n", f[0], orDash(printable(f[1])))
	}
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// say prints a sentence, unless --json is given. String arguments are made safe for a terminal. If it can't be printed, the
// command fails in the end.
func (a *app) say(format string, args ...any) {
	if a.JSON {
		return
	}
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = printable(text)
		}
	}
	if _, err := fmt.Fprintf(a.out, format+"\n", args...); err != nil {
		a.unsaid.CompareAndSwap(nil, &err)
	}
}

// when prints a time for people: the local time, and how far away it is.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04") + " (" + distance(t, time.Now()) + ")"
}

// distance says how far t is from now, in the largest unit that fits.
func distance(t, now time.Time) string {
	d := now.Sub(t)
	ahead := d < 0
	d = d.Abs()
	if d < time.Minute && !ahead {
		return "just now"
	}
	n, unit := int(d/time.Minute), "minute"
	switch {
	case d >= 48*time.Hour:
		n, unit = int(d/(24*time.Hour)), "day"
	case d >= 2*time.Hour:
		n, unit = int(d/time.Hour), "hour"
	}
	text := count(n, unit)
	if ahead {
		return "in " + text
	}
	return text + " ago"
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// shorten cuts a text that would break a table.
func shorten(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}
