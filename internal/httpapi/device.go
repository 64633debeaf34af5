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

// DeviceCookie is the name of the cookie by which a browser is known from which a user has signed in before.
const DeviceCookie = "cloakroom_device"

// The device cookie says that a user has signed in from this browser before, with the password of today. It opens nothing:
// it only gives the browser a count of failed guesses that strangers can't fill. It is "<slot>.<MAC>", the MAC over the
// slot, the account's ID and its epoch, and lives a year.
//
// An account has as many counts as there are slots, so that collecting cookies gives no more guesses than that; browsers
// that were given the same slot share its count. When the epoch moves, with a change of the password for example, every
// cookie from before is void, and so are the counts of its slots.
const (
	deviceCookie = DeviceCookie
	deviceAge    = 365 * 24 * time.Hour
	deviceSlots  = 8
)

// rememberDevice marks the browser as one from which this user has signed in.
func (a *API) rememberDevice(w http.ResponseWriter, r *http.Request, u *account.User) {
	keys := a.Keys.Derive("device")
	if session.RequestFrom(r.Context()).FromApp() || known(r, keys, u) != "" {
		return
	}
	slot := deviceSlot()
	http.SetCookie(w, &http.Cookie{
		Name: deviceCookie, Value: slot + "." + deviceMAC(keys[0], slot, u), Path: "/",
		MaxAge: int(deviceAge / time.Second), Expires: time.Now().Add(deviceAge), // the latter for clients that know no Max-Age
		HttpOnly: true, Secure: a.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// deviceSlot returns one of the slots by chance. The number of possible bytes is a multiple of theirs.
func deviceSlot() string {
	var b [1]byte
	_, _ = rand.Read(b[:]) // never fails
	return strconv.Itoa(int(b[0]) % deviceSlots)
}

// device returns which of a user's own devices a guess comes from; "" if none.
func (c *call) device(u *account.User) string { return known(c.r, c.api.Keys.Derive("device"), u) }

// known returns the device's slot and the epoch it is of if the request's cookie was made for this user in this epoch.
func known(r *http.Request, keys [][]byte, u *account.User) string {
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

// deviceMAC has the lengths in it, since an ID and an epoch may contain anything.
func deviceMAC(key []byte, slot string, u *account.User) string {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%d %s %d %s %d %s", len(slot), slot, len(u.ID), u.ID, len(u.Epoch), u.Epoch)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
