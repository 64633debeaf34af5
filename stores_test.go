package cloakroom_test

import (
	"errors"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"context"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
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

// narrow is a store of users without a place for a language and for the data of a program, as Django's.
type narrow struct{ account.Store }

func (narrow) Unsupported() account.Unsupported {
	return account.Unsupported{Language: true, Extra: true}
}

func (s narrow) NoteSignIn(ctx context.Context, id string, note account.SignInUpdate) (*account.User, error) {
	if note.Language != "" {
		return nil, account.UnsupportedErrors.Language
	}
	return s.Store.NoteSignIn(ctx, id, note)
}

// TestWhatStoresOfTheProgramLackIsNotOffered: no language, no fields for data of the program, and a browser with a language signs in.
func TestWhatStoresOfTheProgramLackIsNotOffered(t *testing.T) {
	for name, lacks := range map[string]bool{"memory": false, "narrow": true} {
		t.Run(name, func(t *testing.T) {
			set := memory.New().Set
			if lacks {
				set.Accounts = narrow{set.Accounts}
			}
			s, err := cloakroom.New(t.Context(), cloakroom.Config{URL: "http://localhost:8000", Data: t.TempDir(), Stores: &set})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			const password = "correct horse battery staple"
			if _, err := s.Accounts.Create(t.Context(), account.NewUser{Username: "ada", Password: password}); err != nil {
				t.Fatal(err)
			}
			send := func(method, path, body string) *httptest.ResponseRecorder {
				r := httptest.NewRequest(method, "http://localhost:8000"+path, strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Origin", "http://localhost:8000")
				r.Header.Set("Accept-Language", "de")
				answer := httptest.NewRecorder()
				s.Handler(nil).ServeHTTP(answer, r)
				return answer
			}
			if got := strings.Contains(send("GET", "/auth/account", "").Body.String(), "noExtra"); got != lacks {
				t.Errorf("the pages hear that there is no place for data: %v", got)
			}
			if got := strings.Contains(send("GET", "/api/auth/methods", "").Body.String(), `"languages":[]`); got != lacks {
				t.Errorf("there are no languages: %v", got)
			}
			answer := send("POST", "/api/auth/login", `{"username": "ada", "password": "`+password+`"}`)
			if answer.Code != 200 || strings.Contains(answer.Body.String(), `"language":"de"`) == lacks {
				t.Errorf("a sign-in: %d %s", answer.Code, answer.Body)
			}
		})
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

// TestADatabaseThatMustExistIsNotMade, and neither is the data directory.
func TestADatabaseThatMustExistIsNotMade(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	config := cloakroom.Config{URL: "http://localhost:8000", Data: data, MustExist: true}
	if _, err := cloakroom.New(t.Context(), config); !errors.Is(err, cloakroom.ErrNoDatabase) {
		t.Errorf("without a database: %v", err)
	}
	if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data directory: %v", err)
	}
	for _, config.MustExist = range []bool{false, true} {
		s, err := cloakroom.New(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
