package pg

import (
	"slices"
	"strings"
)

// A ConnectError means that no connection could be made, and says why for each host. Retrying at once doesn't help.
type ConnectError struct {
	address *Address
	hosts   []error
}

func (e *ConnectError) Error() string {
	var all []string
	for _, err := range e.hosts {
		all = append(all, oneLine(err))
	}
	return "connect to " + e.address.String() + ": " + strings.Join(slices.Compact(all), "; ")
}

func (e *ConnectError) Unwrap() []error { return e.hosts }

// oneLine returns the error of pgx for a host on a single line, without the user and the database. pgx uses one line for each
// address of a host.
func oneLine(err error) string {
	text := err.Error()
	if rest, ok := strings.CutPrefix(text, "failed to connect to `"); ok {
		if _, reasons, ok := strings.Cut(rest, "`:"); ok {
			text = reasons
		}
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(slices.Compact(lines), "; ")
}
