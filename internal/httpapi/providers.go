package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/oidc"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/signin"
)

var (
	errProviderAway = problem.New(http.StatusBadGateway, "provider_unavailable",
		"The provider doesn't answer just now. Try again later, or sign in another way.")
	errOwnFactor = problem.New(http.StatusForbidden, "own_factor_required",
		"This account has a password or another factor of its own. Show that instead.")
	errLastPasskey = problem.New(http.StatusConflict, "last_way_in",
		"This passkey is the only way to sign in to the account. Set a password, or add another passkey or a link first.")
	errLastWayIn = problem.New(http.StatusConflict, "last_way_in",
		"This link is the only way to sign in to the account. Set a password, or add a passkey or another link first.")
)

// providerTime bounds how long a browser that has come back waits for its provider.
const providerTime = 15 * time.Second

// provider returns the provider that the path names.
func (c *call) provider() (*oidc.Provider, error) {
	name := c.r.PathValue("provider")
	i := slices.IndexFunc(c.api.Providers, func(p *oidc.Provider) bool { return p.Name == name })
	if i < 0 {
		return nil, errNotFound
	}
	return c.api.Providers[i], nil
}

type startIn struct {
	Next     *string `json:"next"`
	Remember *bool   `json:"remember"`
	Intent   *string `json:"intent"`
}

type startOut struct {
	Location string `json:"location"`
}

// startAtProvider returns the address at a provider to which the page goes next, and gives the browser the cookie of the attempt. It is
// no form that is answered by a redirect, because browsers hold the redirects of a form to form-action.
func startAtProvider(c *call, in startIn) (startOut, error) {
	p, err := c.provider()
	if err != nil {
		return startOut{}, err
	}
	a := &attempt{
		Attempt: oidc.NewAttempt(), Intent: toSignIn, Next: "/auth/account", Remember: in.Remember == nil || *in.Remember, Began: time.Now().Unix(),
	}
	if in.Next != nil {
		if a.Next = *in.Next; !safeNext(a.Next) && !c.safeElsewhere(a.Next) {
			return startOut{}, invalid(map[string][]string{"next": {"This is neither a path of this site nor a page of an origin that it trusts."}})
		}
	}
	if in.Intent != nil {
		a.Intent = *in.Intent
	}
	if err := c.checkIntent(a); err != nil {
		return startOut{}, err
	}
	// A provider that is trusted for the second factor must say when it was shown.
	a.Fresh = a.Intent == toReauthenticate || p.SecondFactor == "theirs"
	location, err := c.askProvider(func(ctx context.Context) (string, error) { return p.Start(ctx, a.Attempt) })
	if err != nil {
		return startOut{}, err
	}
	return startOut{location}, c.keepAttempt(p.Name, a)
}

// checkIntent authorizes the caller for what an attempt is for, and binds it to the session.
func (c *call) checkIntent(a *attempt) error {
	switch a.Intent {
	case toSignIn:
		return nil
	case toLink:
		c.needs = needsFullyFresh
	case toReauthenticate:
		c.needs = needsSession
	default:
		return invalid(map[string][]string{"intent": {"Expected signin, link or reauthenticate."}})
	}
	if err := c.authorizeAgain(c.ctx()); err != nil {
		return err
	}
	a.User, a.Session = c.who.User.ID, c.who.Session.ID
	if a.Intent == toReauthenticate {
		return c.checkNoOwnFactor(c.who.User)
	}
	return nil
}

// checkNoOwnFactor returns an error if the user has something of their own to show.
func (c *call) checkNoOwnFactor(u *account.User) error {
	_, ways, err := c.api.Steps.Has(c.ctx(), u.ID)
	if err == nil && (u.HasPassword() || len(ways) > 0) {
		err = errOwnFactor
	}
	return err
}

// askProvider calls a provider. Its time doesn't count against that of the stores.
func (c *call) askProvider(ask func(context.Context) (string, error)) (string, error) {
	defer resilience.PauseLimit(c.ctx())()
	ctx, cancel := context.WithTimeout(c.ctx(), providerTime)
	defer cancel()
	text, err := ask(ctx)
	if errors.Is(err, oidc.ErrUnavailable) || err != nil && ctx.Err() != nil && c.ctx().Err() == nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "provider unavailable", slog.Any("error", err))
		err = errProviderAway
	}
	return text, err
}

