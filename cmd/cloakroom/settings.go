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

// settings are the flags of serve. check takes the same flags.
type settings struct {
	Listen       string   `default:"localhost:8000" placeholder:"HOST:PORT" help:"The address to listen on. localhost means both 127.0.0.1 and [::1]; port 0 means any free port."`
	URL          string   `name:"url" placeholder:"URL" standard:"http(s):// and --listen" help:"The public address: the scheme and host that browsers use."`
	Origin       []string `placeholder:"URL" help:"Another origin of the same site whose pages may call this server. Repeat it or separate by commas."`
	TrustedProxy []string `placeholder:"CIDR" help:"A proxy, or a network of proxies, whose X-Forwarded-For is believed. Repeat it or separate by commas."`
	InsecureHTTP bool     `name:"insecure-http" help:"Allow plain http from other machines. Anyone on the network path can read sessions and passwords."`

	Revocation string   `enum:"fenced,strict" default:"fenced" placeholder:"MODE" help:"fenced answers from memory, and a revocation waits until every node has dropped the session; strict asks the database at each request, and on SQLite whether its file has changed."`
	Feed       string   `xor:"feed" placeholder:"URL" standard:"--db" help:"The address of the PostgreSQL server itself, postgres://USER@HOST/NAME, if --db leads through a pooler. Nodes announce revocations to each other there."`
	PeerListen string   `placeholder:"IP:PORT" standard:"the feed alone" help:"An address of this machine at which other nodes acknowledge revocations directly, by UDP. It makes sign-outs faster, and many nodes cheaper for the database. Port 0 is any free port."`
	FeedFile   textFile `name:"feed-file" placeholder:"FILE" xor:"feed" help:"A file that holds --feed: other users of the machine can read command lines."`
	MemoryMB   int64    `name:"memory-mb" default:"256" placeholder:"N" help:"How many MiB of sessions, accounts and tokens to keep in memory."`

	Idle              time.Duration `default:"336h" placeholder:"TIME" help:"End a session that hasn't been used for this long."`
	Lifetime          time.Duration `default:"720h" placeholder:"TIME" help:"End a session this long after its sign-in, even if it is in use."`
	AuditRetention    time.Duration `default:"8760h" placeholder:"TIME" help:"Delete events from the audit log after this time."`
	MaxSessions       int           `placeholder:"N" standard:"no limit" help:"How many sessions a user may have. A further sign-in ends the oldest."`
	PasswordMinLength int           `default:"15" placeholder:"N" help:"How many characters a new password needs."`
	CSRF              string        `name:"csrf" enum:"auto,strict" default:"auto" placeholder:"MODE" help:"auto checks the origin of a request; strict requires the header X-CSRFToken as well."`
	Basic             bool          `help:"Accept a name and password in HTTP Basic on every route, and not only to sign in. Each such request costs a password hash."`
	AppTokens         bool          `help:"Give sessions to programs that aren't browsers. They send the ticket in the header X-Session-Token."`
	KnoxTTL           time.Duration `name:"knox-ttl" default:"10h" placeholder:"TIME" help:"How long a token of django-rest-knox's kind lives; 0: it doesn't expire."`
	KnoxLimit         int           `name:"knox-limit" placeholder:"N" standard:"no limit" help:"How many of these tokens a user may have at a time."`
	Audience          []string      `placeholder:"NAME" help:"A service that a session can get a JWT for. Repeat it or separate by commas."`
	KeepSiteData      bool          `help:"Keep the pages' localStorage and sessionStorage at a sign-out. Otherwise Clear-Site-Data tells the browser to delete them."`
	NoAccountDeletion bool          `help:"Don't let people delete their own accounts (docs/personal-data.md)."`
	NoAccountData     bool          `help:"Don't let people take along what is kept about them, as a file (docs/personal-data.md)."`
	HSTSSubdomains    bool          `name:"hsts-subdomains" help:"Tell browsers to use https for all subdomains as well (Strict-Transport-Security)."`
	BindDevices       bool          `help:"Bind sessions to the browser that they began in, where the browser can do so: a copied session cookie opens nothing elsewhere (docs/device-bound-sessions.md). Needs https."`
	SecondFactor      string        `enum:"optional,staff,required" default:"optional" placeholder:"WHO" help:"Who must have a second factor: optional leaves it to each user; staff asks staff and superusers for one, and required every user, at the next sign-in."`
	EnrolOnPassword   bool          `help:"With --second-factor: who has no second factor sets one up after the password alone, and needs no link from an administrator. An attacker who knows a password can do that before its owner does."`
	PasskeyDomain     string        `placeholder:"DOMAIN" standard:"the host of --url" help:"The domain that passkeys are made for: the host of --url or one above it, so that pages of other hosts below it can use them. A later change makes all passkeys useless."`

	providerFlags

	CookieName     string `placeholder:"NAME" standard:"__Host-Http-sessionid; sessionid beside Django or on http" help:"The name of the session cookie."`
	CookieDomain   string `placeholder:"DOMAIN" standard:"only this host" help:"Share the session cookie with all subdomains of this domain: Django's SESSION_COOKIE_DOMAIN."`
	CookiePath     string `default:"/" placeholder:"PATH" help:"The path of the session cookie: Django's SESSION_COOKIE_PATH."`
	CookieSamesite string `enum:"Lax,Strict,None" default:"Lax" placeholder:"MODE" help:"Lax, Strict or None: Django's SESSION_COOKIE_SAMESITE."`

	RedisMayLose time.Duration `placeholder:"TIME" standard:"nothing" help:"Start even if the Redis of --sessions may lose the writes of this long when it crashes."`

	App             string        `type:"path" placeholder:"DIR" help:"Serve the single-page app that was built into this folder."`
	Upstream        []string      `placeholder:"[PREFIX=]URL" help:"Pass other requests on to this server, or only those for paths below the prefix. Repeat it or separate by commas."`
	UpstreamTimeout time.Duration `default:"1m" placeholder:"TIME" help:"How long an upstream may take until its answer begins."`
	UpstreamToken   []string      `placeholder:"PREFIX=P" help:"Give the upstream with this prefix (/ means the one without a prefix) the access token of the provider P, whose settings need keep_tokens. Such an upstream is for sessions that were begun there (docs/providers.md). Repeat it or separate by commas."`
	Rule            []string      `sep:";" placeholder:"RULE" help:"Who may use a path of the app and the upstreams: LEVEL [METHOD,...] PATH, where LEVEL is public, signed-in, scoped, fresh, second or permission:NAME. The first rule that covers a request counts. Repeat it or separate by semicolons."`
	UnsafePaths     []string      `placeholder:"PREFIX" help:"Pass on paths with %2F, // and ; in them to the upstream with this prefix (/ means the upstream without one). Rules can't tell such paths apart, so each needs what any rule below the prefix asks for. Repeat it or separate by commas."`
	PassGroups      string        `enum:"both,header,assertion,none" default:"both" placeholder:"MODE" help:"Where applications find a user's groups: in the header Remote-Groups, in the assertion, in both, or nowhere (none)."`
	TLSCert         string        `name:"tls-cert" placeholder:"FILE" help:"Speak https with the certificate chain in this PEM file. It is reloaded when it changes."`
	TLSKey          string        `name:"tls-key" placeholder:"FILE" help:"The PEM file of the certificate's private key."`

	mailFlags
	MailPerHour   int      `default:"600" placeholder:"N" help:"How many messages the mail server takes in an hour. Requests without a sign-in cause at most half as many, and those of one network a tenth."`
	Signup        string   `name:"signup" enum:"closed,open,invite" default:"closed" placeholder:"WHO" help:"Who can make an account: closed leaves it to administrators; invite lets people that an administrator has invited; open lets everyone with an address at which they receive mail (docs/mail.md)."`
	SignupDomains []string `name:"signup-domains" placeholder:"DOMAIN" help:"With --signup open: only addresses of this domain. Repeat it or separate by commas."`
	MailCode      bool     `name:"mail-code" help:"Let people sign in with a code that is mailed to the proven address of their account. It is no second factor (docs/mail.md)."`
	lookFlags
	Texts string `type:"path" placeholder:"DIR" help:"A folder with texts that replace the built-in ones, or add a language: one JSON file for each language, such as de.json (docs/look.md)."`

	Webhook []webhookFlag `placeholder:"URL=SECRETFILE" help:"Send what happens to users, sessions and tokens to this address, signed with the secrets in the file (docs/webhooks.md). Repeat it or separate by commas."`

	StopDelay time.Duration `placeholder:"TIME" standard:"0s" help:"After SIGTERM, answer 503 on /readyz but go on serving for this long, until the load balancer has noticed."`

	MetricsListen string `placeholder:"HOST:PORT" standard:"no metrics" help:"The address on which GET /metrics answers Prometheus. Anyone who can connect to it can read the metrics."`

	LogFormat string `enum:"text,json" default:"text" placeholder:"FORMAT" help:"The format of the log on standard error: text or json."`
	AccessLog bool   `help:"Log each request once it is answered: method, path without the query, route, status, bytes and seconds."`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL" help:"The lowest level that is logged: debug, info, warn or error."`
}

