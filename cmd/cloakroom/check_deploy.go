package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// day is how long days are in this file's sentences.
const day = 24 * time.Hour

// maxReauthInterval is how long NIST SP 800-63B-4 lets anybody go without signing in again (AAL1, section 2.1.3).
const maxReauthInterval = 30 * day

// deploymentIssues is what is fine on a developer's machine, and not where people sign in.
func (c *checkCmd) deploymentIssues(l locations) []issue {
	var issues []issue
	for _, check := range []func(locations) []issue{c.checkHTTPS, c.checkProxies, c.checkUpstreams, c.checkLimits, c.checkFiles, c.checkRedis, c.checkProcess} {
		issues = append(issues, check(l)...)
	}
	return issues
}

// checkHTTPS looks at the way between browsers and the server.
func (c *checkCmd) checkHTTPS(locations) (issues []issue) {
	secure := strings.HasPrefix(c.URL, "https://")
	if !secure && c.TLSCert == "" {
		issues = append(issues, newIssue("W001", "The address that browsers use is plain http.",
			"Put a proxy in front that speaks https, and give its address: --url https://app.example.com"))
	}
	if c.InsecureHTTP {
		issues = append(issues, newIssue("W002", "--insecure-http lets sessions and passwords travel in the clear.",
			"Leave it away. With an https --url the way between proxy and server may still be plain http."))
	}
	for _, origin := range c.Origin {
		if u, err := url.Parse(origin); err == nil && u.Scheme == "http" && (secure || !onThisMachine(u.Hostname())) {
			issues = append(issues, newIssue("W010", fmt.Sprintf("--origin %s is plain http: whoever changes its pages on "+
				"the way can act as its visitors here.", origin), "Serve that origin by https, or remove it."))
		}
	}
	if secure && !c.HSTSSubdomains {
		issues = append(issues, newIssue("I001", "Browsers are told to insist on https for this host, and not for its subdomains.",
			"If all of them speak https: --hsts-subdomains"))
	}
	if c.CSRF == "auto" {
		issues = append(issues, newIssue("I002", "Requests are judged by their origin; a CSRF token is checked only where one is sent.",
			"That is enough for current browsers. To demand the token as Django does: --csrf strict"))
	}
	return issues
}

// checkProxies looks at who may say where a request comes from.
func (c *checkCmd) checkProxies(locations) (issues []issue) {
	if strings.HasPrefix(c.URL, "https://") && len(c.TrustedProxy) == 0 && c.TLSCert == "" {
		issues = append(issues, newIssue("W014", "There must be a proxy that speaks https, and none is trusted: everybody seems "+
			"to come from its address, so that one person's failed sign-ins count against all.",
			"Name the proxy's address: --trusted-proxy 127.0.0.1"))
	}
	for _, text := range c.TrustedProxy {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			continue // a single address, or refused by serve
		}
		if hosts := p.Addr().BitLen() - p.Bits(); !p.Addr().IsLoopback() && (hosts > 64 || (p.Addr().Is4() && hosts > 16)) {
			issues = append(issues, newIssue("W003", fmt.Sprintf("--trusted-proxy %s: every machine in this large network can "+
				"claim to be any client.", text), "Name the proxies' own addresses, or a network that holds nothing else."))
		}
	}
	return issues
}

// checkUpstreams looks at what is passed on, to whom and for whom.
func (c *checkCmd) checkUpstreams(locations) (issues []issue) {
	for _, text := range c.Upstream {
		_, address, prefixed := strings.Cut(text, "=")
		if !prefixed || !strings.HasPrefix(text, "/") {
			address = text
		}
		if u, err := url.Parse(address); err == nil && (u.Scheme == "http" || u.Scheme == "h2c") && !onThisMachine(u.Hostname()) {
			issues = append(issues, newIssue("W016", fmt.Sprintf("--upstream %s is reached over a network by plain http: whoever is on "+
				"it can read what people do, and whoever reaches the upstream can say in Remote-User to be anybody.", text),
				"Use https, or let the upstream listen on this machine alone; or let it verify Cloakroom-Assertion (docs/deploy.md)."))
		}
	}
	for _, rule := range c.Rule {
		if words := strings.Fields(rule); len(words) == 2 && words[0] == "public" && words[1] == "/*" {
			issues = append(issues, newIssue("I005", fmt.Sprintf("--rule %q lets everybody have whatever no earlier rule covers.", rule),
				"That is right if the upstream looks itself at who is asking. Else leave the rule away: who isn't signed in gets 401."))
		}
	}
	return issues
}

