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

const day = 24 * time.Hour

// maxReauthInterval is how often NIST SP 800-63B-4 requires a new sign-in (AAL1, section 2.1.3).
const maxReauthInterval = 30 * day

// deploymentIssues reports settings that are fine for development and unsafe in production.
func (c *checkCmd) deploymentIssues(l locations) []issue {
	var issues []issue
	for _, check := range []func(locations) []issue{c.checkHTTPS, c.checkProxies, c.checkUpstreams, c.checkLimits, c.checkFiles, c.checkRedis, c.checkProcess, c.checkSecondFactor, c.checkBinding, c.checkMail} {
		issues = append(issues, check(l)...)
	}
	return issues
}

// checkHTTPS reports unsafe settings of the connection between browsers and the server.
func (c *checkCmd) checkHTTPS(locations) (issues []issue) {
	secure := strings.HasPrefix(c.URL, "https://")
	if !secure && c.TLSCert == "" {
		issues = append(issues, newIssue("W001", "The address that browsers use is plain http.",
			"Put a proxy in front that speaks https, and give its address: --url https://app.example.com"))
	}
	if c.InsecureHTTP {
		issues = append(issues, newIssue("W002", "--insecure-http lets sessions and passwords travel in the clear.",
			"Leave it out. With an https --url, the connection between the proxy and the server may still be plain http."))
	}
	for _, origin := range c.Origin {
		if u, err := url.Parse(origin); err == nil && u.Scheme == "http" && (secure || !onThisMachine(u.Hostname())) {
			issues = append(issues, newIssue("W010", fmt.Sprintf("--origin %s is plain http: anyone on the network path can change "+
				"its pages, and act here as their visitors.", origin), "Serve that origin by https, or remove it."))
		}
	}
	if secure && !c.HSTSSubdomains {
		issues = append(issues, newIssue("I001", "Browsers are told to use only https for this host, but not for its subdomains.",
			"If all subdomains speak https: --hsts-subdomains"))
	}
	if c.CSRF == "auto" {
		issues = append(issues, newIssue("I002", "The origin of each request is checked; a CSRF token is checked only if it is sent.",
			"That is enough for current browsers. To require the token, as Django does: --csrf strict"))
	}
	return issues
}

// checkProxies reports proxies that are missing from --trusted-proxy, or networks that are too large.
func (c *checkCmd) checkProxies(locations) (issues []issue) {
	if strings.HasPrefix(c.URL, "https://") && len(c.TrustedProxy) == 0 && c.TLSCert == "" {
		issues = append(issues, newIssue("W014", "A proxy must be speaking https, and no proxy is trusted: all requests seem to come "+
			"from its address, so that one person's failed sign-ins count against everyone.",
			"Name the proxy's address: --trusted-proxy 127.0.0.1"))
	}
	for _, text := range c.TrustedProxy {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			continue // a single address, or refused by serve
		}
		if hosts := p.Addr().BitLen() - p.Bits(); !p.Addr().IsLoopback() && (hosts > 64 || (p.Addr().Is4() && hosts > 16)) {
			issues = append(issues, newIssue("W003", fmt.Sprintf("--trusted-proxy %s: every machine in this large network can "+
				"pretend to be any client.", text), "Name the addresses of the proxies, or a network of proxies only."))
		}
	}
	return issues
}

// checkUpstreams reports upstreams over plain http and rules that make every path public.
func (c *checkCmd) checkUpstreams(locations) (issues []issue) {
	for _, text := range c.Upstream {
		_, address, prefixed := strings.Cut(text, "=")
		if !prefixed || !strings.HasPrefix(text, "/") {
			address = text
		}
		if u, err := url.Parse(address); err == nil && (u.Scheme == "http" || u.Scheme == "h2c") && !onThisMachine(u.Hostname()) {
			issues = append(issues, newIssue("W016", fmt.Sprintf("--upstream %s is reached over a network by plain http: anyone on "+
				"the network can read the requests, and anyone who can connect to the upstream can send a Remote-User of their choice.", text),
				"Use https, or let the upstream listen only on this machine, or let it verify Cloakroom-Assertion (docs/deploy.md)."))
		}
	}
	for _, rule := range c.Rule {
		if words := strings.Fields(rule); len(words) == 2 && words[0] == "public" && words[1] == "/*" {
			issues = append(issues, newIssue("I005", fmt.Sprintf("--rule %q makes every path public that no earlier rule covers.", rule),
				"That is right if the upstream itself checks who sends a request. Otherwise leave the rule out: requests without a sign-in get 401."))
		}
	}
	return issues
}

