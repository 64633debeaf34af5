package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/fieldvalue"
	"github.com/cloakroom-auth/cloakroom/session"
)

type checkCmd struct {
	settings
	Deploy bool `env:"-" help:"Look also for what is fine on a developer's machine and not where people sign in."`
}

func (checkCmd) Help() string {
	return `Takes the flags and variables of serve, and says what serve would refuse and what is unsafe. It changes nothing and
can run beside the server. Exits with 1 if there is an error or a warning. The numbers of issues never change their
meaning.

Examples:
  cloakroom check
  cloakroom check --deploy --url https://app.example.com --trusted-proxy 10.0.0.5`
}

// issue is something that check has to say.
type issue struct {
	ID    string `json:"id"`
	Level string `json:"level"` // "error": serve refuses. "warning": unsafe. "info": to be considered
	About string `json:"about"`
	Hint  string `json:"hint"` // what to do
}

var levels = map[byte]string{'E': "error", 'W': "warning", 'I': "info"}

func newIssue(number, about, hint string) issue {
	return issue{ID: "cloakroom." + number, Level: levels[number[0]], About: inFlags(about), Hint: inFlags(hint)}
}

func (c *checkCmd) Run(ctx context.Context, a *app) error {
	issues, err := c.findIssues(ctx, a)
	if err != nil {
		return err
	}
	if a.JSON {
		err = a.json(append([]issue{}, issues...))
	} else {
		a.printIssues(issues)
	}
	for _, i := range issues {
		if err == nil && i.Level != "info" {
			err = errReported
		}
	}
	return err
}

func (c *checkCmd) findIssues(ctx context.Context, a *app) ([]issue, error) {
	issues := unknownVariableIssues(os.Environ())
	if _, err := c.preflight(ctx, a); err != nil {
		issues = append(issues, newIssue("E001", "serve would not start: "+err.Error(), ""))
	}
	where, err := a.locations()
	if err != nil {
		return append(issues, newIssue("E002", err.Error(), "")), nil
	}
	pending, err := where.db.Pending(ctx)
	if err != nil {
		return append(issues, newIssue("E003", "the database can't be used: "+err.Error(), "")), nil
	}
	if len(pending) > 0 {
		issue, err := migrationIssue(ctx, where.db, pending)
		if err != nil {
			return nil, err
		}
		issues = append(issues, issue)
	}
	found, err := c.tryServer(ctx, a, where, len(pending) > 0)
	if err != nil {
		return nil, err
	}
	issues = append(issues, found...)
	if c.Deploy {
		issues = append(issues, c.deploymentIssues(where)...)
		found, err := c.checkPostgres(ctx, where)
		if err != nil {
			return nil, err
		}
		issues = append(issues, found...)
	}
	return issues, nil
}

// migrationIssue says what serve will do first.
func migrationIssue(ctx context.Context, db cloakroom.Database, pending []string) (issue, error) {
	missing, err := db.Missing(ctx)
	if missing {
		return newIssue("I003", "There is no database yet: "+db.String(), "serve makes it. If there should be one, check --data and --db."), err
	}
	return newIssue("I004", "The database's schema is not up to date: "+strings.Join(pending, ", "), "serve brings it up to date; so does: cloakroom migrate"), err
}

// locations is where the server keeps what it must not lose.
type locations struct {
	db       cloakroom.Database
	secret   string // the file
	sessions string // the URL of --sessions; "": they are in the database
}

func (a *app) locations() (locations, error) {
	c := a.config()
	db, err := c.Database()
	return locations{db, c.SecretFile(), c.Sessions}, err
}

// hasSecret reports whether there is a server secret, or something in its place.
func (l locations) hasSecret() bool {
	_, err := os.Stat(l.secret)
	return !errors.Is(err, fs.ErrNotExist)
}

