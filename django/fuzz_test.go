package django_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/session"
)

// No data is read unless one of the keys has signed it.
func FuzzSignedData(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.data)
	}
	f.Add(compressed)
	f.Add(".:0:")
	f.Add("eyJ:1r31eq:CHtFBL9Iy4IXPDJsmBrVoXvLSnJoAfeWtPGaD1rChNU:")
	known := map[string]bool{compressed: true}
	for _, v := range vectors {
		known[v.data] = true
	}
	f.Fuzz(func(t *testing.T, data string) {
		if object, _, _, err := keys.Open(data); err == nil && !known[data] {
			t.Errorf("%q is read as %s", data, object)
		}
	})
}

// Whatever Django may have signed is either refused, or read and written again without loss.
func FuzzSessionObject(f *testing.F) {
	for _, v := range vectors {
		f.Add([]byte(v.object), false)
	}
	f.Add([]byte(`{"_auth_user_id":"1","_auth_user_backend":"b","_session_expiry":0,"a":NaN,"b":"\ud800","a":[{"}":"]"},1e400]}`), true)
	f.Add([]byte(`{"_auth_user_id":"1","_auth_user_backend":"b","_cloakroom":{"id":"x","v":"y","was":["z"]}, "n" : 1.0 , "s":"Zo`+"\xeb"+`"}`), false)
	f.Add([]byte(`{"_auth_user_id":1,"_session_expiry":"2026-01-02T03:04:05+00:00"}`), false)
	f.Fuzz(func(t *testing.T, object []byte, squeeze bool) {
		data := keys.SignRaw(object, signedAt)
		if squeeze {
			data = keys.SignSqueezed(object, signedAt)
		}
		key := strings.Repeat("a", 32)
		r, err := keys.Read(key, data, 1<<40)
		if err != nil {
			return
		}
		if r.User == "" || len(r.Values) > 0 && !json.Valid(r.Values) {
			t.Fatalf("%q is read as %+v", object, r)
		}
		again, err := keys.Rewrite(key, data, func(*session.Record) {})
		if err != nil {
			t.Fatalf("%q can't be written again: %v", object, err)
		}
		for _, c := range []byte(again) {
			if c >= 0x80 {
				t.Fatalf("%q is not ASCII", again)
			}
		}
		next, err := keys.Read(key, again, 1<<40)
		if err != nil || next.User != r.User || next.Epoch != r.Epoch || !bytes.Equal(django.ASCII(next.Values), django.ASCII(r.Values)) || next.Browser != r.Browser {
			t.Fatalf("%q has become %+v, was %+v, %v", object, next, r, err)
		}
	})
}

// No token is valid but the right one.
func FuzzResetToken(f *testing.F) {
	const genuine = "bxodq8-c213c644b7132803578daa29c9a39827"
	for _, s := range []string{genuine, "", "-", "bxodq8-", "zzzzzzzzzzzzzz-0"} {
		f.Add(s)
	}
	user := &account.User{ID: "1", Password: passwordColumn, Email: "alice@example.com"}
	at := vectorTime()
	f.Fuzz(func(t *testing.T, token string) {
		if (django.ResetTokens{Keys: keys}).Valid(user, token, at) && token != genuine {
			t.Errorf("%q is valid", token)
		}
	})
}

// What ParseUID accepts, UID writes in the same way.
func FuzzResetUID(f *testing.F) {
	for _, s := range []string{"MQ", "MTIzNDU", "", "MQ==", "M\nQ", "MR"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uid string) {
		var tokens django.ResetTokens
		if id, ok := tokens.ParseUID(uid); ok && tokens.UID(id) != uid {
			t.Errorf("%q is read as %q, which is written %q", uid, id, tokens.UID(id))
		}
	})
}