// failed is an end of an attempt that the person can do something about. Its code is put behind the address of a page.
type failed string

func (f failed) Error() string { return string(f) }

const (
	attemptLost       failed = "attempt_lost"      // the browser hasn't begun it, or too long ago
	providerRefused   failed = "provider_refused"  // or the person did, there
	providerMismatch  failed = "provider_mismatch" // the answer proves nothing
	noAccount         failed = "no_account"
	linkRequired      failed = "link_required" // there is an account with this address; sign in to it and link it
	alreadyLinked     failed = "already_linked"
	enrolmentRequired failed = "enrolment_required" // this server asks the user for a second factor, and there is none
	notAdmitted       failed = "not_admitted"       // the provider's settings let in people of other domains alone
	notFresh          failed = "not_fresh"          // the provider doesn't say that the person has authenticated just now
)

// finishAtProvider is where a provider sends the browser back to.
func finishAtProvider(c *call) (location string, err error) {
	p, err := c.provider()
	if err != nil {
		return "", err
	}
	if c.r.Method == http.MethodHead {
		return "", errNotFound
	}
	ctx, cancel := resilience.Limit(c.ctx(), callTimeout)
	defer cancel()
	c.r = c.r.WithContext(ctx)
	answer, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		answer = url.Values{}
	}
	if err := c.openUser(p, answer); err != nil {
		return "", err
	}
	a, err := c.takeAttempt(p.Name, answer.Get("state"))
	if err != nil {
		return "", err
	}
	if a == nil {
		return "/signin#error=" + string(attemptLost), nil
	}
	location, err = c.conclude(p, a, answer)
	if code, ok := errors.AsType[failed](err); ok {
		return a.failure(string(code)), nil
	}
	if errors.Is(err, errProviderAway) {
		return a.failure(errProviderAway.Code), nil
	}
	if errors.Is(err, errPendingEnded) || errors.Is(err, session.ErrEnded) {
		return a.failure(string(attemptLost)), nil
	}
	return location, err
}

// failure returns the page that shows why an attempt has failed.
func (a *attempt) failure(code string) string { return a.unfinished("error=" + code) }

// unfinished returns the page on which a person goes on who is not signed in yet: the sign-in page, or the page of another origin
// that has begun the attempt. The fragment says what is due.
func (a *attempt) unfinished(fragment string) string {
	page := "/signin?next=" + url.QueryEscape(a.Next)
	if !strings.HasPrefix(a.Next, "/") {
		page, _, _ = strings.Cut(a.Next, "#")
	} else if a.Intent != toSignIn {
		page = "/auth/account"
	}
	return page + "#" + fragment
}

// conclude does what an attempt was begun for, and returns where the browser goes next. Tokens that weren't kept are given back.
func (c *call) conclude(p *oidc.Provider, a *attempt, answer url.Values) (string, error) {
	claims, err := c.claims(p, a, answer)
	if err != nil {
		return "", err
	}
	location, err := c.act(p, a, claims)
	c.dropTokens(p, claims)
	return location, err
}

// dropTokens has the tokens of a visit revoked, unless they were kept, or something lives that was begun by the same account there: many
// providers end all tokens of a person with one of them, which would end that session as well.
func (c *call) dropTokens(p *oidc.Provider, claims *oidc.Claims) {
	if claims.Tokens == nil || c.kept || c.api.Grants == nil {
		return
	}
	ctx, cancel := c.afterwards()
	defer cancel()
	living, err := c.anyLives(ctx, claims)
	if err != nil {
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "tokens that weren't kept are not revoked", slog.String("provider", p.Name), slog.Any("error", err))
	}
	if err == nil && !living {
		c.api.Grants.Drop(p, claims.Tokens)
	}
}

