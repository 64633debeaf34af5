package authenticator

import (
	"context"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
)

// OnlyApps returns how many users have an authenticator app and nothing else for a second step. Apps are what a lost server secret
// takes away: their secrets are sealed. Passkeys, security keys and recovery codes are not.
func OnlyApps(ctx context.Context, factors factor.Store) (n int, err error) {
	for after := ""; ; {
		apps, err := factors.List(ctx, factor.TOTP, after, onlyAppsBatch)
		if err != nil {
			return 0, fmt.Errorf("list authenticator apps: %w", err)
		}
		if len(apps) == 0 {
			return n, nil
		}
		after = apps[len(apps)-1].ID
		for _, app := range apps {
			demand, err := (&secondstep.Service{Factors: factors}).Needs(ctx, app.User)
			if err != nil {
				return 0, fmt.Errorf("load factors: %w", err)
			}
			if len(demand.Ways) == 1 && demand.Ways[0] == secondstep.TOTP {
				n++
			}
		}
	}
}

// onlyAppsBatch is how many apps are read at a time.
const onlyAppsBatch = 200
