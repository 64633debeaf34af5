package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
)

// pausing is an account store that pauses the n-th call after arm until it is released.
type pausing struct {
	account.Store
	steps bool // only Transact counts

	mu      sync.Mutex
	left    int
	reached chan struct{}
	release chan struct{}
}

func (p *pausing) arm(n int) (reached, release chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.reached, p.release = n, make(chan struct{}), make(chan struct{})
	return p.reached, p.release
}

func (p *pausing) pass(ctx context.Context, step bool) {
	if isBesides(ctx) {
		return
	}
	p.mu.Lock()
	if step || !p.steps {
		p.left--
	}
	stop, reached, release := p.left == 0 && (step || !p.steps), p.reached, p.release
	p.mu.Unlock()
	if stop {
		close(reached)
		<-release
	}
}

func (p *pausing) Load(ctx context.Context, id string) (*account.User, error) {
	p.pass(ctx, false)
	return p.Store.Load(ctx, id)
}

func (p *pausing) Find(ctx context.Context, key string) (*account.User, error) {
	p.pass(ctx, false)
	return p.Store.Find(ctx, key)
}

func (p *pausing) Groups(ctx context.Context) ([]account.Group, error) {
	p.pass(ctx, false)
	return p.Store.Groups(ctx)
}

func (p *pausing) Create(ctx context.Context, u *account.User) error {
	p.pass(ctx, true)
	return p.Store.Create(ctx, u)
}

func (p *pausing) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	p.pass(ctx, true)
	return p.Store.Change(ctx, id, change)
}

func (p *pausing) NoteSignIn(ctx context.Context, id string, s account.SignInUpdate) (*account.User, error) {
	p.pass(ctx, true)
	return p.Store.NoteSignIn(ctx, id, s)
}

func (p *pausing) FindReset(ctx context.Context, hash [32]byte, now int64) (*account.User, error) {
	p.pass(ctx, false)
	return p.Store.FindReset(ctx, hash, now)
}

func (p *pausing) Delete(ctx context.Context, id string) error {
	p.pass(ctx, true)
	return p.Store.Delete(ctx, id)
}

func (p *pausing) SetReset(ctx context.Context, id string, hash [32]byte, expires int64) error {
	p.pass(ctx, true)
	return p.Store.SetReset(ctx, id, hash, expires)
}

func (p *pausing) Transact(ctx context.Context, do func(account.Tx) error) error {
	p.pass(ctx, true)
	return p.Store.Transact(ctx, do)
}

func (p *pausing) SetGroup(ctx context.Context, g account.Group) error {
	p.pass(ctx, true)
	return p.Store.SetGroup(ctx, g)
}

func (p *pausing) DeleteGroup(ctx context.Context, name string) error {
	p.pass(ctx, true)
	return p.Store.DeleteGroup(ctx, name)
}

// stage is an administrator whose rights come from the group power, a user, and the group club.
type stage struct {
	s              *server
	n              int
	actor, subject *account.User
	power, club    string
	session, token string // public IDs of a session and a token of the subject
}

func newStage(s *server, n int) *stage {
	s.t.Helper()
	w := &stage{s: s, n: n, power: fmt.Sprint("power", n), club: fmt.Sprint("club", n)}
	s.group(w.power, append(everything(), "app.see")...)
	s.group(w.club)
	w.actor = s.with(s.user(fmt.Sprint("actor", n)), func(u *account.User) { u.IsStaff, u.Groups = true, []string{w.power} })
	w.subject = s.user(fmt.Sprint("subject", n))
	return w
}

// now returns the stored subject, or nil if it was deleted.
func (w *stage) now() *account.User {
	u, err := w.s.stores.Accounts.Load(w.s.t.Context(), w.subject.ID)
	if errors.Is(err, account.ErrNotFound) {
		return nil
	}
	if err != nil {
		w.s.t.Error(err)
	}
	return u
}

// group returns the stored group, or nil if there is none.
func (w *stage) group(name string) *account.Group {
	groups, err := w.s.stores.Accounts.Groups(w.s.t.Context())
	if err != nil {
		w.s.t.Error(err)
	}
	if i := slices.IndexFunc(groups, func(g account.Group) bool { return g.Name == name }); i >= 0 {
		return &groups[i]
	}
	return nil
}