// anyLives reports whether anything lives that was begun by this account at the provider.
func (c *call) anyLives(ctx context.Context, claims *oidc.Claims) (bool, error) {
	begun, err := c.api.Links.Origins(ctx, claims.Issuer, claims.Subject, "")
	if err != nil {
		return false, err
	}
	for _, o := range begun {
		if lives, err := c.lives(ctx, o); lives || err != nil {
			return lives, err
		}
	}
	return false, nil
}

// act does what an attempt was begun for, with what the provider says.
func (c *call) act(p *oidc.Provider, a *attempt, claims *oidc.Claims) (string, error) {
	switch a.Intent {
	case toLink:
		return a.Next, c.linkAccount(p, a, claims)
	case toReauthenticate:
		return a.Next, c.reauthenticateAtProvider(a, claims)
	}
	return c.signInAtProvider(p, a, claims)
}

// claims returns what a provider says. An attempt counts once, even at a provider whose codes count more often.
func (c *call) claims(p *oidc.Provider, a *attempt, answer url.Values) (*oidc.Claims, error) {
	var claims *oidc.Claims
	_, err := c.askProvider(func(ctx context.Context) (_ string, err error) {
		claims, err = p.Finish(ctx, a.Attempt, answer)
		return "", err
	})
	switch {
	case errors.Is(err, oidc.ErrRefused):
		err = c.recordFailure(p, providerRefused, err)
	case errors.Is(err, oidc.ErrMismatch):
		err = c.recordFailure(p, providerMismatch, err)
	case err == nil && !p.Admits(claims):
		c.dropTokens(p, claims)
		err = c.recordFailure(p, notAdmitted, errors.New("the address is of no allowed domain, or is not verified"))
	}
	if err != nil {
		return nil, err
	}
	mark := sha256.Sum256([]byte("attempt " + a.State))
	err = c.api.Steps.Signins.MarkSpent(c.ctx(), mark, a.Began+int64(2*attemptLife/time.Second))
	if errors.Is(err, signin.ErrSpent) {
		err = attemptLost
	}
	return claims, err
}

func (c *call) recordFailure(p *oidc.Provider, code failed, err error) error {
	c.api.Audit.Record(c.ctx(), audit.ProviderKinds.Fail, slog.String("provider", p.Name), slog.String("reason", shorten(err.Error())))
	return code
}

// origin returns the origin of what an attempt has begun.
func (a *attempt) origin(user string, claims *oidc.Claims) *federation.SessionOrigin {
	return &federation.SessionOrigin{User: user, Issuer: claims.Issuer, Subject: claims.Subject, SID: claims.Session, Began: a.Began}
}

// signInAtProvider signs in the user that the account at the provider is linked to.
func (c *call) signInAtProvider(p *oidc.Provider, a *attempt, claims *oidc.Claims) (string, error) {
	u, err := c.userOf(p, claims)
	if err != nil {
		return "", err
	}
	demand, err := c.api.Steps.Needs(c.ctx(), u.ID)
	if err != nil {
		return "", err
	}
	if u, demand, err = c.settleFactors(u, demand); err != nil {
		return "", err
	}
	in := completed{
		user: u, epoch: u.Epoch, demand: demand, method: "oidc", methods: []signin.Method{signin.Federated}, remember: a.Remember,
		origin: a.origin(u.ID, claims), provider: p, tokens: claims.Tokens,
	}
	fresh := claims.AuthAt >= time.Now().Add(-freshFor).Unix()
	if in.second = claims.TwoFactors && fresh; in.second {
		in.methods = append(in.methods, signin.MultiFactor)
	}
	switch {
	case len(demand.Ways) > 0 && !in.second:
		return c.suspendAtProvider(p, a, claims, in, signin.SecondStep)
	case demand.Enrol && !in.second && c.api.EnrolOnPassword:
		return c.suspendAtProvider(p, a, claims, in, signin.Enrolment)
	case demand.Enrol && !in.second && c.canMailCode(u):
		return c.suspendAtProvider(p, a, claims, in, signin.EnrolmentCode)
	case demand.Enrol && !in.second:
		return "", enrolmentRequired
	}
	in.stale = !in.second && (!fresh || c.checkNoOwnFactor(u) != nil)
	switch in.user, err = c.setGroups(p, u, claims.Groups); {
	case errors.Is(err, account.ErrNotFound): // the user or a group was deleted meanwhile
		return "", attemptLost
	case err != nil:
		return "", err
	}
	if _, err := c.finishSignIn(shorten(u.Username), in); err != nil {
		return "", err
	}
	c.endPending()
	return a.Next, nil
}

