package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom"
)

// settings are the flags of the server; check takes them too, to say what it thinks of them.
type settings struct {
	Listen       string   `default:"localhost:8000" placeholder:"HOST:PORT" help:"Where to listen. localhost is 127.0.0.1 and [::1] both; port 0 is one that is free."`
	URL          string   `name:"url" placeholder:"URL" standard:"http(s):// and --listen" help:"The public address, scheme and host, as browsers see it."`
	Origin       []string `placeholder:"URL" help:"Another origin of the same site whose pages may call this server. Repeat it or separate by commas."`
	TrustedProxy []string `placeholder:"CIDR" help:"A proxy, or a network of proxies, whose X-Forwarded-For is believed. Repeat it or separate by commas."`
	InsecureHTTP bool     `name:"insecure-http" help:"Allow plain http beyond this machine. Whoever listens on the way can take sessions and passwords."`

	Revocation string   `enum:"fenced,strict" default:"fenced" placeholder:"MODE" help:"fenced answers from memory, and ends nothing before every node has forgotten it; strict asks the database each time."`
	Feed       string   `xor:"feed" placeholder:"URL" standard:"--db" help:"Where nodes tell each other what has ended, if --db leads through a pooler: postgres://USER@HOST/NAME, the server's own address."`
	FeedFile   textFile `name:"feed-file" placeholder:"FILE" xor:"feed" help:"A file that holds --feed: other users of the machine can read a command line."`
	MemoryMB   int64    `name:"memory-mb" default:"256" placeholder:"N" help:"How many MiB of sessions, accounts and tokens to remember."`

	Idle              time.Duration `default:"336h" placeholder:"TIME" help:"End a session that hasn't been used for so long."`
	Lifetime          time.Duration `default:"720h" placeholder:"TIME" help:"End a session so long after sign-in, whatever happens."`
	AuditRetention    time.Duration `default:"8760h" placeholder:"TIME" help:"Keep the audit log for so long."`
	MaxSessions       int           `placeholder:"N" standard:"no limit" help:"End a user's oldest session at the sign-in that would be one too many."`
	PasswordMinLength int           `default:"15" placeholder:"N" help:"How many characters a new password needs."`
	CSRF              string        `name:"csrf" enum:"auto,strict" default:"auto" placeholder:"MODE" help:"auto judges requests by their origin; strict demands X-CSRFToken as well."`
	Basic             bool          `help:"Let name and password in HTTP Basic count on every route, not at sign-in alone. Each request costs a password hash."`
	AppTokens         bool          `help:"Give sessions to programs that are no browsers: the ticket travels in the header X-Session-Token."`
	KnoxTTL           time.Duration `name:"knox-ttl" default:"10h" placeholder:"TIME" help:"End a token of django-rest-knox's kind so long after it was made; 0: never."`
	KnoxLimit         int           `name:"knox-limit" placeholder:"N" standard:"no limit" help:"How many of these tokens a user may have at a time."`
	Audience          []string      `placeholder:"NAME" help:"A service that a session can get a JWT for. Repeat it or separate by commas."`
	KeepSiteData      bool          `help:"Leave localStorage and sessionStorage of the pages alone at a sign-out; else the browser is told to empty them (Clear-Site-Data)."`
	HSTSSubdomains    bool          `name:"hsts-subdomains" help:"Tell browsers to use https for all subdomains too."`

	CookieName     string `placeholder:"NAME" standard:"__Host-Http-sessionid; sessionid beside Django or on http" help:"The name of the session cookie."`
	CookieDomain   string `placeholder:"DOMAIN" standard:"this host alone" help:"Let all subdomains of a domain have the session cookie: Django's SESSION_COOKIE_DOMAIN."`
	CookiePath     string `default:"/" placeholder:"PATH" help:"The path of the session cookie: Django's SESSION_COOKIE_PATH."`
	CookieSamesite string `enum:"Lax,Strict,None" default:"Lax" placeholder:"MODE" help:"Lax, Strict or None: Django's SESSION_COOKIE_SAMESITE."`

	RedisMayLose time.Duration `placeholder:"TIME" standard:"nothing" help:"Serve although the Redis of --sessions may forget so much of what it acknowledged when it crashes."`

	App             string        `type:"path" placeholder:"DIR" help:"Serve the single-page app that was built into this folder."`
	Upstream        []string      `placeholder:"[PREFIX=]URL" help:"Pass the rest on to this server, or only paths below the prefix. Repeat it or separate by commas."`
	UpstreamTimeout time.Duration `default:"1m" placeholder:"TIME" help:"How long an upstream may take until its answer begins."`
	Rule            []string      `sep:";" placeholder:"RULE" help:"Who may have what of the app and the upstreams: LEVEL [METHOD,...] PATH, where LEVEL is public, signed-in, scoped, fresh or permission:NAME. The first that fits counts. Repeat it or separate by semicolons."`
	UnsafePaths     []string      `placeholder:"PREFIX" help:"Pass on paths with %2F, // and ; to the upstream with this prefix, / for the one without. Rules can't tell such paths apart, so what any of them asks below the prefix is asked. Repeat it or separate by commas."`
	PassGroups      string        `enum:"both,header,assertion,none" default:"both" placeholder:"MODE" help:"Where applications find a user's groups: in the header Remote-Groups, in the assertion, in both or in none."`
	TLSCert         string        `name:"tls-cert" placeholder:"FILE" help:"Speak https with this certificate, in PEM, chain included. Read again when it changes."`
	TLSKey          string        `name:"tls-key" placeholder:"FILE" help:"The certificate's private key, in PEM."`

	StopDelay time.Duration `placeholder:"TIME" standard:"0s" help:"After SIGTERM, say so on /readyz and go on answering for so long, until the load balancer has noticed."`

	MetricsListen string `placeholder:"HOST:PORT" standard:"nowhere" help:"Where to answer GET /metrics for Prometheus. Whoever reaches it can read it."`

	LogFormat string `enum:"text,json" default:"text" placeholder:"FORMAT" help:"text or json, to standard error."`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL" help:"debug, info, warn or error."`
}

