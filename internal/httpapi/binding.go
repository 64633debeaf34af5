package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/device"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
)

var (
	errBindingOff = problem.New(http.StatusNotFound, "device_binding_off",
		"This server binds no sessions to browsers. Start it with --bind-devices to do so.")
	errNoProof = problem.New(http.StatusBadRequest, "device_proof_missing",
		"Browsers send this request by themselves, with one header Secure-Session-Response.")
	errNoDeviceID = problem.New(http.StatusBadRequest, "device_session_missing",
		"Browsers send this request by themselves, with one header Sec-Secure-Session-Id.")
	errDeviceRefused = problem.New(http.StatusForbidden, "device_proof_refused",
		"The proof of the browser's key is not valid, so the session was not bound to it.")
	errDeviceBound = problem.New(http.StatusForbidden, "device_bound",
		"This session is bound to the key of a browser already. Nothing was changed.")
	errDeviceChallenge = problem.New(http.StatusForbidden, "device_challenge",
		"Prove that you hold the key of this session, with the challenge in the header Secure-Session-Challenge.")
)

// isFromBrowserItself reports whether a request is one that browsers send by themselves to bind a session. A page of another site can't
// make a browser send its header without asking first (CORS), and no page at all that of a refresh. Besides, both count by a proof with
// a key that scripts can't use.
func isFromBrowserItself(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	path := withoutSlash(r.URL.EscapedPath())
	return r.Header["Secure-Session-Response"] != nil && path == device.RegisterPath ||
		r.Header["Sec-Secure-Session-Id"] != nil && path == device.RefreshPath
}

// registerDevice binds the session of the request to a key of the browser. It judges the session by the ticket alone: a caller with no
// more than that must not bind a session that is bound, and the attempt is an alarm.
func registerDevice(c *call, _ none) (device.Instructions, error) {
	if c.api.Devices == nil {
		return device.Instructions{}, errBindingOff
	}
	proof, ok := sole(c.r.Header, "Secure-Session-Response")
	if !ok {
		return device.Instructions{}, errNoProof
	}
	s, err := c.presented()
	if err != nil {
		return device.Instructions{}, err
	}
	grant, err := c.api.Devices.Register(c.ctx(), s.ID, proof)
	switch {
	case errors.Is(err, device.ErrBound):
		c.recordBindingFail(s.User, s.ID, err)
		c.warnOfBinding(s)
		return device.Instructions{}, errDeviceBound
	case errors.Is(err, device.ErrRepeated):
		return device.Instructions{}, errDeviceBound
	case errors.Is(err, device.ErrRefused):
		c.recordBindingFail(s.User, s.ID, err)
		return device.Instructions{}, errDeviceRefused
	case err != nil:
		return device.Instructions{}, err
	}
	return c.granted(s.ID, grant), nil
}

// presented returns the live session whose ticket the request has, as cookie, even without the proof that the session may need besides.
func (c *call) presented() (*session.Session, error) {
	who, err := auth.Identify(c.ctx())
	switch unproven, _ := session.RequestFrom(c.ctx()).UnprovenSession(); {
	case unproven != nil:
		return unproven, nil
	case err != nil:
		return nil, err
	case who.Session == nil || session.RequestFrom(c.ctx()).UsesTokenHeader():
		return nil, auth.ErrSessionRequired
	}
	return who.Session, nil
}

func (c *call) recordBindingFail(user, id string, why error) {
	c.api.Audit.Record(c.ctx(), audit.SessionKinds.BindingFail,
		slog.String("user", user), slog.String("session", id), slog.String("reason", why.Error()))
}

// warnOfBinding tells the user of a session that another key was to be bound to it.
func (c *call) warnOfBinding(s *session.Session) {
	if !c.api.Letters.Available() {
		return
	}
	ctx, cancel := c.afterwards()
	defer cancel()
	u, err := c.api.Accounts.Store.Load(ctx, s.User)
	if err != nil {
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "notice not stored", slog.String("kind", string(letters.DeviceRefused)), slog.String("user", s.User), slog.Any("error", err))
		return
	}
	c.notify(u, letters.DeviceRefused)
}

// refreshDevice gives the browser of a bound session the next cookie for a proof with its key, or the challenge for one. It needs no ticket: the
// cookie opens nothing without. For a session that doesn't live, or isn't bound, it tells the browser to forget the key. While the
// stores don't answer it is 503: at any other failure the browser would forget the key for ever.
func refreshDevice(c *call, _ none) (device.Instructions, error) {
	id, ok := sole(c.r.Header, "Sec-Secure-Session-Id")
	id = strings.Trim(id, `"`)
	if !ok || id == "" || len(id) > maxDeviceID {
		return device.Instructions{}, errNoDeviceID
	}
	if c.api.Devices == nil {
		return device.Ended(id), c.unbind(id)
	}
	proof, ok := sole(c.r.Header, "Secure-Session-Response")
	if !ok {
		proof = ""
	}
	grant, err := c.api.Devices.Refresh(c.ctx(), id, proof)
	if asked, ok := errors.AsType[*device.ChallengeError](err); ok {
		if asked.Why != nil {
			c.recordBindingFail(asked.User, id, asked.Why)
		}
		c.challenge(id, asked.Challenge)
		return device.Instructions{}, errDeviceChallenge
	}
	if errors.Is(err, session.ErrEnded) {
		return device.Ended(id), nil
	}
	if err != nil {
		return device.Instructions{}, err
	}
	return c.granted(id, grant), nil
}

// maxDeviceID is more than the length of any session's public ID, in bytes.
const maxDeviceID = 128

// unbind lets a session that was bound count by its ticket alone, as it does anyway while no session is bound. So the user needn't
// sign in again when sessions are bound once more.
func (c *call) unbind(id string) error {
	s, err := c.presented()
	if p, refused := errors.AsType[*problem.Problem](err); refused && p.Status < http.StatusInternalServerError {
		return nil
	}
	if err != nil || s.ID != id {
		return err
	}
	err = c.api.Sessions.ChangeBinding(c.ctx(), id, func(r *session.Record) error {
		r.Bound, r.Binding = false, ""
		return nil
	})
	if errors.Is(err, session.ErrEnded) {
		return nil
	}
	return err
}

// granted sends the cookie, and the challenge of the next proof.
func (c *call) granted(id string, g device.Grant) device.Instructions {
	http.SetCookie(c.w, g.Cookie)
	c.challenge(id, g.Challenge)
	return c.api.Devices.Instructions(id)
}

func (c *call) challenge(id, challenge string) {
	c.w.Header().Set("Secure-Session-Challenge", fmt.Sprintf(`"%s";id="%s"`, challenge, id))
}

// sole returns the value of a header that a request has once.
func sole(h http.Header, name string) (string, bool) {
	if values := h[name]; len(values) == 1 {
		return values[0], true
	}
	return "", false
}