// setGroups puts a user into the groups that the provider gives, and takes them out of those that it could give and doesn't. Other
// groups are left alone. It is called once the sign-in is complete.
func (c *call) setGroups(p *oidc.Provider, u *account.User, gives []string) (*account.User, error) {
	if p.GroupsClaim == "" {
		return u, nil
	}
	var there []string
	for _, name := range gives {
		_, err := c.api.Accounts.Group(c.ctx(), name)
		if errors.Is(err, account.ErrNotFound) {
			c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "a provider gives a group that isn't there", slog.String("provider", p.Name), slog.String("group", name))
			continue
		}
		if err != nil {
			return nil, err
		}
		there = append(there, name)
	}
	could := slices.Collect(maps.Values(p.Groups))
	merged := func(has []string) []string {
		groups := slices.DeleteFunc(slices.Clone(has), func(name string) bool { return slices.Contains(could, name) })
		groups = append(groups, there...)
		slices.Sort(groups)
		return slices.Compact(groups)
	}
	if slices.Equal(merged(u.Groups), u.Groups) {
		return u, nil
	}
	service := admin.Service{Accounts: c.api.Accounts, Audit: c.api.Audit}
	return service.EditUser(c.ctx(), u.ID, func(now *account.User) error {
		now.Groups = merged(now.Groups) // an administrator may have changed them meanwhile
		return nil
	})
}

// given is what a pending sign-in keeps of the groups that a provider gives, in its Data.
type given struct {
	Provider string   `json:"provider"`
	Groups   []string `json:"groups"`
}

// setPendingGroups is setGroups for a pending sign-in that has been completed.
func (c *call) setPendingGroups(p *signin.Pending, u *account.User) (*account.User, error) {
	if len(p.Data) == 0 {
		return u, nil
	}
	var g given
	if err := json.Unmarshal(p.Data, &g); err != nil {
		return nil, fmt.Errorf("pending sign-in: %w", err)
	}
	i := slices.IndexFunc(c.api.Providers, func(p *oidc.Provider) bool { return p.Name == g.Provider })
	if i < 0 {
		return nil, errPendingEnded
	}
	u, err := c.setGroups(c.api.Providers[i], u, g.Groups)
	if errors.Is(err, account.ErrNotFound) {
		err = errPendingEnded
	}
	return u, err
}

// freshFor is how long ago a provider may have authenticated a person for that to count as just now.
const freshFor = 10 * time.Minute

// suspendAtProvider keeps a sign-in that waits for the user's own second factor, or until there is one.
func (c *call) suspendAtProvider(p *oidc.Provider, a *attempt, claims *oidc.Claims, in completed, kind signin.Kind) (string, error) {
	pending := &signin.Pending{
		Kind:     kind,
		Proof:    signin.Proof{User: in.user.ID, Epoch: in.epoch, Methods: in.methods, FirstAt: time.Now().Unix()},
		Remember: in.remember, Device: c.device(in.user), Address: addressText(c.address()),
	}
	if p.GroupsClaim != "" {
		var err error
		if pending.Data, err = json.Marshal(given{p.Name, claims.Groups}); err != nil {
			return "", fmt.Errorf("pending sign-in: %w", err)
		}
	}
	secret, err := c.api.Steps.Begin(c.ctx(), pending)
	if err != nil {
		return "", err
	}
	if err := c.keepPendingOrigin(*in.origin, pending); err != nil {
		return "", errors.Join(err, c.api.Steps.Cancel(c.ctx(), secret))
	}
	if claims.Tokens != nil {
		err := c.api.Grants.KeepPending(c.ctx(), hex.EncodeToString(pending.ID[:]), in.user.ID, pending.Expires, p, claims.Tokens)
		if err != nil {
			return "", errors.Join(err, c.api.Steps.Cancel(c.ctx(), secret))
		}
		c.kept = true
	}
	c.api.Audit.Record(c.ctx(), audit.SecondFactorKinds.Required, slog.String("user", in.user.ID))
	c.setPending(secret, secondstep.Lifetime)
	return a.unfinished("pending"), nil
}