// longestPause bounds what the limits may be, so that sums of times don't run over.
const longestPause = 100 * 365 * 24 * time.Hour

// longestStopDelay is more than any load balancer takes to notice.
const longestStopDelay = 10 * time.Minute

// Validate is called by kong.
func (s *settings) Validate() error {
	switch {
	case s.Idle < time.Minute || s.Idle > longestPause:
		return fmt.Errorf("--idle %v: a session must be allowed a pause of at least 1m, and at most 100 years", s.Idle)
	case s.Lifetime < time.Minute || s.Lifetime > longestPause:
		return fmt.Errorf("--lifetime %v: a session must live at least 1m, and at most 100 years", s.Lifetime)
	case s.MemoryMB < 1 || s.MemoryMB > 1<<20:
		return fmt.Errorf("--memory-mb %d: give a number from 1 to %d, or --revocation strict to remember nothing", s.MemoryMB, 1<<20)
	case s.RedisMayLose < 0:
		return fmt.Errorf("--redis-may-lose %v: give a time such as 1s", s.RedisMayLose)
	case (s.TLSCert == "") != (s.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case s.UpstreamTimeout < time.Second || s.UpstreamTimeout > time.Hour:
		return fmt.Errorf("--upstream-timeout %v: give a time from 1s to 1h", s.UpstreamTimeout)
	case s.StopDelay < 0 || s.StopDelay > longestStopDelay:
		return fmt.Errorf("--stop-delay %v: give a time of at most %v", s.StopDelay, longestStopDelay)
	case s.AuditRetention < time.Hour || s.AuditRetention > longestPause:
		return fmt.Errorf("--audit-retention %v: the audit log must be kept at least 1h, and at most 100 years", s.AuditRetention)
	case s.MaxSessions < 0:
		return fmt.Errorf("--max-sessions %d: give a positive number, or leave it away for no limit", s.MaxSessions)
	}
	switch {
	case s.KnoxTTL < 0 || s.KnoxTTL > longestPause:
		return fmt.Errorf("--knox-ttl %v: give a time of at most 100 years, or 0 for tokens without an end", s.KnoxTTL)
	case s.KnoxLimit < 0:
		return fmt.Errorf("--knox-limit %d: give a positive number, or leave it away for no limit", s.KnoxLimit)
	}
	return checkMinLength(s.PasswordMinLength)
}

// sameSites are the values of --cookie-samesite.
var sameSites = map[string]http.SameSite{
	"Lax": http.SameSiteLaxMode, "Strict": http.SameSiteStrictMode, "None": http.SameSiteNoneMode,
}

// checkMinLength keeps the policy between what NIST allows at all and what people can type.
func checkMinLength(n int) error {
	if n < 8 || n > 64 {
		return fmt.Errorf("--password-min-length %d: give a number from 8 to 64 (NIST SP 800-63B-4 asks for 15 "+
			"where the password is the only factor)", n)
	}
	return nil
}

// config is what the server is assembled from.
func (s *settings) config(a *app, publicURL string, log *slog.Logger) cloakroom.Config {
	c := a.config()
	c.URL, c.Origins, c.TrustedProxies, c.InsecureHTTP = publicURL, s.Origin, s.TrustedProxy, s.InsecureHTTP
	c.Idle, c.Lifetime, c.MaxSessions, c.AuditRetention = s.Idle, s.Lifetime, s.MaxSessions, s.AuditRetention
	c.PasswordMinLength, c.StrictCSRF, c.HSTSSubDomains = s.PasswordMinLength, s.CSRF == "strict", s.HSTSSubdomains
	c.KeepSiteData = s.KeepSiteData
	c.Audiences = s.Audience
	c.App, c.Upstreams, c.Rules, c.UpstreamTimeout = s.App, s.Upstream, s.Rule, s.UpstreamTimeout
	c.UnsafePaths, c.PassGroups = s.UnsafePaths, s.PassGroups
	c.Basic, c.AppTokens, c.KnoxTTL, c.KnoxLimit = s.Basic, s.AppTokens, s.KnoxTTL, s.KnoxLimit
	if c.KnoxTTL == 0 {
		c.KnoxTTL = -1 // no end
	}
	c.RedisMayLose, c.Log = s.RedisMayLose, log
	c.Revocation, c.Feed, c.MemoryBytes = s.Revocation, s.Feed+string(s.FeedFile), s.MemoryMB<<20
	c.Cookie = cloakroom.Cookie{Name: s.CookieName, Domain: s.CookieDomain, Path: s.CookiePath, SameSite: sameSites[s.CookieSamesite]}
	return c
}

func (s *settings) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		panic(err) // kong lets only levels pass
	}
	options := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// publicURL is --url, or where the server listens. What stands for every address of this machine is no name for it, and is
