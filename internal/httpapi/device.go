package httpapi

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

// DeviceCookie is the name of the cookie by which a browser is known from which a user has signed in before.
const DeviceCookie = "cloakroom_device"

// The device cookie says that somebody has signed in to an account from this browser before. It opens nothing: it only
// gives the browser a count of failed guesses of its own, which strangers can't fill. It is "<random>.<MAC>", the MAC
// over the random part and the account's ID, and lives a year.
const (
	deviceCookie = DeviceCookie
	deviceAge    = 365 * 24 * time.Hour
)

// rememberDevice marks the browser as one from which this user has signed in.
func (a *API) rememberDevice(w http.ResponseWriter, r *http.Request, user string) {
	if session.FromApp(r.Context()) || known(r, a.Keys.Derive("device"), user) != "" {
		return
	}
	id := rand.Text()
	http.SetCookie(w, &http.Cookie{
		Name: deviceCookie, Value: id + "." + deviceMAC(a.Keys.Derive("device")[0], id, user), Path: "/",
		MaxAge: int(deviceAge / time.Second), Expires: time.Now().Add(deviceAge), // the latter for clients that know no Max-Age
		HttpOnly: true, Secure: a.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// device returns which of a user's own devices a guess comes from; "" if none.
func (c *call) device(user string) string { return known(c.r, c.api.Keys.Derive("device"), user) }

// known returns the device's random ID if the request's cookie was made for this user.
func known(r *http.Request, keys [][]byte, user string) string {
	cookies := r.CookiesNamed(deviceCookie)
	if len(cookies) != 1 {
		return ""
	}
	id, mac, ok := strings.Cut(cookies[0].Value, ".")
	if !ok || id == "" {
		return ""
	}
	for _, key := range keys {
		if hmac.Equal([]byte(mac), []byte(deviceMAC(key, id, user))) {
			return id
		}
	}
	return ""
}

func deviceMAC(key []byte, id, user string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + user))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
