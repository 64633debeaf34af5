package django_test

import (
	"bytes"
	"compress/zlib"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
)

const secret = "test-secret-key-0123456789abcdefghijklmnop"

const signedAt = 1700000000 // 1r31eq

var keys = django.Keys{secret}

// The vectors were made by Django.
var vectors = []struct{ object, data string }{
	{`{"_auth_user_id":"1"}`, "eyJfYXV0aF91c2VyX2lkIjoiMSJ9:1r31eq:CHtFBL9Iy4IXPDJsmBrVoXvLSnJoAfeWtPGaD1rChNU"},
	{`{}`, "e30:1r31eq:yRRfHMtEI8WY8eFV_nXiww0tAPq6qgWIiC9UtmaUBnY"},
	{`{"n":"Zo\u00eb \u20ac\ud83d\ude00 <&>"}`,
		"eyJuIjoiWm9cdTAwZWIgXHUyMGFjXHVkODNkXHVkZTAwIDwmPiJ9:1r31eq:48XrDQ0ZirmKOVy_Ogfjm-PpSIXP8gEelU3usMFDkrQ"},
}

const compressed = ".eJyrVopPLC3JiC8tTi2Kz0xRslIyVNJBFktKTM5OzQNJpGQl5qXn6yXn55UUZSbpgZToQWWL9XzzU1JznKBqUQzISCzOAOo2oBAo1QIAIvYyTQ" +
	":1r31eq:VJpk4qB4zhjQqFGFWuv52CXvoZ_zexgfphVBOCyiUDU"

func TestVectorsOfSessionData(t *testing.T) {
	for _, v := range vectors {
		data, err := keys.Sign(v.object, signedAt)
		if err != nil || data != v.data {
			t.Errorf("%s is signed as\n%s, %v, want\n%s", v.object, data, err, v.data)
		}
		object, anew, at, err := keys.Open(v.data)
		if err != nil || object != v.object || anew != v.object || at != signedAt {
			t.Errorf("%s is read as %s, again %s, of %d, %v", v.data, object, anew, at, err)
		}
	}
}

func TestVectorWithAllCharactersIsWrittenInASCII(t *testing.T) {
	data, err := keys.Sign(`{"n":"Zoë €😀 <&>"}`, signedAt)
	if err != nil || data != vectors[2].data {
		t.Errorf("%s, %v", data, err)
	}
}

// Only the same version of zlib makes the same bytes; each program must read the other's.
func TestVectorOfCompressedData(t *testing.T) {
	want := `{"_auth_user_id":"1","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"` +
		strings.Repeat("0", 64) + `"}`
	object, _, at, err := keys.Open(compressed)
	if err != nil || object != want || at != signedAt {
		t.Errorf("read as %s of %d, %v", object, at, err)
	}
	data, err := keys.Sign(want, signedAt)
	if err != nil || !strings.HasPrefix(data, ".") {
		t.Errorf("%s, %v", data, err)
	}
	if again, _, _, err := keys.Open(data); err != nil || again != want {
		t.Errorf("reads itself as %s, %v", again, err)
	}
}

func TestVectorOfSignedCookiesIsOfAnotherEngine(t *testing.T) {
	const cookie = "eyJfYXV0aF91c2VyX2lkIjoiMSJ9:1r31eq:xuEru8THcLYIssNgQ2Dxg6YbHuX1lgJltRxNNVrlSEg"
	if _, _, _, err := keys.Open(cookie); err == nil {
		t.Error("a cookie of the engine signed_cookies passes for a row of the engine db")
	}
	if made := django.SignAs("django.contrib.sessions.backends.signed_cookies", secret, "eyJfYXV0aF91c2VyX2lkIjoiMSJ9:1r31eq"); made != cookie {
		t.Errorf("made %s", made)
	}
}

const passwordColumn = "pbkdf2_sha256$1000$saltsaltsaltsaltsaltsa$vX5mUmrCWZPcnMYg2WhIF5fOuV3ktsRGSr7gYTPoMDc="

func TestVectorOfTheAuthHash(t *testing.T) {
	const want = "62aae403740515818d618c3482deecc30e6016800323865855dc274a82da055f"
	if got := django.AuthHash(secret, passwordColumn); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func vectorTime() time.Time { return time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC) }

func TestVectorsOfResetTokens(t *testing.T) {
	at := vectorTime()
	tokens := django.ResetTokens{Keys: django.Keys{"new key", secret}}
	user := &account.User{ID: "1", Password: passwordColumn, Email: "alice@example.com"}
	login := time.Date(2023, 1, 2, 3, 4, 5, 0, time.UTC).Unix()
	for token, last := range map[string]int64{
		"bxodq8-c213c644b7132803578daa29c9a39827": 0, "bxodq8-7f55ceabb1ea2e682f7b5d1df6911c07": login,
	} {
		user.LastLogin = last
		if made := (django.ResetTokens{Keys: keys}).New(user, at); made != token {
			t.Errorf("made %s, want %s", made, token)
		}
		if !tokens.Valid(user, token, at.Add(3*24*time.Hour)) {
			t.Errorf("%s is refused, although a fallback key made it", token)
		}
		if tokens.Valid(user, token, at.Add(3*24*time.Hour+time.Second)) {
			t.Errorf("%s is valid for longer than Life", token)
		}
		other := *user
		other.Email = "eve@example.com"
		if tokens.Valid(&other, token, at) {
			t.Errorf("%s is valid after a change of the address", token)
		}
	}
	user.LastLogin = 0
	for _, token := range []string{"", "-", "bxodq8", "bxodq8-", "BXODQ8-c213c644b7132803578daa29c9a39827",
		"bxodq8-c213c644b7132803578daa29c9a39828", "0bxodq8-c213c644b7132803578daa29c9a39827", "-1-c213c644b7132803578daa29c9a39827"} {
		if tokens.Valid(user, token, at) {
			t.Errorf("%q is valid", token)
		}
	}
}

