package cloakroom

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/store"
)

// Config describes a [Server]. The zero value works, for a server that only this machine can reach; each field says what its
// zero value means. Errors of New name the fields that are wrong.
type Config struct {
	// URL is the public address: the scheme and host that browsers use. "": http://localhost:8000.
	URL string

	// Origins are other origins, such as https://www.example.com, whose pages may call this server. Each must be the same
	// site as URL. None: only pages of URL itself may.
	Origins []string

	// PasskeyDomain is the domain that passkeys are made for: the host of URL, or one above it, such as example.com for
	// https://auth.example.com, so that pages of other hosts below it can use them. It can't be changed later without making
	// all passkeys useless. "": the host of URL.
	PasskeyDomain string

	// Providers are other services at which people can sign in, each as NAME=FILE: its name in URLs, and a file with its
	// settings in JSON (docs/providers.md). None: people sign in here alone.
	Providers []string

	// TrustedProxies are the addresses or networks of proxies whose X-Forwarded-For is believed; "unix" stands for all
	// clients of a Unix socket. None: X-Forwarded-For is ignored.
	TrustedProxies []string

	// InsecureHTTP allows a URL with plain http whose host is another machine.
	InsecureHTTP bool

	// HSTSSubDomains extends Strict-Transport-Security to all subdomains of URL. It has no effect without https.
	HSTSSubDomains bool

	// Data is the directory of the default DB and KeyFile. New creates it. "": cloakroom-data.
	Data string

	// DB is the database: "sqlite:PATH", "postgres://USER:PASSWORD@HOST/NAME", or "django+" and one of these for the
	// database of a Django project, which Django describes. "": cloakroom.db in Data.
	DB string

	// Pool is the program's own pool of connections to a PostgreSQL server, which takes the place of DB. Each statement borrows a connection; no
	// setting of one is changed or relied upon (package postgres). Each node has up to three connections besides, with the pool's settings,
	// on which nodes tell each other about revocations. The program closes the pool, after Close. nil: DB names the database.
	Pool *pgxpool.Pool

	// Schema is where the tables are in the database of Pool. New creates it. Other programs reach the same tables at
	// "postgres://…?search_path=SCHEMA". "": cloakroom.
	Schema string

	// SQLite is the program's own database file, which takes the place of DB. Its driver must be modernc.org/sqlite. The tables' names begin
	// with cloakroom_; Cloakroom uses the file with connections of its own, and turns its journal mode to WAL (package sqlite).
	// The program closes it, after Close. nil: DB names the database.
	SQLite *sql.DB

	// Django describes the project if DB begins with "django+".
	Django Django

	// KeyFile holds the server secret. New creates it with a new database. "": secret.key in Data.
	KeyFile string

	// Sessions is a Redis for sessions and the counters of failed sign-ins: "redis://…", "rediss://…" or "unix://…", see
	// package redis. "": they are in DB. It can't be combined with a Django DB.
	Sessions string

	// RedisMayLose is how much of what it has acknowledged the Redis of Sessions may lose in a crash. New returns an error
	// if it may lose more, or if that is unknown. 24 hours or more accept any loss. 0: nothing may be lost.
	RedisMayLose time.Duration

	// Feed is the address of the PostgreSQL server itself, "postgres://…", on which nodes tell each other about
	// revocations. It is needed if DB or Pool leads through a pooler. "": that of DB or Pool.
	Feed string

	// PeerListen is an address of this machine, "10.0.0.7:7946" or "10.0.0.7:0" for any port, at which other nodes acknowledge
	// revocations directly, by UDP. It makes a revocation faster, and with many nodes much cheaper for the database. What doesn't
	// arrive there takes the feed. "": everything takes the feed.
	PeerListen string

	// MustExist makes New return [ErrNoDatabase] if there is no database yet, instead of creating one. A program that only looks at a
	// server's database, or changes something in it, then makes none because an address is wrong.
	MustExist bool

	// Stores are the program's own stores; DB, Sessions, Feed and PeerListen must then be empty. The program opens them before New and
	// closes them after Close. Each must pass the tests of package storetest. Nothing is cached: every check asks them. nil:
	// DB and Sessions name the stores.
	Stores *store.Set

	// Ping returns an error if the databases of Stores can't be read and written; /readyz calls it. nil: they always can.
	Ping func(context.Context) error

	// Revocation is "fenced", which answers checks from memory and ends nothing before all nodes have dropped it from
	// their memory, or "strict", which asks the database at each check. "": fenced.
	Revocation string

	// MemoryBytes is roughly how many bytes of sessions, accounts and tokens are kept in memory. 0: 256 MiB.
	MemoryBytes int64

	// Cookie changes attributes of the session cookie.
	Cookie Cookie

	// Idle is how long a session lives without a request, at least a second. 0: 14 days.
	Idle time.Duration

	// Lifetime is how long a session lives after its sign-in, at least a second. 0: 30 days.
	Lifetime time.Duration

	// MaxSessions is how many sessions a user may have: a further sign-in ends the oldest. 0: no limit.
	MaxSessions int

	// AppTokens gives sessions to programs that aren't browsers: their ticket is in the header X-Session-Token.
	AppTokens bool

	// KeepSiteData leaves the stored data of pages alone at a sign-out. Otherwise Clear-Site-Data tells the browser to delete
	// it.
	KeepSiteData bool

	// NoAccountDeletion keeps users from deleting their own accounts. False: they can, but for the last superuser.
	NoAccountDeletion bool

	// NoAccountData keeps users from taking along what is kept about them, as a JSON file. False: they can.
	NoAccountData bool

	// BindDevices binds sessions to the browser that they began in, where the browser can do so (Device Bound Session Credentials): a
	// copied ticket opens nothing there. It needs https and a session cookie of one host, and can't be used beside Django. Once
	// set, all nodes should have it: see docs/device-bound-sessions.md.
	BindDevices bool

	// SecondFactor says who must have a second factor: "staff" (staff and superusers) or "required" (everyone); "" and "optional":
	// it is up to each user. Who has none sets one up at the next sign-in.
	SecondFactor string

	// EnrolOnPassword lets those who must have a second factor, and have none, set one up after the password alone. False: only
	// on a link for a new password, which an administrator makes or which is mailed to them. An attacker who knows a password
	// could otherwise set up a factor before its owner does.
	EnrolOnPassword bool

	// StrictCSRF requires X-CSRFToken with every unsafe request that has a session. Otherwise the origin that the browser
	// names is enough.
	StrictCSRF bool

	// PasswordMinLength is how many characters a new password needs, from 8 to 64. 0: 15.
	PasswordMinLength int

	// Basic accepts HTTP Basic on every route. Otherwise only the sign-in accepts it.
	Basic bool

	// Audiences are the names of services that a session can get a JWT for. None: JWTs for services are not issued.
	Audiences []string

	// KnoxTTL is how long a token of django-rest-knox's kind lives. 0: 10 hours; negative: it doesn't expire.
	KnoxTTL time.Duration

	// KnoxLimit is how many tokens of this kind a user may have at a time. 0: no limit.
	KnoxLimit int

	// SignInPath is the path of a sign-in page of App, of an upstream or of the handler that Handler gets. Browsers that must sign in are
	// sent there, with the path that they asked for as "next"; its GET is public. It can't be a path of Cloakroom, nor one for which a
	// rule wants a user. "": /signin, which stays in any case.
	SignInPath string

	// App is the folder of a built single-page app, which the server serves. "": none.
	App string

	// Upstreams are the servers that other requests are passed on to, each "[PREFIX=]URL": with a prefix the server gets
	// only paths below it. None: other paths are 404, unless Handler gets a handler for them.
	Upstreams []string

	// UpstreamTimeout is how long an upstream may take until its answer begins, at least a second. 0: a minute.
	UpstreamTimeout time.Duration

	// Rules say who may use App and Upstreams, each "LEVEL [METHOD,…] PATH". The first rule that covers a request counts. If
	// none does, a file of App is public, and a request for an upstream needs a sign-in.
	Rules []string

	// UnsafePaths are prefixes of Upstreams that get paths with %2F, // and ; in them. Rules can't tell such paths apart, so
	// each needs what any rule below the prefix asks for. None: such paths are refused.
	UnsafePaths []string

	// PassGroups says where upstreams find a user's groups: "header", "assertion", "both" or "none". "": both.
	PassGroups string

	// AuditRetention is how long events stay in the audit log, at least an hour. 0: a year.
	AuditRetention time.Duration

	// SMTP is the mail server: "smtp://USER@HOST:PORT", which must offer STARTTLS unless it is this machine, or "smtps://…" for
	// TLS from the beginning. "?tls=none" goes without. "": if URL is this machine, mail is written to files in Data; otherwise
	// none is sent.
	SMTP string

	// SMTPPassword is the password of the user in SMTP. "": none.
	SMTPPassword string

	// MailFrom is the address that messages come from, such as "Example <no-reply@example.com>". It is required with SMTP.
	MailFrom string

	// MailPerHour is how many messages the mail server takes in an hour. Requests without a sign-in cause at most half as many,
	// and those of one network a tenth, so that what users and administrators cause is always sent. 0: 600.
	MailPerHour int

	// Signup is "open" if people can make accounts for themselves, each for an address at which they receive mail; "invite" if only those
	// can that an administrator has invited; "" and "closed": no one can. It needs mail, and an administrator.
	Signup string

	// SignupDomains are the domains of addresses that may sign up uninvited, such as example.com; subdomains are others. None: all.
	SignupDomains []string

	// AllowSignup reports whether an address may sign up uninvited, besides SignupDomains. Neither is about accounts that are made at a sign-in
	// through a provider: its own settings say who gets one. It is called for the same address when the mail is asked
	// for and when the account is made, must be safe for concurrent use, and its answer must not depend on which accounts there are. An
	// error is an outage. nil: it may. It has an effect with Signup open alone, and is refused otherwise.
	AllowSignup func(ctx context.Context, address string) (bool, error)

	// MailCode lets people sign in with a code that is mailed to the proven address of their account, in the browser that has asked
	// for it. The sign-in is of level 1, and asks for a second factor where the account has one. It needs mail. False: no one can.
	MailCode bool

	// SendMail sends mail instead of a server. It is called by one process at a time for a message. nil: SMTP.
	SendMail mail.Sender

	// Name is the product's name, on pages, in mails and in authenticator apps. "": Cloakroom on pages, and the host of URL elsewhere.
	Name string

	// Accent is the colour of buttons and links on the pages, as #rrggbb. It must be dark enough to be read on a light page; the dark
	// theme gets a lighter tint. "": a green.
	Accent string

	// Logo is an SVG, PNG, JPEG or WebP file of at most 512 kB, which stands beside the name. "": a hanger.
	Logo string

	// Style is a CSS file of at most 512 kB that is loaded after the pages' own style sheets. It can load pictures and fonts from paths
	// of URL alone. "": none.
	Style string

	// LinkHelp, LinkTerms and LinkPrivacy are addresses that the foot of each page links to: https://…, or a path of URL. "": no link.
	LinkHelp, LinkTerms, LinkPrivacy string

	// Texts is a folder with texts that replace the built-in ones, or add a language: one JSON file for each language, such as
	// de.json. "": none.
	Texts string

	// AccessLog writes a line to Log for each answered request: its method, path without the query, status, length and time.
	AccessLog bool

	// OnEvent sees each event of the audit log once it is stored: in their order, one at a time, on a goroutine of Run. It can
	// neither delay nor fail a request. While it is slower than events come, 10,000 wait for it; those that come on top are lost
	// for it, and audit.Stats and the metrics count them. nil: no function sees them.
	OnEvent func(audit.Event)

	// Webhooks are addresses that get what happens to accounts, rights, factors, sessions and tokens: each event of these kinds in
	// the audit log, in their order, at least once, signed as Standard Webhooks says. An endpoint that is new gets what happens
	// from the first Run on. None: no events are sent.
	Webhooks []Webhook

	// UpstreamTokens are upstreams that get the access token of the provider at which the session was begun, as PREFIX=NAME: the prefix
	// of one of Upstreams ("/" for the one without), and the name of one of Providers whose settings have "keep_tokens". Such an
	// upstream is for those sessions alone, and never sees what a client sends as Authorization.
	UpstreamTokens []string

	// Metrics is the registry that the server registers its Prometheus metrics with, until Close. It can't have those of another
	// server. nil: nothing is measured.
	Metrics prometheus.Registerer

	// Log gets the server's log lines. nil: slog.Default().
	Log *slog.Logger
}

