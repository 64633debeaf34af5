package main

import (
	"context"
	"time"
)

// startUp measures from the start of a process until it answers: on an empty store, which gets its tables, and then on
// the same again.
func (b *bench) startUp(ctx context.Context) error {
	for _, kind := range []string{"sqlite", "postgres", "redis"} {
		s, err := b.spec(ctx, "me/"+kind+"/fenced")
		if err != nil {
			b.miss("start-up on "+kind, err)
			continue
		}
		s.Wide, s.People, s.Dir = true, 0, b.sub("start-"+kind)
		if kind != "postgres" {
			s.DB = "sqlite:" + s.Dir + "/cloakroom.db"
		}
		var took []time.Duration
		for range 4 {
			began := time.Now()
			c, err := b.start(ctx, s)
			if err != nil {
				return err
			}
			took = append(took, time.Since(began))
			c.stop()
		}
		b.add("start-up/"+kind+"/first", milliseconds(took[0]), "ms", "", 0)
		b.add("start-up/"+kind+"/again", milliseconds(quantile(took[1:], .5)), "ms", "", 0)
	}
	return nil
}
