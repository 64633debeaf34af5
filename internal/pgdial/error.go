package pgdial

import (
	"slices"
	"strings"
)

// A ConnectError says that no connection could be made, and why for each host. To try again at once would not help.
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

// oneLine returns what pgx says of a host, without the user and the database, on a single line: it tells on lines of their
// own what became of each of its addresses.
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
