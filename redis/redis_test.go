package redis_test

import (
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
	"github.com/cloakroom-auth/cloakroom/redis"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// open starts a server with settings and opens it. Package internal/redisdb has the tests of what the stores do.
func open(t *testing.T, settings ...string) *redis.DB {
	t.Helper()
	server, err := redisserver.New(t.Context(), t.TempDir(), settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	db, err := redis.Open(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestThrottles(t *testing.T) {
	storetest.Throttles(t, func(t *testing.T) throttle.Store { return open(t).Throttles })
}

func TestAStoreThatIsOpenAnswers(t *testing.T) {
	db := open(t)
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Sessions.Load(t.Context(), session.ID{1}); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Load of a session that was never created returns %v, want %v", err, session.ErrNotFound)
	}
}

func TestAServerThatMayLoseWritesIsALossError(t *testing.T) {
	loss, ok := errors.AsType[*redis.LossError](open(t, "--appendfsync", "everysec").Durable(t.Context()))
	if !ok || loss.Most.Seconds() != 1 || loss.Remedy == "" || loss.Error() == "" {
		t.Errorf("Durable returns %#v, want a LossError of the last second", loss)
	}
	if err := open(t).Durable(t.Context()); err != nil {
		t.Errorf("Durable of a server that loses nothing returns %v", err)
	}
}
