package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/oidc"
)

// AttemptCookies are the names of the cookies of attempts at providers, over https and over http on loopback. What stands for the
// star names the attempt, so that two tabs don't overwrite each other's.
var AttemptCookies = []string{"__Host-Http-cloakroom_oidc_*", "cloakroom_oidc_*"}

const (
	attemptLife = 10 * time.Minute
	maxAttempts = 5 // of one browser at the same time; the oldest makes room

	// attemptPurpose is what the cookies are sealed for. They are bound to their provider, too.
	attemptPurpose = "attempts"
)

// The intents of an attempt: what the browser went to a provider for.
const (
	toSignIn         = "signin"
	toLink           = "link"
	toReauthenticate = "reauthenticate"
)

// attempt is a visit to a provider, as the browser's cookie has it, sealed. The server keeps nothing of it.
type attempt struct {
	oidc.Attempt
	Intent   string `json:"intent"`
	Next     string `json:"next"`
	Remember bool   `json:"remember,omitempty"`
	User     string `json:"user,omitempty"`    // who has begun it; "": to sign in
	Session  string `json:"session,omitempty"` // and in which session
	Began    int64  `json:"began"`
}

func (a *attempt) live() bool {
	now := time.Now().Unix()
	return a.Began <= now && now < a.Began+int64(attemptLife/time.Second)
}

// attemptCookie returns the name of the cookie of the attempt with this state.
func (c *call) attemptCookie(state string) string {
	sum := sha256.Sum256([]byte(state))
	return c.attemptPrefix() + hex.EncodeToString(sum[:4])
}

func (c *call) attemptPrefix() string {
	name := AttemptCookies[1]
	if c.api.Secure {
		name = AttemptCookies[0]
	}
	return strings.TrimSuffix(name, "*")
}

// keepAttempt gives the browser the cookie of an attempt, and takes those that have become too many.
func (c *call) keepAttempt(provider string, a *attempt) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	box, err := c.api.Sealer.Seal(c.ctx(), attemptPurpose, provider, text)
	if err != nil {
		return err
	}
	c.makeRoom()
	// The time stands in front, so that the oldest is found without being opened; who changes it changes what room is made.
	c.setAttempt(c.attemptCookie(a.State), strconv.FormatInt(a.Began, 10)+"."+base64.RawURLEncoding.EncodeToString(box), attemptLife)
	return nil
}

// makeRoom deletes the oldest attempts of the browser, so that one more is allowed.
func (c *call) makeRoom() {
	var names []string
	times := map[string]string{}
	for _, cookie := range c.r.Cookies() {
		if strings.HasPrefix(cookie.Name, c.attemptPrefix()) && !slices.Contains(names, cookie.Name) {
			names = append(names, cookie.Name)
			times[cookie.Name], _, _ = strings.Cut(cookie.Value, ".")
		}
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(times[b], times[a]) })
	for _, name := range names[min(len(names), maxAttempts-1):] {
		c.setAttempt(name, "", -time.Second)
	}
}

// takeAttempt returns the attempt with this state that the browser has begun at the provider, and takes its cookie; nil if there is
// none, or if it is over.
func (c *call) takeAttempt(provider, state string) (*attempt, error) {
	name := c.attemptCookie(state)
	cookies := c.r.CookiesNamed(name)
	if len(cookies) == 0 {
		return nil, nil
	}
	c.setAttempt(name, "", -time.Second)
	_, text, _ := strings.Cut(cookies[0].Value, ".")
	box, err := base64.RawURLEncoding.DecodeString(text)
	if len(cookies) > 1 || err != nil {
		return nil, nil
	}
	plain, err := c.api.Sealer.Open(c.ctx(), attemptPurpose, provider, box)
	if errors.Is(err, keyring.ErrWrongSecret) || errors.Is(err, keyring.ErrUnknownDataKey) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var a attempt
	if json.Unmarshal(plain, &a) != nil || !a.live() || a.State != state {
		return nil, nil
	}
	return &a, nil
}

// setAttempt sets the cookie; with an age below 0 it deletes it. It is Lax, since the provider sends the browser back.
func (c *call) setAttempt(name, value string, age time.Duration) {
	cookie := &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(age / time.Second), Expires: time.Now().Add(age),
		HttpOnly: true, Secure: c.api.Secure, SameSite: http.SameSiteLaxMode,
	}
	if age < 0 {
		cookie.MaxAge, cookie.Expires = -1, time.Unix(1, 0)
	}
	http.SetCookie(c.w, cookie)
}

// plainPath is a path on this site, without the characters that browsers drop or read as others.
var plainPath = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^/(?:[^/\\\pC\pZ][^\\\pC\pZ]*)?$`)
})

// safeNext reports whether a browser that is sent to next stays on this site.
func safeNext(next string) bool {
	if len(next) > 2048 || !plainPath().MatchString(next) {
		return false
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil {
		return false
	}
	// Browsers resolve dots, written as they are or encoded, and "/.//host" then becomes "//host".
	resolved := (&url.URL{Scheme: "https", Host: "host", Path: "/"}).ResolveReference(&url.URL{Path: u.Path})
	return !strings.HasPrefix(resolved.Path, "//") && !strings.Contains(u.Path, "//") && !strings.Contains(u.Path, `\`)
}

// safeElsewhere reports whether next is a page of another origin whose pages may sign people in here.
func (c *call) safeElsewhere(next string) bool {
	u, err := url.Parse(next)
	if err != nil {
		return false
	}
	origin := u.Scheme + "://" + u.Host
	path, found := strings.CutPrefix(next, origin)
	return found && c.api.CSRF.Trusts(origin) && safeNext(path)
}
