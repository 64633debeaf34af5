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

	"github.com/cloakroom-auth/cloakroom"
	"golang.org/x/term"
)

// globals are the flags of every command.
type globals struct {
	Data         string   `default:"cloakroom-data" placeholder:"DIR" help:"The directory of the database and the server secret."`
	DB           string   `name:"db" placeholder:"URL" standard:"cloakroom.db in --data" xor:"db" help:"The database: sqlite:PATH or postgres://USER@HOST/NAME; on a Django's own tables, django+sqlite:PATH or django+postgres://USER@HOST/NAME."`
	DBFile       textFile `name:"db-file" placeholder:"FILE" xor:"db" help:"A file that holds --db: other users of the machine can read a command line."`
	Sessions     string   `name:"sessions" placeholder:"URL" standard:"in --db" xor:"sessions" help:"Keep the sessions in Redis 7 or later, or Valkey: redis://HOST:PORT/DATABASE."`
	SessionsFile textFile `name:"sessions-file" placeholder:"FILE" xor:"sessions" help:"A file that holds --sessions: other users of the machine can read a command line."`
	KeyFile      string   `placeholder:"FILE" standard:"secret.key in --data" help:"The server secret."`
	djangoFlags
	JSON bool     `name:"json" help:"Print JSON instead of text."`
	Help helpFlag `short:"h" help:"Show this."`
}

// app is what a command works with.
type app struct {
	*globals
	URL      string // the public address, for links; "": nobody reads any
	command  string // such as "user add"
	in       io.Reader
	out, err io.Writer
}

var (
	// errReported ends a command that has said on its own why it fails.
	errReported = errors.New("already answered")
	// errUsage is in the chain of an error that another command line would mend.
	errUsage = errors.New("usage")
)

// usageError is an error that another command line would mend.
type usageError string

func (e usageError) Error() string        { return string(e) }
func (e usageError) Is(target error) bool { return target == errUsage }

// config is the part that all commands share.
func (a *app) config() cloakroom.Config {
	return cloakroom.Config{
		URL: a.URL, InsecureHTTP: true, // nobody is served
		Data: a.Data, DB: a.DB + string(a.DBFile), Sessions: a.sessions(), KeyFile: a.KeyFile, Log: a.warningLogger(),
		RedisMayLose: longestPause, // what is risked, the server has been told
		Django:       a.djangoFlags.config(),
	}
}

// sessions is --sessions, wherever it stands.
func (a *app) sessions() string { return a.Sessions + string(a.SessionsFile) }

// textFile is what a file holds, whose path is given.
type textFile string

// UnmarshalText is called by kong with the path.
func (t *textFile) UnmarshalText(path []byte) error {
	text, err := os.ReadFile(string(path))
	*t = textFile(strings.TrimSpace(string(text)))
	if err == nil && *t == "" {
		err = fmt.Errorf("%s is empty", path)
	}
	return err
}

// warningLogger logs only what somebody should see who called a command, and not a server.
func (a *app) warningLogger() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// open opens the database that is there. A command that only looks must not leave an empty one behind because it was
// called in the wrong directory.
func (a *app) open(ctx context.Context) (*cloakroom.Server, error) {
	db, err := a.config().Database()
	if err != nil {
		return nil, err
	}
	missing, err := db.Missing(ctx)
	if err != nil {
		return nil, err
	}
	if missing {
		return nil, fmt.Errorf("there is no database %s. Name the server's directory with --data, or make a new one: "+
			"cloakroom serve or cloakroom user add", db)
	}
	return cloakroom.New(ctx, a.config())
}

// create opens the database, and makes it if there is none. It says so then: perhaps the command was called in the wrong
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
		fmt.Fprintln(a.err, printable(fmt.Sprintf("cloakroom: there was no database %s; a new one was made. "+
			"If the server has another, name its directory with --data, or the database with --db.", databasePath(db))))
	}
	return s, err
}

// databasePath names a database, and a file by its whole path.
func databasePath(db cloakroom.Database) string {
	if path, err := filepath.Abs(db.File()); err == nil && db.File() != "" {
		return path
	}
	return db.String()
}

// with calls do with the database open, and closes it.
func with(ctx context.Context, open func(context.Context) (*cloakroom.Server, error), do func(*cloakroom.Server) error) error {
	s, err := open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}

// terminal returns the descriptor of a stream that is a terminal.
func terminal(stream any) (fd int, ok bool) {
	f, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	return int(f.Fd()), true
}
