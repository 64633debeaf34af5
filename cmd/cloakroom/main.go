// Command cloakroom is sign-in for single-page apps: the server, and the tools of its operator.
//
// Every command works on the data directory itself, also while a server runs: the server sees at its next request what a
// command has changed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/cmdline"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the command failed, or the answer to its question is no
	exitUsage  = 2 // the command line is wrong
)

func main() {
	dropEmptyVariables()
	os.Exit(run(untilSignal(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// untilSignal returns a context that the first interrupt or SIGTERM ends. Once it has ended, the next one ends the process
// at once.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		received := <-signals
		signal.Stop(signals)
		cancel(errors.New(received.String()))
	}()
	return ctx
}

// dropEmptyVariables unsets empty variables, so that CLOAKROOM_URL=${URL:-} means the default.
func dropEmptyVariables() {
	for _, entry := range os.Environ() {
		if name, empty := strings.CutSuffix(entry, "="); empty && strings.HasPrefix(name, variablePrefix) {
			os.Unsetenv(name)
		}
	}
}

// cli is the grammar: the flags of all commands, and the commands.
type cli struct {
	globals

	Serve        serveCmd        `cmd:"" help:"Run the server."`
	User         userCmd         `cmd:"" help:"Add, show, change and remove users."`
	Group        groupCmd        `cmd:"" help:"Add, list and remove groups, and change their permissions."`
	Session      sessionCmd      `cmd:"" help:"List and end sessions."`
	Token        tokenCmd        `cmd:"" help:"Make, list and end tokens for programs."`
	Provider     providerCmd     `cmd:"" help:"List and check the other services at which people sign in."`
	Mail         mailCmd         `cmd:"" help:"Test the mail server, and list the mail that waits."`
	Texts        textsCmd        `cmd:"" help:"Print the words of the pages and mails, for translators."`
	Webhook      webhookCmd      `cmd:"" help:"List and forget the endpoints that events are sent to."`
	Audit        auditCmd        `cmd:"" help:"Show the audit log."`
	Django       djangoCmd       `cmd:"" help:"Share users and sessions with Django."`
	Key          keyCmd          `cmd:"" help:"Show and rotate the server secret."`
	Backup       backupCmd       `cmd:"" help:"Copy the database into a file, while the server runs."`
	Restore      restoreCmd      `cmd:"" help:"Replace the database by a backup, and end what the backup can't know the end of."`
	AfterRestore afterRestoreCmd `cmd:"" name:"after-restore" help:"End what a database that was restored from a backup can't know the end of."`
	Migrate      migrateCmd      `cmd:"" help:"Bring the database's schema up to date."`
	Check        checkCmd        `cmd:"" help:"Find settings that keep the server from starting, or make it unsafe."`
	Healthcheck  healthcheckCmd  `cmd:"" help:"Ask the running server whether it is ready."`
	Version      versionCmd      `cmd:"" help:"Print the version, and the commit that it was built from."`
	Completion   completionCmd   `cmd:"" help:"Print a script that completes commands and flags in a shell."`
	Man          manCmd          `cmd:"" help:"Print the manual page."`
}

// run is the whole program. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == completeCommand {
		complete(stdout, args[1:])
		return exitOK
	}
	args = normalizeArgs(args)
	ctx = audit.WithActor(ctx, audit.CommandLine)
	var c cli
	a := &app{globals: &c.globals, in: stdin, out: stdout, err: stderr}
	command, err := newGrammar(&c).Parse(args)
	switch {
	case errors.Is(err, cmdline.ErrHelp):
		(&help{out: stdout, width: helpWidth(stdout)}).command(command)
		return exitOK
	case err != nil:
		fmt.Fprintf(a.err, "cloakroom: %s\nSee %s --help\n", printable(err.Error()), command.FullPath())
		return exitUsage
	}
	a.command = command.Path()
	err = command.Target().(runner).Run(ctx, a)
	if unsaid := a.unsaid.Load(); err == nil && unsaid != nil {
		err = fmt.Errorf("it is done, but the result could not be printed: %w", *unsaid)
	}
	return a.exitCode(ctx, err)
}

// runner is a command. A test asserts that all are.
type runner interface {
	Run(context.Context, *app) error
}

// normalizeArgs translates other common ways to ask for help or the version.
func normalizeArgs(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case args[0] == "--version":
		return append([]string{"version"}, args[1:]...)
	}
	return args
}

// newGrammar returns the program. Its tags are those of package cmdline.
func newGrammar(c *cli) *cmdline.Command {
	return cmdline.New("cloakroom", description, variablePrefix, c)
}

// exitCode prints err, if there is one, and returns the exit code of the program.
func (a *app) exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
		return exitFailed
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(a.err, "cloakroom: interrupted")
		return exitFailed
	}
	a.printError(err)
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

// printError prints an error. Characters that could control a terminal are escaped.
func (a *app) printError(err error) {
	for i, line := range strings.Split(inFlags(explain(err)), "\n") {
		prefix := "cloakroom: "
		if i > 0 {
			prefix = "  "
		}
		fmt.Fprintln(a.err, prefix+printable(line))
	}
}
