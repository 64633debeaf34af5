package fence

import "strings"

// Reprint parses a message and prints it again.
func Reprint(text string) (printed string, ok bool) {
	m, ok := parse(text)
	if !ok {
		return "", false
	}
	if m.kind != notice {
		return strings.Join(append([]string{m.kind, m.node}, m.rest...), " "), true
	}
	keys, ok := m.keys()
	if !ok {
		return "", false
	}
	return noticeText(m.node, m.rest[0], keys), true
}

// ReprintDirect is Reprint for a message that comes without the feed.
func ReprintDirect(text string) (printed string, ok bool) {
	m, ok := parseDirect(text)
	return strings.Join(append([]string{m.kind, m.node}, m.rest...), " "), ok
}
