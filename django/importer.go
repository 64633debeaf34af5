package django

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/fieldvalue"
	"github.com/cloakroom-auth/cloakroom/internal/userimport"
	"github.com/cloakroom-auth/cloakroom/token"
)

// Import copies Django's users, with their hashes, groups and permissions, and the tokens of REST framework and knox, into
// stores that are not Django's. It can be repeated and may be interrupted: each run takes over what is not there yet and
// what has changed in Django since, and ends the same. What has changed here alone stays. Tokens that have ended at Django
// end here; users who are gone there are told of.
type Import struct {
	From     *DB
	Accounts account.Store       // where users go
	Importer userimport.Importer // the same, as it takes over users
	Tokens   token.Store         // where tokens go
	Source   string              // names Django's database; "": "django"
	DryRun   bool                // write nothing
	Progress func(done, total int)

	report   Report
	here     map[string]owner // by the IDs at Django
	groups   map[string]bool
	doubtful bool // it may be another Django than the last time
}

// owner is what a token needs of its user.
type owner struct{ id, epoch string }

// Report says what an import has done, or would do.
type Report struct {
	Users     int `json:"users"` // at Django
	Created   int `json:"created"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	OtherID   int `json:"other_id"`           // of those created: have another ID than at Django
	Groups    int `json:"groups"`             // created
	Tokens    int `json:"tokens"`             // created
	Gone      int `json:"gone"`               // copied earlier, and not at Django any more
	Ended     int `json:"ended"`              // tokens that were copied earlier, and have ended at Django
	LeftOut   int `json:"left_out,omitempty"` // users who were not taken over; Problems says who, and why

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
	for _, step := range []func(context.Context) error{i.importGroups, i.importUsers, i.lookForGone, i.importTokens} {
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
			err := i.Accounts.Transact(ctx, func(tx account.Tx) error { return tx.CreateGroup(g) })
			if errors.Is(err, account.ErrGroupExists) {
				i.problem("", "the group %q was made meanwhile, and was left as it is", g.Name)
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
	batch := make([]userimport.Imported, 0, len(users))
	for _, u := range users {
		if _, done := i.here[u.ID]; done {
			continue
		}
		batch = append(batch, i.imported(u))
	}
	results, err := i.Importer.Import(ctx, batch, later, i.agree)
	if err != nil && !errors.Is(err, errTried) {
		return false, err
	}
	for n, r := range results {
		if r.Deferred {
			waiting = true
			continue
		}
		i.count(&batch[n], r)
	}
	return waiting, nil
}

// errTried undoes what was only tried.
var errTried = errors.New("only tried")

func (i *Import) agree([]userimport.Result) error {
	if i.DryRun {
		return errTried
	}
	return nil
}

func (i *Import) imported(u *account.User) userimport.Imported {
	next := *u
	next.ID, next.Epoch, next.Permissions = "", "", nil
	if i.DryRun {
		next.Groups = slices.DeleteFunc(slices.Clone(next.Groups), func(g string) bool { return !i.groups[g] })
	}
	return userimport.Imported{Source: i.Source, ID: u.ID, User: next}
}

// count notes what became of a user.
func (i *Import) count(in *userimport.Imported, r userimport.Result) {
	name := in.User.Username
	i.here[in.ID] = owner{}
	switch {
	case r.Conflict == "username" && r.User == nil:
		i.problem(name, "not taken over: somebody else is called so, be it with other letters' case, in another form of Unicode, or as an e-mail address")
	case r.Conflict == "username":
		i.problem(name, "is still called %s here: the new name is somebody else's", r.User.Username)
	case r.Conflict == "email":
		i.problem(name, "taken over without the address %s, which is somebody else's", in.User.Email)
	case r.Conflict == "id":
		i.doubtful = true
		i.problem(name, "not taken over: when users were copied the last time, the ID %s was somebody else's. Is it the same Django?", in.ID)
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
		i.problem(name, "the password can't be verified (%s): give a new one with: cloakroom user reset", kind)
	}
	if flaw := fieldvalue.IdentityFlaw(r.User.Username, r.User.Email); flaw != "" {
		i.problem(strconv.Quote(r.User.Username), "applications can't be told who this is, since %s: change it with: cloakroom user set", flaw)
	}
	i.here[in.ID] = owner{r.User.ID, r.User.Epoch}
}

// lookForGone tells of users who were copied earlier, and whom Django doesn't have any more. They may still sign in here.
func (i *Import) lookForGone(ctx context.Context) error {
	known, err := i.Importer.Imports(ctx, i.Source)
	if err != nil {
		return err
	}
	for _, there := range slices.Sorted(maps.Keys(known)) {
		if _, still := i.here[there]; still {
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
			i.problem(u.Username, "is no longer at Django, and can still sign in here: cloakroom user disable, or delete")
		}
	}
	i.doubtful = i.doubtful || i.report.Gone > len(known)/2
	return nil
}
