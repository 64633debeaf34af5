package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/admin"
)

var namesALine = regexp.MustCompile(`^line \d+: `)

// FuzzAuditExport checks that an export means the same as lines and as an array, and that every error names a line.
func FuzzAuditExport(f *testing.F) {
	const event = `{"id": "7", "time": "2026-01-31T00:00:00Z", "event": "user_deleted", "outcome": "success", "user_id": 3, "detail": {"a": "b"}}`
	for _, seed := range []string{
		event, event + "\n" + event, "[" + event + "]", "[\n" + event + ",\n" + event + "\n]", "[]", "", "\n\n", "[", "[" + event, "{}", "null",
		"\n[" + event + "]", "\x00", "[1,", `[{"id": 7}]`, "\xef\xbb\xbf" + event,
	} {
		f.Add(seed)
	}
	read := func(text string) (all []admin.Event, err error) {
		err = readEvents(strings.NewReader(text), func(e admin.Event) error { all = append(all, e); return nil })
		return all, err
	}
	f.Fuzz(func(t *testing.T, text string) {
		events, err := read(text)
		if err != nil {
			if !namesALine.MatchString(err.Error()) {
				t.Errorf("the error of %q names no line: %v", text, err)
			}
			return
		}
		var lines strings.Builder
		for _, e := range events {
			one, err := json.Marshal(e)
			if err != nil {
				return // a time that can be read, and not written
			}
			lines.WriteString(string(one) + "\n")
		}
		array, err := json.Marshal(append([]admin.Event{}, events...))
		if err != nil {
			t.Fatal(err)
		}
		for _, again := range []string{lines.String(), string(array)} {
			if again == "" {
				continue
			}
			if got, err := read(again); err != nil || len(got) != len(events) {
				t.Errorf("%q has %d events; as %q it has %d, %v", text, len(events), again, len(got), err)
			}
		}
	})
}
