package django

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/token"
)

// Import copies Django's users, with their hashes, groups and permissions, and the tokens of REST framework and knox, into
// stores that are not Django's. It can be repeated and may be interrupted: each run takes over what is not there yet and
// what has changed in Django since, and ends the same.
type Import struct {
	From     *DB
	Accounts account.Store    // where users go
	Importer account.Importer // the same, as it takes over users
	Tokens   token.Store      // where tokens go
	Source   string           // names Django's database; "": "django"
	DryRun   bool             // write nothing
	Progress func(done, total int)

	report Report
	here   map[string]owner // by the IDs at Django
	groups map[string]bool
}

// owner is what a token needs of its user.
type owner struct{ id, epoch string }

// Report says what an import has done, or would do.
type Report struct {
	Users     int `json:"users"` // at Django
	Created   int `json:"created"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	OtherID   int `json:"other_id"` // of those created: have another ID than at Django
	Groups    int `json:"groups"`   // created
	Tokens    int `json:"tokens"`   // created

	Problems []Problem `json:"problems"`
}

// Problem is something that can't be taken over.
type Problem struct {
	User  string `json:"user,omitempty"` // the name
	About string `json:"about"`
}

// pageSize is how many users are taken over in one step.
const pageSize = 200

// Run imports everything. With an error the Report is about what was done until then.
func (i *Import) Run(ctx context.Context) (*Report, error) {
	i.Source = or(i.Source, "django")
	i.report, i.here = Report{Problems: []Problem{}}, map[string]owner{}
	for _, step := range []func(context.Context) error{i.importGroups, i.importUsers, i.importTokens} {
		if err := step(ctx); err != nil {
			return &i.report, err
		}
	}
	return &i.report, nil
}

func (i *Import) problem(user, about string, args ...any) {
	i.report.Problems = append(i.report.Problems, Problem{user, fmt.Sprintf(about, args...)})
}

// importGroups makes the groups that aren't there. One that is, with other permissions, is left as it is.
func (i *Import) importGroups(ctx context.Context) error {
	theirs, err := i.From.Accounts().Groups(ctx)
	if err != nil {
		return err
	}
	ours, err := i.Accounts.Groups(ctx)
	if err != nil {
		return err
	}
	have := map[string][]string{}
	i.groups = map[string]bool{}
	for _, g := range ours {
		have[g.Name], i.groups[g.Name] = g.Permissions, true
	}
	for _, g := range theirs {
		permissions, there := have[g.Name]
		switch {
		case there && !slices.Equal(permissions, g.Permissions):
			i.problem("", "the group %q is there with other permissions, and was left as it is", g.Name)
		case !there && i.DryRun:
			i.report.Groups++
		case !there:
			if err := i.Accounts.SetGroup(ctx, g); err != nil {
				return err
			}
			i.report.Groups++
			i.groups[g.Name] = true
		}
	}
	return nil
}

func (i *Import) importUsers(ctx context.Context) error {
	err := i.From.read.QueryRowContext(ctx, `SELECT count(*) FROM `+quote(i.From.config.UserTable)).Scan(&i.report.Users)
	if err != nil {
		return fmt.Errorf("count users: %w", err)
	}
	if i.DryRun {
		return i.tryAll(ctx)
	}
	// First those who keep their IDs, so that nobody else is given one of them.
	waiting := i.From.schema.uuid
	if !waiting {
		if waiting, err = i.pages(ctx, false); err != nil {
			return err
		}
	}
	if waiting {
		_, err = i.pages(ctx, true)
	}
	return err
}

// tryAll tries all users in one step, which is then undone: only so it shows who stands in whose way.
func (i *Import) tryAll(ctx context.Context) error {
	users, err := i.From.Accounts().List(ctx, account.Query{})
	if err == nil {
		_, err = i.page(ctx, users, true)
	}
	return err
}

// pages takes over all users, page by page. It reports whether some must wait.
func (i *Import) pages(ctx context.Context, later bool) (waiting bool, err error) {
	source := i.From.Accounts()
	for after := ""; ; {
		users, err := source.List(ctx, account.Query{After: after, Limit: pageSize})
		if err != nil || len(users) == 0 {
			return waiting, err
		}
		after = users[len(users)-1].ID
		left, err := i.page(ctx, users, later)
		if err != nil {
			return waiting, err
		}
		waiting = waiting || left
		if i.Progress != nil {
			i.Progress(len(i.here), i.report.Users)
		}
	}
}

func (i *Import) page(ctx context.Context, users []*account.User, later bool) (waiting bool, err error) {
	batch := make([]account.Imported, 0, len(users))
	for _, u := range users {
		if _, done := i.here[u.ID]; done {
			continue
		}
		in, err := i.imported(u)
		if err != nil {
			return false, err
		}
		batch = append(batch, in)
	}
	results, err := i.Importer.Import(ctx, batch, later, i.DryRun)
	if err != nil {
		return false, err
	}
	for n, r := range results {
		if r.Later {
			waiting = true
			continue
		}
		i.count(&batch[n], r)
		if r.Changed && !i.DryRun {
			// Who keeps users in memory hears of changes that go through the store.
			if _, err := i.Accounts.Change(ctx, r.User.ID, func(*account.User) error { return nil }); err != nil {
				return false, err
			}
		}
	}
	return waiting, nil
}

func (i *Import) imported(u *account.User) (account.Imported, error) {
	next := *u
	next.ID, next.Epoch, next.Permissions = "", "", nil
	if i.DryRun {
		next.Groups = slices.DeleteFunc(slices.Clone(next.Groups), func(g string) bool { return !i.groups[g] })
	}
	state, err := json.Marshal(next)
	if err != nil {
		return account.Imported{}, fmt.Errorf("import user %s: %w", u.ID, err)
	}
	return account.Imported{
		Source: i.Source, ID: u.ID, User: next, State: sha256.Sum256(state), Password: sha256.Sum256([]byte(u.Password)),
	}, nil
}

// count notes what became of a user.
func (i *Import) count(in *account.Imported, r account.ImportResult) {
	name := in.User.Username
	i.here[in.ID] = owner{}
	if r.Taken == "username" {
		i.problem(name, "not taken over: somebody else is called so, be it with other letters' case or as an e-mail address")
		return
	}
	if r.Taken == "email" {
		i.problem(name, "taken over without the address %s, which is somebody else's", in.User.Email)
	}
	switch {
	case r.Created:
		i.report.Created++
		if r.User.ID != in.ID {
			i.report.OtherID++
		}
	case r.Changed:
		i.report.Changed++
	default:
		i.report.Unchanged++
	}
	if kind := HashKind(in.User.Password); kind == "unknown" || kind == "crypt" {
		i.problem(name, "the password can't be verified (%s): give a new one with: cloakroom user reset", kind)
	}
	i.here[in.ID] = owner{r.User.ID, r.User.Epoch}
}

// importTokens makes the tokens good here. Who holds one need do nothing.
func (i *Import) importTokens(ctx context.Context) error {
	for _, read := range []func(context.Context) ([]importedToken, error){i.From.drfTokens, i.From.knoxTokens} {
		tokens, err := read(ctx)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			if err := i.importToken(ctx, t); err != nil {
				return fmt.Errorf("import token: %w", err)
			}
		}
	}
	return nil
}

func (i *Import) importToken(ctx context.Context, t importedToken) error {
	owner := i.here[t.user]
	if owner.id == "" {
		return nil // the owner has been told of, or is gone
	}
	r := &token.Record{ID: t.id, PublicID: token.NewPublicID(), User: owner.id, Epoch: owner.epoch, Kind: t.kind, Created: t.created, Expires: t.expires}
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
	case err != nil || i.DryRun || there.Epoch == owner.epoch && there.User == owner.id:
		return err
	}
	// At Django a token outlives a change of the password.
	next := *there
	next.User, next.Epoch = owner.id, owner.epoch
	return i.Tokens.Replace(ctx, there, &next)
}
