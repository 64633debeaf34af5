package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/internal/cmdline"
)

// processFlags are the flags of serve that are no field of Config, each for a reason: a Go program does this by itself.
var processFlags = map[string]string{
	"listen":         "a program has a listener of its own",
	"tls-cert":       "it has its http.Server",
	"tls-key":        "it has its http.Server",
	"stop-delay":     "it calls MarkUnready, and Drain once it has waited",
	"metrics-listen": "it passes a registry, Config.Metrics, and serves it",
	"log-format":     "it passes Config.Log",
	"log-level":      "it passes Config.Log",
	"json":           "it prints for itself",
	"help":           "",
}

// flagValues are values of flags that not every text is one of. FILE stands for a file with a secret.
var flagValues = map[string]string{
	"webhook": "https://hooks.example.com/x=FILE", "db-file": "FILE", "sessions-file": "FILE", "feed-file": "FILE", "smtp-password-file": "FILE",
	"audit-retention": "100h", "peer-listen": "127.0.0.1:0",
}

// TestEveryFlagIsAFieldOfConfig: whatever the command can do, a Go program can, by a named field.
func TestEveryFlagIsAFieldOfConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := func(args ...string) cloakroom.Config {
		t.Helper()
		var c cli
		if _, err := newGrammar(&c).Parse(append([]string{"serve"}, args...)); err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		a := &app{globals: &c.globals, out: io.Discard, err: io.Discard}
		made := c.Serve.config(a, c.Serve.publicURL(8000), slog.New(slog.DiscardHandler))
		made.Log = nil
		return made
	}
	usual := config()
	program := newGrammar(&cli{})
	all := append(program.Flags, part(program, "serve").Flags...)
	if len(all) < 60 {
		t.Errorf("serve has %d flags", len(all))
	}
	seen := map[string]bool{}
	for _, f := range all {
		seen[f.Name] = true
		if _, ok := processFlags[f.Name]; ok {
			continue
		}
		arg := "--" + f.Name
		if !f.IsBool() {
			arg += "=" + string(bytes.ReplaceAll([]byte(otherValue(t, f)), []byte("FILE"), []byte(file)))
		}
		if reflect.DeepEqual(config(arg), usual) {
			t.Errorf("%s changes no field of Config", arg)
		}
	}
	for name := range processFlags {
		if !seen[name] {
			t.Errorf("serve has no flag --%s", name)
		}
	}
}

// otherValue returns a value of a flag that isn't its default.
func otherValue(t *testing.T, f *cmdline.Flag) string {
	t.Helper()
	if value, ok := flagValues[f.Name]; ok {
		return value
	}
	for _, value := range f.Enum {
		if value != "" && value != f.Default {
			return value
		}
	}
	switch reflect.Zero(f.Type()).Interface().(type) {
	case time.Duration:
		return "47m"
	case int, int64:
		return "17"
	case string, []string:
		return "https://x.example.com"
	}
	t.Fatalf("--%s is a %v: give it a value here", f.Name, f.Type())
	return ""
}
