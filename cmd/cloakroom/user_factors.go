package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
)

type userFactors struct {
	userArg
	Remove string `env:"-" placeholder:"ID" help:"Remove the factor with this ID, or all of them: all."`
}

func (userFactors) Help() string {
	return `Shows the passkeys, security keys and authenticator apps of a user, and how many recovery codes are left.

--remove is for users who have lost a device. It ends every session and token of the user. With the last factor the recovery
codes go. If the server requires a second factor, the user needs a link afterwards: cloakroom user reset

Examples:
  cloakroom user factors ada
  cloakroom user factors ada --remove all`
}

// factorsOut is what a user has, as JSON.
type factorsOut struct {
	Factors       []factorOut `json:"factors"`
	RecoveryCodes int         `json:"recovery_codes"`
	SecondStep    bool        `json:"second_step"`
}

type factorOut struct {
	ID         string      `json:"id"`
	Kind       factor.Kind `json:"kind"`
	Name       string      `json:"name"`
	CreatedAt  time.Time   `json:"created_at"`
	LastUsedAt *time.Time  `json:"last_used_at"`
}

func (c *userFactors) Run(ctx context.Context, a *app) error {
	if c.Remove != "" {
		return c.change(ctx, a, func(ctx context.Context, s *cloakroom.Server, u *account.User) error { return c.remove(ctx, a, s, u) })
	}
	return c.about(ctx, a, func(s *cloakroom.Server, u *account.User) error {
		p, err := s.Factors(ctx, u.ID)
		if err != nil {
			return err
		}
		return a.printFactors(u, p)
	})
}

func (a *app) printFactors(u *account.User, p *factor.Profile) error {
	if a.JSON {
		out := factorsOut{Factors: []factorOut{}, RecoveryCodes: p.RecoveryCodes, SecondStep: p.SecondStep}
		for _, f := range p.Factors {
			one := factorOut{ID: f.ID, Kind: f.Kind, Name: f.Name, CreatedAt: time.Unix(f.Created, 0).UTC()}
			if f.Used != 0 {
				used := time.Unix(f.Used, 0).UTC()
				one.LastUsedAt = &used
			}
			out.Factors = append(out.Factors, one)
		}
		return a.json(out)
	}
	if len(p.Factors) == 0 {
		a.say("%s has no second factor", u.Username)
		return nil
	}
	var rows [][]string
	for _, f := range p.Factors {
		rows = append(rows, []string{f.ID, kindNames[f.Kind], f.Name, ago(f.Created), ago(f.Used)})
	}
	if err := a.table([]string{"ID", "KIND", "NAME", "ADDED", "LAST USED"}, rows); err != nil {
		return err
	}
	a.say("%d recovery codes are left", p.RecoveryCodes)
	if p.SecondStep {
		a.say("%s wants a second step after each password", u.Username)
	}
	return nil
}

var kindNames = map[factor.Kind]string{factor.TOTP: "authenticator app", factor.Passkey: "passkey", factor.SecurityKey: "security key"}

func (c *userFactors) remove(ctx context.Context, a *app, s *cloakroom.Server, u *account.User) error {
	what := "all second factors"
	var err error
	if c.Remove == "all" {
		err = s.RemoveFactors(ctx, u)
	} else {
		what = "a second factor"
		err = s.RemoveFactor(ctx, u, c.Remove)
	}
	if errors.Is(err, cloakroom.ErrNoFactor) {
		return fmt.Errorf("%s has no factor %q; cloakroom user factors %s shows all", u.Username, c.Remove, u.Username)
	}
	if err != nil {
		return err
	}
	return a.printUser(u, "removed %s of %s, and ended every session and token", what, u.Username)
}