func TestVectorsOfUIDsInResetLinks(t *testing.T) {
	for id, uid := range map[string]string{
		"1": "MQ", "12345": "MTIzNDU", "9a1e2c3d-0000-4000-8000-00000000abcd": "OWExZTJjM2QtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDBhYmNk",
	} {
		if got := (django.ResetTokens{}).UID(id); got != uid {
			t.Errorf("%s is %s, want %s", id, got, uid)
		}
		if got, ok := (django.ResetTokens{}).ParseUID(uid); !ok || got != id {
			t.Errorf("%s is read as %q, %v", uid, got, ok)
		}
	}
	for _, uid := range []string{"", "MQ==", "M", "MR", "M Q", "MQ\n", "M\nQ", "§"} {
		if id, ok := (django.ResetTokens{}).ParseUID(uid); ok {
			t.Errorf("%q is read as %q", uid, id)
		}
	}
}

// The time in a token is the wall clock of Django's time zone.
func TestResetTokensGoByTheWallClock(t *testing.T) {
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	tokens := django.ResetTokens{Keys: keys, Zone: zone}
	user := &account.User{ID: "1", Password: passwordColumn, Email: "alice@example.com"}
	if made := tokens.New(user, time.Date(2023, 11, 14, 22, 13, 20, 0, zone)); made != "bxodq8-c213c644b7132803578daa29c9a39827" {
		t.Errorf("made %s", made)
	}
}

func TestUnsignedDataIsNoSession(t *testing.T) {
	t.Attr("threat", "S04")
	good := vectors[0].data
	for _, data := range []string{
		"", ":", "::", good[1:], good[:len(good)-1], "." + good, strings.Replace(good, "1r31eq", "1r31er", 1), good + "=",
		strings.Replace(good, "eyJ", "eyK", 1), strings.ReplaceAll(good, ":", "."), good[:strings.LastIndexByte(good, ':')],
	} {
		if object, _, _, err := keys.Open(data); err == nil {
			t.Errorf("%q is read as %s", data, object)
		}
	}
	if _, _, _, err := (django.Keys{"another key"}).Open(good); err == nil {
		t.Error("another key will do")
	}
	if _, _, _, err := (django.Keys{"another key", secret}).Open(good); err != nil {
		t.Errorf("a fallback key won't do: %v", err)
	}
}

// Django compresses data if that saves two bytes or more.
func TestDataIsCompressedWhereDjangoCompressesIt(t *testing.T) {
	by := map[int]int{} // how often so many bytes would be saved
	for n := range 60 {
		object := `{"n":"` + strings.Repeat("x", n) + `","m":"` + strings.Repeat("ab", n/7) + `"}`
		data, err := keys.Sign(object, signedAt)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		if _, err := w.Write([]byte(object)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		saved := len(object) - b.Len()
		by[saved]++
		if got := strings.HasPrefix(data, "."); got != (saved >= 2) {
			t.Errorf("%s: %d bytes saved, compressed: %t", object, saved, got)
		}
	}
	if by[0] == 0 || by[1] == 0 || by[2] == 0 {
		t.Errorf("the border was not tried: %v", by)
	}
}

// This holds for any later date; an earlier one becomes the limit.
func TestAnExpiryDateDoesNotLiftTheAbsoluteLimit(t *testing.T) {
	const day = 24 * 60 * 60
	for text, want := range map[string]int64{
		`"2040-01-02T03:04:05+00:00"`: signedAt + 30*day, `"2023-11-15T22:13:20+00:00"`: signedAt + day, `"2023-11-15T22:13:20.123"`: signedAt + day,
		`"never"`: signedAt + 30*day, `7200`: signedAt + 30*day, `0`: signedAt + 30*day, `-5`: signedAt + 30*day, `null`: signedAt + 30*day,
	} {
		data, err := keys.Sign(`{"_auth_user_id":"1","_auth_user_backend":"b","_session_expiry":`+text+`}`, signedAt)
		if err != nil {
			t.Fatal(err)
		}
		r, err := keys.Read(strings.Repeat("a", 32), data, 1<<40)
		if err != nil || r.Deadline != want {
			t.Errorf("%s: the session ends %d s after the sign-in, want %d; %v", text, r.Deadline-signedAt, want-signedAt, err)
		}
	}
}
