package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/peerlink"
)

type checkCmd struct {
	settings
	Deploy bool `env:"-" help:"Also find settings that are fine for development and unsafe in production."`
}

func (checkCmd) Help() string {
	return `Takes the flags and variables of serve, and reports what serve would refuse and what is unsafe. It changes nothing and
can run while the server runs. It exits with 1 if there is an error or a warning. The number of an issue never changes its
meaning.

Examples:
  cloakroom check
  cloakroom check --deploy --url https://app.example.com --trusted-proxy 10.0.0.5`
}

// issue is one finding of check.
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
		issues = append(issues, c.checkProviders(ctx, a)...)
		found, err := c.checkPostgres(ctx, where)
		if err != nil {
			return nil, err
		}
		issues = append(issues, found...)
	}
	return issues, nil
}

// migrationIssue says that serve will create the database or apply migrations.
func migrationIssue(ctx context.Context, db cloakroom.Database, pending []string) (issue, error) {
	missing, err := db.Missing(ctx)
	if missing {
		return newIssue("I003", "There is no database yet: "+db.String(), "serve creates it. If there should be one, check --data and --db."), err
	}
	return newIssue("I004", "The database's schema is not up to date: "+strings.Join(pending, ", "), "serve applies them, and so does: cloakroom migrate"), err
}

// locations is where the server keeps its data.
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

// hasSecret reports whether there is a file with the name of the server secret.
func (l locations) hasSecret() bool {
	_, err := os.Stat(l.secret)
	return !errors.Is(err, fs.ErrNotExist)
}

// tryServer builds the server as serve would. If serve would create or migrate something first, a temporary directory takes its
// place, so that nothing is changed.
func (c *checkCmd) tryServer(ctx context.Context, a *app, l locations, elsewhere bool) (issues []issue, err error) {
	p, err := parseListenAddr(ctx, "--listen", c.Listen)
	if err != nil {
		return nil, nil // preflight has reported it
	}
	config := c.config(a, c.publicURL(p.addrs[0].Port()), a.warningLogger())
	if !l.hasSecret() && !elsewhere {
		elsewhere = true
		if issues, err = missingSecretIssue(ctx, l); err != nil {
			return nil, err
		}
	}
	if err := tryPeers(&config, elsewhere && l.db.File() == ""); err != nil {
		return append(issues, newIssue("E004", "serve would not start: --peer-listen: "+err.Error(), "")), nil
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
		if c.Deploy {
			if found, err = factorIssues(ctx, s, c.SecondFactor); err != nil {
				return nil, err
			}
			issues = append(issues, found...)
			if found, err = mailIssues(ctx, s); err != nil {
				return nil, err
			}
			issues = append(issues, found...)
		}
	}
	needed, err := s.Accounts.NeedsSetup(ctx)
	if needed && c.Deploy && len(issues) == 0 {
		issues = append(issues, newIssue("W006", "There is no user yet: anyone who gets the set-up link becomes the administrator.",
			"Open the link that serve prints, or run: cloakroom user add NAME --superuser"))
	}
	return issues, err
}

// unnameableUsersIssue reports users whose names the gateway and forward-auth can't send to applications.
func unnameableUsersIssue(ctx context.Context, store account.Store) ([]issue, error) {
	count, list, err := (&account.Service{Store: store}).HeaderFlaws(ctx)
	if err != nil || count == 0 {
		return nil, err
	}
	return []issue{newIssue("W020", fmt.Sprintf("%d users can't be named in a header: %s", count, list),
		"Give them other names or addresses: cloakroom user set ID. Until then the gateway and forward-auth answer them 403 identity_not_expressible.")}, nil
}

// factorIssues reports staff without a second factor, and passkeys that work nowhere.
func factorIssues(ctx context.Context, s *cloakroom.Server, required string) (issues []issue, err error) {
	census, err := s.CountFactors(ctx)
	if err != nil {
		return nil, err
	}
	if n := census.StaffWithout; n > 0 && required == "optional" {
		issues = append(issues, newIssue("I033", fmt.Sprintf("Staff and superusers whose passwords alone are enough to sign in: %d.", n),
			"They add a second factor on their account pages. cloakroom user factors NAME shows what a user has."))
	} else if n > 0 {
		issues = append(issues, newIssue("I034", fmt.Sprintf("Staff and superusers who have no second factor, and so can't sign in by their passwords: %d.", n),
			"Make a link for each, on which a factor is set up: cloakroom user reset NAME"))
	}
	if census.Foreign > 0 {
		issues = append(issues, newIssue("W040", fmt.Sprintf("%d passkeys and security keys were made for another domain than this server's, and are "+
			"of no use here: %s", census.Foreign, strings.Join(census.Domains, ", ")),
			"Give the domain with --passkey-domain, or --url as it was. If it has changed for good, their users add new ones."))
	}
	return issues, nil
}

// useTempDir moves the data of a Config into a temporary directory, which remove deletes. Sessions in Redis stay there.
func useTempDir(config *cloakroom.Config) (remove func() error, err error) {
	dir, err := os.MkdirTemp("", "cloakroom-try-*")
	if err != nil {
		return nil, fmt.Errorf("make a directory to try in: %w", err)
	}
	if strings.HasPrefix(config.DB, "django+") && config.Cookie.Name == "" {
		config.Cookie.Name = "sessionid" // the default depends on the database
	}
	config.Data, config.DB, config.KeyFile, config.Feed = dir, "", "", ""
	return func() error { return os.RemoveAll(dir) }, nil
}

// tryPeers has the trial take any free port of --peer-listen, because the server that runs has its own. Without its database, which
// the temporary directory replaces, the trial has no feed, and so no other nodes, unless Redis has the sessions.
func tryPeers(config *cloakroom.Config, replaced bool) error {
	if config.PeerListen == "" {
		return nil
	}
	at, err := peerlink.ParseAddress(config.PeerListen)
	if err != nil {
		return err
	}
	config.PeerListen = netip.AddrPortFrom(at.Addr(), 0).String()
	if replaced && config.Sessions == "" {
		config.PeerListen = ""
	}
	return nil
}

// missingSecretIssue reports a database that needs a server secret which is missing.
func missingSecretIssue(ctx context.Context, l locations) ([]issue, error) {
	sealed, err := l.db.Sealed(ctx)
	if err != nil || !sealed {
		return nil, err
	}
	return []issue{newIssue("E005", "serve would not start: there is no server secret "+l.secret+", and the database needs the one that it was created with.",
		"Put the file back, or name it with --key-file.")}, nil
}

// unknownVariableIssues reports environment variables that look like a setting but have no effect.
func unknownVariableIssues(environ []string) []issue {
	var issues []issue
	for _, name := range unknownVariables(environ) {
		issues = append(issues, newIssue("W013", "The variable "+name+" is not a setting of this program.",
			"Correct its name (cloakroom serve --help lists them all), or remove it."))
	}
	return issues
}

// unknownVariables returns the names of environment variables that look like a setting but have no effect.
func unknownVariables(environ []string) (unknown []string) {
	known := map[string]bool{}
	for _, name := range variables() {
		known[name] = true
	}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, variablePrefix) && !known[name] && !setByKubernetes(name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// ofService matches the variables that Kubernetes sets for a service of our name, or of one that begins with it.
var ofService = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`_(SERVICE_(HOST|PORT)(_.*)?|PORT(_\d+_.*)?)$`) })

// setByKubernetes reports whether Kubernetes sets the variable.
func setByKubernetes(name string) bool { return ofService().MatchString(name) }

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