func (w *stage) exists(name string) bool {
	_, err := w.s.stores.Accounts.Find(w.s.t.Context(), account.CanonicalLogin(name))
	return err == nil
}

func (w *stage) user() string { return adminPath + "/users/" + w.subject.ID }

// interleavedAct is a request of an administrator. about says what it changes: u for a user, g for the group club.
type interleavedAct struct {
	name, about string
	before      func(w *stage)
	send        func(c *client, w *stage) *answer
	done        func(w *stage) bool // whether the act was carried out; nil: only the response shows it
}

var interleaved = []interleavedAct{
	{"set a password", "u", nil, func(c *client, w *stage) *answer {
		return c.send("POST", w.user()+"/password", map[string]any{"password": newPassword})
	}, func(w *stage) bool { return w.now().Password != w.subject.Password }},
	{"make a reset link", "u", nil, func(c *client, w *stage) *answer {
		return c.send("POST", w.user()+"/reset", nil)
	}, nil},
	{"declare compromised", "u", nil, func(c *client, w *stage) *answer {
		return c.send("POST", w.user()+"/compromised", nil)
	}, func(w *stage) bool { return !w.now().HasPassword() }},
	{"disable", "u", nil, func(c *client, w *stage) *answer {
		return c.send("POST", w.user()+"/disable", nil)
	}, func(w *stage) bool { return !w.now().IsActive }},
	{"disable among many", "u", nil, func(c *client, w *stage) *answer {
		r := c.send("POST", disablePath, map[string]any{"users": []string{w.actor.ID, w.subject.ID}})
		if slices.Contains(r.outcomes(), w.subject.ID+" permission_denied") {
			r.StatusCode = 403
		}
		return r
	}, func(w *stage) bool { return !w.now().IsActive }},
	{"enable", "u", func(w *stage) { w.s.with(w.subject, func(u *account.User) { u.IsActive = false }) }, func(c *client, w *stage) *answer {
		return c.send("POST", w.user()+"/enable", nil)
	}, func(w *stage) bool { return w.now().IsActive }},
	{"delete", "u", nil, func(c *client, w *stage) *answer {
		return c.send("DELETE", w.user(), nil)
	}, func(w *stage) bool { return w.now() == nil }},
	{"end everything", "u", nil, func(c *client, w *stage) *answer {
		return c.send("POST", w.user()+"/end", nil)
	}, func(w *stage) bool { return w.now().Epoch != w.subject.Epoch }},
	{"edit", "u", nil, func(c *client, w *stage) *answer {
		return c.send("PATCH", w.user(), map[string]any{"email": fmt.Sprintf("other%d@example.com", w.n)})
	}, func(w *stage) bool { return w.now().Email != w.subject.Email }},
	{"add a member", "ug", nil, func(c *client, w *stage) *answer {
		return c.send("PUT", adminPath+"/groups/"+w.club+"/members/"+w.subject.ID, nil)
	}, func(w *stage) bool { return slices.Contains(w.now().Groups, w.club) }},
	{"remove a member", "ug", func(w *stage) {
		w.subject = w.s.with(w.subject, func(u *account.User) { u.Groups = []string{w.club} })
	}, func(c *client, w *stage) *answer {
		return c.send("DELETE", adminPath+"/groups/"+w.club+"/members/"+w.subject.ID, nil)
	}, func(w *stage) bool { return !slices.Contains(w.now().Groups, w.club) }},
	{"make a user", "", nil, func(c *client, w *stage) *answer {
		return c.send("POST", adminPath+"/users", map[string]any{"username": fmt.Sprint("made", w.n)})
	}, func(w *stage) bool { return w.exists(fmt.Sprint("made", w.n)) }},
	{"make a member", "g", nil, func(c *client, w *stage) *answer {
		return c.send("POST", adminPath+"/users", map[string]any{"username": fmt.Sprint("made", w.n), "groups": []string{w.club}})
	}, func(w *stage) bool { return w.exists(fmt.Sprint("made", w.n)) }},
	{"make a group", "", nil, func(c *client, w *stage) *answer {
		return c.send("POST", adminPath+"/groups", map[string]any{"name": fmt.Sprint("made", w.n), "permissions": []string{"app.see"}})
	}, func(w *stage) bool { return w.group(fmt.Sprint("made", w.n)) != nil }},
	{"edit a group", "g", nil, func(c *client, w *stage) *answer {
		return c.send("PATCH", adminPath+"/groups/"+w.club, map[string]any{"permissions": []string{"app.see"}})
	}, func(w *stage) bool { return slices.Contains(w.group(w.club).Permissions, "app.see") }},
	{"delete a group", "g", nil, func(c *client, w *stage) *answer {
		return c.send("DELETE", adminPath+"/groups/"+w.club, nil)
	}, func(w *stage) bool { return w.group(w.club) == nil }},
	{"give back to the own group what it has lost", "", nil, func(c *client, w *stage) *answer {
		return c.send("PATCH", adminPath+"/groups/"+w.power, map[string]any{"permissions": append(everything(), "app.see", "auth.view_user")})
	}, nil},
	{"end the sessions", "u", func(w *stage) { w.s.as(w.subject) }, func(c *client, w *stage) *answer {
		return c.send("DELETE", w.user()+"/sessions", nil)
	}, func(w *stage) bool { return len(w.s.records(w.subject.ID)) == 0 }},
	{"end a session", "u", func(w *stage) {
		w.s.as(w.subject)
		w.session = w.s.records(w.subject.ID)[0].PublicID
	}, func(c *client, w *stage) *answer {
		return c.send("DELETE", adminPath+"/sessions/"+w.session, nil)
	}, func(w *stage) bool { return len(w.s.records(w.subject.ID)) == 0 }},
	{"end the tokens", "u", nil, func(c *client, w *stage) *answer {
		return c.send("DELETE", w.user()+"/tokens", nil)
	}, nil},
	{"end a token", "u", func(w *stage) {
		text, t, err := w.s.api.Auth.NewPersonalToken(w.s.t.Context(), w.subject, auth.PersonalTokenOptions{Name: "script", TTL: time.Hour})
		if err != nil {
			w.s.t.Fatal(err)
		}
		w.s.secret.add(text)
		w.token = t.ID
	}, func(c *client, w *stage) *answer {
		return c.send("DELETE", adminPath+"/tokens/"+w.token, nil)
	}, nil},
}

