package django

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/token"
)

// importTokens copies the tokens' hashes, so that clients keep using the tokens they have.
func (i *Import) importTokens(ctx context.Context) error {
	theirs := map[token.ID]bool{}
	for _, table := range slices.Sorted(maps.Keys(tokenColumns)) {
		if i.From.schema.tables[table] && !i.From.schema.tokens[table] {
			i.problem("", "the tokens in %s were not copied: the table has another layout than the supported one%s", table, supportedVersions[table])
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

// mark is the data of a copied token. Tokens created here have none.
func (i *Import) mark() []byte { return store.ImportedTokenData(i.Source) }

func (i *Import) importToken(ctx context.Context, t importedToken) error {
	owner := i.owners[t.user]
	if owner.id == "" {
		return nil // the owner wasn't copied, which has been reported, or doesn't exist
	}
	there, err := i.Tokens.Load(ctx, t.id)
	if errors.Is(err, token.ErrNotFound) {
		added, err := i.Importer.ImportToken(ctx, &token.Record{
			ID: t.id, PublicID: token.NewPublicID(), User: owner.id, Epoch: owner.epoch, Kind: t.kind, Created: t.created, Expires: t.expires,
			Data: i.mark(),
		}, i.DryRun)
		if added {
			i.report.Tokens++
		}
		return err
	}
	// In Django each use may extend a token of knox. One with another epoch has ended here.
	if err != nil || i.DryRun || there.User != owner.id || there.Epoch != owner.epoch {
		return err
	}
	next := *there
	if t.expires == 0 || there.Expires != 0 && t.expires > there.Expires {
		next.Expires = t.expires
	}
	if next.Expires == there.Expires {
		return nil
	}
	return i.Tokens.Replace(ctx, there, &next)
}

// endTokens deletes the copied tokens that are no longer in Django.
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
			if i.other {
				i.problem("", "copied tokens that are no longer in Django were kept, since this may be another Django")
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
