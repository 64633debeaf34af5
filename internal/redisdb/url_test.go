package redisdb_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
)

const password = "hunter2hunter2"

func TestURLsThatOpen(t *testing.T) {
	s := server(t, "--requirepass", password)
	for _, url := range []string{
		"redis://:" + password + "@" + s.Addr,
		"redis://default:" + password + "@" + s.Addr + "/3",
		"redis://:" + password + "@" + s.Addr + "/",
		"unix://:" + password + "@" + s.Socket(),
		"unix://:" + password + "@" + s.Socket() + "?db=3",
	} {
		db := open(t, url)
		if err := db.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	keys := raw(t, s.Addr, password)
	text, err := ptr(command(t, keys, "INFO", "keyspace")).ToString()
	if err != nil || !strings.Contains(text, "db0:keys=1,") || !strings.Contains(text, "db3:keys=1,") {
		t.Errorf("%v, %s", err, text)
	}
}

func TestURLsThatDoNot(t *testing.T) {
	for _, url := range []string{
		"", "redis", "redis:", "redis://", "redis://:6379", "http://localhost", "redis:localhost:6379", "redis://localhost/zero",
		"redis://localhost/-1", "redis://localhost/0/1", "redis://localhost?protocol=2", "redis://localhost#0", "unix://", "unix:///tmp/a?db=x",
		"unix:///tmp/a?timeout=1", "unix://host/tmp/a", "redis://localhost:port", "redis://a:b:c@localhost:port:port", "redis://local host",
		"redis://localhost/%zz",
	} {
		url := strings.Replace(url, "://", "://ann:"+password+"@", 1)
		db, err := redisdb.Open(t.Context(), url)
		if err == nil {
			db.Close()
			t.Errorf("%q opened", url)
			continue
		}
		if strings.Contains(err.Error(), password) {
			t.Errorf("the error of %q shows the password: %v", url, err)
		}
	}
}

func TestNoErrorShowsThePassword(t *testing.T) {
	s := server(t, "--requirepass", "another "+password)
	gone := server(t)
	gone.Kill()
	for _, url := range []string{
		"redis://:" + password + "@" + s.Addr, "redis://ann:" + password + "@" + s.Addr, "redis://:" + password + "@" + gone.Addr,
		"rediss://:" + password + "@" + s.Addr, "unix://:" + password + "@/nowhere", "redis://:" + password + "@" + s.Addr + "/99",
	} {
		db, err := redisdb.Open(t.Context(), url)
		if err == nil {
			db.Close()
			t.Errorf("%s opened", url)
		} else if strings.Contains(err.Error(), password) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}
