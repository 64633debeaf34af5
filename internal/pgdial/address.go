package pgdial

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// connectTimeout is how long the attempt to connect to one host may take where the address doesn't say.
	connectTimeout = 3 * time.Second

	minConns, maxConns = 2, 1000 // what pool_max_conns may be
)

// errAddress is all that is said of an address that can't be read: it may hold a password anywhere.
var errAddress = errors.New("not a PostgreSQL address such as postgres://user@host:5432/name")

// Address says where a database is and how to get there.
type Address struct {
	config *pgx.ConnConfig
	hosts  []host
	conns  int  // open at once, at most
	mode   bool // the address says how statements are run
}

// host is one of the hosts that an address names, with the ways to talk to it: with TLS and without.
type host struct {
	name string // as people know it
	ways []*pgconn.FallbackConfig
}

// Parse reads an address in the form of a URL, with libpq's options. An error holds nothing of it.
func Parse(text string) (*Address, error) {
	u, options, err := split(text)
	if err != nil {
		return nil, err
	}
	a := &Address{conns: max(10, 2*runtime.GOMAXPROCS(0)), mode: options.Has("default_query_exec_mode")}
	if text := options.Get("pool_max_conns"); text != "" {
		a.conns, err = strconv.Atoi(text)
		if err != nil || a.conns < minConns || a.conns > maxConns {
			return nil, fmt.Errorf("pool_max_conns must be a number from %d to %d", minConns, maxConns)
		}
	}
	if err := errors.Join(checkTLS(options), checkTarget(options)); err != nil {
		return nil, err
	}
	options.Del("pool_max_conns")
	u.RawQuery = options.Encode()
	if a.config, err = pgx.ParseConfig(u.String()); err != nil {
		return nil, errAddress
	}
	switch {
	case a.config.Database == "":
		return nil, errors.New("the address names no database")
	case strings.ContainsAny(a.config.Database, ":/@?&="): // a slip of the pen may have put the password there
		return nil, errAddress
	}
	a.fill()
	return a, nil
}

// String returns what people may see of an address: neither password nor options.
func (a *Address) String() string {
	var names []string
	for _, h := range a.hosts {
		names = append(names, h.name)
	}
	return "postgres://" + a.config.User + "@" + strings.Join(names, ",") + "/" + a.config.Database
}

// ConnectTimeout is how long the attempt to connect may take in all: the bound of one host, for each.
func (a *Address) ConnectTimeout() time.Duration {
	return a.config.ConnectTimeout * time.Duration(len(a.hosts))
}

// SearchPath returns the search path that connections begin with; "": the server's.
func (a *Address) SearchPath() string { return a.config.RuntimeParams["search_path"] }

// checkTLS says which option is to blame, where that gives nothing away: a file that can't be read, or an unknown mode of
// TLS.
func checkTLS(options url.Values) error {
	for _, name := range []string{"sslrootcert", "sslcert", "sslkey"} {
		path := options.Get(name)
		if path == "" || path == "system" {
			continue
		}
		file, err := os.Open(path)
		if err != nil { // without the path, where a slip of the pen may have put the password
			if e, ok := errors.AsType[*fs.PathError](err); ok {
				err = e.Err
			}
			return fmt.Errorf("the file that %s names: %w", name, err)
		}
		file.Close()
	}
	modes := []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
	if mode := options.Get("sslmode"); mode != "" && !slices.Contains(modes, mode) {
		return errors.New("sslmode must be one of " + strings.Join(modes, " "))
	}
	return nil
}

// checkTarget refuses what would lead to a standby. A server that can't be written is never used, whatever the option says.
func checkTarget(options url.Values) error {
	targets := []string{"read-write", "primary", "any"}
	if target := options.Get("target_session_attrs"); target != "" && !slices.Contains(targets, target) {
		return errors.New("target_session_attrs must be one of " + strings.Join(targets, " ") + ": only the primary is used")
	}
	return nil
}

// fill sets what the address and the environment leave open.
func (a *Address) fill() {
	c := a.config
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "cloakroom"
	}
	dialer := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control:         control,
	}
	c.DialFunc = dialer.DialContext
	lookup := c.LookupFunc
	c.LookupFunc = func(ctx context.Context, name string) ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, c.ConnectTimeout)
		defer cancel()
		return lookup(ctx, name)
	}
	ways := append([]*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
	for _, way := range ways {
		name := way.Host
		if !strings.HasPrefix(name, "/") {
			name = net.JoinHostPort(way.Host, strconv.Itoa(int(way.Port)))
		}
		if last := len(a.hosts) - 1; last < 0 || a.hosts[last].name != name {
			a.hosts = append(a.hosts, host{name: name})
		}
		last := &a.hosts[len(a.hosts)-1]
		last.ways = append(last.ways, way)
	}
}

// by returns how to connect in one of the ways.
func (a *Address) by(way *pgconn.FallbackConfig) *pgx.ConnConfig {
	c := a.config.Copy()
	c.Host, c.Port, c.TLSConfig, c.Fallbacks = way.Host, way.Port, way.TLSConfig, nil
	return c
}