// userOf returns the user that the account at the provider is linked to. If there is none, and the provider may sign people up, it makes
// one. The account is read before the link: an act that takes the account back removes the link before it deletes sessions, so
// that a sign-in which overlaps finds no link, or its session is among those.
func (c *call) userOf(p *oidc.Provider, claims *oidc.Claims) (*account.User, error) {
	l, err := c.api.Links.Find(c.ctx(), claims.Issuer, claims.Subject)
	if errors.Is(err, federation.ErrNotFound) {
		return c.signUpAtProvider(p, claims)
	}
	if err != nil {
		return nil, err
	}
	u, err := c.api.Accounts.Store.Load(c.ctx(), l.User)
	if errors.Is(err, account.ErrNotFound) { // the link was left by a deletion that was interrupted
		if _, err := c.api.Links.DeleteUser(c.ctx(), l.User); err != nil {
			return nil, err
		}
		return c.signUpAtProvider(p, claims)
	}
	if err != nil {
		return nil, err
	}
	if !u.IsActive {
		return nil, c.recordFailure(p, noAccount, errors.New("the account is disabled"))
	}
	err = c.api.Links.Use(c.ctx(), l.ID, time.Now().Unix(), claims.Email)
	if errors.Is(err, federation.ErrNotFound) {
		err = attemptLost // it was removed meanwhile
	}
	return u, err
}

// signUpAtProvider makes an account for a person who has none. An address is no reason to let them into one that exists.
func (c *call) signUpAtProvider(p *oidc.Provider, claims *oidc.Claims) (*account.User, error) {
	email := ""
	if claims.EmailVerified {
		email = claims.Email
	}
	if email != "" {
		_, err := c.api.Accounts.Lookup(c.ctx(), email)
		if err == nil {
			return nil, c.recordFailure(p, linkRequired, errors.New("an account has this address, and is not linked"))
		}
		if !errors.Is(err, account.ErrNotFound) {
			return nil, err
		}
	}
	if !p.SignUp {
		return nil, c.recordFailure(p, noAccount, errors.New("no account is linked"))
	}
	// The first account is the administrator's: the set-up link works only until there is one.
	needed, err := c.api.Accounts.NeedsSetup(c.ctx())
	if err != nil {
		return nil, err
	}
	if needed {
		return nil, c.recordFailure(p, noAccount, errors.New("there is no administrator yet"))
	}
	first, last := splitName(claims.Name)
	u, err := c.create(account.NewUser{FirstName: first, LastName: last, NoPassword: true}, usernames(p, claims))
	if err != nil {
		return nil, err
	}
	err = c.api.Links.Add(c.ctx(), newLink(u.ID, claims))
	if err == nil {
		c.api.Audit.Record(c.ctx(), audit.UserKinds.Created, slog.String("user", u.ID), slog.String("login", shorten(u.Username)), slog.String("provider", p.Name))
		return c.giveEmail(u, email)
	}
	// Another request was first, or nothing is known; the account has no way in. The browser may be gone.
	ctx, cancel := c.afterwards()
	defer cancel()
	if failed := c.api.Accounts.Delete(ctx, u.ID); failed != nil {
		return nil, failed
	}
	if errors.Is(err, federation.ErrExists) {
		err = attemptLost
	}
	return nil, err
}

// giveEmail gives a user who has been made just now an address, unless it can't be one or another request was first. That comes after the
// link: an account that an interruption has left without one must not keep its person out, who would be told that the address has an account.
func (c *call) giveEmail(u *account.User, email string) (*account.User, error) {
	if email == "" {
		return u, nil
	}
	with, err := c.api.Accounts.Edit(c.ctx(), u.ID, func(u *account.User) error {
		u.Email = email
		return nil
	})
	if _, wrong := errors.AsType[*account.InvalidError](err); wrong {
		return u, nil
	}
	return with, err
}

