package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// The tests in this file let sign-ins, changes of factors and the measure for a compromised account happen at the same time, each on
// a server of its own with the same stores: as they are, beside Django, whose epoch can't be moved, and behind caches, as nodes have
// them. A turn is one call to the accounts, factors, pending sign-ins or sessions, and the test
// chooses whose turn is next, and whether its process is killed before it.

var errKilled = errors.New("this process was killed")

// player is one process, which does one thing at a time.
type player struct {
	*server
	turns atomic.Pointer[turns] // nil: calls don't wait
}

// turns are what a player and the test say to each other.
type turns struct {
	wants  chan string // the call that the player waits with
	answer chan error  // nil: its turn; errKilled: this call and all later ones fail
	over   chan struct{}
	killed bool
	call   string // that the player waits with; "" if it is done
}

func newPlayer(node func(set stores, plan *storetest.FaultPlan) *server, set stores) *player {
	p := &player{}
	p.server = node(set, &storetest.FaultPlan{Before: p.before})
	return p
}

// places are where the overlaps happen. Each returns what starts a server with these stores, whose calls follow a plan if there is one.
var places = map[string]func(t *testing.T) func(stores, *storetest.FaultPlan) *server{
	"plain": func(t *testing.T) func(stores, *storetest.FaultPlan) *server {
		return func(set stores, plan *storetest.FaultPlan) *server {
			return start(t, options{stores: planned(set, plan), change: impatient})
		}
	},
	"beside Django": func(t *testing.T) func(stores, *storetest.FaultPlan) *server {
		return func(set stores, plan *storetest.FaultPlan) *server {
			return start(t, options{
				stores: planned(set, plan), change: func(a *httpapi.API) {
					impatient(a)
					a.Steps.LookAgain = true
				},
			})
		}
	},
	"on nodes": func(t *testing.T) func(stores, *storetest.FaultPlan) *server {
		hub := feed.NewLocal()
		return func(set stores, plan *storetest.FaultPlan) *server {
			return start(t, options{stores: planned(cached(t, set, hub), plan), change: impatient})
		}
	},
}

// impatient lets no request wait until another one, which has no turn meanwhile, has completed its change of factors.
func impatient(a *httpapi.API) { a.Factors.Patience = 0 }

func planned(set stores, plan *storetest.FaultPlan) func(*testing.T) stores {
	return func(*testing.T) stores {
		if plan == nil {
			return set
		}
		return allFaulty(set, plan)
	}
}

// newOverlap returns a place with three servers: two that play, and a calm one.
func newOverlap(t *testing.T, place string, set stores) (*overlap, []*player) {
	node := places[place](t)
	return &overlap{t: t, set: set, calm: node(set, nil)}, []*player{newPlayer(node, set), newPlayer(node, set)}
}

func (p *player) before(call string) error {
	t := p.turns.Load()
	kind, _, _ := strings.Cut(call, ".")
	if t == nil || !slices.Contains([]string{"account", "factor", "signin", "session", "token"}, kind) {
		return nil
	}
	t.wants <- call
	return <-t.answer
}

// await waits until the player wants another turn or is done.
func (t *turns) await() {
	select {
	case t.call = <-t.wants:
	case <-t.over:
		t.call = ""
	}
}

// play lets the players do what they do. choose chooses one of n possibilities; the first is that the player of the last turn goes on.
// If kills is set, one of the players may be killed. It returns what happened, for people to read.
func play(players []*player, deeds []func(), kills bool, choose func(n int) int) (told story) {
	all := make([]*turns, len(players))
	for i, p := range players {
		all[i] = &turns{wants: make(chan string), answer: make(chan error), over: make(chan struct{})}
		p.turns.Store(all[i])
		go func() {
			defer close(all[i].over)
			deeds[i]()
		}()
		all[i].await()
	}
	for last := 0; ; {
		var waiting []int
		for i := range all {
			if i := (last + i) % len(all); all[i].call != "" {
				waiting = append(waiting, i)
			}
		}
		if len(waiting) == 0 {
			break
		}
		n := len(waiting)
		if kills {
			n *= 2
		}
		which := choose(n)
		i := waiting[which%len(waiting)]
		t := all[i]
		last = i
		if which >= len(waiting) {
			kills, t.killed = false, true
		}
		for first := true; first || t.killed && t.call != ""; first = false {
			if t.killed {
				told = append(told, fmt.Sprintf("player %d killed before %s", i, t.call))
				t.answer <- errKilled
			} else {
				told = append(told, fmt.Sprintf("player %d: %s", i, t.call))
				t.answer <- nil
			}
			t.await()
		}
	}
	for _, p := range players {
		p.turns.Store(nil)
	}
	return told
}

