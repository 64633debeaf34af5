package redisdb_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/feed/feedtest"
	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

func TestServersThatMayLoseWritesAreReported(t *testing.T) {
	for _, c := range []struct {
		settings []string
		says     string // "": nothing
		mend     string
	}{
		{nil, "", ""},
		{[]string{"--maxmemory", "100mb"}, "", ""},
		{[]string{"--appendonly", "no"}, "appendonly no", "appendonly yes"},
		{[]string{"--appendfsync", "everysec"}, "appendfsync everysec", "appendfsync always"},
		{[]string{"--appendfsync", "no"}, "appendfsync no", "appendfsync always"},
		{[]string{"--no-appendfsync-on-rewrite", "yes"}, "no-appendfsync-on-rewrite yes", "no-appendfsync-on-rewrite no"},
		{[]string{"--maxmemory-policy", "volatile-lru"}, "maxmemory-policy", "maxmemory-policy noeviction"},
		{[]string{"--rename-command", "CONFIG", ""}, "doesn't say", "CONFIG GET"},
		{[]string{"--user", "default", "on", "nopass", "~*", "&*", "+@all", "-config"}, "doesn't say", "CONFIG GET"},
	} {
		t.Run(strings.Join(c.settings, " "), func(t *testing.T) {
			err := open(t, server(t, c.settings...).URL()).Durable(t.Context())
			loss := new(redisdb.LossError)
			switch {
			case c.says == "" && err != nil:
				t.Fatal(err)
			case c.says != "" && (!errors.As(err, &loss) || !strings.Contains(loss.Reason, c.says)):
				t.Fatalf("Durable says %v, want %q", err, c.says)
			case c.says != "" && !strings.Contains(loss.Remedy, c.mend):
				t.Fatalf("against %q it says: %s", c.says, loss.Remedy)
			}
		})
	}
}

func TestAnOutageIsNotALossError(t *testing.T) {
	s := server(t)
	db := open(t, s.URL())
	s.Kill()
	if err := db.Durable(t.Context()); err == nil || errors.As(err, new(*redisdb.LossError)) {
		t.Fatalf("Durable says %v", err)
	}
}

func TestServersThatDoNotFitAreRefused(t *testing.T) {
	for says, settings := range map[string][]string{
		"Redis Cluster": {"--cluster-enabled", "yes"},
		"replica":       {"--replicaof", strings.Replace(shared.Addr, ":", " ", 1)},
	} {
		db, err := redisdb.Open(t.Context(), server(t, settings...).URL())
		if err == nil {
			db.Close()
			t.Errorf("opened where %s", says)
		} else if !strings.Contains(err.Error(), says) {
			t.Errorf("%v doesn't say %q", err, says)
		}
	}
}

func TestPingNeedsAServerThatTakesWrites(t *testing.T) {
	s := server(t)
	db := open(t, s.URL())
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	command(t, raw(t, s.Addr), "CONFIG", "SET", "min-replicas-to-write", "1")
	if err := db.Ping(t.Context()); err == nil {
		t.Fatal("no error from a server that refuses writes")
	}
}

// TestASentinelIsRefused: operators who use Sentinels know their addresses.
func TestASentinelIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	must(t, l.Close())
	_, port, _ := strings.Cut(addr, ":")
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	must(t, os.WriteFile(config, []byte("port "+port+"\nbind 127.0.0.1\n"), 0o600))
	sentinel := exec.CommandContext(t.Context(), "redis-server", config, "--sentinel")
	must(t, sentinel.Start())
	t.Cleanup(func() { _ = sentinel.Wait() }) // the context ends it
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			must(t, conn.Close())
			break
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal(err)
		}
	}
	if db, err := redisdb.Open(t.Context(), "redis://"+addr); err == nil || !strings.Contains(err.Error(), "Sentinel") {
		t.Errorf("Open says %v, %v", db, err)
	}
}

// TestTheRightsOfTheDocsAreEnough: a user of Redis that has only the rights in architecture.md can do everything.
func TestTheRightsOfTheDocsAreEnough(t *testing.T) {
	page, err := os.ReadFile("../../docs/architecture.md")
	must(t, err)
	rights := regexp.MustCompile(`(?m)^ACL SETUSER cloakroom on >PASSWORD .*$`).FindString(string(page))
	s := server(t)
	all := raw(t, s.Addr)
	command(t, all, strings.Fields(rights)...)
	limited := func(t *testing.T) *redisdb.DB {
		command(t, all, "FLUSHALL")
		return open(t, "redis://cloakroom:PASSWORD@"+s.Addr)
	}
	must(t, limited(t).Durable(t.Context()))
	must(t, limited(t).Ping(t.Context()))
	storetest.Sessions(t, func(t *testing.T) session.Store { return limited(t).Sessions })
	storetest.Throttles(t, func(t *testing.T) throttle.Store { return limited(t).Throttles })
	feedtest.Run(t, func(t *testing.T) feedtest.Broadcast {
		return feedtest.Broadcast{Join: func(t *testing.T) feed.Feed { return limited(t).Feed() }}
	})
}
