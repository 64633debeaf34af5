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
