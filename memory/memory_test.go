package memory_test

import (
	"encoding/binary"
	"strconv"
	"testing"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

func TestStores(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Stores {
		return storetest.Stores{Set: memory.New().Set}
	})
}

// TestAnUnknownTicketCostsNoMoreWithManySessions: a stranger can make up tickets and sign out with them.
func TestAnUnknownTicketCostsNoMoreWithManySessions(t *testing.T) {
	s := memory.New().Sessions
	unknown := session.Query{FormerID: session.ID{255}, Limit: 1}
	allocations := func() float64 {
		return testing.AllocsPerRun(100, func() {
			if found, err := s.List(t.Context(), unknown); err != nil || len(found) != 0 {
				t.Fatal(found, err)
			}
		})
	}
	alone := allocations()
	for i := range uint64(5000) {
		r := &session.Record{PublicID: strconv.FormatUint(i, 10), User: "7", Expires: 1 << 40}
		binary.BigEndian.PutUint64(r.ID[8:], i)
		if err := s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if beside := allocations(); beside > alone {
		t.Errorf("beside 5000 sessions it takes %v allocations, and %v without any", beside, alone)
	}
}
