package redisdb

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// errURL doesn't wrap the error of net/url, which quotes the password.
var errURL = errors.New("not an address such as redis://localhost:6379/0, rediss://USER:PASSWORD@HOST/0 or unix:///PATH")

// isURL reports whether [Open] supports the scheme of a URL.
func isURL(text string) bool {
	scheme, _, _ := strings.Cut(text, ":")
	return scheme == "redis" || scheme == "rediss" || scheme == "unix"
}

// options reads a URL. An unknown option is an error.
func options(text string) (rueidis.ClientOption, error) {
	u, err := url.Parse(text)
	if err != nil || !isURL(text) || u.Opaque != "" || u.Fragment != "" {
		return rueidis.ClientOption{}, errURL
	}
	o := base()
	if u.User != nil {
		o.Username = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	if u.Scheme == "unix" {
		return unixOptions(o, u)
	}
	if u.Scheme == "redis" && u.RawQuery != "" || u.Hostname() == "" {
		return rueidis.ClientOption{}, errURL
	}
	if u.Scheme == "rediss" {
		if o.TLSConfig, err = secured(u.Hostname(), u.RawQuery); err != nil {
			return rueidis.ClientOption{}, err
		}
	}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	o.InitAddress = []string{net.JoinHostPort(u.Hostname(), port)}
	o.SelectDB, err = database(strings.TrimPrefix(u.Path, "/"))
	return o, err
}

func unixOptions(o rueidis.ClientOption, u *url.URL) (rueidis.ClientOption, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Host != "" || u.Path == "" || len(query) > 1 || len(query) == 1 && !query.Has("db") {
		return o, errURL
	}
	o.InitAddress = []string{u.Path}
	o.SelectDB, err = database(query.Get("db"))
	return o, err
}

func database(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, errURL
	}
	return n, nil
}

// base returns the options of all connections.
func base() rueidis.ClientOption {
	return rueidis.ClientOption{
		ClientName:        "cloakroom",
		Dialer:            net.Dialer{Timeout: dialTimeout, KeepAlive: aliveEvery},
		ConnWriteTimeout:  answerTimeout,
		ForceSingleClient: true, // Redis Cluster is refused, so there is nothing to discover
		DisableCache:      true,
		DisableRetry:      true, // an outage is an error at once, and no call is repeated
		AlwaysPipelining:  true, // an abandoned call doesn't close the connection of other calls
	}
}
