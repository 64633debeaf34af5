package django

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// ResetTokens are the tokens in Django's password reset links (PasswordResetTokenGenerator): whoever shares its users can
// make links that Django takes, and take those that Django has sent. The time of a token is the wall clock of the server,
// so Zone must be Django's TIME_ZONE.
type ResetTokens struct {
	Keys Keys
	Zone *time.Location // nil: UTC
}

// ResetUser is what a token is bound to: it dies when any of it changes.
type ResetUser struct {
	ID        string    // the primary key as text
	Password  string    // the column
	LastLogin time.Time // zero: never
	Email     string
}

const resetSalt = "django.contrib.auth.tokens.PasswordResetTokenGenerator"

// ResetLife is Django's default PASSWORD_RESET_TIMEOUT.
const ResetLife = 3 * 24 * time.Hour

var resetEpoch = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// New returns the token of a user at a time.
func (t ResetTokens) New(u ResetUser, at time.Time) string {
	return resetToken(t.Keys[0], u, t.seconds(at))
}

// Valid reports whether a token is the user's and no older than life.
func (t ResetTokens) Valid(u ResetUser, token string, now time.Time, life time.Duration) bool {
	stamp, _, ok := strings.Cut(token, "-")
	made, err := strconv.ParseInt(stamp, 36, 64)
	if !ok || err != nil || made < 0 || len(stamp) > 13 {
		return false
	}
	genuine := false
	for _, secret := range t.Keys {
		genuine = hmac.Equal([]byte(token), []byte(resetToken(secret, u, made))) || genuine
	}
	return genuine && t.seconds(now)-made <= int64(life/time.Second)
}

// ResetUID is how Django's links name a user, before the token: the primary key as text, in base64url without padding.
func ResetUID(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

// ParseResetUID returns the primary key that [ResetUID] has written. false: nobody has written this.
func ParseResetUID(uid string) (id string, ok bool) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(uid)
	if err != nil || ResetUID(string(text)) != uid { // a line break within is passed over
		return "", false
	}
	return string(text), uid != ""
}

// seconds counts by the wall clock, which is what Django's naive datetimes do.
func (t ResetTokens) seconds(at time.Time) int64 {
	zone := t.Zone
	if zone == nil {
		zone = time.UTC
	}
	at = at.In(zone)
	wall := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC)
	return wall.Unix() - resetEpoch.Unix()
}

func resetToken(secret string, u ResetUser, made int64) string {
	login := ""
	if !u.LastLogin.IsZero() {
		login = u.LastLogin.UTC().Format(time.DateTime)
	}
	mac := hex.EncodeToString(salted(resetSalt, secret, u.ID, u.Password, login, strconv.FormatInt(made, 10), u.Email))
	short := make([]byte, 0, len(mac)/2)
	for i := 0; i < len(mac); i += 2 {
		short = append(short, mac[i])
	}
	return strconv.FormatInt(made, 36) + "-" + string(short)
}