// checkLimits looks at sessions, passwords and the log.
func (c *checkCmd) checkLimits(locations) (issues []issue) {
	if c.Lifetime > maxReauthInterval {
		issues = append(issues, newIssue("W007", fmt.Sprintf("--lifetime %v: people sign in again only after %d days.",
			c.Lifetime, c.Lifetime/day), "NIST SP 800-63B-4 allows 30 days at most: --lifetime 720h"))
	}
	if c.Idle > maxReauthInterval {
		issues = append(issues, newIssue("W015", fmt.Sprintf("--idle %v: a session that nobody uses lives for %d days.",
			c.Idle, c.Idle/day), "Two weeks is the default: --idle 336h"))
	}
	if c.PasswordMinLength < 15 {
		issues = append(issues, newIssue("W008", fmt.Sprintf("--password-min-length %d: new passwords may be shorter than 15 "+
			"characters.", c.PasswordMinLength), "NIST SP 800-63B-4 asks for 15 where the password is the only factor: leave the flag away."))
	}
	if c.LogLevel == "debug" {
		issues = append(issues, newIssue("W009", "--log-level debug writes more about people than is needed to run the server.",
			"Leave it away: info has all security events."))
	}
	return issues
}

// checkFiles looks at the files.
func (c *checkCmd) checkFiles(l locations) (issues []issue) {
	file := l.db.File()
	paths := []string{filepath.Dir(l.secret), l.secret}
	if file != "" {
		paths = append(paths, filepath.Dir(file), file, file+"-wal")
	}
	seen := map[string]bool{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || seen[path] || runtime.GOOS == "windows" {
			continue
		}
		seen[path] = true
		if perm := info.Mode().Perm(); perm&0o077 != 0 {
			issues = append(issues, newIssue("W005", fmt.Sprintf("Others can use %s (mode %#o).", path, perm),
				fmt.Sprintf("Run: chmod go= %s", path)))
		}
	}
	if file == "" {
		return issues
	}
	if name := networkFileSystem(filepath.Dir(file)); name != "" {
		issues = append(issues, newIssue("W012", fmt.Sprintf("The database is on a network file system (%s), where SQLite's "+
			"locks don't hold: it can be damaged, and sessions that have ended can come back.", name),
			"Move it to a disk of this machine: --data or --db"))
	}
	return issues
}

// checkRedis looks at where the sessions are, if they aren't in the database.
func (c *checkCmd) checkRedis(l locations) (issues []issue) {
	if l.sessions == "" {
		return nil
	}
	if c.RedisMayLose > 0 {
		issues = append(issues, newIssue("W018", fmt.Sprintf("--redis-may-lose %v: after a crash of Redis a sign-out of the "+
			"last %[1]v may not have happened.", c.RedisMayLose), "Set appendonly yes and appendfsync always in Redis, and leave the flag away."))
	}
	if u, err := url.Parse(l.sessions); err == nil && u.Scheme == "redis" && !onThisMachine(u.Hostname()) {
		issues = append(issues, newIssue("W019", "The way to the Redis of --sessions is not encrypted: whoever listens there "+
			"can take its password, and change who is signed in.", "Let Redis speak TLS: --sessions rediss://…"))
	}
	return append(issues, newIssue("I006", "If a replica of the Redis of --sessions takes its place, what it hadn't received is "+
		"lost, whatever the settings: sign-outs too.", "Let it be promoted by hand, or end all sessions afterwards."))
}

// checkProcess looks at how the server runs.
func (c *checkCmd) checkProcess(locations) (issues []issue) {
	if os.Geteuid() == 0 {
		issues = append(issues, newIssue("W011", "This runs as root.",
			"Give the server a user of its own, who owns the data directory; run check as that user too."))
	}
	return issues
}