// everyOrder calls run with each sequence of choices that there is; unless most is 0, only with those that choose something else than
// the first at most so often.
func everyOrder(most int, run func(choose func(n int) int)) (runs int) {
	var taken, of []int
	for {
		step, others := 0, 0
		run(func(n int) int {
			if step == len(taken) {
				if others == most && most > 0 {
					n = 1
				}
				taken, of = append(taken, 0), append(of, n)
			}
			if taken[step] > 0 {
				others++
			}
			step++
			return taken[step-1]
		})
		runs++
		taken, of = taken[:step], of[:step]
		for len(taken) > 0 && taken[len(taken)-1]+1 == of[len(of)-1] {
			taken, of = taken[:len(taken)-1], of[:len(of)-1]
		}
		if len(taken) == 0 {
			return runs
		}
		taken[len(taken)-1]++
	}
}

// overlap is a user whose factors change while others sign in.
type overlap struct {
	t     *testing.T
	set   stores
	calm  *server // whose calls don't wait
	u     *account.User
	fresh int
}

// newcomer makes another user.
func (o *overlap) newcomer() *account.User {
	o.fresh++
	o.u = o.calm.user(fmt.Sprint("user", o.fresh))
	return o.u
}

// service changes factors as the routes do, on the stores of a player.
func service(p *server) *authenticator.Service {
	return &authenticator.Service{Factors: p.stores.Factors, Log: p.api.Log, Steps: p.api.Steps}
}

// ends is what ends everything from before a change: the account gets another epoch, unless it has one already. Where the epoch can't be
// moved, everything is deleted.
func ends(p *server) authenticator.End {
	return func(ctx context.Context, u *account.User) (*account.User, error) {
		if p.api.Steps.LookAgain {
			now, err := p.stores.Accounts.Load(ctx, u.ID)
			if err == nil && now.Epoch != u.Epoch {
				err = account.ErrEpochChanged
			}
			if err == nil {
				err = p.api.Steps.EndPending(ctx, u.ID)
			}
			if err != nil {
				return nil, err
			}
			return u, p.api.Auth.DeleteRevoked(ctx, u.ID, nil)
		}
		return p.api.Accounts.RenewEpoch(ctx, u.ID, u.Epoch)
	}
}

func (o *overlap) load() *account.User {
	o.t.Helper()
	u, err := o.set.Accounts.Load(context.Background(), o.u.ID)
	if err != nil {
		o.t.Fatal(err)
	}
	return u
}

// settle finishes what was interrupted, as the next sign-in does, and returns what the user then has.
func (o *overlap) settle() *factor.Profile {
	o.t.Helper()
	ctx := context.Background()
	if _, err := service(o.calm).Settle(ctx, o.load(), ends(o.calm)); err != nil {
		o.t.Fatal(err)
	}
	p, err := o.set.Factors.Load(ctx, o.u.ID)
	if err != nil {
		o.t.Fatal(err)
	}
	// One that doesn't demand a second step may still be being added, and counts for nothing meanwhile.
	p.Factors = slices.DeleteFunc(p.Factors, func(f *factor.Factor) bool {
		return f.State == factor.Adding && f.Epoch == o.load().Epoch && f.Kind == factor.Passkey
	})
	for _, f := range p.Factors {
		if f.State != factor.Active {
			o.t.Errorf("after it is settled, a factor is %s", f.State)
		}
	}
	return p
}

