package main

import (
	"context"
	"encoding/hex"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
)

type keyCmd struct {
	Show   keyShow   `cmd:"" help:"Show the fingerprints of the server secrets."`
	Rotate keyRotate `cmd:"" help:"Create a new server secret; earlier ones are still accepted."`

	ReplaceLost keyReplaceLost `cmd:"" name:"replace-lost" help:"Create a new server secret for a database whose own is lost."`
}

type keyOut struct {
	Fingerprint string `json:"fingerprint"` // tells secrets apart, and nothing else about them
	Current     bool   `json:"current"`
}

// printKeys prints the fingerprints of the secrets in the key file.
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

func (keyShow) Run(_ context.Context, a *app) error { return a.printKeys() }

type keyRotate struct {
	JWTAlgorithm string `name:"jwt-algorithm" enum:",EdDSA,ES256" default:"" placeholder:"NAME" standard:"that of the current key" help:"The algorithm of the new key for JWTs: EdDSA or ES256."`
	Reseal       bool   `help:"Make a new data key as well, and seal everything anew that is sealed under the former one. Use it after a leak of the key file and the database."`
	DropJWTKeys  bool   `name:"drop-jwt-keys" help:"Refuse every JWT that was signed with an earlier key, within a minute. Use it after a leak of the key file and the database."`
}

func (keyRotate) Help() string {
	return `All sessions stay valid, and running servers load the new secret within a second. After a leak of the key file, rotate
until the leaked secret is no longer in the list.

The new key for JWTs is published at /.well-known/jwks.json at once. It signs tokens ten minutes later, when every
service that verifies them has had time to fetch it. The previous key is accepted for another day, until its last token
has expired. With --drop-jwt-keys it isn't accepted: clients with a JWT must get a new one.

Secrets in other tables than that of the keys are sealed under a data key, which is random, and which the server secret seals. So a
rotation seals one row anew. With --reseal there is a new data key, too, and everything is sealed under it, while servers go on
running. If it is interrupted, run it again. The secrets of authenticator apps are such secrets.

Example:
  cloakroom key rotate`
}

func (c *keyRotate) Run(ctx context.Context, a *app) error {
	rotate := func(s *cloakroom.Server) error {
		return a.act(ctx, s, nil, func(ctx context.Context) error {
			return s.RotateKey(ctx, cloakroom.RotationOptions{JWTAlgorithm: c.JWTAlgorithm, DropJWTKeys: c.DropJWTKeys, Reseal: c.Reseal})
		})
	}
	if err := with(ctx, a.open, rotate); err != nil {
		return err
	}
	return a.printKeys()
}