// localhost there.
func (s *settings) publicURL(port uint16) string {
	if s.URL != "" {
		return s.URL
	}
	host, _, err := net.SplitHostPort(s.Listen)
	if address, notOne := netip.ParseAddr(host); err != nil || host == "" || notOne == nil && address.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http://"
	if s.TLSCert != "" {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// checkTransport says why the place is too open for plain http. What is wrong with the URL itself, New says.
func (s *settings) checkTransport(p listenAddr) error {
	public := s.publicURL(p.addrs[0].Port())
	if p.loopback() || s.InsecureHTTP || !strings.HasPrefix(public, "http:") {
		return nil
	}
	return fmt.Errorf("--listen %s lets other machines in, and --url %s is plain http: whoever listens on the way could "+
		"take sessions and passwords.\nPut a proxy in front that speaks https, and give the address that browsers see: "+
		"--url https://app.example.com\nOr listen on this machine alone: --listen localhost:8000\n"+
		"Or allow it: --insecure-http", s.Listen, public)
}

// checkDataDir says that others can look into the data directory.
func checkDataDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it will be made
	case err != nil:
		return fmt.Errorf("data directory: %w", err)
	case !info.IsDir():
		return fmt.Errorf("--data %s is not a directory", dir)
	case info.Mode().Perm()&0o007 != 0 && runtime.GOOS != "windows":
		return fmt.Errorf("others can use the data directory %s (mode %#o). Run: chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	return nil
}

// preflight checks what can be checked before anything is opened.
func (s *settings) preflight(ctx context.Context, a *app) (listenAddr, error) {
	p, err := parseListenAddr(ctx, "--listen", s.Listen)
	if err != nil {
		return listenAddr{}, err
	}
	if err := s.checkTransport(p); err != nil {
		return listenAddr{}, err
	}
	if s.TLSCert != "" && strings.HasPrefix(s.publicURL(p.addrs[0].Port()), "http:") {
		return listenAddr{}, fmt.Errorf("--tls-cert makes this server speak https, and --url %s is plain http. Give the address "+
			"that browsers see: --url https://app.example.com", s.URL)
	}
	return p, checkDataDir(a.Data)
}