// attempt is a sign-in.
type attempt struct {
	c     *client
	alone bool   // with the password alone
	token string // that it gave, in the place of a session, as in the header Authorization
}

// obtain gets a token by the password alone.
func (a *attempt) obtain(path, member, scheme string, u *account.User) {
	r := a.c.send("POST", path, map[string]any{"username": u.Username, "password": goodPassword})
	if text, ok := r.field(member).(string); ok {
		a.token = scheme + text
	}
}

func (a *attempt) signIn(p *player, u *account.User) func() {
	a.c, a.alone = p.client(), true
	return func() { a.c.login(u.Username, goodPassword) }
}

// alive reports whether the sign-in has given a session that counts.
func (o *overlap) alive(a *attempt) bool {
	if a.token != "" {
		return o.calm.program().send("GET", "/api/me", nil, "Authorization: "+a.token).StatusCode == 200
	}
	ticket := a.c.ticket()
	if ticket == "" {
		return false
	}
	return o.calm.client().hold(ticket).send("GET", "/api/me", nil).StatusCode == 200
}

// overlaps are what happens at the same time. Each plays it once, and returns an error if the end is wrong.
var overlaps = map[string]func(o *overlap, players []*player, kills bool, choose func(int) int) error{
	// Afterwards no session of the password alone counts if the factor does.
	"a sign-in and the first second factor": func(o *overlap, players []*player, kills bool, choose func(int) int) error {
		u := o.newcomer()
		var added error
		var a attempt
		story := play(players, []func(){
			a.signIn(players[0], u),
			func() {
				_, added = service(players[1].server).Add(context.Background(), u, key(o.fresh, factor.TOTP), ends(players[1].server))
			},
		}, kills, choose)
		p := o.settle()
		if added == nil && len(p.Factors) != 1 {
			return fmt.Errorf("the factor was added, and is not there: %s", story)
		}
		if len(p.Factors) > 0 && o.alive(&a) {
			return fmt.Errorf("a session of the password alone lives beside the second factor: %s", story)
		}
		return nil
	},

	"a token by the password and the first second factor": tokenBesideTheFirst("/api/auth/token", "token", "Token "),
	"knox's token and the first second factor":            tokenBesideTheFirst("/api/auth/knox/login", "token", "Token "),
	"simplejwt's pair and the first second factor":        tokenBesideTheFirst("/api/auth/jwt/create", "access", "Bearer "),

	// The same for a passkey, which demands a second step only because of the wish.
	"a sign-in and the wish for a second step": func(o *overlap, players []*player, kills bool, choose func(int) int) error {
		u := o.newcomer()
		calm := service(o.calm)
		if _, err := calm.Add(context.Background(), u, key(o.fresh, factor.Passkey), ends(o.calm)); err != nil {
			return err
		}
		var wished error
		var a attempt
		story := play(players, []func(){
			a.signIn(players[0], u),
			func() {
				_, wished = service(players[1].server).SetSecondStep(context.Background(), u, true, ends(players[1].server))
			},
		}, kills, choose)
		if wished == nil && !o.settle().SecondStep {
			return fmt.Errorf("the wish was accepted, and is not there: %s", story)
		}
		if wished == nil && o.alive(&a) {
			return fmt.Errorf("a session of the password alone lives beside the wish: %s", story)
		}
		return nil
	},

	"a second step and the removal of what it used": removal(ends, func(o *overlap, p *player, u *account.User) (a *attempt, id string, deed func()) {
		codes, hashes := authenticator.NewRecoveryCodes()
		p.withPasskey(u, factor.SecurityKey)
		must(o.t, o.set.Factors.SetRecoveryCodes(context.Background(), u.ID, hashes))
		a = &attempt{c: p.client()}
		if r := a.c.login(u.Username, goodPassword); !isProblem(r, 401, "second_factor_required") {
			o.t.Fatalf("got %d %s", r.StatusCode, r.body)
		}
		return a, o.factor(), func() {
			a.c.send("POST", "/api/auth/login/second", map[string]string{"code": codes[0]})
		}
	}),

	"a sign-in by passkey and its removal": removal(ends, func(o *overlap, p *player, u *account.User) (a *attempt, id string, deed func()) {
		body := p.assertion(p.withPasskey(u, factor.Passkey))
		a = &attempt{c: p.client()}
		return a, o.factor(), func() { a.c.send("POST", "/api/auth/passkey/login", body) }
	}),

	// The password alone must not get in while the factor seems to go, and then stays.
	"a sign-in and a removal that is refused": removal(refuses, func(o *overlap, p *player, u *account.User) (a *attempt, id string, deed func()) {
		_, err := service(o.calm).Add(context.Background(), u, key(o.fresh, factor.TOTP), ends(o.calm))
		must(o.t, err)
		a = &attempt{}
		return a, o.factor(), a.signIn(p, u)
	}),

	"a token by the password and a removal that is refused": removal(refuses, func(o *overlap, p *player, u *account.User) (a *attempt, id string, deed func()) {
		_, err := service(o.calm).Add(context.Background(), u, key(o.fresh, factor.TOTP), ends(o.calm))
		must(o.t, err)
		a = &attempt{c: p.program(), alone: true}
		return a, o.factor(), func() { a.obtain("/api/auth/token", "token", "Token ", u) }
	}),

	"an attacker's sign-in and the measure for a compromised account":      takenBack(nil),
	"an attacker's security key and the measure for a compromised account": takenBack(func(n int) *factor.Factor { return key(n, factor.SecurityKey) }),
	"an attacker's passkey and the measure for a compromised account":      takenBack(func(n int) *factor.Factor { return key(n, factor.Passkey) }),
}