func newLink(user string, claims *oidc.Claims) *federation.Link {
	now := time.Now().Unix()
	return &federation.Link{ID: rand.Text(), User: user, Issuer: claims.Issuer, Subject: claims.Subject, Email: claims.Email, Added: now, Used: now}
}

// create makes an account with the first of the usernames that is free and allowed.
func (c *call) create(n account.NewUser, usernames []string) (u *account.User, err error) {
	for _, n.Username = range usernames {
		u, err = c.api.Accounts.Create(c.ctx(), n)
		wrong, ok := errors.AsType[*account.InvalidError](err)
		if err == nil || !ok {
			return u, err
		}
		if len(wrong.Fields["username"]) == 0 { // another field is wrong, so no other username helps
			n.FirstName, n.LastName = "", ""
		}
	}
	return nil, err
}

// usernames returns the usernames that a new person may get, the best first. None looks like an address.
func usernames(p *oidc.Provider, claims *oidc.Claims) []string {
	name := claims.Username
	if name == "" || strings.Contains(name, "@") {
		name, _, _ = strings.Cut(claims.Email, "@")
	}
	if name == "" || len(name) > 100 {
		name = p.Name
	}
	all := []string{name}
	for range 3 {
		all = append(all, name+"-"+strings.ToLower(rand.Text()[:6]))
	}
	return append(all, p.Name+"-"+strings.ToLower(rand.Text()[:12]))
}

// splitName returns the parts of a name in front of its last blank and behind it.
func splitName(name string) (first, last string) {
	if i := strings.LastIndex(name, " "); i > 0 {
		return name[:i], name[i+1:]
	}
	return name, ""
}

// callerOf returns the caller if they have begun the attempt in this very session.
func (c *call) callerOf(a *attempt) (*auth.Identity, error) {
	who, err := auth.Identify(c.ctx())
	if err != nil {
		return nil, unlessOutage(err, attemptLost)
	}
	if who.Session == nil || who.Session.ID != a.Session || who.User.ID != a.User {
		return nil, attemptLost
	}
	return who, nil
}

// unlessOutage returns reason in place of a refusal. Any other error is an outage, and stays.
func unlessOutage(err error, reason failed) error {
	if _, refused := errors.AsType[*problem.Problem](err); refused {
		return reason
	}
	return err
}

// linkAccount links the account at the provider to the caller, who was fully fresh when the attempt began.
func (c *call) linkAccount(p *oidc.Provider, a *attempt, claims *oidc.Claims) error {
	who, err := c.callerOf(a)
	if err != nil {
		return err
	}
	l := newLink(who.User.ID, claims)
	err = c.api.Links.Add(c.ctx(), l)
	if errors.Is(err, federation.ErrExists) {
		return c.linkedAlready(who, claims)
	}
	if err != nil {
		return err
	}
	c.who, c.needs = who, needsSession
	c.undoIfEnded(func(ctx context.Context) error { return c.api.Links.Remove(ctx, l.User, l.ID, 0) })
	if err := c.checkStillSignedIn(); err != nil {
		return unlessOutage(err, attemptLost)
	}
	c.api.Audit.Record(c.ctx(), audit.ProviderKinds.Linked, slog.String("user", l.User), slog.String("provider", p.Name))
	c.notify(who.User, letters.ProviderLinked)
	return nil
}

// linkedAlready returns nil if the account at the provider is linked to the caller.
func (c *call) linkedAlready(who *auth.Identity, claims *oidc.Claims) error {
	l, err := c.api.Links.Find(c.ctx(), claims.Issuer, claims.Subject)
	if err == nil && l.User != who.User.ID || errors.Is(err, federation.ErrNotFound) {
		err = alreadyLinked
	}
	return err
}

