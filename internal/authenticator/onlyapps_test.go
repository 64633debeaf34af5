package authenticator_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// TestUsersWithNothingButAnApp counts them among users who have something else, and more of them than are read at a time.
func TestUsersWithNothingButAnApp(t *testing.T) {
	db := memory.New()
	n := 0
	give := func(user string, codes int, factors ...*factor.Factor) {
		t.Helper()
		for _, f := range factors {
			n++
			f.ID, f.User, f.Credential = fmt.Sprintf("%06d", n), user, nil
			if f.Kind != factor.TOTP {
				f.Credential = []byte(f.ID)
			}
			if err := db.Factors.Add(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Factors.SetRecoveryCodes(t.Context(), user, make([][32]byte, codes)); err != nil {
			t.Fatal(err)
		}
	}
	of := func(kind factor.Kind, state factor.State) *factor.Factor {
		return &factor.Factor{Kind: kind, State: state}
	}
	give("recovery code", 1, of(factor.TOTP, factor.Active))
	give("passkey", 0, of(factor.TOTP, factor.Active), of(factor.Passkey, factor.Active))
	give("security key", 0, of(factor.SecurityKey, factor.Active), of(factor.TOTP, factor.Active))
	give("no app", 0, of(factor.Passkey, factor.Active))
	give("removed", 0, of(factor.TOTP, factor.Removing))
	want := 0
	for i := range 450 {
		give(fmt.Sprint("only ", i), 0, of(factor.TOTP, factor.Active))
		want++
	}
	give("still adding", 0, of(factor.TOTP, factor.Adding))
	give("the key is being removed", 0, of(factor.TOTP, factor.Active), of(factor.Passkey, factor.Removing))
	want += 2
	if got, err := authenticator.OnlyApps(t.Context(), db.Factors); got != want || err != nil {
		t.Errorf("OnlyApps = %d, %v; want %d", got, err, want)
	}
	for call := 1; call <= 3; call++ {
		faulty := storetest.Faulty(store.Set{Factors: db.Factors, Signins: db.Signins}, &storetest.FaultPlan{Call: call}).Factors
		if _, err := authenticator.OnlyApps(t.Context(), faulty); !errors.Is(err, storetest.ErrFault) {
			t.Errorf("call %d fails: %v", call, err)
		}
	}
}
