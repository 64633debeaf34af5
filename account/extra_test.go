package account_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/memory"
)

func extraService(t *testing.T) (*account.Service, *account.User) {
	t.Helper()
	s := &account.Service{Store: memory.New().Accounts}
	u, err := s.Create(t.Context(), account.NewUser{Username: "ada", NoPassword: true})
	if err != nil {
		t.Fatal(err)
	}
	return s, u
}

const maxExtra = 4096 // bytes of each part

// TestExtraIsKeptWithoutBlanks, each part for itself, and nothing but a JSON object of a bounded size is.
func TestExtraIsKeptWithoutBlanks(t *testing.T) {
	t.Attr("threat", "EX02")
	s, u := extraService(t)
	long := `{"a":"` + strings.Repeat("x", maxExtra-8) + `"}`
	for text, want := range map[string]string{
		`{ "plan" : "pro",` + "\n" + ` "n": [1, {"m": null}] }`: `{"plan":"pro","n":[1,{"m":null}]}`,
		"": "", "{}": "", " { } ": "", long: long, `{"a":1e400}`: `{"a":1e400}`, `{"ä":"\u0000"}`: `{"ä":"\u0000"}`,
	} {
		got, err := s.Edit(t.Context(), u.ID, func(u *account.User) error { u.Extra = account.Extra{Public: text, Private: text}; return nil })
		if err != nil || got.Extra != (account.Extra{Public: want, Private: want}) {
			t.Errorf("%.40q is %+.60v, %v", text, got, err)
		}
	}
	kept := account.Extra{Public: `{"a":1}`, Private: `{"b":2}`}
	if _, err := s.Edit(t.Context(), u.ID, func(u *account.User) error { u.Extra = kept; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"[]", "null", "1", `"x"`, "{", `{"a":1}x`, "{\"a\":\"\xff\"}", strings.Replace(long, "x", "xx", 1), strings.Repeat("[", 20_000)} {
		for field, change := range map[string]func(*account.User){
			"extra":         func(u *account.User) { u.Extra.Public = text },
			"private_extra": func(u *account.User) { u.Extra.Private = text },
		} {
			_, err := s.Edit(t.Context(), u.ID, func(u *account.User) error { change(u); return nil })
			invalid, ok := errors.AsType[*account.InvalidError](err)
			if !ok || len(invalid.Fields) != 1 || len(invalid.Fields[field]) != 1 || invalid.Fields[field][0].Code != "invalid" {
				t.Errorf("%s %.40q: %v", field, text, err)
			}
		}
	}
	if got, err := s.Store.Load(t.Context(), u.ID); err != nil || got.Extra != kept {
		t.Errorf("%+v, %v; want %+v", got, err, kept)
	}
}

// FuzzExtra: what is kept is the same JSON, of a bounded size.
func FuzzExtra(f *testing.F) {
	f.Add(`{"a": [1, "é", {}]}`)
	f.Add("{}")
	f.Add("null")
	f.Fuzz(func(t *testing.T, text string) {
		s, u := extraService(t)
		got, err := s.Edit(t.Context(), u.ID, func(u *account.User) error { u.Extra.Public = text; return nil })
		if err != nil {
			return
		}
		kept := got.Extra.Public
		if len(kept) > maxExtra {
			t.Fatalf("%d bytes are kept", len(kept))
		}
		if kept == "" {
			return
		}
		var was, is map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &was) != nil || json.Unmarshal([]byte(kept), &is) != nil || len(was) != len(is) {
			t.Fatalf("%q is kept as %q", text, kept)
		}
	})
}