// interruption is what another administrator does meanwhile. about says what it changes: a for the actor, u for the subject, g
// for the group club.
type interruption struct {
	name, about string
	brief       bool // whether it is tested with every store
	send        func(c *client, w *stage) *answer
}

var interruptions = []interruption{
	{"the administrator is no longer staff", "a", true, func(c *client, w *stage) *answer {
		return c.send("PATCH", adminPath+"/users/"+w.actor.ID, map[string]any{"is_staff": false})
	}},
	{"the administrator is disabled", "a", false, func(c *client, w *stage) *answer {
		return c.send("POST", adminPath+"/users/"+w.actor.ID+"/disable", nil)
	}},
	{"the administrator is deleted", "a", false, func(c *client, w *stage) *answer {
		return c.send("DELETE", adminPath+"/users/"+w.actor.ID, nil)
	}},
	{"everything of the administrator's is ended", "a", false, func(c *client, w *stage) *answer {
		return c.send("POST", adminPath+"/users/"+w.actor.ID+"/end", nil)
	}},
	{"the administrator leaves the group that gave the right", "a", false, func(c *client, w *stage) *answer {
		return c.send("DELETE", adminPath+"/groups/"+w.power+"/members/"+w.actor.ID, nil)
	}},
	{"the group gives the right no more", "a", true, func(c *client, w *stage) *answer {
		return c.send("PATCH", adminPath+"/groups/"+w.power, map[string]any{"permissions": []string{}})
	}},
	{"the group that gave the right is deleted", "a", false, func(c *client, w *stage) *answer {
		return c.send("DELETE", adminPath+"/groups/"+w.power, nil)
	}},
	{"the user becomes a superuser", "u", true, func(c *client, w *stage) *answer {
		return c.send("PATCH", w.user(), map[string]any{"is_superuser": true, "is_staff": true})
	}},
	{"the user gets a right that the administrator doesn't have", "u", false, func(c *client, w *stage) *answer {
		return c.send("PATCH", w.user(), map[string]any{"direct_permissions": []string{"app.rule"}})
	}},
	{"the group gets a right that the administrator doesn't have", "g", true, func(c *client, w *stage) *answer {
		return c.send("PATCH", adminPath+"/groups/"+w.club, map[string]any{"permissions": []string{"app.rule"}})
	}},
}

