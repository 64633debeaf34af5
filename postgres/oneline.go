package postgres

import (
	"slices"
	"strings"
)

// oneLine is an error about a connection on a single line. pgx tells on lines of their own what became of each address
// that it tried, and of each twice, with TLS and without.
type oneLine struct{ error }

func (e oneLine) Error() string {
	head, tried, several := strings.Cut(e.error.Error(), "\n")
	if !several {
		return head
	}
	lines := strings.Split(tried, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return head + " " + strings.Join(slices.Compact(lines), "; ")
}

func (e oneLine) Unwrap() error { return e.error }