// tokenBesideTheFirst gets a token by a password while the first second factor is added. Afterwards it doesn't count if the factor does.
func tokenBesideTheFirst(path, member, scheme string) func(o *overlap, players []*player, kills bool, choose func(int) int) error {
	return func(o *overlap, players []*player, kills bool, choose func(int) int) error {
		u := o.newcomer()
		var added error
		a := attempt{c: players[0].program(), alone: true}
		story := play(players, []func(){
			func() { a.obtain(path, member, scheme, u) },
			func() {
				_, added = service(players[1].server).Add(context.Background(), u, key(o.fresh, factor.TOTP), ends(players[1].server))
			},
		}, kills, choose)
		if p := o.settle(); (added == nil || len(p.Factors) > 0) && o.alive(&a) {
			return fmt.Errorf("a token by the password alone lives beside the second factor: %s", story)
		}
		return nil
	}
}

// removal removes a factor beside a sign-in. No session of the sign-in counts if the factor is gone; and none that was made with the
// password alone if it is not.
func removal(
	end func(p *server) authenticator.End, begin func(o *overlap, p *player, u *account.User) (a *attempt, id string, deed func()),
) func(o *overlap, players []*player, kills bool, choose func(int) int) error {
	return func(o *overlap, players []*player, kills bool, choose func(int) int) error {
		a, id, deed := begin(o, players[0], o.newcomer())
		u := o.load()
		var removed error
		story := play(players, []func(){deed, func() {
			_, _, removed = service(players[1].server).Remove(context.Background(), u, id, false, end(players[1].server))
		}}, kills, choose)
		p := o.settle()
		if removed == nil && len(p.Factors) > 0 {
			return fmt.Errorf("the factor was removed, and is there: %s", story)
		}
		if gone := len(p.Factors) == 0; gone != a.alone && o.alive(a) {
			return fmt.Errorf("a session lives, the factor is gone: %t: %s", gone, story)
		}
		return nil
	}
}

// refuses is the end of a request whose session has ended meanwhile.
func refuses(*server) authenticator.End {
	return func(context.Context, *account.User) (*account.User, error) { return nil, auth.ErrSessionEnded }
}

// factor returns the ID of the user's factor.
func (o *overlap) factor() string {
	o.t.Helper()
	p, err := o.set.Factors.Load(context.Background(), o.u.ID)
	if err != nil || len(p.Factors) != 1 {
		o.t.Fatalf("%+v, %v", p, err)
	}
	return p.Factors[0].ID
}

