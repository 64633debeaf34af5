package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"
)

// profiled are the contenders whose profiles show the cost of a check, and a handler that checks nothing.
var profiled = []string{
	"me/memory/fenced", "me/sqlite/fenced", limitFenced, "me/sqlite/strict", limitSQLite, "me/postgres/strict", limitPostgres, "me/redis/strict", limitRedis, "bare", "hs256",
}

// young is how long a server is warmed up. A node whose feed has just come up doesn't serve from its cache yet.
const young = 3 * time.Second

// profile writes profiles of the processor time, for go tool pprof.
func (b *bench) profile(ctx context.Context, dir string, d time.Duration) error {
	for _, name := range profiled {
		if !b.wanted(name) {
			continue
		}
		s, err := b.spec(ctx, name)
		if err != nil {
			return err
		}
		file := strings.ReplaceAll(name, "/", "-") + ".pprof"
		if s.Profile, err = filepath.Abs(filepath.Join(dir, file)); err != nil {
			return err
		}
		if err := b.profileOf(ctx, s, d); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		b.say("%s: %s", name, s.Profile)
	}
	return nil
}

func (b *bench) profileOf(ctx context.Context, s spec, d time.Duration) error {
	c, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	defer c.stop()
	if b.body == nil {
		if err := b.bytes(c); err != nil {
			return err
		}
	}
	if _, err := c.burst(ctx, young); err != nil {
		return err
	}
	sample, err := c.burst(ctx, d)
	if err != nil {
		return err
	}
	b.say("%s: %.0f requests/s, %.2f µs of the server for each", s.Name, sample.rate, sample.cpu)
	return c.end()
}

// end waits until a server has ended by itself, and so has written its profile.
func (c *child) end() error {
	for _, conn := range c.conns {
		conn.close()
	}
	c.stdin.Close()
	return c.command.Wait()
}

// untilEnd waits for the end of the input. If name is not empty it writes a profile of that time to the file.
func untilEnd(in io.Reader, name string) error {
	if name == "" {
		_, _ = io.Copy(io.Discard, in)
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	time.Sleep(young)
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, in)
	pprof.StopCPUProfile()
	return nil
}
