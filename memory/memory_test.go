package memory_test

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

func TestStores(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Stores {
		db := memory.New()
		return storetest.Stores{Sessions: db.Sessions(), Accounts: db.Accounts(), Tokens: db.Tokens(), Throttles: db.Throttles(), Keys: db.Keys(), Audit: db.Audit()}
	})
}
