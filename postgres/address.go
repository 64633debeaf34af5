package postgres

import (
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
)

const (
	// connectTimeout is how long the attempt to connect may take where the address doesn't say.
	connectTimeout = 3 * time.Second

	minConns, maxConns = 2, 1000 // what pool_max_conns may be
)

// errAddress is all that is said of an address that can't be read: it may hold a password anywhere.
var errAddress = errors.New("not a PostgreSQL address such as postgres://user@host:5432/name")

// address says where a database is and how to get there.
type address struct {
	config *pgx.ConnConfig
	conns  int  // open at once, at most
	mode   bool // the address says how statements are run
}

// Name returns what people may see of a database's address: neither password nor options. An error says that it is no
// address, and holds nothing of it.
func Name(url string) (string, error) {
	a, err := parse(url)
	if err != nil {
		return "", err
	}
	return a.String(), nil
}

func (a *address) String() string {
	host := net.JoinHostPort(a.config.Host, strconv.Itoa(int(a.config.Port)))
	if strings.HasPrefix(a.config.Host, "/") {
		host = a.config.Host
	}
	return "postgres://" + a.config.User + "@" + host + "/" + a.config.Database
}

func parse(text string) (*address, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.Opaque != "" {
		return nil, errAddress
	}
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errAddress
	}
	a := &address{conns: max(10, 2*runtime.GOMAXPROCS(0)), mode: options.Has("default_query_exec_mode")}
	if text := options.Get("pool_max_conns"); text != "" {
		a.conns, err = strconv.Atoi(text)
		if err != nil || a.conns < minConns || a.conns > maxConns {
			return nil, fmt.Errorf("pool_max_conns must be a number from %d to %d", minConns, maxConns)
		}
	}
	if err := checkTLS(options); err != nil {
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

// fill sets what the address and the environment leave open.
func (a *address) fill() {
	if a.config.ConnectTimeout == 0 {
		a.config.ConnectTimeout = connectTimeout
	}
	if a.config.RuntimeParams["application_name"] == "" {
		a.config.RuntimeParams["application_name"] = "cloakroom"
	}
	dialer := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control:         control,
	}
	a.config.DialFunc = dialer.DialContext
}
