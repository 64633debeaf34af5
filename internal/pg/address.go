package pg

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
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// connectTimeout bounds the attempt to connect to one host if the address has no connect_timeout.
	connectTimeout = 3 * time.Second

	minConns, maxConns = 2, 1000 // the bounds of pool_max_conns
)

// errAddress quotes nothing of an address that can't be parsed, because a password may be anywhere in it.
var errAddress = errors.New("not a PostgreSQL address such as postgres://user@host:5432/name")

// Address is where a database is, and how to connect to it.
type Address struct {
	config *pgx.ConnConfig
	hosts  []host
	conns  int  // the maximum of open connections
	mode   bool // the address sets how statements are run

	options []stdlib.OptionOpenDB // of a program's own pool
}

// host is one host of an address, with the ways to connect to it: with TLS and without.
type host struct {
	name string // for people
	ways []*pgconn.FallbackConfig
}

// ParseAddress reads an address in the form of a URL with the options of libpq. An error quotes nothing of it.
func ParseAddress(text string) (*Address, error) {
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
	case strings.ContainsAny(a.config.Database, ":/@?&="): // the password may be there by mistake
		return nil, errAddress
	}
	a.fill()
	return a, nil
}

// String returns the address without the password and the options.
func (a *Address) String() string {
	var names []string
	for _, h := range a.hosts {
		names = append(names, h.name)
	}
	return "postgres://" + a.config.User + "@" + strings.Join(names, ",") + "/" + a.config.Database
}

// ConnectTimeout bounds an attempt to connect: the sum of the bounds of all hosts.
func (a *Address) ConnectTimeout() time.Duration {
	return a.config.ConnectTimeout * time.Duration(len(a.hosts))
}

// SearchPath returns the search path that the address sets, or "" for the server's default.
func (a *Address) SearchPath() string { return a.config.RuntimeParams["search_path"] }

// checkTLS returns an error that names the wrong option of TLS: a file that can't be read, or an unknown mode. It quotes no
// path.
func checkTLS(options url.Values) error {
	for _, name := range []string{"sslrootcert", "sslcert", "sslkey"} {
		path := options.Get(name)
		if path == "" || path == "system" {
			continue
		}
		file, err := os.Open(path)
		if err != nil { // without the path, where the password may be by mistake
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

// checkTarget refuses options that ask for a standby. A read-only server is never used.
func checkTarget(options url.Values) error {
	targets := []string{"read-write", "primary", "any"}
	if target := options.Get("target_session_attrs"); target != "" && !slices.Contains(targets, target) {
		return errors.New("target_session_attrs must be one of " + strings.Join(targets, " ") + ": only the primary is used")
	}
	return nil
}

// fill sets what the address and the environment don't set.
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
	a.list()
}

// list sets the hosts to those of the configuration, with the ways to connect to each.
func (a *Address) list() {
	c := a.config
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

// by returns the configuration for one way to connect.
func (a *Address) by(way *pgconn.FallbackConfig) *pgx.ConnConfig {
	c := a.config.Copy()
	c.Host, c.Port, c.TLSConfig, c.Fallbacks = way.Host, way.Port, way.TLSConfig, nil
	return c
}
