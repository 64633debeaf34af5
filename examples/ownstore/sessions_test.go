package main

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

func TestSessionsKeepThePromisesOfAStore(t *testing.T) {
	storetest.Sessions(t, func(*testing.T) session.Store { return NewSessions() })
}
