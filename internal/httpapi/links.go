package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/oidc"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/signin"
)

type linkedOut struct {
	ID       string  `json:"id"`
	Provider string  `json:"provider"` // "" if it isn't configured any more
	Label    string  `json:"label"`
	Email    string  `json:"email"`
	AddedAt  string  `json:"added_at"`
	UsedAt   *string `json:"used_at"` // null: never
}

type linksOut struct {
	Links []linkedOut `json:"links"`
}

// listLinks lists the accounts at other providers that are linked to the caller.
func listLinks(c *call, _ none) (linksOut, error) {
	out := linksOut{[]linkedOut{}}
	if c.api.Links == nil {
		return out, nil
	}
	all, err := c.api.Links.List(c.ctx(), c.who.User.ID)
	for _, l := range all {
		out.Links = append(out.Links, c.api.newLinkedOut(l))
	}
	return out, err
}

func (a *API) newLinkedOut(l *federation.Link) linkedOut {
	o := linkedOut{ID: l.ID, Label: l.Issuer, Email: l.Email, AddedAt: formatTime(l.Added)}
	if l.Used > 0 {
		o.UsedAt = new(formatTime(l.Used))
	}
	for _, p := range a.Providers {
		if p.Issuer == l.Issuer {
			o.Provider, o.Label = p.Name, p.Label
		}
	}
	return o
}

// removeLink removes a link, and ends what was begun through it. The last way into an account stays.
func removeLink(c *call, _ none) (none, error) {
	if c.api.Links == nil {
		return none{}, errNotFound
	}
	u := c.who.User
	all, err := c.api.Links.List(c.ctx(), u.ID)
	if err != nil {
		return none{}, err
	}
	i := slices.IndexFunc(all, func(l *federation.Link) bool { return l.ID == c.r.PathValue("id") })
	if i < 0 {
		return none{}, errNotFound
	}
	keep, err := c.linksToKeep()
	if err != nil {
		return none{}, err
	}
	if len(all) <= keep {
		return none{}, errLastWayIn
	}
	// Before as well: if what follows fails, a repetition finds no link, and nothing would tell it whose sessions to end.
	if err := c.endBegunBy(all[i]); err != nil {
		return none{}, err
	}
	if keep, err = c.linksToKeep(); err != nil {
		return none{}, err
	}
	switch err := c.api.Links.Remove(c.ctx(), u.ID, all[i].ID, keep); {
	case errors.Is(err, federation.ErrNotFound):
		return none{}, errNotFound
	case errors.Is(err, federation.ErrTooFew):
		return none{}, errLastWayIn
	case err != nil:
		return none{}, err
	}
	if err := c.restoreLastWayIn(all[i]); err != nil {
		return none{}, err
	}
	c.api.Audit.Record(c.ctx(), audit.ProviderKinds.Unlinked, slog.String("user", u.ID), slog.String("issuer", all[i].Issuer))
	c.notify(u, letters.ProviderUnlinked)
	if err = c.endBegunBy(all[i]); err != nil {
		return none{}, err
	}
	// The ticket may have been in the hands of those who had the account at the provider. No node knows the tokens of the provider under
	// the new one.
	return none{}, c.rotate(u.Epoch, false)
}

// linksToKeep returns how many links the caller needs: one, or none beside a password or a passkey.
func (c *call) linksToKeep() (int, error) {
	if c.who.User.HasPassword() {
		return 0, nil
	}
	if c.api.Factors != nil {
		if has, err := c.api.Factors.HasPasskey(c.ctx(), c.who.User.ID); has || err != nil {
			return 0, err
		}
	}
	return 1, nil
}

// restoreLastWayIn adds a link again that the caller has just removed, and returns errLastWayIn, if another request takes the caller's
// last passkey away at the same time. That request looks for links once it has begun. What has ended the caller's session meanwhile may have
// removed the links on purpose, so the link is then not restored.
func (c *call) restoreLastWayIn(l *federation.Link) error {
	keep, err := c.linksToKeep()
	if keep == 0 || err != nil {
		return err
	}
	left, err := c.api.Links.List(c.ctx(), l.User)
	if len(left) > 0 || err != nil {
		return err
	}
	ctx, cancel := c.afterwards()
	defer cancel()
	if err := c.checkSignedIn(ctx); err != nil {
		return err
	}
	if err := c.api.Links.Add(ctx, l); err != nil {
		return err
	}
	c.needs = needsSession
	c.undoIfEnded(func(ctx context.Context) error { return c.api.Links.Remove(ctx, l.User, l.ID, 0) })
	if err := c.checkStillSignedIn(); err != nil {
		return err
	}
	return errLastWayIn
}

