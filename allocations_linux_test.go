package cloakroom_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
)

// TestMeFromTheNearCacheAllocatesLittle: GET /api/me with a session is the most frequent request, and answered from memory.
func TestMeFromTheNearCacheAllocatesLittle(t *testing.T) {
	handler, cookies := setUp(t, cloakroom.Config{Data: t.TempDir()})
	r := httptest.NewRequest("GET", "http://localhost:8000/api/me", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := &discard{header: http.Header{}}
	n := testing.AllocsPerRun(100, func() {
		clear(w.header)
		handler.ServeHTTP(w, r)
	})
	if w.status != http.StatusOK || n > 8 {
		t.Errorf("got %d with %v allocations, want 200 with at most 8", w.status, n)
	}
}
