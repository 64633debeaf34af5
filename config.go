package cloakroom

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloakroom-auth/cloakroom/internal/metrics"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/store"
)

// Config says how to assemble a [Server]. Zero fields are the documented, safe defaults.
type Config struct {
	URL      string // the public address, scheme and host; "": http://localhost:8000
	Data     string // the directory of the database and the key file; "": cloakroom-data
	DB       string // "sqlite:PATH" "postgres://USER:PASSWORD@HOST/NAME", or Django's: "django+" and one of these; "": cloakroom.db in Data
	Sessions string // "redis://…", "rediss://…" or "unix://…", see package redis; "": sessions are in DB
	Feed     string // "postgres://…": where nodes tell each other what has ended, if DB leads through a pooler; "": DB
	// Stores are stores that the program brings, in place of those that DB and Sessions name. The program opens them before
	// New, and closes them after Close. Each must pass the tests of package storetest. Every check asks them: nothing is
	// cached, because nothing tells when another process has changed them. nil: DB and Sessions name the stores.
	Stores *store.Set

	// Ping reports whether the databases of Stores can be read and written; /readyz asks it. nil: they always can.
	Ping func(context.Context) error

	Revocation     string   // "fenced" or "strict", which remembers nothing; "": fenced
	MemoryBytes    int64    // of the sessions, accounts and tokens that are remembered, roughly; 0: 256 MiB
	KeyFile        string   // the server secret, made at first start; "": secret.key in Data
	Origins        []string // other origins whose pages may call us, of the same site as URL
	TrustedProxies []string // networks whose X-Forwarded-For is believed, or "unix" for what connects to a Unix socket; none: nobody's
	InsecureHTTP   bool     // accepts a plain http URL that isn't on this machine

	// RedisMayLose is how much of what it acknowledged the Redis of Sessions may forget in a crash. 0: nothing, so New
	// refuses one that isn't set up for that, or doesn't say. 24 hours stand for any amount.
	RedisMayLose time.Duration

	Django Django // needed where DB is Django's
	Cookie Cookie

	Idle              time.Duration // the longest pause between two uses of a session; 0: 14 days
	Lifetime          time.Duration // the end of a session, whatever happens; 0: 30 days
	MaxSessions       int           // of one user; 0: no limit
	AuditRetention    time.Duration // how long events stay in the audit log; 0: a year
	PasswordMinLength int           // in characters; 0: 15
	StrictCSRF        bool          // demands X-CSRFToken of every unsafe request with a session
	KeepSiteData      bool          // leaves what pages have stored alone at a sign-out, which else tells the browser to drop it
	HSTSSubDomains    bool          // extends Strict-Transport-Security to subdomains
	Audiences         []string      // services that a session can get a JWT for

	Basic     bool          // HTTP Basic counts on every route, not at sign-in alone
	AppTokens bool          // programs that are no browsers may have sessions, with the ticket in a header
	KnoxTTL   time.Duration // how long a token of django-rest-knox's kind lives; 0: 10 hours; negative: no end
	KnoxLimit int           // how many of these a user has at a time; 0: no limit

	App             string        // the folder of a built single-page app to serve; "": none
	Upstreams       []string      // [PREFIX=]URL of servers that the rest is passed on to
	Rules           []string      // "LEVEL [METHOD,…] PATH": who may have what of App and Upstreams
	UnsafePaths     []string      // prefixes of Upstreams that get paths with %2F, // and ;, which no rule can tell apart
	PassGroups      string        // where upstreams find groups: "header", "assertion", "none"; "" or "both"
	UpstreamTimeout time.Duration // until an upstream's answer begins; 0: a minute

	// Metrics is the registry that the server registers its Prometheus metrics with. nil: nothing is measured.
	Metrics prometheus.Registerer

	metrics *metrics.Metrics // of Metrics

	Log *slog.Logger // nil: slog.Default()
}

func (c *Config) fill() {
	c.URL = strings.TrimSuffix(or(c.URL, "http://localhost:8000"), "/")
	c.Data = or(c.Data, "cloakroom-data")
	c.KeyFile = or(c.KeyFile, filepath.Join(c.Data, "secret.key"))
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Log = slog.New(reqinfo.LogHandler(c.Log.Handler()))
}

func or(s, standard string) string {
	if s == "" {
		return standard
	}
	return s
}

// publicURL refuses an address over which a ticket would travel in the clear.
func publicURL(c Config) (*url.URL, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("Config.URL %q is not an address such as https://app.example.com", c.URL)
	}
	if u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("Config.URL %q must be scheme and host alone", c.URL)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) && !c.InsecureHTTP {
		return nil, fmt.Errorf("Config.URL %s is plain http: whoever listens on the way could take people's sessions. "+
			"Use https, or allow it with Config.InsecureHTTP", c.URL)
	}
	return u, nil
}

// checkAudiences refuses names that no service could have, and our own.
func checkAudiences(c Config) error {
	strange := func(r rune) bool { return r <= ' ' || r > '~' }
	for i, name := range c.Audiences {
		switch {
		case name == "" || len(name) > 255 || strings.ContainsFunc(name, strange):
			return fmt.Errorf("Config.Audiences %q: give a name of 1 to 255 letters, digits and signs of ASCII, without blanks", name)
		case strings.TrimSuffix(name, "/") == c.URL:
			return fmt.Errorf("Config.Audiences %s is this server itself: name the service that is to be shown the tokens", name)
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

// warnOfAliases tells of origins on this machine that are of another site than URL, although they may call us: localhost and
// 127.0.0.1 are two. csrf.New has refused every other origin of another site.
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
		c.Log.Warn("an origin is of another site than the URL: browsers send its pages' requests without the cookie, "+
			"unless the pages call this server by their own host name",
			slog.String("origin", origin), slog.String("url", c.URL), slog.String("call", same.String()))
	}
}
