//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// shared is the server that the tests of a process share. It ends with the process.
var shared = sync.OnceValues(func() (*Server, error) { return New(context.Background()) })

// needed skips a test if there is no PostgreSQL, or fails it if all parts are required.
func needed(t testing.TB) {
	t.Helper()
	if _, err := binaries(); err != nil && os.Getenv("CLOAKROOM_TESTS_NEED_ALL") == "" {
		t.Skip(err)
	}
}

// Test returns the address of an empty database for the length of a test. The tests of a process share one server.
func Test(t testing.TB) string {
	t.Helper()
	s := Shared(t)
	url, err := s.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.GiveBack(context.Background(), url); err != nil {
			t.Error(err)
		}
	})
	return url
}

// Prepared is a database that the first test of a process prepares, and of which each test gets a copy. A copy takes a third of the
// time of our migrations. Its methods may be called concurrently.
type Prepared struct {
	// Prepare fills an empty database, and leaves no connection open.
	Prepare func(t testing.TB, url string)

	once sync.Once
	name string // once it is prepared
}

// Test returns the address of a copy for the length of a test, which is on the server of Shared.
func (p *Prepared) Test(t testing.TB) string {
	t.Helper()
	s := Shared(t)
	p.once.Do(func() {
		url, err := s.Database(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.Prepare(t, url)
		p.name = url[strings.LastIndexByte(url, '/')+1:]
	})
	if p.name == "" {
		t.Fatal("the database could not be prepared")
	}
	name := fmt.Sprintf("copy%d", s.copies.Add(1))
	if err := s.insist(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+p.name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.insist(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.URL(name)
}

// insist runs a statement that needs a database without connections, until it succeeds. The server gives those that were just closed,
// or that a pooler keeps, five seconds to end, which may be too few on a busy machine.
func (s *Server) insist(ctx context.Context, statement string) error {
	var err error
	for began := time.Now(); ctx.Err() == nil && time.Since(began) < patience; time.Sleep(100 * time.Millisecond) {
		if err = run(ctx, s.URL("postgres"), statement); err == nil {
			return nil
		}
	}
	return errors.Join(err, ctx.Err())
}

// Shared returns the server of the databases of Test. All tests use it, so leave it running.
func Shared(t testing.TB) *Server {
	t.Helper()
	needed(t)
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestServer returns a server for one test, which may stop, kill and pause it.
func TestServer(t testing.TB, settings ...string) *Server {
	t.Helper()
	needed(t)
	s, err := New(t.Context(), settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
