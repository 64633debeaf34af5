package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/cloakroom-auth/cloakroom"
	"golang.org/x/term"
)

// globals are the flags that every command has.
type globals struct {
	Data         string   `default:"cloakroom-data" placeholder:"DIR" help:"The directory of the database and the server secret."`
	DB           string   `name:"db" placeholder:"URL" standard:"cloakroom.db in --data" xor:"db" help:"The database: sqlite:PATH or postgres://USER@HOST/NAME; or the database of a Django project: django+sqlite:PATH or django+postgres://USER@HOST/NAME."`
	DBFile       textFile `name:"db-file" placeholder:"FILE" xor:"db" help:"A file that holds --db: other users of the machine can read command lines."`
	Sessions     string   `name:"sessions" placeholder:"URL" standard:"in --db" xor:"sessions" help:"Keep the sessions in Redis 7 or later, or Valkey: redis://HOST:PORT/DATABASE."`
	SessionsFile textFile `name:"sessions-file" placeholder:"FILE" xor:"sessions" help:"A file that holds --sessions: other users of the machine can read command lines."`
	KeyFile      string   `placeholder:"FILE" standard:"secret.key in --data" help:"The file of the server secret."`
	djangoFlags
	JSON bool `name:"json" help:"Print JSON instead of text."`
	Help bool `short:"h" help:"Show this help."`
}

// app is what a command works with.
type app struct {
	*globals
	URL      string // the public address, for links; "": the command prints none
	command  string // such as "user add"
	in       io.Reader
	out, err io.Writer

	unsaid atomic.Pointer[error] // the first error of say
}

var (
	// errReported ends a command that has printed why it fails.
	errReported = errors.New("already answered")
	// errUsage is in the chain of errors about the command line. The exit code is then 2.
	errUsage = errors.New("usage")
)

// usageError is an error about the command line.
type usageError string

func (e usageError) Error() string        { return string(e) }
func (e usageError) Is(target error) bool { return target == errUsage }

// config is the part of the Config that is the same for every command.
func (a *app) config() cloakroom.Config {
	return cloakroom.Config{
		URL: a.URL, InsecureHTTP: true, // a command answers no requests
		Data: a.Data, DB: a.DB + string(a.DBFile), Sessions: a.sessions(), KeyFile: a.KeyFile, Log: a.warningLogger(),
		RedisMayLose: longestPause, // only the server decides about the risk
		Django:       a.djangoFlags.config(),
	}
}

// sessions returns --sessions, from the command line or its file.
func (a *app) sessions() string { return a.Sessions + string(a.SessionsFile) }

// textFile is the content of a file. On the command line it is the path of the file.
type textFile string

// UnmarshalText gets the path.
func (t *textFile) UnmarshalText(path []byte) error {
	text, err := os.ReadFile(string(path))
	*t = textFile(strings.TrimSpace(string(text)))
	if err == nil && *t == "" {
		err = fmt.Errorf("%s is empty", path)
	}
	return err
}

// warningLogger returns the log of a command: only warnings and errors.
func (a *app) warningLogger() *slog.Logger { return a.logger(slog.LevelWarn) }

func (a *app) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
}

// open opens an existing database. A command that only reads must not create an empty one because it was run in the wrong
// directory.
func (a *app) open(ctx context.Context) (*cloakroom.Server, error) {
	return a.openWith(ctx, a.config())
}

func (a *app) openWith(ctx context.Context, config cloakroom.Config) (*cloakroom.Server, error) {
	db, err := config.Database()
	if err != nil {
		return nil, err
	}
	config.MustExist = true
	s, err := cloakroom.New(ctx, config)
	if errors.Is(err, cloakroom.ErrNoDatabase) {
		return nil, fmt.Errorf("there is no database %s. Name the server's directory with --data, or create a database: "+
			"cloakroom serve or cloakroom user add", db)
	}
	return s, err
}

// create opens the database, and creates it if there is none. Then it prints a notice: perhaps the command was run in the wrong
// directory.
func (a *app) create(ctx context.Context) (*cloakroom.Server, error) {
	db, err := a.config().Database()
	if err != nil {
		return nil, err
	}
	missing, err := db.Missing(ctx)
	if err != nil {
		return nil, err
	}
	s, err := cloakroom.New(ctx, a.config())
	if err == nil && missing {
		fmt.Fprintln(a.err, printable(fmt.Sprintf("cloakroom: there was no database %s; a new one was created. "+
			"If the server has another, name its directory with --data, or the database with --db.", databasePath(db))))
	}
	return s, err
}

// databasePath names a database; a file by its absolute path.
func databasePath(db cloakroom.Database) string {
	if path, err := filepath.Abs(db.File()); err == nil && db.File() != "" {
		return path
	}
	return db.String()
}

// with opens the database, calls do, and closes it.
func with(ctx context.Context, open func(context.Context) (*cloakroom.Server, error), do func(*cloakroom.Server) error) error {
	s, err := open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}

// terminal returns the file descriptor of a stream; ok is false if the stream is no terminal.
func terminal(stream any) (fd int, ok bool) {
	f, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	return int(f.Fd()), true
}
