package django

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cloakroom-auth/cloakroom/token"
)

// importTokens makes the tokens good here. Who holds one need do nothing.
func (i *Import) importTokens(ctx context.Context) error {
	theirs := map[token.ID]bool{}
	for _, table := range slices.Sorted(maps.Keys(tokenColumns)) {
		if i.From.schema.tables[table] && !i.From.schema.tokens[table] {
			i.problem("", "the tokens in %s were left: it is not the table that is known here%s", table, strangeTokens[table])
		}
	}
	for _, read := range []func(context.Context) ([]importedToken, error){i.From.drfTokens, i.From.knoxTokens} {
		tokens, err := read(ctx)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			theirs[t.id] = true
			if err := i.importToken(ctx, t); err != nil {
				return fmt.Errorf("import token: %w", err)
			}
		}
	}
	return i.endTokens(ctx, theirs)
}

// mark is the data of a token that was copied. Those made here have none.
func (i *Import) mark() []byte { return []byte("imported: " + i.Source) }

func (i *Import) importToken(ctx context.Context, t importedToken) error {
	owner := i.here[t.user]
	if owner.id == "" {
		return nil // the owner has been told of, or is gone
	}
	r := &token.Record{
		ID: t.id, PublicID: token.NewPublicID(), User: owner.id, Epoch: owner.epoch, Kind: t.kind, Created: t.created, Expires: t.expires,
		Data: i.mark(),
	}
	there, err := i.Tokens.Load(ctx, t.id)
	switch {
	case errors.Is(err, token.ErrNotFound) && i.DryRun:
		i.report.Tokens++
		return nil
	case errors.Is(err, token.ErrNotFound):
		if err := i.Tokens.Create(ctx, r, token.Limit{}); err != nil {
			return err
		}
		i.report.Tokens++
		return nil
	case err != nil || i.DryRun:
		return err
	}
	// At Django a token outlives a change of the password, and one of knox's may live longer with each use.
	next := *there
	next.User, next.Epoch, next.Data = owner.id, owner.epoch, i.mark()
	if t.expires == 0 || there.Expires != 0 && t.expires > there.Expires {
		next.Expires = t.expires
	}
	if next.User == there.User && next.Epoch == there.Epoch && next.Expires == there.Expires && bytes.Equal(next.Data, there.Data) {
		return nil
	}
	return i.Tokens.Replace(ctx, there, &next)
}

// endTokens ends the tokens that were copied and are not at Django any more.
func (i *Import) endTokens(ctx context.Context, theirs map[token.ID]bool) error {
	for _, kind := range []token.Kind{token.DRF, token.Knox} {
		ours, err := i.Tokens.List(ctx, token.Query{Kind: kind})
		if err != nil {
			return fmt.Errorf("list tokens: %w", err)
		}
		for _, t := range ours {
			if !bytes.Equal(t.Data, i.mark()) || theirs[t.ID] {
				continue
			}
			if i.doubtful {
				i.problem("", "tokens that are not at Django any more were left as they are, since it may be another Django")
				return nil
			}
			i.report.Ended++
			if i.DryRun {
				continue
			}
			if err := i.Tokens.Delete(ctx, t.ID); err != nil {
				return fmt.Errorf("end token: %w", err)
			}
		}
	}
	return nil
}
