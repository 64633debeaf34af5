package django

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/token"
)

// Import copies a Django project's users, with their hashes, groups and permissions, and the tokens of REST framework and
// knox into Cloakroom's own stores. It may be interrupted and repeated: each run copies what is new or has changed in Django
// since the last run. Changes made here stay, and no token that has ended here comes back. Tokens that ended in Django end here too. Users
// who were deleted in Django are only reported.
type Import struct {
	From     *DB
	Accounts account.Store  // the store that gets the users
	Importer store.Importer // the same store
	Tokens   token.Store    // the store that gets the tokens
	Source   string         // a name for Django's database, by which the store remembers where a user came from; "": "django"
	DryRun   bool           // count, and write nothing
	Progress func(done, total int)

	page   int // users in one step; 0: usualPage
	report ImportReport
	owners map[string]owner // by the users' IDs in Django
	groups map[string]bool
	other  bool // From may be another Django than in the last run
}

// owner is what a token needs to know about its user.
type owner struct{ id, epoch string }

// ImportReport counts what an import did, or would do.
type ImportReport struct {
	Users     int `json:"users"` // in Django
	Created   int `json:"created"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	OtherID   int `json:"other_id"`           // of those created: users whose ID differs from Django's
	Groups    int `json:"groups"`             // created
	Tokens    int `json:"tokens"`             // created
	Gone      int `json:"gone"`               // users copied earlier who are no longer in Django
	Ended     int `json:"ended"`              // tokens copied earlier that have ended in Django
	LeftOut   int `json:"left_out,omitempty"` // users who were not copied; Problems says who and why

	Problems []Problem `json:"problems"`
}

// Problem is something that an import could not copy as it is.
type Problem struct {
	User  string `json:"user,omitempty"` // the username
	About string `json:"about"`
}

// usualPage is how many users are copied in one step.
const usualPage = 200

// Run imports everything. If it returns an error, the Report covers what was done until then.
func (i *Import) Run(ctx context.Context) (*ImportReport, error) {
	i.Source = or(i.Source, "django")
	i.report, i.owners = ImportReport{Problems: []Problem{}}, map[string]owner{}
	for _, step := range []func(context.Context) error{i.importGroups, i.importUsers, i.reportGone, i.importTokens} {
		if err := step(ctx); err != nil {
			return &i.report, err
		}
	}
	return &i.report, nil
}

func (i *Import) problem(user, about string, args ...any) {
	i.report.Problems = append(i.report.Problems, Problem{user, fmt.Sprintf(about, args...)})
}

// importGroups creates the groups that are missing. A group that exists with other permissions stays as it is.
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
			i.problem("", "the group %q exists with other permissions, and was left as it is", g.Name)
		case !there && i.DryRun:
			i.report.Groups++
		case !there:
			err := i.Accounts.Transact(ctx, func(tx account.Tx) error { return tx.CreateGroup(g) })
			if errors.Is(err, account.ErrGroupExists) {
				i.problem("", "the group %q was created meanwhile, and was left as it is", g.Name)
				i.groups[g.Name] = true
				continue
			}
			if err != nil {
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
	// Users who keep their IDs come first, so that no other user is given one of those IDs.
	deferred := i.From.schema.uuid
	if !deferred {
		if deferred, err = i.pages(ctx, false); err != nil {
			return err
		}
	}
	if deferred {
		_, err = i.pages(ctx, true)
	}
	return err
}

// tryAll imports all users in one step and then undoes it: only one step shows which users conflict with each other.
func (i *Import) tryAll(ctx context.Context) error {
	users, err := i.From.Accounts().List(ctx, account.Query{})
	if err == nil {
		_, err = i.importPage(ctx, users, true)
	}
	return err
}

// pages imports all users, page by page. It reports whether some were deferred.
func (i *Import) pages(ctx context.Context, later bool) (deferred bool, err error) {
	source := i.From.Accounts()
	for after := ""; ; {
		users, err := source.List(ctx, account.Query{After: after, Limit: cmp.Or(i.page, usualPage)})
		if err != nil || len(users) == 0 {
			return deferred, err
		}
		after = users[len(users)-1].ID
		left, err := i.importPage(ctx, users, later)
		if err != nil {
			return deferred, err
		}
		deferred = deferred || left
		if i.Progress != nil {
			i.Progress(len(i.owners), i.report.Users)
		}
	}
}

func (i *Import) importPage(ctx context.Context, users []*account.User, later bool) (deferred bool, err error) {
	batch := make([]store.ImportedUser, 0, len(users))
	for _, u := range users {
		if _, done := i.owners[u.ID]; done {
			continue
		}
		batch = append(batch, i.record(u))
	}
	results, err := i.Importer.Import(ctx, batch, later, i.agree)
	if err != nil && !errors.Is(err, errTried) {
		return false, err
	}
	for n, r := range results {
		if r.Deferred {
			deferred = true
			continue
		}
		i.count(&batch[n], r)
	}
	return deferred, nil
}

// errTried makes the importer roll back what was only tried.
var errTried = errors.New("dry run")

func (i *Import) agree([]store.ImportResult) error {
	if i.DryRun {
		return errTried
	}
	return nil
}

func (i *Import) record(u *account.User) store.ImportedUser {
	next := *u
	next.ID, next.Epoch, next.Permissions = "", "", nil
	if i.DryRun {
		next.Groups = slices.DeleteFunc(slices.Clone(next.Groups), func(g string) bool { return !i.groups[g] })
	}
	return store.ImportedUser{Source: i.Source, ID: u.ID, User: next}
}

// count adds a user's result to the report.
func (i *Import) count(in *store.ImportedUser, r store.ImportResult) {
	name := in.User.Username
	i.owners[in.ID] = owner{}
	switch {
	case r.Conflict == "username" && r.User == nil:
		i.problem(name, "not copied: another user here has this name, or the same name in other letter case or Unicode form, or as an e-mail address")
	case r.Conflict == "username":
		i.problem(name, "is still called %s here: another user here has the new name", r.User.Username)
	case r.Conflict == "email":
		i.problem(name, "copied without the address %s, which another user here has", in.User.Email)
	case r.Conflict == "id":
		i.other = true
		i.problem(name, "not copied: in the last import, the ID %s belonged to another user. Is this the same Django?", in.ID)
	}
	if r.User == nil {
		i.report.LeftOut++
		return
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
	if kind := hashKind(in.User.Password); kind == "unknown" || kind == "crypt" {
		i.problem(name, "the password hash can't be verified (%s): set a new password with: cloakroom user reset", kind)
	}
	if flaw := r.User.HeaderFlaw(); flaw != "" {
		i.problem(strconv.Quote(r.User.Username), "can't be named to applications in a header, since %s: change it with: cloakroom user set", flaw)
	}
	i.owners[in.ID] = owner{r.User.ID, r.User.Epoch}
}

// reportGone reports the users who were copied earlier and are no longer in Django. They can still sign in here.
func (i *Import) reportGone(ctx context.Context) error {
	known, err := i.Importer.Imports(ctx, i.Source)
	if err != nil {
		return err
	}
	for _, there := range slices.Sorted(maps.Keys(known)) {
		if _, still := i.owners[there]; still {
			continue
		}
		u, err := i.Accounts.Load(ctx, known[there])
		if errors.Is(err, account.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		i.report.Gone++
		if u.IsActive {
			i.problem(u.Username, "is no longer in Django, but can still sign in here: cloakroom user disable, or delete")
		}
	}
	i.other = i.other || i.report.Gone > len(known)/2
	return nil
}
