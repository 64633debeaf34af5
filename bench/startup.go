package main

import (
	"context"
	"time"
)

// startUp measures how long a process takes from its start until it answers: first on an empty store, in which it creates
// its tables, and then again on the same store.
func (b *bench) startUp(ctx context.Context) error {
	for _, kind := range []string{"sqlite", "postgres", "redis"} {
		if err := b.startUpOn(ctx, kind); err != nil {
			b.miss("start-up on "+kind, err)
		}
	}
	return nil
}

func (b *bench) startUpOn(ctx context.Context, kind string) error {
	s, err := b.spec(ctx, "me/"+kind+"/fenced")
	if err != nil {
		return err
	}
	s.Wide, s.People, s.Dir = true, 0, b.sub("start-"+kind)
	if kind != "postgres" {
		s.DB = "sqlite:" + s.Dir + "/cloakroom.db"
	}
	first, err := b.timedStart(ctx, s)
	if err != nil {
		return err
	}
	b.add("start-up/"+kind+"/first", milliseconds(first), "ms", "", 0)
	var again []time.Duration
	for b.more(len(again), 3) {
		took, err := b.timedStart(ctx, s)
		if err != nil {
			return err
		}
		again = append(again, took)
	}
	b.add("start-up/"+kind+"/again", milliseconds(quantile(again, .5)), "ms", "", 0)
	return nil
}

// timedStart starts a server, stops it, and returns how long it took to get ready.
func (b *bench) timedStart(ctx context.Context, s spec) (time.Duration, error) {
	began := time.Now()
	c, err := b.start(ctx, s)
	if err != nil {
		return 0, err
	}
	defer c.stop()
	return time.Since(began), nil
}
