package httpapi

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
)

// DeviceCookie is the name of the cookie that marks a known device: a browser from which the user has signed in before.
const DeviceCookie = "cloakroom_device"

// The device cookie proves that a user has signed in from this browser since the account's epoch last changed. It isn't a
// credential. It only gives the browser a counter of failed guesses of its own, which guesses from elsewhere don't increase.
// Its value is "<slot>.<MAC>" with a MAC of the slot, the account's ID and the epoch. It lasts a year.
//
// An account has one counter for each slot, so collecting cookies gives an attacker no more guesses than there are slots.
// Browsers with the same slot share its counter. When the epoch changes, for example with the password, all earlier cookies
// become invalid, and the counters of their slots unused.
const (
	deviceCookie = DeviceCookie
	deviceAge    = 365 * 24 * time.Hour
	deviceSlots  = 8
)

// rememberDevice sets the device cookie, unless the browser has a valid one. Apps get none.
func (a *API) rememberDevice(w http.ResponseWriter, r *http.Request, u *account.User) {
	keys := a.Keys.Derive("device")
	if session.RequestFrom(r.Context()).UsesTokenHeader() || knownDevice(r, keys, u) != "" {
		return
	}
	slot := deviceSlot()
	http.SetCookie(w, &http.Cookie{
		Name: deviceCookie, Value: slot + "." + deviceMAC(keys[0], slot, u), Path: "/",
		MaxAge: int(deviceAge / time.Second), Expires: time.Now().Add(deviceAge), // Expires is for clients without Max-Age
		HttpOnly: true, Secure: a.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// deviceSlot returns a random slot. All are equally likely, because the number of bytes is a multiple of deviceSlots.
func deviceSlot() string {
	var b [1]byte
	_, _ = rand.Read(b[:]) // never fails
	return strconv.Itoa(int(b[0]) % deviceSlots)
}

// device returns the name of the user's known device that sent the request, or "" if it isn't one.
func (c *call) device(u *account.User) string {
	return knownDevice(c.r, c.api.Keys.Derive("device"), u)
}

// knownDevice returns the slot and the epoch of the request's device cookie if the cookie is valid for the user, else "".
func knownDevice(r *http.Request, keys [][]byte, u *account.User) string {
	cookies := r.CookiesNamed(deviceCookie)
	if len(cookies) != 1 {
		return ""
	}
	slot, mac, ok := strings.Cut(cookies[0].Value, ".")
	if !ok || slot == "" {
		return ""
	}
	for _, key := range keys {
		if hmac.Equal([]byte(mac), []byte(deviceMAC(key, slot, u))) {
			return slot + "." + u.Epoch
		}
	}
	return ""
}

// deviceMAC returns the MAC of a device cookie. It covers the lengths, since an ID and an epoch may contain any character.
func deviceMAC(key []byte, slot string, u *account.User) string {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%d %s %d %s %d %s", len(slot), slot, len(u.ID), u.ID, len(u.Epoch), u.Epoch)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
