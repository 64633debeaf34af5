package cloakroom_test

import (
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"context"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/store"
)

func TestAServerRunsOnStoresThatTheProgramBrings(t *testing.T) {
	set := memory.New().Set
	var out error
	s, err := cloakroom.New(t.Context(), cloakroom.Config{
		URL: "http://localhost:8000", Data: t.TempDir(), Stores: &set, Ping: func(context.Context) error { return out },
	})
	if err != nil {
		t.Fatal(err)
	}
	ready := func() int {
		answer := httptest.NewRecorder()
		s.Handler(nil).ServeHTTP(answer, httptest.NewRequest("GET", "http://localhost:8000/readyz", nil))
		return answer.Code
	}
	if got := ready(); got != 200 {
		t.Errorf("GET /readyz = %d, want 200", got)
	}
	if link, err := s.SetupLink(t.Context()); err != nil || link == "" {
		t.Errorf("SetupLink() = %q, %v; want a link", link, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestStoresThatAreIncompleteOrNamedTwiceAreRefused(t *testing.T) {
	whole := memory.New().Set
	partial := whole
	partial.Tokens = nil
	for name, c := range map[string]struct {
		config cloakroom.Config
		want   string
	}{
		"a store that is nil": {cloakroom.Config{Stores: &partial}, "Config.Stores.Tokens is nil"},
		"stores and a DB":     {cloakroom.Config{Stores: &whole, DB: "sqlite:x.db"}, "leave these empty"},
		"stores and Sessions": {cloakroom.Config{Stores: &whole, Sessions: "redis://localhost"}, "leave these empty"},
		"no store at all":     {cloakroom.Config{Stores: &store.Set{}}, "is nil"},
	} {
		c.config.Data = filepath.Join(t.TempDir(), "data")
		s, err := cloakroom.New(t.Context(), c.config)
		if err == nil {
			err = errors.Join(errors.New("no error"), s.Close())
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: New returned %q, want %q in it", name, err, c.want)
		}
	}
}