func (c *Config) fill() {
	c.URL = strings.TrimSuffix(cmp.Or(c.URL, "http://localhost:8000"), "/")
	c.Data = cmp.Or(c.Data, "cloakroom-data")
	c.KeyFile = cmp.Or(c.KeyFile, filepath.Join(c.Data, "secret.key"))
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Log = slog.New(reqinfo.LogHandler(c.Log.Handler()))
}

// publicURL returns Config.URL parsed. Plain http to another machine is an error unless Config.InsecureHTTP allows it.
func publicURL(c Config) (*url.URL, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("Config.URL %q is not an address such as https://app.example.com", c.URL)
	}
	if u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("Config.URL %q must be scheme and host alone", c.URL)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) && !c.InsecureHTTP {
		return nil, fmt.Errorf("Config.URL %s is plain http: anyone on the network path could read sessions and passwords. "+
			"Use https, or allow plain http with Config.InsecureHTTP", c.URL)
	}
	return u, nil
}

// longestTime is the longest time that a Config may give, so that sums of times don't overflow.
const longestTime = 100 * 365 * 24 * time.Hour

// checkNumbers returns an error for a time or a number that makes no sense, such as a negative one, or one that was meant in seconds:
// time.Duration(3600) is 3.6 microseconds. 0 is the default everywhere.
func (c *Config) checkNumbers() error {
	for _, t := range []struct {
		name         string
		value, least time.Duration
	}{
		{"Idle", c.Idle, time.Second}, {"Lifetime", c.Lifetime, time.Second}, {"AuditRetention", c.AuditRetention, time.Hour},
		{"UpstreamTimeout", c.UpstreamTimeout, time.Second}, {"KnoxTTL", max(c.KnoxTTL, 0), time.Second}, {"RedisMayLose", c.RedisMayLose, 1},
	} {
		if t.value != 0 && (t.value < t.least || t.value > longestTime) {
			return fmt.Errorf("Config.%s is %v: give a time from %v to 100 years, such as 2*time.Hour; 0 is the default", t.name, t.value, t.least)
		}
	}
	for _, n := range []struct {
		name  string
		value int64
	}{{"MaxSessions", int64(c.MaxSessions)}, {"KnoxLimit", int64(c.KnoxLimit)}, {"MemoryBytes", c.MemoryBytes}} {
		if n.value < 0 {
			return fmt.Errorf("Config.%s is %d: give a positive number; 0 is the default", n.name, n.value)
		}
	}
	if n := c.PasswordMinLength; n != 0 && (n < 8 || n > 64) {
		return fmt.Errorf("Config.PasswordMinLength is %d: give a number from 8 to 64; 0 is 15, which NIST SP 800-63B-4 asks for "+
			"where the password is the only factor", n)
	}
	return nil
}

