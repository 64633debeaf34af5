package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-auth/cloakroom/redis"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// apart is a database whose sessions, and counters of failed tries, are in Redis. What ends a user's sessions moves the
// epoch in the database, and each check compares it: it needs no step that both take together.
type apart struct {
	database
	redis *redis.DB
}

func (a apart) Sessions() session.Store   { return a.redis.Sessions() }
func (a apart) Throttles() throttle.Store { return a.redis.Throttles() }

func (a apart) Ping(ctx context.Context) error {
	if err := a.database.Ping(ctx); err != nil {
		return err
	}
	return a.redis.Ping(ctx)
}

func (a apart) Close() error { return errors.Join(a.redis.Close(), a.database.Close()) }

// withSessions returns the database with the sessions where --sessions says. It closes the database if it can't.
func (c *Config) withSessions(ctx context.Context, db database) (database, error) {
	if c.Sessions == "" {
		return db, nil
	}
	r, err := c.openSessions(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--sessions: %w", err), db.Close())
	}
	return apart{db, r}, nil
}

func (c *Config) openSessions(ctx context.Context) (*redis.DB, error) {
	r, err := redis.Open(ctx, c.Sessions)
	if err != nil {
		return nil, err
	}
	if err := c.accepts(r.Durable(ctx)); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// accepts returns the error unless it is about a loss that has been accepted.
func (c *Config) accepts(err error) error {
	loss, ok := errors.AsType[*redis.LossError](err)
	switch {
	case !ok:
		return err
	case c.RedisMayLose <= 0:
		return fmt.Errorf("%w. A sign-out that was acknowledged might not have happened after a crash. %s, "+
			"or accept the loss: --redis-may-lose %v", err, loss.Remedy, max(loss.Most, time.Second))
	case c.RedisMayLose < loss.Most:
		return fmt.Errorf("%w. That may be more than the %v of --redis-may-lose. %s, or accept it: --redis-may-lose %v",
			err, c.RedisMayLose, loss.Remedy, loss.Most)
	}
	return nil
}