// tryServer assembles the server as serve would. What serve would make or migrate is made elsewhere and thrown away, so that
// nothing is changed.
func (c *checkCmd) tryServer(ctx context.Context, a *app, l locations, elsewhere bool) (issues []issue, err error) {
	p, err := parseListenAddr(ctx, "--listen", c.Listen)
	if err != nil {
		return nil, nil // has been said
	}
	config := c.config(a, c.publicURL(p.addrs[0].Port()), a.warningLogger())
	if !l.hasSecret() && !elsewhere {
		elsewhere = true
		if issues, err = missingSecretIssue(ctx, l); err != nil {
			return nil, err
		}
	}
	if elsewhere {
		if err := l.db.CheckDjango(ctx); err != nil {
			return append(issues, newIssue("E004", "serve would not start: "+explain(err), "")), nil
		}
		remove, err := useTempDir(&config)
		if err != nil {
			return nil, err
		}
		defer remove()
	}
	if c.TLSCert != "" {
		if _, err := loadCertificate(c.TLSCert, c.TLSKey, config.Log); err != nil {
			issues = append(issues, newIssue("E006", "serve would not start: "+err.Error(), ""))
		}
	}
	s, err := cloakroom.New(ctx, config)
	if err != nil {
		return append(issues, newIssue("E004", "serve would not start: "+explain(err), "")), nil
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if !elsewhere {
		found, err := unnameableUsersIssue(ctx, s.Accounts.Store)
		if err != nil {
			return nil, err
		}
		issues = append(issues, found...)
	}
	needed, err := s.Accounts.NeedsSetup(ctx)
	if needed && c.Deploy && len(issues) == 0 {
		issues = append(issues, newIssue("W006", "There is no user yet: whoever gets hold of a set-up link becomes the administrator.",
			"Open the link that serve gives, or run: cloakroom user add NAME --superuser"))
	}
	return issues, err
}

// unnameableUsersIssue looks for users whom the gateway and forward-auth can't name to applications.
func unnameableUsersIssue(ctx context.Context, store account.Store) ([]issue, error) {
	found, err := fieldvalue.FindUnnameable(ctx, store)
	if err != nil || found.Count == 0 {
		return nil, err
	}
	return []issue{newIssue("W020", fmt.Sprintf("%d users can't be named in a header: %v", found.Count, found),
		"Give them other names or addresses: cloakroom user set ID. Until then the gateway and forward-auth answer them 403 identity_not_expressible.")}, nil
}

// useTempDir lets what a server keeps be in a directory of its own, which remove takes away; but for sessions in Redis.
func useTempDir(config *cloakroom.Config) (remove func() error, err error) {
	dir, err := os.MkdirTemp("", "cloakroom-try-*")
	if err != nil {
		return nil, fmt.Errorf("make a directory to try in: %w", err)
	}
	if strings.HasPrefix(config.DB, "django+") && config.Cookie.Name == "" {
		config.Cookie.Name = session.PlainCookieName // the default depends on the database
	}
	config.Data, config.DB, config.KeyFile, config.Feed = dir, "", "", ""
	return func() error { return os.RemoveAll(dir) }, nil
}

// missingSecretIssue looks for what only a missing server secret opens.
func missingSecretIssue(ctx context.Context, l locations) ([]issue, error) {
	sealed, err := l.db.Sealed(ctx)
	if err != nil || !sealed {
		return nil, err
	}
	return []issue{newIssue("E005", "serve would not start: there is no server secret "+l.secret+", and the database was begun with one.",
		"Put the file back, or name it with --key-file.")}, nil
}

// unknownVariableIssues finds variables that look like flags and are none, so that their author believes in a setting that
// isn't there.
func unknownVariableIssues(environ []string) []issue {
	known := map[string]bool{}
	for _, name := range variables() {
		known[name] = true
	}
	var issues []issue
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, variablePrefix) && !known[name] && !setByKubernetes(name) {
			issues = append(issues, newIssue("W013", "The variable "+name+" is not a setting of this program.",
				"Correct its name (cloakroom serve --help has them all), or remove it."))
		}
	}
	return issues
}

// setByKubernetes reports whether Kubernetes sets the variable, for a service of our name.
func setByKubernetes(name string) bool {
	rest := strings.TrimPrefix(name, variablePrefix)
	return rest == "PORT" || strings.HasPrefix(rest, "PORT_") || strings.HasPrefix(rest, "SERVICE_")
}

func (a *app) printIssues(issues []issue) {
	if len(issues) == 0 {
		a.say("no issues")
		return
	}
	h := &help{out: a.out, width: helpWidth(a.out)}
	for i, one := range issues {
		if i > 0 {
			h.line("")
		}
		a.printIssue(h, one)
	}
}

func (a *app) printIssue(h *help, one issue) {
	first := fmt.Sprintf("%s  %-7s  ", one.ID, one.Level)
	for _, line := range strings.Split(one.About+"\n"+one.Hint, "\n") {
		if line != "" {
			h.wrap(first, printable(line))
			first = strings.Repeat(" ", len(first))
		}
	}
}