// TestAnAdministratorsRightsAreCheckedInTheTransaction pauses an administrator's request before each of its calls to the store in
// turn, while another administrator takes away the rights that it needs. Unless the act was carried out before that, the request
// is refused and changes nothing.
func TestAnAdministratorsRightsAreCheckedInTheTransaction(t *testing.T) {
	t.Attr("threat", "W12")
	onEveryEngine(t, func(t *testing.T, open func(*testing.T) stores) {
		all := strings.HasSuffix(t.Name(), "/memory")
		if strings.HasSuffix(t.Name(), "/redis") {
			return // Redis stores no accounts
		}
		inner := open(t)
		s := start(t, options{stores: func(*testing.T) stores { return inner }})
		root := s.as(s.superuser("root"))
		gate := &pausing{Store: inner.Accounts, steps: !all}
		slow := start(t, options{stores: func(*testing.T) stores {
			slowly := inner
			slowly.Accounts = gate
			return slowly
		}})
		stages := 0
		// try reports whether the request made n calls.
		try := func(t *testing.T, d interleavedAct, e interruption, n int) bool {
			stages++
			w := newStage(s, stages)
			if d.before != nil {
				d.before(w)
			}
			c := slow.client().hold(s.as(w.actor).ticket())
			reached, release := gate.arm(n)
			late := make(chan *answer, 1)
			go func() { late <- d.send(c, w) }()
			select {
			case <-reached:
			case r := <-late:
				if r.StatusCode != 200 {
					t.Errorf("without an interruption: got %d %s", r.StatusCode, r.body)
				}
				return false
			}
			done := d.done != nil && d.done(w)
			if r := e.send(root, w); r.StatusCode != 200 {
				t.Errorf("the interruption: got %d %s", r.StatusCode, r.body)
			}
			close(release)
			r := <-late
			switch {
			case done:
			case s.voided(r): // the link was made before the promotion, which voided it
			case r.StatusCode != 401 && r.StatusCode != 403:
				t.Errorf("interrupted before call %d: got %d %s", n, r.StatusCode, r.body)
			case d.done != nil && e.about != "u" && d.done(w):
				t.Errorf("interrupted before call %d: refused with %d, but carried out", n, r.StatusCode)
			}
			return true
		}
		for _, d := range interleaved {
			for _, e := range interruptions {
				if !all && !e.brief || e.about != "a" && !strings.Contains(d.about, e.about) {
					continue
				}
				t.Run(d.name+" while "+e.name, func(t *testing.T) {
					n := 1
					for try(t, d, e, n) {
						n++
					}
					if n == 1 {
						t.Error("the request didn't call the store")
					}
				})
			}
		}
	})
}

// voided reports whether a response has a reset link that isn't valid any more.
func (s *server) voided(r *answer) bool {
	s.t.Helper()
	link, _ := r.field("link").(string)
	_, secret, found := strings.Cut(link, "#")
	if !found {
		return false
	}
	s.secret.add(secret)
	return isProblem(s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)), 403, "reset_link_invalid")
}

// TestAPromotionVoidsResetLinks: a link that was made for a user with fewer rights can't be used to get the new ones.
func TestAPromotionVoidsResetLinks(t *testing.T) {
	t.Attr("threat", "W13")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		root := s.as(s.superuser("root"))
		for n, e := range interruptions {
			if e.about == "a" {
				continue
			}
			w := newStage(s, n)
			if e.about == "g" {
				w.subject = s.with(w.subject, func(u *account.User) { u.Groups = []string{w.club} })
			}
			r := s.as(w.actor).send("POST", w.user()+"/reset", nil)
			link, _ := r.field("link").(string)
			_, secret, found := strings.Cut(link, "#")
			s.secret.add(secret)
			if !found {
				t.Fatalf("no link: got %d %s", r.StatusCode, r.body)
			}
			ok(t, e.send(root, w))
			if r := s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)); !isProblem(r, 403, "reset_link_invalid") {
				t.Errorf("%s: got %d %s", e.name, r.StatusCode, r.body)
			}
			if w.now().Password != w.subject.Password {
				t.Errorf("%s: the password was set", e.name)
			}
		}
	})
}