// longestPause is the longest time that a flag may give, so that sums of times don't overflow.
const longestPause = 100 * 365 * 24 * time.Hour

// longestStopDelay is longer than any load balancer needs to notice.
const longestStopDelay = 10 * time.Minute

// Validate checks what the grammar can't.
func (s *settings) Validate() error {
	switch {
	case s.Idle < time.Minute || s.Idle > longestPause:
		return fmt.Errorf("--idle %v: give a time from 1m to 100 years", s.Idle)
	case s.Lifetime < time.Minute || s.Lifetime > longestPause:
		return fmt.Errorf("--lifetime %v: give a time from 1m to 100 years", s.Lifetime)
	case s.MemoryMB < 1 || s.MemoryMB > 1<<20:
		return fmt.Errorf("--memory-mb %d: give a number from 1 to %d, or --revocation strict to do without that memory", s.MemoryMB, 1<<20)
	case s.RedisMayLose < 0:
		return fmt.Errorf("--redis-may-lose %v: give a time such as 1s", s.RedisMayLose)
	case (s.TLSCert == "") != (s.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case s.UpstreamTimeout < time.Second || s.UpstreamTimeout > time.Hour:
		return fmt.Errorf("--upstream-timeout %v: give a time from 1s to 1h", s.UpstreamTimeout)
	case s.StopDelay < 0 || s.StopDelay > longestStopDelay:
		return fmt.Errorf("--stop-delay %v: give a time of at most %v", s.StopDelay, longestStopDelay)
	case s.AuditRetention < time.Hour || s.AuditRetention > longestPause:
		return fmt.Errorf("--audit-retention %v: give a time from 1h to 100 years", s.AuditRetention)
	case s.MailPerHour < 1:
		return fmt.Errorf("--mail-per-hour %d: give a positive number", s.MailPerHour)
	case s.MaxSessions < 0:
		return fmt.Errorf("--max-sessions %d: give a positive number, or leave the flag out for no limit", s.MaxSessions)
	}
	switch {
	case s.KnoxTTL < 0 || s.KnoxTTL > longestPause:
		return fmt.Errorf("--knox-ttl %v: give a time of at most 100 years, or 0 for tokens that don't expire", s.KnoxTTL)
	case s.KnoxLimit < 0:
		return fmt.Errorf("--knox-limit %d: give a positive number, or leave the flag out for no limit", s.KnoxLimit)
	}
	return checkMinLength(s.PasswordMinLength)
}

// sameSites are the values of --cookie-samesite.
var sameSites = map[string]http.SameSite{
	"Lax": http.SameSiteLaxMode, "Strict": http.SameSiteStrictMode, "None": http.SameSiteNoneMode,
}

// checkMinLength allows what NIST allows, up to what people can type.
func checkMinLength(n int) error {
	if n < 8 || n > 64 {
		return fmt.Errorf("--password-min-length %d: give a number from 8 to 64 (NIST SP 800-63B-4 asks for 15 "+
			"where the password is the only factor)", n)
	}
	return nil
}

// config returns the Config of the server.
func (s *settings) config(a *app, publicURL string, log *slog.Logger) cloakroom.Config {
	c := a.config()
	c.URL, c.Origins, c.TrustedProxies, c.InsecureHTTP = publicURL, s.Origin, s.TrustedProxy, s.InsecureHTTP
	c.Idle, c.Lifetime, c.MaxSessions, c.AuditRetention = s.Idle, s.Lifetime, s.MaxSessions, s.AuditRetention
	c.PasswordMinLength, c.StrictCSRF, c.HSTSSubDomains = s.PasswordMinLength, s.CSRF == "strict", s.HSTSSubdomains
	c.AccessLog = s.AccessLog
	c.KeepSiteData, c.PasskeyDomain = s.KeepSiteData, s.PasskeyDomain
	c.NoAccountDeletion, c.NoAccountData = s.NoAccountDeletion, s.NoAccountData
	c.SecondFactor, c.EnrolOnPassword, c.BindDevices = s.SecondFactor, s.EnrolOnPassword, s.BindDevices
	c.Audiences = s.Audience
	c.App, c.Upstreams, c.Rules, c.UpstreamTimeout = s.App, s.Upstream, s.Rule, s.UpstreamTimeout
	c.UpstreamTokens = s.UpstreamToken
	c.UnsafePaths, c.PassGroups = s.UnsafePaths, s.PassGroups
	c.Basic, c.AppTokens, c.KnoxTTL, c.KnoxLimit = s.Basic, s.AppTokens, s.KnoxTTL, s.KnoxLimit
	if c.KnoxTTL == 0 {
		c.KnoxTTL = -1 // no end
	}
	s.mailFlags.set(&c)
	c.Texts, c.MailPerHour = s.Texts, s.MailPerHour
	s.lookFlags.set(&c)
	c.Signup, c.SignupDomains, c.MailCode = s.Signup, s.SignupDomains, s.MailCode
	c.Providers, c.Webhooks = s.Provider, s.webhooks()
	c.RedisMayLose, c.Log = s.RedisMayLose, log
	c.PeerListen = s.PeerListen
	c.Revocation, c.Feed, c.MemoryBytes = s.Revocation, s.Feed+string(s.FeedFile), s.MemoryMB<<20
	c.Cookie = cloakroom.Cookie{Name: s.CookieName, Domain: s.CookieDomain, Path: s.CookiePath, SameSite: sameSites[s.CookieSamesite]}
	return c
}

func (s *settings) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		panic(err) // the grammar has checked the level
	}
	options := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// publicURL returns --url, or the address that the server listens on. If that is every address of this machine, it is
// localhost.
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

// checkTransport returns an error if other machines could connect by plain http. cloakroom.New checks the URL itself.
func (s *settings) checkTransport(p listenAddr) error {
	public := s.publicURL(p.addrs[0].Port())
	if p.loopback() || s.InsecureHTTP || !strings.HasPrefix(public, "http:") {
		return nil
	}
	return fmt.Errorf("--listen %s lets other machines in, and --url %s is plain http: anyone on the network path could "+
		"read sessions and passwords.\nPut a proxy in front that speaks https, and give the address that browsers see: "+
		"--url https://app.example.com\nOr listen only on this machine: --listen localhost:8000\n"+
		"Or allow it: --insecure-http", s.Listen, public)
}

// checkDataDir returns an error if other users of the machine can read the data directory.
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
		return fmt.Errorf("other users of this machine can use the data directory %s (mode %#o). Run: chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	return nil
}

// preflight returns the address to listen on, and checks what can be checked before anything is opened.
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
