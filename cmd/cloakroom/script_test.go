package main

import (
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts run the real program, in processes of its own. Besides the commands that package testscript has:
//
//	exits CODE PROGRAM ARGS…         the program ends with this exit code
//	serve [-tty] ARGS…               starts cloakroom serve and waits until it is ready; sets $URL
//	endserve [-int]                  ends it with SIGTERM, or an interrupt; its output is in serve.out and serve.err
//	endserve -begin | -wait          the same in two steps: it stops accepting; it has ended
//	endserve -twice                  interrupts it twice; it must end at once
//	http STATUS METHOD PATH [JSON]   asks the server, with the cookies so far; the answer is in the file body
//	forget                           throws the cookies away
//	inflight begin | end STATUS      a request whose body is still on its way
//	sql FILE STATEMENT               changes a SQLite database
//	newer FILE                       makes a database that of a later version
//	stranger STATUS                  starts another server, which always answers so, or never if 0; sets $URL
//	redis SETTINGS…                  starts a Redis with these settings; sets $REDIS to its HOST:PORT
//	postgres SETTINGS…               starts a PostgreSQL with these settings; sets $POSTGRES to its HOST:PORT
//	mailed KIND FILE                 waits for a message that the server writes to a file, and copies it
//	capture VARIABLE REGEXP FILE     sets the variable to what the first group matches
//	tty ANSWERS PROGRAM ARGS…        runs a program on a terminal, typing the lines of the file ANSWERS, one to each
//	                                 question; what it showed is in the file tty
//
// With UPDATE_SCRIPTS=1 in the environment, what cmp compares with is brought up to date.
func TestScripts(t *testing.T) { runScripts(t, testscript.Params{Dir: "testdata/script"}) }

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"cloakroom": main}) }

func TestStartIsRefusedWithoutTheSecret(t *testing.T) {
	t.Attr("threat", "C16")
	t.Attr("threat", "C16")
	runRow(t, "c16")
}

func TestTheFirstUserMustBeMadeBeforeASignIn(t *testing.T) {
	t.Attr("threat", "G09")
	t.Attr("threat", "G09")
	runRow(t, "g09")
}

func TestNoSecretIsInAnyLog(t *testing.T) {
	t.Attr("threat", "L03")
	t.Attr("threat", "L03")
	runRow(t, "l03")
}

func TestProxiesAreTrustedOnlyIfNamed(t *testing.T) {
	t.Attr("threat", "C9")
	t.Attr("threat", "C9")
	runRow(t, "c9")
}

func runRow(t *testing.T, name string) {
	runScripts(t, testscript.Params{Files: []string{"testdata/rows/" + name + ".txtar"}})
}

func runScripts(t *testing.T, p testscript.Params) {
	t.Parallel()
	runScriptsIn(t, p)
}

// runScriptsIn runs scripts with some more variables.
func runScriptsIn(t *testing.T, p testscript.Params, variables ...string) {
	p.RequireExplicitExec = true
	p.RequireUniqueNames = true
	p.UpdateScripts = os.Getenv("UPDATE_SCRIPTS") != ""
	p.Setup = func(e *testscript.Env) error {
		e.Values[serverKey{}] = newScriptServer()
		e.Vars = append(e.Vars, variables...)
		e.Setenv("TZ", "UTC")
		e.Setenv("ESC", "\x1b")
		e.Setenv("CSI", "\u009b") // ESC [ in one character
		e.Setenv("RLO", "\u202e") // turns the direction of writing
		taken, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		e.Defer(func() { taken.Close() })
		e.Setenv("TAKEN", taken.LocalAddr().String()) // for UDP, by another program
		return nil
	}
	p.Cmds = map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"exits": exits, "serve": serve, "endserve": endServe, "http": request, "forget": forget,
		"inflight": inflight, "capture": capture, "newer": newer, "sql": execute, "stranger": stranger, "tty": tty,
		"redis": startRedis, "postgres": startPostgres, "mailed": mailed,
	}
	p.Condition = func(name string) (bool, error) {
		switch name {
		case "root":
			return os.Geteuid() == 0, nil
		case "ipv6":
			l, err := net.Listen("tcp", "[::1]:0")
			return err == nil && l.Close() == nil, nil
		case "sqlite": // where Django's database is, in scripts that have one
			return slices.ContainsFunc(variables, func(v string) bool { return strings.HasPrefix(v, "DJANGO=django+sqlite:") }), nil
		}
		return false, fmt.Errorf("unknown condition %q", name)
	}
	testscript.Run(t, p)
}

