package cmdline_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/cmdline"
)

type program struct {
	shared
	Thing thingCmd `cmd:"" help:"Work on things."`
	Serve serveCmd `cmd:"" help:"Serve."`
}

type shared struct {
	Data   string `default:"data"`
	DB     string `name:"db" xor:"db"`
	DBFile string `name:"db-file" xor:"db"`
	Help   bool   `short:"h"`
}

type thingCmd struct {
	Add addCmd `cmd:"" help:"Add a thing."`
}

type addCmd struct {
	Name  string   `arg:""`
	Parts []string `arg:"" optional:"" name:"part"`
	For   string   `required:"" placeholder:"TEXT"`
	Big   *bool    `env:"-" negatable:""`
	Note  *string  `env:"-"`
	Yes   bool     `short:"y" env:"-"`
	limits
}

type limits struct {
	Most int `default:"7"`
}

func (l *limits) Validate() error {
	if l.Most > 100 {
		return errors.New("--most is too large")
	}
	return nil
}

type serveCmd struct {
	Listen string        `default:"here"`
	Idle   time.Duration `default:"1h"`
	Bytes  int64         `default:"-1"`
	Mode   string        `enum:"auto,strict" default:"auto"`
	Origin []string
	Rule   []string `sep:";"`
	Texts  string   `type:"path"`
	Level  upper
	Levels []upper
	Secret string `hidden:""`
	Where  string `arg:"" optional:"" default:"everywhere"`
}

func (serveCmd) Help() string { return "More about it." }

// upper is a text in capitals.
type upper string

func (u *upper) UnmarshalText(text []byte) error {
	*u = upper(strings.ToUpper(string(text)))
	if *u == "" {
		return errors.New("it is empty")
	}
	return nil
}

// parse returns the fields of a struct that differ from their zero values.
func parse(t *testing.T, line string) (path, fields string, err error) {
	t.Helper()
	var p program
	command, err := cmdline.New("prog", "A program.", "PROG_", &p).Parse(strings.Fields(line))
	var b strings.Builder
	show(&b, reflect.ValueOf(p.shared))
	if command != nil && err == nil {
		show(&b, reflect.ValueOf(command.Target()).Elem())
	}
	return command.FullPath(), strings.TrimSpace(b.String()), err
}

func show(b *strings.Builder, v reflect.Value) {
	for i := range v.NumField() {
		field := v.Field(i)
		switch {
		case v.Type().Field(i).Anonymous:
			show(b, field)
		case field.IsZero():
		case field.Kind() == reflect.Pointer:
			fmt.Fprintf(b, "%s=&%v ", v.Type().Field(i).Name, field.Elem())
		default:
			fmt.Fprintf(b, "%s=%v ", v.Type().Field(i).Name, field)
		}
	}
}

func TestCommandLinesAreRead(t *testing.T) {
	here, err := filepath.Abs("texts")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", "/home/ada")
	const usual = "Listen=here Idle=1h0m0s Bytes=-1 Mode=auto"
	for line, want := range map[string]string{
		"thing add bolt --for x":                          "Data=data Name=bolt For=x Most=7",
		"thing add --for=x bolt":                          "Data=data Name=bolt For=x Most=7",
		"--data d thing --db=q add bolt --for x":          "Data=d DB=q Name=bolt For=x Most=7",
		"thing add bolt a b --for x c":                    "Data=data Name=bolt Parts=[a b c] For=x Most=7",
		"thing add bolt --for x --no-big":                 "Data=data Name=bolt For=x Big=&false Most=7",
		"thing add bolt --for x --big":                    "Data=data Name=bolt For=x Big=&true Most=7",
		"thing add bolt --for x --big=no --note=":         "Data=data Name=bolt For=x Big=&false Note=& Most=7",
		"thing add bolt --for x --no-big=false":           "Data=data Name=bolt For=x Big=&true Most=7",
		"thing add bolt --for x -y --most 12":             "Data=data Name=bolt For=x Yes=true Most=12",
		"thing add --for x -- --bolt -y":                  "Data=data Name=--bolt Parts=[-y] For=x Most=7",
		"thing add --for=-x -":                            "Data=data Name=- For=-x Most=7",
		"thing add bolt --for x --for y":                  "Data=data Name=bolt For=y Most=7",
		"serve":                                           "Data=data " + usual + " Where=everywhere",
		"serve nowhere":                                   "Data=data " + usual + " Where=nowhere",
		`serve --origin a,b\,c --origin d, --rule x,y;z`:  "Data=data " + usual + " Origin=[a b,c d] Rule=[x,y z] Where=everywhere",
		`serve --origin a\b`:                              `Data=data ` + usual + ` Origin=[a\b] Where=everywhere`,
		"serve --texts texts":                             "Data=data " + usual + " Texts=" + here + " Where=everywhere",
		"serve --texts=~/texts":                           "Data=data " + usual + " Texts=/home/ada/texts Where=everywhere",
		"serve --level a --levels b,c --secret s":         "Data=data " + usual + " Level=A Levels=[B C] Secret=s Where=everywhere",
		"serve --mode strict --idle 90s --bytes=9":        "Data=data Listen=here Idle=1m30s Bytes=9 Mode=strict Where=everywhere",
		"serve --listen= --mode=auto --idle 1h --bytes=0": "Data=data Idle=1h0m0s Mode=auto Where=everywhere",
	} {
		if _, got, err := parse(t, line); err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", line, err, got, want)
		}
	}
}

