package authenticator

import (
	"context"
	"strings"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
)

// Column returns the secrets of authenticator apps, which are sealed under the data key.
func Column(factors factor.Store) keyring.Column { return column{factors} }

type column struct{ factors factor.Store }

func (column) Purpose() string { return sealedAs }

func (c column) Values(ctx context.Context, after string, limit int) (values []keyring.Value, err error) {
	id, _, _ := strings.Cut(after, "|")
	list, err := c.factors.List(ctx, factor.TOTP, id, limit)
	for _, f := range list {
		values = append(values, keyring.Value{ID: rowOf(f), Box: f.Data})
	}
	return values, err
}

func (c column) Replace(ctx context.Context, row string, old, new []byte) (bool, error) {
	id, _, _ := strings.Cut(row, "|")
	return c.factors.ReplaceData(ctx, id, old, new)
}