// exits runs a program and compares its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// mailed waits for a message of a kind that a server on localhost has written to a file, and copies it with its long lines whole.
func mailed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mailed KIND FILE")
	}
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(20 * time.Millisecond) {
		found, err := filepath.Glob(ts.MkAbs("cloakroom-data/mail/*-" + args[0] + "-*.eml"))
		ts.Check(err)
		if len(found) == 0 {
			continue
		}
		text, err := os.ReadFile(found[0])
		ts.Check(err)
		whole := strings.NewReplacer("\r\n", "\n", "=\r\n", "").Replace(string(text))
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(whole), 0o600))
		return
	}
	ts.Fatalf("no message of the kind %s", args[0])
}

// newer writes a version that no release has into the header of a database file, where PRAGMA user_version is.
func newer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newer FILE")
	}
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	_, err = f.WriteAt(binary.BigEndian.AppendUint32(nil, 999999), 60)
	ts.Check(errors.Join(err, f.Close()))
}

// execute changes a SQLite database in ways that no command does.
func execute(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sql FILE STATEMENT")
	}
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0])+"?_pragma=busy_timeout(10000)")
	ts.Check(err)
	_, err = db.Exec(args[1])
	ts.Check(errors.Join(err, db.Close()))
}

// capture sets a variable to what a file says.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: capture VARIABLE REGEXP FILE")
	}
	value, err := firstGroup(args[1], ts.ReadFile(args[2]))
	if err != nil {
		ts.Fatalf("%s: %v", args[2], err)
	}
	ts.Setenv(args[0], value)
}

func TestPrintableLeavesNoControlCharacters(t *testing.T) {
	for in, want := range map[string]string{
		"Ada Lovelace":              "Ada Lovelace",
		"Žofie 张伟 🙂":                "Žofie 张伟 🙂",
		"\x1b[2J\x1b[31mroot":       `\x1b[2J\x1b[31mroot`,
		"a\nb\tc\r":                 `a\nb\tc\r`,
		"\u009b2J":                  `\u009b2J`,
		"admin\u202etxt.exe":        `admin\u202etxt.exe`,
		"zero\u200bwidth":           `zero\u200bwidth`,
		"bad \xff\xfe utf-8 \ufffd": `bad \xff\xfe utf-8 ` + "\ufffd",
		"\u2028line":                `\u2028line`,
		"tag \U000e0041":            `tag \U000e0041`,
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"", "a", "\x1b[0m", "\u202e", "\xff", "\U000e0041\u009b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := printable(s)
		for _, r := range got {
			if !strconv.IsPrint(r) {
				t.Errorf("printable(%q) = %q holds %U", s, got, r)
			}
		}
		if printable(got) != got {
			t.Errorf("printable changes its own %q", got)
		}
		// An escaped text still means the same.
		if !strings.ContainsAny(s, "\\\"") {
			if back, err := strconv.Unquote(`"` + got + `"`); err != nil || back != s {
				t.Errorf("printable(%q) = %s, which reads as %q, %v", s, got, back, err)
			}
		}
		sameJSON(t, s)
	})
}

// sameJSON checks that escaping a JSON document doesn't change its meaning, and leaves no control character.
func sameJSON(t *testing.T, s string) {
	document, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	escaped := escapeJSON(string(document))
	var before, after string
	if err := errors.Join(json.Unmarshal(document, &before), json.Unmarshal([]byte(escaped), &after)); err != nil || before != after {
		t.Errorf("escapeJSON(%s) = %s says %q, want %q (%v)", document, escaped, after, before, err)
	}
	if printable(escaped) != escaped {
		t.Errorf("escapeJSON(%s) = %q is not printable", document, escaped)
	}
}