func TestWrongCommandLines(t *testing.T) {
	for line, want := range map[string]string{
		"":                                       `prog: expected one of "thing", "serve"`,
		"thing":                                  `prog thing: expected one of "add"`,
		"thin":                                   `prog: unexpected argument thin, did you mean "thing"?`,
		"thing ad bolt":                          `prog thing: unexpected argument ad, did you mean "add"?`,
		"zzzzzz":                                 "prog: unexpected argument zzzzzz",
		"thing add":                              "prog thing add: missing argument NAME",
		"thing add bolt":                         "prog thing add: missing flags: --for=TEXT",
		"thing add bolt --for":                   "prog thing add: --for needs a value",
		"thing add bolt --for --yes":             `prog thing add: --for needs a value; if that is "--yes", write --for=--yes`,
		"thing add bolt --for x --most 3x":       `prog thing add: --most: expected a whole number but got "3x"`,
		"thing add bolt --for x --most 101":      "prog thing add: --most is too large",
		"thing add bolt --for x --big=perhaps":   `prog thing add: --big: expected true, 1, yes, false, 0 or no but got "perhaps"`,
		"thing add bolt --for x --no-big=a":      `prog thing add: --no-big: expected true, 1, yes, false, 0 or no but got "a"`,
		"thing add bolt --for x --no-yes":        `prog thing add: unknown flag --no-yes`,
		"thing add bolt --for x -z":              "prog thing add: unknown flag -z",
		"thing add bolt --for x -yz":             "prog thing add: unknown flag -z",
		"serve --orign x":                        `prog serve: unknown flag --orign, did you mean "--origin"?`,
		"serve --leve x":                         `prog serve: unknown flag --leve, did you mean one of "--level", "--levels"?`,
		"serve a b":                              "prog serve: unexpected argument b",
		"serve --idle 30d":                       `prog serve: --idle: expected duration but got "30d"; give it in hours: 720h`,
		"serve --idle 3":                         `prog serve: --idle: expected duration but got "3"; give one such as 90s, 30m or 12h`,
		"serve --mode none":                      `prog serve: --mode: must be one of "auto", "strict" but got "none"`,
		"serve --bytes 99999999999999999999":     `prog serve: --bytes: expected a whole number but got "99999999999999999999"`,
		"serve --level=":                         "prog serve: --level: it is empty",
		"--db a serve --db-file b":               "prog serve: --db and --db-file can't be used together",
		"--listen x serve":                       "prog: unknown flag --listen",
		"serve ---x":                             "prog serve: bad flag syntax: ---x",
		"serve -h=perhaps":                       `prog serve: --help: expected true, 1, yes, false, 0 or no but got "perhaps"`,
		"--data --db serve":                      `prog: --data needs a value; if that is "--db", write --data=--db`,
		"--data serve thing add bolt --for x -1": "prog thing add: unknown flag -1",
	} {
		if path, _, err := parse(t, line); fmt.Sprint(path, ": ", err) != want {
			t.Errorf("%s: %s: %v\nwant %s", line, path, err, want)
		}
	}
}