// checkAudiences returns an error for an audience that is no name, is listed twice, or is this server.
func checkAudiences(c Config) error {
	strange := func(r rune) bool { return r <= ' ' || r > '~' }
	for i, name := range c.Audiences {
		switch {
		case name == "" || len(name) > 255 || strings.ContainsFunc(name, strange):
			return fmt.Errorf("Config.Audiences %q: give a name of 1 to 255 letters, digits and signs of ASCII, without blanks", name)
		case strings.TrimSuffix(name, "/") == c.URL:
			return fmt.Errorf("Config.Audiences %s is this server itself: name the service that gets the tokens", name)
		case slices.Contains(c.Audiences[:i], name):
			return fmt.Errorf("Config.Audiences %s is there twice", name)
		}
	}
	return nil
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && address.IsLoopback())
}

// SecretFile returns the path of the server secret that New uses with this Config.
func (c Config) SecretFile() string {
	c.fill()
	return c.KeyFile
}

// warnOfAliases logs a warning for each origin on this machine that browsers take for another site than URL: localhost and
// 127.0.0.1 are two sites. Other origins of another site are errors of package csrf.
func (c *Config) warnOfAliases(base *url.URL) {
	for _, origin := range c.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Hostname() == base.Hostname() || !loopback(u.Hostname()) || !loopback(base.Hostname()) {
			continue
		}
		same := *base
		if same.Host = u.Hostname(); strings.Contains(same.Host, ":") {
			same.Host = "[" + same.Host + "]"
		}
		if port := base.Port(); port != "" {
			same.Host += ":" + port
		}
		c.Log.Warn("an origin is another site than the URL: browsers send requests of its pages without the cookie, "+
			"unless the pages call this server by their own host name",
			slog.String("origin", origin), slog.String("url", c.URL), slog.String("call", same.String()))
	}
}