// TestOnlyMembersAddToAGroup: programs behind the gateway get the names of groups, so even a group without permissions gives
// rights.
func TestOnlyMembersAddToAGroup(t *testing.T) {
	t.Attr("threat", "W14")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		s.group("grafana-admins")
		hands := []string{"auth.add_user", "auth.change_user", "auth.add_group"}
		admins := map[string]struct {
			u      *account.User
			status int
		}{
			"staff":                          {s.administrator("staff", hands...), 403},
			"staff who may delete groups":    {s.administrator("deleter", append(hands, "auth.delete_group")...), 403},
			"staff who may change groups":    {s.administrator("changer", append(hands, "auth.change_group")...), 200},
			"staff who is a member":          {s.with(s.administrator("member", hands...), func(u *account.User) { u.Groups = []string{"grafana-admins"} }), 200},
			"a superuser who isn't a member": {s.superuser("root"), 200},
		}
		for who, a := range admins {
			c := s.as(a.u)
			u := s.user("user-" + a.u.Username)
			members := []string{"grafana-admins"}
			for path, send := range map[string]func() *answer{
				"their own": func() *answer { return c.send("PUT", adminPath+"/groups/grafana-admins/members/"+a.u.ID, nil) },
				"another":   func() *answer { return c.send("PUT", adminPath+"/groups/grafana-admins/members/"+u.ID, nil) },
				"an edit": func() *answer {
					return c.send("PATCH", adminPath+"/users/"+u.ID, map[string]any{"groups": members})
				},
				"a new user": func() *answer {
					return c.send("POST", adminPath+"/users", map[string]any{"username": "new-" + a.u.Username, "groups": members})
				},
			} {
				s.with(u, func(u *account.User) { u.Groups = nil })
				if r := send(); r.StatusCode != a.status || a.status == 403 && r.code() != "permission_denied" {
					t.Errorf("%s, %s: got %d %s", who, path, r.StatusCode, r.body)
				}
			}
			if r := c.send("PATCH", adminPath+"/users/"+u.ID, map[string]any{"groups": []string{}}); r.StatusCode != 200 {
				t.Errorf("%s, removal: got %d %s", who, r.StatusCode, r.body)
			}
		}
		// A group that the administrator created is no exception: a program may give rights to its name.
		c := s.as(admins["staff"].u)
		ok(t, c.send("POST", adminPath+"/groups", map[string]any{"name": "wiki-admins"}))
		if r := c.send("PUT", adminPath+"/groups/wiki-admins/members/"+admins["staff"].u.ID, nil); r.StatusCode != 403 {
			t.Errorf("a group that the administrator created: got %d %s", r.StatusCode, r.body)
		}
	})
}

// TestGroupsThatDoNotExistAreRefused, on every route that takes groups, also for superusers.
func TestGroupsThatDoNotExistAreRefused(t *testing.T) {
	t.Attr("threat", "W10")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		u := s.user("ada")
		for _, c := range []*client{s.as(s.superuser("root")), s.as(s.administrator("staff", everything()...))} {
			for path, r := range map[string]*answer{
				"a new user": c.send("POST", adminPath+"/users", map[string]any{"username": "bob", "groups": []string{"nowhere"}}),
				"an edit":    c.send("PATCH", adminPath+"/users/"+u.ID, map[string]any{"groups": []string{"nowhere"}}),
			} {
				if !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), `"groups"`) {
					t.Errorf("%s: got %d %s", path, r.StatusCode, r.body)
				}
			}
			if r := c.send("PUT", adminPath+"/groups/nowhere/members/"+u.ID, nil); !isProblem(r, 404, "not_found") {
				t.Errorf("a member: got %d %s", r.StatusCode, r.body)
			}
		}
		if _, err := s.stores.Accounts.Find(t.Context(), "bob"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("bob: %v", err)
		}
	})
}