func TestHelpIsWantedWhateverElseIsMissing(t *testing.T) {
	for line, want := range map[string]string{
		"-h": "prog", "--help": "prog", "thing --help": "prog thing", "--help thing add": "prog thing add", "thing add --help bolt --for": "",
		"thing add bolt --help a b": "prog thing add", "serve --help x y": "prog serve",
	} {
		path, _, err := parse(t, line)
		if got := errors.Is(err, cmdline.ErrHelp); got != (want != "") || got && path != want {
			t.Errorf("%s: %s, %v; want the help of %q", line, path, err, want)
		}
	}
}

func TestVariablesSetWhatTheCommandLineLeavesOut(t *testing.T) {
	t.Setenv("PROG_DATA", "v")
	t.Setenv("PROG_ORIGIN", "a,b")
	t.Setenv("PROG_IDLE", "2h")
	t.Setenv("PROG_FOR", "y")
	t.Setenv("PROG_HELP", "true")
	t.Setenv("PROG_BIG", "true")
	t.Setenv("PROG_MOST", "not a number") // which harms no other command
	if _, got, err := parse(t, "serve --origin c --data d"); err != nil || got != "Data=d Listen=here Idle=2h0m0s Bytes=-1 Mode=auto Origin=[c] Where=everywhere" {
		t.Errorf("got %s, %v", got, err)
	}
	_, _, err := parse(t, "thing add bolt")
	if want := `--most: expected a whole number but got "not a number" (from the variable PROG_MOST)`; fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, got, err := parse(t, "thing add bolt --most 1"); err != nil || got != "Data=v Name=bolt For=y Most=1" {
		t.Errorf("got %s, %v", got, err)
	}
	t.Setenv("PROG_DB_FILE", "f")
	if _, _, err := parse(t, "serve --db x"); fmt.Sprint(err) != "--db and --db-file can't be used together" {
		t.Errorf("got %v", err)
	}
}

func TestTheGrammarCanBeRead(t *testing.T) {
	root := cmdline.New("prog", "A program.", "PROG_", &program{})
	var all, leaves []string
	for c := range root.All() {
		all = append(all, c.FullPath())
	}
	for c := range root.Leaves() {
		leaves = append(leaves, c.Path())
	}
	if !slices.Equal(all, []string{"prog", "prog thing", "prog thing add", "prog serve"}) || !slices.Equal(leaves, []string{"thing add", "serve"}) {
		t.Errorf("the commands are %q, and %q can be run", all, leaves)
	}
	serve := root.Commands[1]
	if serve.Help != "Serve." || serve.Detail != "More about it." || serve.Arguments[0].Required || !root.Commands[0].Commands[0].Arguments[0].Required {
		t.Errorf("serve is %+v", serve)
	}
	for _, f := range serve.Flags {
		if f.Hidden != (f.Name == "secret") || f.Variable != "PROG_"+strings.ToUpper(f.Name) || f.IsSlice() != slices.Contains([]string{"origin", "rule", "levels"}, f.Name) {
			t.Errorf("--%s is %+v", f.Name, f)
		}
	}
}

type sizes struct{}

func (sizes) Validate() error { return nil }

func TestAWrongGrammarPanics(t *testing.T) {
	for name, target := range map[string]any{
		"a type that can't be read": &struct{ X float64 }{},
		"a field that can't be set": &struct{ x int }{},
		"commands beside an argument": &struct {
			X string   `arg:""`
			C serveCmd `cmd:""`
		}{},
		"two structs that are checked": &struct {
			limits
			sizes
		}{},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			cmdline.New("prog", "", "", target)
		}()
	}
}

func TestFlagNames(t *testing.T) {
	for field, want := range map[string]string{
		"Data": "data", "SecretKeyFile": "secret-key-file", "InsecureHTTP": "insecure-http", "HTTPPort": "http-port", "MemoryMB": "memory-mb", "URL": "url",
	} {
		if got := cmdline.FlagName(field); got != want {
			t.Errorf("%s is --%s, want --%s", field, got, want)
		}
	}
}
