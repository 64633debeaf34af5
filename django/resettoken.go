package django

import (
	"cmp"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
)

// ResetTokens makes and verifies the tokens in Django's password reset links (PasswordResetTokenGenerator), so that each
// program accepts the links of the other. A token is bound to the user's ID, password, last sign-in and address: it is invalid
// as soon as one of them changes. The time in it is the wall clock of Django's TIME_ZONE.
type ResetTokens struct {
	Keys Keys
	Zone *time.Location // TIME_ZONE; nil: UTC
	Life time.Duration  // PASSWORD_RESET_TIMEOUT; 0: Django's default of three days

	// LoginZone is the zone in which Django reads the last sign-in: TIME_ZONE if USE_TZ is off. nil: UTC.
	LoginZone *time.Location
}

const (
	resetSalt = "django.contrib.auth.tokens.PasswordResetTokenGenerator"
	resetLife = 3 * 24 * time.Hour
)

var resetEpoch = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// New returns the user's token, made at a time.
func (t ResetTokens) New(u *account.User, at time.Time) string {
	return t.token(t.Keys[0], u, t.seconds(at))
}

// Valid reports whether a token was made for the user, by any of the keys, and is no older than Life.
func (t ResetTokens) Valid(u *account.User, token string, now time.Time) bool {
	stamp, _, ok := strings.Cut(token, "-")
	made, err := strconv.ParseInt(stamp, 36, 64)
	if !ok || err != nil || made < 0 || len(stamp) > 13 {
		return false
	}
	genuine := false
	for _, secret := range t.Keys {
		genuine = hmac.Equal([]byte(token), []byte(t.token(secret, u, made))) || genuine
	}
	return genuine && t.seconds(now)-made <= int64(cmp.Or(t.Life, resetLife)/time.Second)
}

// UID returns how Django's links write a user's ID: in base64url without padding.
func (ResetTokens) UID(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

// ParseUID returns the ID that [ResetTokens.UID] wrote; false if UID never writes this text.
func (t ResetTokens) ParseUID(uid string) (id string, ok bool) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(uid)
	if err != nil || t.UID(string(text)) != uid { // the decoder skips line breaks
		return "", false
	}
	return string(text), uid != ""
}

// seconds counts seconds of the wall clock, as Django does with naive datetimes.
func (t ResetTokens) seconds(at time.Time) int64 {
	at = at.In(cmp.Or(t.Zone, time.UTC))
	wall := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC)
	return wall.Unix() - resetEpoch.Unix()
}

func (t ResetTokens) token(secret string, u *account.User, made int64) string {
	login := ""
	if u.LastLogin != 0 {
		login = time.Unix(u.LastLogin, 0).In(cmp.Or(t.LoginZone, time.UTC)).Format(time.DateTime)
	}
	mac := hex.EncodeToString(salted(resetSalt, secret, u.ID, u.Password, login, strconv.FormatInt(made, 10), u.Email))
	short := make([]byte, 0, len(mac)/2)
	for i := 0; i < len(mac); i += 2 {
		short = append(short, mac[i])
	}
	return strconv.FormatInt(made, 36) + "-" + string(short)
}
