package redisdb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// A LossError says which acknowledged writes the server might lose.
type LossError struct {
	Reason string        // a sentence without its full stop
	Remedy string        // what to do on the server, likewise
	Most   time.Duration // writes of the last so much time may be lost; unbounded: any; 0: the server doesn't say
}

// unbounded means that any write may be lost.
const unbounded = 24 * time.Hour

func (e *LossError) Error() string { return "redis may forget what it has acknowledged: " + e.Reason }

// fit returns an error for a server on which this package can't work.
func (db *DB) fit(ctx context.Context) error {
	db.client.chooseQuestion(ctx)
	info, err := db.info(ctx)
	if err != nil {
		return err
	}
	if err := unfit(info); err != nil {
		return err
	}
	return db.permitted(ctx)
}

// unfit returns what is wrong with a server, by its INFO.
func unfit(info map[string]string) error {
	major, _, _ := strings.Cut(info["redis_version"], ".")
	n, err := strconv.Atoi(major)
	switch {
	case err != nil || n < 7:
		return fmt.Errorf("redis is version %q; this needs Redis 7 or later, or Valkey", info["redis_version"])
	case info["redis_mode"] == "sentinel" || info["server_mode"] == "sentinel": // the field of Valkey
		return errors.New("redis is a Sentinel, which keeps no data; this needs the address of the primary")
	case info["cluster_enabled"] == "1":
		return fmt.Errorf("redis is part of a Redis Cluster; this needs one primary")
	case info["role"] != "master":
		return fmt.Errorf("redis is a replica (role %q); this needs the primary", info["role"])
	}
	return nil
}

// permitted tries a script that calls every command of the other scripts, by its text and by its hash.
func (db *DB) permitted(ctx context.Context) error {
	b := db.client.B()
	text, hash := tryScript()
	for _, command := range []rueidis.Completed{
		b.Eval().Script(text).Numkeys(0).Build(), b.Evalsha().Sha1(hash).Numkeys(0).Build(),
	} {
		m, err := do(ctx, db.client, command)
		if _, refused := rueidis.IsRedisErr(err); refused && !rueidis.IsRedisNil(err) {
			return fmt.Errorf("redis doesn't let this user run scripts (EVAL and EVALSHA): %w", err)
		}
		if err != nil {
			return fmt.Errorf("try a script: %w", err)
		}
		against, err := m.AsStrSlice()
		if err != nil {
			return fmt.Errorf("try a script: %w", err)
		}
		for _, text := range against {
			if isRefusal(text) {
				return fmt.Errorf("redis doesn't let this user run a command that is needed: %s", text)
			}
		}
	}
	return nil
}

// isRefusal reports whether a command failed because the user may not call it or the server doesn't have it, and not for a
// temporary reason such as a full memory.
func isRefusal(text string) bool {
	for _, refusal := range []string{"NOPERM", "ACL failure", "user executing the script", "Unknown Redis command", "Unknown command", "unknown command"} {
		if strings.Contains(text, refusal) {
			return true
		}
	}
	return false
}

// info returns the sections of INFO that describe the server.
func (db *DB) info(ctx context.Context) (map[string]string, error) {
	command := db.client.B().Info().Section("server", "cluster", "replication").Build()
	m, err := do(ctx, db.client, command)
	if err != nil {
		return nil, fmt.Errorf("read the INFO of redis: %w", err)
	}
	text, err := m.ToString()
	if err != nil {
		return nil, fmt.Errorf("read the INFO of redis: %w", err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields, nil
}

// durable lists the settings with which a server loses no acknowledged write, and what other values mean.
var durable = []struct {
	setting, value string
	otherwise      func(value string) *LossError
}{
	{"appendonly", "yes", func(string) *LossError {
		return &LossError{"it keeps no append-only file (appendonly no), so that a crash loses everything since its last snapshot",
			"Set appendonly yes and appendfsync always", unbounded}
	}},
	{"maxmemory-policy", "noeviction", func(value string) *LossError {
		return &LossError{"it throws sessions away when its memory is full (maxmemory-policy " + value + ")",
			"Set maxmemory-policy noeviction", unbounded}
	}},
	{"appendfsync", "always", unsynced},
	{"no-appendfsync-on-rewrite", "no", func(value string) *LossError {
		return &LossError{"it doesn't wait for the disk while it rewrites its file (no-appendfsync-on-rewrite " + value + ")",
			"Set no-appendfsync-on-rewrite no", delayed}
	}},
}

// delayed is how long Linux keeps written data in memory by default.
const delayed = 30 * time.Second

func unsynced(value string) *LossError {
	loss := &LossError{"it acknowledges before the disk has it (appendfsync " + value + ")", "Set appendfsync always", delayed}
	if value == "everysec" {
		loss.Most = time.Second
	}
	return loss
}

// Durable asks the server how it keeps acknowledged writes. A *[LossError] means that a crash of the server could lose some,
// so that a sign-out is forgotten or a session lost, or that the server doesn't say; of several reasons it holds the worst.
// Any other error is an outage.
//
// Whatever the answer, a failover to a replica can lose what the replica hadn't received: no setting prevents that.
func (db *DB) Durable(ctx context.Context) error {
	var worst *LossError
	for _, d := range durable {
		value, err := db.setting(ctx, d.setting)
		if err != nil {
			return err
		}
		if value != d.value {
			worst = worse(worst, d.otherwise(value))
		}
	}
	if worst != nil {
		return worst
	}
	return nil
}

func worse(a, b *LossError) *LossError {
	if a != nil && a.Most >= b.Most {
		return a
	}
	return b
}

func (db *DB) setting(ctx context.Context, name string) (string, error) {
	m, err := do(ctx, db.client, db.client.B().ConfigGet().Parameter(name).Build())
	if _, refused := rueidis.IsRedisErr(err); err != nil && !refused {
		return "", fmt.Errorf("ask redis for %s: %w", name, err)
	}
	values, unread := m.AsStrMap()
	if err != nil || unread != nil || values[name] == "" {
		return "", &LossError{Reason: "it doesn't say how " + name + " is set (CONFIG GET)", Remedy: "Let its user run CONFIG GET"}
	}
	return values[name], nil
}