// checkLimits reports unsafe lifetimes, password lengths and log levels.
func (c *checkCmd) checkLimits(locations) (issues []issue) {
	if c.Lifetime > maxReauthInterval {
		issues = append(issues, newIssue("W007", fmt.Sprintf("--lifetime %v: people sign in again only after %d days.",
			c.Lifetime, c.Lifetime/day), "NIST SP 800-63B-4 allows 30 days at most: --lifetime 720h"))
	}
	if c.Idle > maxReauthInterval {
		issues = append(issues, newIssue("W015", fmt.Sprintf("--idle %v: an unused session lives for %d days.",
			c.Idle, c.Idle/day), "Two weeks is the default: --idle 336h"))
	}
	if c.PasswordMinLength < 15 {
		issues = append(issues, newIssue("W008", fmt.Sprintf("--password-min-length %d: new passwords may be shorter than 15 "+
			"characters.", c.PasswordMinLength), "NIST SP 800-63B-4 asks for 15 if the password is the only factor: leave the flag out."))
	}
	if c.LogLevel == "debug" {
		issues = append(issues, newIssue("W009", "--log-level debug logs more about users than is needed to run the server.",
			"Leave it out: info has all security events."))
	}
	return issues
}

// checkFiles reports files that other users can read, and a database on a network file system.
func (c *checkCmd) checkFiles(l locations) (issues []issue) {
	file := l.db.File()
	paths := []string{filepath.Dir(l.secret), l.secret}
	if file != "" {
		paths = append(paths, filepath.Dir(file), file, file+"-wal")
	}
	for _, w := range c.Webhook {
		paths = append(paths, w.file)
	}
	seen := map[string]bool{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || seen[path] || runtime.GOOS == "windows" {
			continue
		}
		seen[path] = true
		if perm := info.Mode().Perm(); perm&0o077 != 0 {
			issues = append(issues, newIssue("W005", fmt.Sprintf("Other users of this machine can use %s (mode %#o).", path, perm),
				fmt.Sprintf("Run: chmod go= %s", path)))
		}
	}
	if file == "" {
		return issues
	}
	if name := networkFileSystem(filepath.Dir(file)); name != "" {
		issues = append(issues, newIssue("W012", fmt.Sprintf("The database is on a network file system (%s), where SQLite's "+
			"locks don't work: the database can be damaged, and ended sessions can become valid again.", name),
			"Move it to a disk of this machine: --data or --db"))
	}
	return issues
}

// checkRedis reports unsafe settings of the Redis of --sessions.
func (c *checkCmd) checkRedis(l locations) (issues []issue) {
	if l.sessions == "" {
		return nil
	}
	if c.RedisMayLose > 0 {
		issues = append(issues, newIssue("W018", fmt.Sprintf("--redis-may-lose %v: after a crash of Redis, a sign-out of the "+
			"last %[1]v may be lost.", c.RedisMayLose), "Set appendonly yes and appendfsync always in Redis, and leave the flag out."))
	}
	if u, err := url.Parse(l.sessions); err == nil && u.Scheme == "redis" && !onThisMachine(u.Hostname()) {
		issues = append(issues, newIssue("W019", "The connection to the Redis of --sessions is not encrypted: anyone on the network "+
			"path can read its password, and change who is signed in.", "Let Redis speak TLS: --sessions rediss://…"))
	}
	return append(issues, newIssue("I006", "If a replica takes the place of the Redis of --sessions, the writes that it had not received "+
		"are lost, whatever the settings: sign-outs too.", "Promote replicas by hand, or end all sessions after a failover."))
}

// checkProcess reports that the command runs as root.
func (c *checkCmd) checkProcess(locations) (issues []issue) {
	if os.Geteuid() == 0 {
		issues = append(issues, newIssue("W011", "This runs as root.",
			"Run the server as a user of its own that owns the data directory, and run check as the same user."))
	}
	return issues
}

// checkBinding reports that a copied session cookie opens a session elsewhere.
func (c *checkCmd) checkBinding(l locations) (issues []issue) {
	if strings.HasPrefix(c.URL, "https://") && !c.BindDevices && !strings.HasPrefix(l.db.String(), "django+") && c.CookieDomain == "" {
		issues = append(issues, newIssue("I038", "A copied session cookie opens the session in another browser too.",
			"To bind sessions to their browser, where it can do so: --bind-devices (docs/device-bound-sessions.md)"))
	}
	return issues
}

// checkSecondFactor reports settings with which a password alone leads further than it should.
func (c *checkCmd) checkSecondFactor(locations) (issues []issue) {
	if c.SecondFactor != "optional" && c.EnrolOnPassword {
		issues = append(issues, newIssue("W038", "--enrol-on-password lets anyone who knows the password of a user without a second factor "+
			"set one up, and so keep the user out.", "Leave it out, and make a link for each such user: cloakroom user reset NAME"))
	}
	if c.SecondFactor == "optional" {
		issues = append(issues, newIssue("I032", "Staff sign in by their passwords alone, unless they have added a second factor by themselves.",
			"To require one of staff and superusers: --second-factor staff"))
	}
	return issues
}