// reauthenticateAtProvider makes the session of a caller fresh who has nothing of their own to show.
func (c *call) reauthenticateAtProvider(a *attempt, claims *oidc.Claims) error {
	who, err := c.callerOf(a)
	if err != nil {
		return err
	}
	l, err := c.api.Links.Find(c.ctx(), claims.Issuer, claims.Subject)
	if err == nil && l.User != who.User.ID || errors.Is(err, federation.ErrNotFound) {
		return providerMismatch
	}
	if err != nil {
		return err
	}
	if claims.AuthAt < time.Now().Add(-freshFor).Unix() {
		return notFresh
	}
	if err := c.checkNoOwnFactor(who.User); err != nil {
		if errors.Is(err, errOwnFactor) {
			err = notFresh
		}
		return err
	}
	if err := c.rotate(who.User.Epoch, false, signin.Federated); err != nil {
		return err
	}
	c.recordVerification(audit.ReauthenticateKinds, shorten(who.User.Username), nil, slog.String("user", who.User.ID), slog.String("method", "fed"))
	return nil
}

// keepOrigin records through which provider something was begun. It returns errPendingEnded if the provider has ended it since, or the
// link is gone: whatever ends it either comes before these checks, or later, and then finds the origin.
func (c *call) keepOrigin(o *federation.SessionOrigin) error {
	if err := c.api.Links.AddOrigin(c.ctx(), o); err != nil {
		return err
	}
	at, err := c.api.Links.LoggedOut(c.ctx(), o.Issuer, o.Subject, o.SID)
	if err != nil {
		return err
	}
	l, err := c.api.Links.Find(c.ctx(), o.Issuer, o.Subject)
	if errors.Is(err, federation.ErrNotFound) || err == nil && l.User != o.User || err == nil && at >= o.Began {
		err = errPendingEnded
	}
	return err
}

// keepPendingOrigin records through which provider a pending sign-in was begun. If it goes on from another one, which the origin names, it
// gets the tokens of that.
func (c *call) keepPendingOrigin(o federation.SessionOrigin, p *signin.Pending) error {
	from, was := o.Session, o.Pending
	o.Session, o.Pending, o.Expires = hex.EncodeToString(p.ID[:]), true, p.Expires
	if err := c.keepOrigin(&o); err != nil || !was || c.api.Grants == nil {
		return err
	}
	return c.api.Grants.MovePending(c.ctx(), from, o.Session, p.Expires)
}

// providerToLeave returns the provider at which the session of the request was begun, if a sign-out there is asked for; else nil. A store
// that fails keeps no one from signing out here.
func (c *call) providerToLeave() *oidc.Provider {
	if !slices.ContainsFunc(c.api.Providers, func(p *oidc.Provider) bool { return p.EndSession }) {
		return nil
	}
	s, err := session.FromContext(c.ctx())
	if err != nil || s == nil {
		return nil
	}
	o, err := c.api.Links.Origin(c.ctx(), s.ID)
	if err != nil {
		if !errors.Is(err, federation.ErrNotFound) {
			c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "no sign-out at the provider", slog.Any("error", err))
		}
		return nil
	}
	i := slices.IndexFunc(c.api.Providers, func(p *oidc.Provider) bool { return p.EndSession && p.Issuer == o.Issuer })
	if i < 0 {
		return nil
	}
	return c.api.Providers[i]
}

// endSessionTime bounds how long a sign-out that is done waits for its provider.
const endSessionTime = 2 * time.Second

// endSessionURL returns where the browser signs out at a provider; "" for nil, and if the provider doesn't answer.
func (c *call) endSessionURL(p *oidc.Provider) string {
	if p == nil {
		return ""
	}
	ctx, cancel := c.afterwards()
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, endSessionTime)
	defer stop()
	address, err := p.EndSessionURL(ctx, c.api.URL+"/signin")
	if err != nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "no sign-out at the provider", slog.Any("error", err))
	}
	return address
}

// originKept is how long the origin of a session is kept: longer than any session lives between two re-authentications.
const originKept = 400 * 24 * time.Hour

// originOf returns the origin of a pending sign-in, without its session; nil if a password was its first step.
func (c *call) originOf(p *signin.Pending) (*federation.SessionOrigin, error) {
	if !slices.Contains(p.Methods, signin.Federated) || c.api.Links == nil {
		return nil, nil
	}
	o, err := c.api.Links.Origin(c.ctx(), hex.EncodeToString(p.ID[:]))
	if errors.Is(err, federation.ErrNotFound) {
		err = errPendingEnded
	}
	return o, err
}