// takenBack takes an account back while an attacker, who has a session, adds a factor, or signs in. Once it is taken back, the attacker
// has nothing.
func takenBack(adds func(n int) *factor.Factor) func(o *overlap, players []*player, kills bool, choose func(int) int) error {
	return func(o *overlap, players []*player, kills bool, choose func(int) int) error {
		u := o.newcomer()
		var a attempt
		attack := a.signIn(players[0], u)
		if adds != nil {
			a.c = o.calm.as(u)
			attack = func() {
				_, _ = service(players[0].server).Add(context.Background(), u, adds(o.fresh), ends(players[0].server))
			}
		}
		administration := admin.Service{
			Accounts: players[1].api.Accounts, Audit: players[1].api.Audit, SecondStep: players[1].api.Steps,
			URL: func(context.Context) (string, error) { return "", nil },
		}
		var taken error
		story := play(players, []func(){attack, func() { _, taken = administration.DeclareCompromised(context.Background(), u, admin.Compromised{}) }}, kills, choose)
		if taken != nil {
			return nil // it is repeated
		}
		if p := o.settle(); len(p.Factors) > 0 {
			return fmt.Errorf("the attacker has a %s: %s", p.Factors[0].Kind, story)
		}
		if o.alive(&a) {
			return fmt.Errorf("the attacker has a session: %s", story)
		}
		return nil
	}
}

func key(n int, kind factor.Kind) *factor.Factor {
	if kind == factor.TOTP {
		return &factor.Factor{Kind: kind, Name: "App"}
	}
	return &factor.Factor{Kind: kind, Name: "Key", Credential: fmt.Append(nil, "credential ", n), RPID: "localhost"}
}

// story is the turns in their order.
type story []string

func (s story) String() string { return "\n" + strings.Join(s, "\n") }

// TestEveryOverlapOfChangesOfFactors goes through the orders of the calls to the stores in which the turn changes at most three times, and in
// the long run through all, also with a kill before each call.
func TestEveryOverlapOfChangesOfFactors(t *testing.T) {
	t.Attr("threat", "M06")
	long := os.Getenv("CLOAKROOM_LONG") != ""
	for name, run := range overlaps {
		for place := range places {
			if place == "on nodes" && !long {
				continue // TestOverlapsOfChangesOfFactors tries some
			}
			everyOverlap(t, name, place, run, long)
		}
	}
}

func everyOverlap(t *testing.T, name, place string, run func(*overlap, []*player, bool, func(int) int) error, long bool) {
	t.Run(name+" "+place, func(t *testing.T) {
		t.Parallel()
		o, players := newOverlap(t, place, inMemory(t))
		most := 3
		if long {
			most = 0
		}
		for _, kills := range []bool{false, true} {
			if kills && !long {
				continue
			}
			bad := 0
			runs := everyOrder(most, func(choose func(int) int) {
				if err := run(o, players, kills, choose); err != nil {
					if bad++; bad == 1 {
						t.Error(err)
					}
				}
			})
			t.Logf("of %d orders %d are bad", runs, bad)
		}
	})
}

// TestOverlapsOfChangesOfFactors tries some orders, with and without a kill, on every store.
func TestOverlapsOfChangesOfFactors(t *testing.T) {
	t.Attr("threat", "M06")
	onEveryEngine(t, func(t *testing.T, open func(*testing.T) stores) {
		names := slices.Sorted(maps.Keys(overlaps))
		for _, place := range slices.Sorted(maps.Keys(places)) {
			o, players := newOverlap(t, place, open(t))
			rapid.Check(t, func(r *rapid.T) {
				run := overlaps[rapid.SampledFrom(names).Draw(r, "what")]
				choose := func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "turn") }
				if err := run(o, players, rapid.Bool().Draw(r, "kills"), choose); err != nil {
					r.Fatal(place, err)
				}
			})
		}
	})
}
