package main

import (
	"net/http"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/cloakroomtest"
)

func TestRightsAreAskedFor(t *testing.T) {
	s := cloakroomtest.New(t, cloakroom.Config{})
	s.Handle(routes(nil, s.Accounts))
	want := func(client *http.Client, path string, status int) {
		t.Helper()
		if answer, err := client.Post(s.URL+path, "", nil); err != nil || answer.StatusCode != status {
			t.Errorf("POST %s: %v, %v", path, answer, err)
		}
	}
	want(s.Visitor(), "/orders", http.StatusUnauthorized)
	want(s.Client("ada"), "/orders", http.StatusBadRequest)
	want(s.Client("ada"), "/plan/1", http.StatusForbidden)
	want(s.Client("bob", "shop.set_plan"), "/plan/"+s.User("ada").ID, http.StatusOK)
	if extra := s.User("ada").Extra; extra.Public != `{"plan":"pro"}` {
		t.Error(extra)
	}
}
