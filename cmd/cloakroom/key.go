package main

import (
	"context"
	"encoding/hex"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
)

type keyCmd struct {
	Show   keyShow   `cmd:"" help:"Show the fingerprints of the server secrets."`
	Rotate keyRotate `cmd:"" help:"Make a new server secret; older ones are still accepted."`

	ReplaceLost keyReplaceLost `cmd:"" name:"replace-lost" help:"Make a new server secret for a database whose own is lost."`
}

type keyOut struct {
	Fingerprint string `json:"fingerprint"` // tells secrets apart, and nothing else about them
	Current     bool   `json:"current"`
}

// printKeys reads the key file and prints what may be known about it.
func (a *app) printKeys() error {
	ring, err := keyring.Load(a.config().SecretFile())
	if err != nil {
		return err
	}
	var out []keyOut
	for i, key := range ring.Derive("fingerprint") {
		out = append(out, keyOut{hex.EncodeToString(key[:8]), i == 0})
	}
	if a.JSON {
		return a.json(out)
	}
	var rows [][]string
	for _, k := range out {
		use := "accepted"
		if k.Current {
			use = "current"
		}
		rows = append(rows, []string{k.Fingerprint, use})
	}
	return a.table([]string{"FINGERPRINT", "USE"}, rows)
}

type keyShow struct{}

func (keyShow) Help() string {
	return `The secrets themselves are never shown. Servers that share a database must show the same fingerprints.

Example:
  cloakroom key show`
}

func (keyShow) Run(a *app) error { return a.printKeys() }

type keyRotate struct {
	JWTAlgorithm string `name:"jwt-algorithm" enum:",EdDSA,ES256" default:"" placeholder:"NAME" standard:"that of the key before" help:"What the new key for JWTs signs with: EdDSA or ES256."`
	DropJWTKeys  bool   `name:"drop-jwt-keys" help:"Refuse every JWT that was signed with an older key, within a minute: after a leak of key file and database."`
}

func (keyRotate) Help() string {
	return `Nobody is signed out, and running servers notice within a second. After a leak of the key file, rotate until
the leaked secret is gone from the list.

The new key for JWTs is published at /.well-known/jwks.json at once, and signs ten minutes later, when every service
that checks them can know it. The one before is accepted until its last token has run out, a day later; with
--drop-jwt-keys it isn't, and who holds a JWT signs in again.

Example:
  cloakroom key rotate`
}

func (c *keyRotate) Run(ctx context.Context, a *app) error {
	rotate := func(s *cloakroom.Server) error {
		return a.act(ctx, s, nil, func(ctx context.Context) error {
			return s.RotateKey(ctx, cloakroom.Rotation{JWTAlgorithm: c.JWTAlgorithm, DropJWTKeys: c.DropJWTKeys})
		})
	}
	if err := with(ctx, a.open, rotate); err != nil {
		return err
	}
	return a.printKeys()
}