// endBegunBy ends what was begun by a link. Of the session of the request it ends only the use of the provider's tokens.
func (c *call) endBegunBy(l *federation.Link) error {
	begun, err := c.api.Links.Origins(c.ctx(), l.Issuer, l.Subject, "")
	if err != nil {
		return err
	}
	for _, o := range begun {
		switch {
		case o.Session != c.who.Session.ID:
			_, err = c.endBegun(c.ctx(), o)
		case c.api.Grants != nil:
			err = c.api.Grants.End(c.ctx(), o.Session)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// endBegun ends the session or the pending sign-in of an origin. It returns false if it had ended before.
func (c *call) endBegun(ctx context.Context, o *federation.SessionOrigin) (bool, error) {
	var err error
	if !o.Pending {
		err = c.api.Sessions.Revoke(ctx, o.User, o.Session)
	} else if id, ok := pendingOf(o); ok {
		err = c.api.Steps.Signins.Spend(ctx, id)
	} else {
		err = signin.ErrNotFound
	}
	if errors.Is(err, session.ErrEnded) || errors.Is(err, signin.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// lives reports whether the session or the pending sign-in of an origin has not ended.
func (c *call) lives(ctx context.Context, o *federation.SessionOrigin) (bool, error) {
	var err error
	if !o.Pending {
		_, err = c.api.Sessions.Find(ctx, o.Session)
	} else if id, ok := pendingOf(o); ok {
		_, err = c.api.Steps.Signins.Load(ctx, id)
	} else {
		err = signin.ErrNotFound
	}
	if errors.Is(err, session.ErrEnded) || errors.Is(err, signin.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// pendingOf returns the ID of the pending sign-in that an origin is of.
func pendingOf(o *federation.SessionOrigin) (signin.ID, bool) {
	id, err := hex.DecodeString(o.Session)
	if err != nil || len(id) != len(signin.ID{}) {
		return signin.ID{}, false
	}
	return signin.ID(id), true
}

type logoutTokenIn struct {
	Token *string `json:"logout_token"`
}

func (*logoutTokenIn) takesForms() {}

var errLogoutToken = problem.New(http.StatusBadRequest, "invalid_request", "This is no logout token that ends anything here.")

// backchannel returns the handler by which a provider ends sessions that were begun there (OpenID Connect Back-Channel Logout).
func backchannel(a *API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		respond(&call{api: a, w: w, r: r, lenient: true}, logoutAtProvider)
	})
}

// logoutAtProvider ends what a logout token names, and was begun before the token was first seen. A repeat does the same work for the
// same time, so it finishes what an outage has left, and ends nothing newer.
func logoutAtProvider(c *call, in logoutTokenIn) (none, error) {
	p, err := c.provider()
	if err != nil {
		return none{}, err
	}
	if in.Token == nil {
		return none{}, errLogoutToken
	}
	var token *oidc.LogoutToken
	_, err = c.askProvider(func(ctx context.Context) (_ string, err error) {
		token, err = p.Logout(ctx, *in.Token)
		return "", err
	})
	if errors.Is(err, oidc.ErrMismatch) {
		c.api.Audit.Record(c.ctx(), audit.ProviderKinds.Fail, slog.String("provider", p.Name), slog.String("reason", shorten(err.Error())))
		err = errLogoutToken
	}
	if err != nil {
		return none{}, err
	}
	noted, err := c.noteLogout(p, token)
	if err != nil {
		return none{}, err
	}
	n := 0
	for _, of := range [][2]string{{noted.Subject, ""}, {"", noted.SID}} {
		begun, err := c.api.Links.Origins(c.ctx(), p.Issuer, of[0], of[1])
		if err != nil {
			return none{}, err
		}
		for _, o := range begun {
			if o.Began > noted.At {
				continue
			}
			ended, err := c.endBegun(c.ctx(), o)
			if err != nil {
				return none{}, err
			}
			if ended {
				n++
			}
		}
	}
	c.api.Audit.Record(c.ctx(), audit.ProviderKinds.Logout, slog.String("provider", p.Name), slog.Int("ended", n))
	return none{}, nil
}

// noteLogout records what a logout token ends: the session that it names, and if none is known by that name, or none is named, all
// sessions of the subject. A callback that is on its way looks for the record once its session exists.
func (c *call) noteLogout(p *oidc.Provider, token *oidc.LogoutToken) (*federation.Logout, error) {
	now := time.Now()
	l := &federation.Logout{
		Token: sha256.Sum256([]byte(p.Issuer + "\x00" + token.ID)), Issuer: p.Issuer, SID: token.Session, At: now.Unix(),
		// Attempts and pending sign-ins that began before have run out by then, and so has the token.
		Expires: now.Add(3 * attemptLife).Unix(),
	}
	known := 0
	if token.Session != "" {
		begun, err := c.api.Links.Origins(c.ctx(), p.Issuer, "", token.Session)
		if err != nil {
			return nil, err
		}
		known = len(begun)
	}
	if known == 0 {
		l.Subject = token.Subject
	}
	return c.api.Links.Note(c.ctx(), l)
}
