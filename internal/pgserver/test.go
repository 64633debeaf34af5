//go:build unix

package pgserver

import (
	"context"
	"os"
	"sync"
	"testing"
)

// shared is the server that the tests of a process share. It ends with the process.
var shared = sync.OnceValues(func() (*Server, error) { return New(context.Background()) })

// needed skips a test where there is no PostgreSQL, unless nothing is to be left out.
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

// Shared returns the server that the databases of Test are on. It is everybody's: leave it running.
func Shared(t testing.TB) *Server {
	t.Helper()
	needed(t)
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestServer returns a server of the test's own, to be stopped, killed and paused.
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
