package redis_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/redis"
)

func TestServersThatMayForgetAreToldApart(t *testing.T) {
	for _, c := range []struct {
		settings []string
		says     string // "": nothing
	}{
		{nil, ""},
		{[]string{"--maxmemory", "100mb"}, ""},
		{[]string{"--appendonly", "no"}, "appendonly no"},
		{[]string{"--appendfsync", "everysec"}, "appendfsync everysec"},
		{[]string{"--appendfsync", "no"}, "appendfsync no"},
		{[]string{"--no-appendfsync-on-rewrite", "yes"}, "no-appendfsync-on-rewrite yes"},
		{[]string{"--maxmemory-policy", "volatile-lru"}, "maxmemory-policy"},
		{[]string{"--rename-command", "CONFIG", ""}, "doesn't say"},
		{[]string{"--user", "default", "on", "nopass", "~*", "&*", "+@all", "-config"}, "doesn't say"},
	} {
		t.Run(strings.Join(c.settings, " "), func(t *testing.T) {
			err := open(t, server(t, c.settings...).URL()).Durable(t.Context())
			loss := new(redis.LossError)
			switch {
			case c.says == "" && err != nil:
				t.Fatal(err)
			case c.says != "" && (!errors.As(err, &loss) || !strings.Contains(loss.Reason, c.says)):
				t.Fatalf("Durable says %v, want %q", err, c.says)
			}
		})
	}
}

func TestAnOutageIsNoLoss(t *testing.T) {
	s := server(t)
	db := open(t, s.URL())
	s.Kill()
	if err := db.Durable(t.Context()); err == nil || errors.As(err, new(*redis.LossError)) {
		t.Fatalf("Durable says %v", err)
	}
}

func TestServersThatDoNotFitAreRefused(t *testing.T) {
	for says, settings := range map[string][]string{
		"Redis Cluster": {"--cluster-enabled", "yes"},
		"replica":       {"--replicaof", strings.Replace(shared.Addr, ":", " ", 1)},
	} {
		db, err := redis.Open(t.Context(), server(t, settings...).URL())
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
