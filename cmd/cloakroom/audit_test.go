package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// readers are the commands that change nothing, or, the last three, only the schema.
var readers = strings.Split(`serve|user list|user show|group list|session list|token list|audit list|provider list|provider check|key show|backup|check|healthcheck|`+
	`version|completion|man|texts|django check|migrate|django install-feed|django remove-feed|mail list|mail test|webhook list`, "|")

// TestEveryCommandIsRecordedOrOnlyReads: each other command has an attempt in the script of the audit log, in those of a
// restore, or in the tests of package django, which have a Django to import from.
func TestEveryCommandIsRecordedOrOnlyReads(t *testing.T) {
	t.Attr("threat", "L01")
	var shown strings.Builder
	for _, file := range []string{
		"testdata/script/audit.txtar", "testdata/script/restore.txtar", "testdata/script/after_restore.txtar", "../../django/audit_test.go",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(text)
	}
	n := 0
	for leaf := range newGrammar(&cli{}).Leaves() {
		name := strings.TrimPrefix(leaf.FullPath(), "cloakroom ")
		n++
		recorded := strings.Contains(shown.String(), "command="+name+" ") || strings.Contains(shown.String(), `"command": "`+name+`"`)
		if !slices.Contains(readers, name) && !recorded {
			t.Errorf("nothing shows that %q is in the audit log", name)
		}
	}
	if n < len(readers) {
		t.Errorf("only %d commands were found", n)
	}
}

func TestMoments(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	was := time.Local
	time.Local = berlin
	defer func() { time.Local = was }()
	for text, want := range map[string]string{
		"2026-03-01":           "2026-02-28T23:00:00Z",
		"2026-07-01T10:00":     "2026-07-01T08:00:00Z",
		"2026-07-01 10:00:30":  "2026-07-01T08:00:30Z",
		"2026-07-01T10:00:30Z": "2026-07-01T10:00:30Z",
		"1970-01-01T00:00:00Z": "1970-01-01T00:00:00Z",
	} {
		var m timeFlag
		if err := m.UnmarshalText([]byte(text)); err != nil || m.UTC().Format(time.RFC3339) != want || m.milli() == 0 {
			t.Errorf("%q is %v, %v", text, m.UTC(), err)
		}
	}
	var ago timeFlag
	if err := ago.UnmarshalText([]byte("90m")); err != nil || (time.Since(ago.Time)-90*time.Minute).Abs() > time.Minute {
		t.Errorf("90m is %v, %v", ago, err)
	}
	for _, text := range []string{"", "yesterday", "-1h", "2026-13-01", "2026", "1e9", "99999999h"} {
		if err := new(timeFlag).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a time", text)
		}
	}
}
