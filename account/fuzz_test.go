package account_test

import (
	"errors"
	"net/mail"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/cloakroom-auth/cloakroom/account"
)

// FuzzUsername checks that each accepted name is stored in a form that is itself accepted, that no other user can have it in
// either form, and that it finds its user.
func FuzzUsername(f *testing.F) {
	for _, s := range []string{"ann", "ＡＮＮ", "a@b@c", "\u3164", "ﬁ", "Σς", "e\u0301", "\u1fb3", "\u0345", "\ufdfa", "x\xff", "\u13a0\uab70", "ǰ", "İı"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		s := newService(t, inMemory())
		u, err := s.named(typed, "")
		if err != nil {
			if _, ok := errors.AsType[*account.InvalidError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		name := u.Username
		if !utf8.ValidString(name) || !norm.NFKC.IsNormalString(name) || utf8.RuneCountInString(name) > 150 || strings.ContainsFunc(name, hidden) {
			t.Fatalf("%q is stored as %q", typed, name)
		}
		must(t, s.edit(u.ID, func(u *account.User) { u.Username = "another" })())
		must(t, s.edit(u.ID, func(u *account.User) { u.Username = name })())
		if again := s.load(u.ID).Username; again != name {
			t.Fatalf("%q is stored as %q", name, again)
		}
		for _, form := range forms(typed, name) {
			if found, err := s.Lookup(t.Context(), form); err != nil || found.ID != u.ID {
				t.Fatalf("%q is stored as %q, and %q finds %v, error %v", typed, name, form, found, err)
			}
		}
		for _, form := range []string{typed, name} {
			_, err := s.named(form, "")
			wantCodes(t, err, "username unique")
		}
	})
}

// FuzzEmail checks that net/mail reads each accepted address as one address, this one; and otherwise the same as
// FuzzUsername.
func FuzzEmail(f *testing.F) {
	for _, s := range []string{
		"ann@example.org", " Ann@EXAMPLE.Org ", "a@b@c.d", "a,b@c.d", "joe\u0301@exämple.ORG", "ann＠example.org", "a@İ.org", "a@Σ.ΑΣ",
		"a\ufe0f@b.c", "a@1⒈c", "\"a b\"@c.d", "a@b.c\r\nTo: d@e.f", "\u0301@b.c", "a@\u0301.c", "ſ@b.c", "straße@b.c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		s := newService(t, inMemory())
		u, err := s.named("ann", typed)
		if err != nil {
			if _, ok := errors.AsType[*account.InvalidError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		address := u.Email
		if address == "" {
			if strings.TrimSpace(typed) != "" {
				t.Fatalf("%q is no address", typed)
			}
			return
		}
		parsed, err := mail.ParseAddressList(address)
		if err != nil || len(parsed) != 1 || parsed[0].Address != address || parsed[0].Name != "" {
			t.Fatalf("%q is stored as %q, which is %v to net/mail, error %v", typed, address, parsed, err)
		}
		for _, text := range []string{address, account.CanonicalLogin(address)} {
			if strings.Count(text, "@") != 1 || strings.ContainsFunc(text, hidden) || strings.ContainsAny(text, ",;:<>()[]\\\"") {
				t.Fatalf("%q is stored as %q, with the key %q", typed, address, account.CanonicalLogin(address))
			}
		}
		must(t, s.edit(u.ID, func(u *account.User) { u.Email = "" })())
		must(t, s.edit(u.ID, func(u *account.User) { u.Email = address })())
		if again := s.load(u.ID).Email; again != address {
			t.Fatalf("%q is stored as %q", address, again)
		}
		for _, form := range forms(typed, address) {
			if found, err := s.Lookup(t.Context(), form); err != nil || found.ID != u.ID {
				t.Fatalf("%q is stored as %q, and %q finds %v, error %v", typed, address, form, found, err)
			}
		}
		_, err = s.named(address, "")
		if got := codes(t, err); !strings.HasPrefix(got[0], "username ") {
			t.Fatalf("the address %q was accepted as a username: %q", address, got)
		}
	})
}

// forms are ways to type a name.
func forms(typed, stored string) []string {
	all := []string{typed, stored, " " + stored + "\n", norm.NFD.String(stored)}
	for _, other := range []string{strings.ToUpper(stored), strings.ToLower(stored)} {
		if strings.EqualFold(other, stored) { // ToUpper makes the capital i of a dotless one, and ToLower an i of İ
			all = append(all, other)
		}
	}
	return all
}

// hidden reports whether a character is blank or invisible, or changes the display of the text around it.
func hidden(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) || r == utf8.RuneError }

// FuzzKey checks that the key of a key is the key itself, that forms of one text have one key, and that two texts with
// different keys never find the same account.
func FuzzKey(f *testing.F) {
	for _, s := range [][2]string{{"ann", "ANN"}, {"ß", "ss"}, {"é", "e\u0301"}, {"\u212a", "k"}, {"mike", "mıke"}, {"\u0345", "ι"}, {"ﬃ", "FFI"}, {"\u13f8", "\u13f0"}, {"İ", "i"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		key := account.CanonicalLogin(a)
		if again := account.CanonicalLogin(key); again != key {
			t.Fatalf("the key of %q is %q, and its key %q", a, key, again)
		}
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		for _, form := range []string{norm.NFC.String(a), norm.NFD.String(a), norm.NFKC.String(a), norm.NFKD.String(a)} {
			if account.CanonicalLogin(form) != key {
				t.Fatalf("the key of %q is %q, and of its form %q it is %q", a, key, form, account.CanonicalLogin(form))
			}
		}
		if strings.EqualFold(a, b) && account.CanonicalLogin(b) != key {
			t.Fatalf("%q and %q are equal but for case, and have the keys %q and %q", a, b, key, account.CanonicalLogin(b))
		}
		s := newService(t, inMemory())
		s.enrol(&account.User{Username: a, Epoch: "e"})
		err := s.Store.Create(t.Context(), &account.User{Username: b, Epoch: "e"})
		if _, taken := errors.AsType[*account.TakenError](err); taken != (account.CanonicalLogin(b) == key) {
			t.Fatalf("%q beside %q, with the keys %q and %q: %v", b, a, account.CanonicalLogin(b), key, err)
		}
	})
}