// TestConcurrentChangesOfGroups repeats a request of an administrator while a superuser takes away the rights that it needs. No
// request succeeds after the change was acknowledged, and none reverts it.
func TestConcurrentChangesOfGroups(t *testing.T) {
	t.Attr("threat", "W10")
	t.Attr("threat", "W11")
	onEveryEngine(t, func(t *testing.T, open func(*testing.T) stores) {
		if strings.HasSuffix(t.Name(), "/redis") {
			return // Redis stores no accounts
		}
		s := start(t, options{stores: open})
		root := s.as(s.superuser("root"))
		stages := 0
		// fire repeats a request of the actor in four goroutines while it calls do. It returns how many requests succeeded
		// that began after do.
		fire := func(w *stage, send func(c *client, k int) *answer, do func() *answer) (late int) {
			c := s.as(w.actor)
			var done atomic.Bool
			var after atomic.Int32
			var count atomic.Int32
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for rest := 3; rest > 0; {
						over := done.Load()
						r := send(c, int(count.Add(1)))
						if over {
							rest--
							if r.StatusCode == 200 {
								after.Add(1)
							}
						}
						if r.StatusCode >= 500 {
							w.s.t.Errorf("got %d %s", r.StatusCode, r.body)
							return
						}
					}
				})
			}
			for count.Load() < 4 { // at least one request is under way
				time.Sleep(time.Millisecond)
			}
			ok(w.s.t, do())
			done.Store(true)
			all.Wait()
			return int(after.Load())
		}
		next := func() *stage { stages++; return newStage(s, stages) }
		t.Run("a right that a group lost", func(t *testing.T) {
			w := next()
			back := map[string]any{"permissions": append(everything(), "app.see")}
			late := fire(w, func(c *client, _ int) *answer { return c.send("PATCH", adminPath+"/groups/"+w.power, back) },
				func() *answer {
					return root.send("PATCH", adminPath+"/groups/"+w.power, map[string]any{"permissions": []string{}})
				})
			if g := w.group(w.power); late > 0 || len(g.Permissions) > 0 {
				t.Errorf("%d late requests succeeded; the group has %q", late, g.Permissions)
			}
		})
		t.Run("a group that was deleted", func(t *testing.T) {
			w := next()
			back := map[string]any{"permissions": append(everything(), "app.see")}
			late := fire(w, func(c *client, _ int) *answer { return c.send("PATCH", adminPath+"/groups/"+w.power, back) },
				func() *answer { return root.send("DELETE", adminPath+"/groups/"+w.power, nil) })
			if g := w.group(w.power); late > 0 || g != nil {
				t.Errorf("%d late requests succeeded; the group is %+v", late, g)
			}
		})
		t.Run("a group that is made with rights", func(t *testing.T) {
			w := next()
			name := fmt.Sprint("chiefs", w.n)
			fire(w, func(c *client, k int) *answer {
				return c.send("POST", adminPath+"/users", map[string]any{"username": fmt.Sprintf("u%d-%d", w.n, k), "groups": []string{name}})
			}, func() *answer {
				return root.send("POST", adminPath+"/groups", map[string]any{"name": name, "permissions": []string{"app.rule"}})
			})
			members, err := s.stores.Accounts.List(t.Context(), account.Query{Group: name})
			if err != nil || len(members) > 0 {
				t.Errorf("the group has %d members (%v)", len(members), err)
			}
		})
		t.Run("a user who becomes a superuser", func(t *testing.T) {
			w := next()
			late := fire(w, func(c *client, k int) *answer {
				return c.send("PATCH", w.user(), map[string]any{"first_name": fmt.Sprint("n", k)})
			}, func() *answer {
				return root.send("PATCH", w.user(), map[string]any{"is_superuser": true, "is_staff": true})
			})
			if late > 0 || !w.now().IsSuperuser {
				t.Errorf("%d late requests succeeded; the user is %+v", late, w.now())
			}
		})
		t.Run("two who make one group", func(t *testing.T) {
			for range 5 {
				w := next()
				var made atomic.Int32
				var all sync.WaitGroup
				for range 8 {
					all.Go(func() {
						switch r := root.send("POST", adminPath+"/groups", map[string]any{"name": fmt.Sprint("made", w.n)}); {
						case r.StatusCode == 200:
							made.Add(1)
						case !isProblem(r, 400, "invalid"):
							t.Errorf("got %d %s", r.StatusCode, r.body)
						}
					})
				}
				all.Wait()
				if made.Load() != 1 {
					t.Errorf("%d requests created the group, want 1", made.Load())
				}
			}
		})
	})
}
