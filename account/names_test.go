package account_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
)

// named creates a user with these names, without hashing a password. It returns the user, or the wrong fields.
func (s service) named(username, email string) (*account.User, error) {
	s.t.Helper()
	u := s.enrol(&account.User{Username: "x y", IsActive: true, Epoch: "e"}) // a name that the rules refuse
	named, err := s.Edit(s.t.Context(), u.ID, func(u *account.User) error {
		u.Username, u.Email = username, email
		return nil
	})
	if err != nil {
		must(s.t, s.Delete(s.t.Context(), u.ID))
	}
	return named, err
}

// TestUsernames checks the rules of Django's UnicodeUsernameValidator, and NFKC as in its UsernameField.
func TestUsernames(t *testing.T) {
	s := newService(t, inMemory())
	for typed, want := range map[string]string{
		"ann":                    "ann",
		"Ann_1.2+3-4@home":       "Ann_1.2+3-4@home",
		"a@b@c":                  "a@b@c",
		"7":                      "7",
		"ｗｉｄｅ":                   "wide",
		"Ωmega":                  "Ωmega",
		"ﬁnn":                    "finn",
		"\u212bngstro\u0308m":    "\u00c5ngstr\u00f6m",
		"李雷":                     "李雷",
		"أحمد":                   "أحمد",
		"Σίσυφος":                "Σίσυφος",
		"m²":                     "m2",
		"Ⅻth":                    "XIIth",
		"ⓐ":                      "a",
		strings.Repeat("é", 150): strings.Repeat("é", 150),
	} {
		if u, err := s.named(typed, ""); err != nil || u.Username != want {
			t.Errorf("%q: user %v, error %v", typed, u, err)
		}
	}
}

func TestBadUsernames(t *testing.T) {
	s := newService(t, inMemory())
	for typed, code := range map[string]string{
		"":                             "blank",
		" ":                            "invalid",
		" ann":                         "invalid",
		"ann\n":                        "invalid",
		"an n":                         "invalid",
		"an\u00a0n":                    "invalid",
		"ann\x00":                      "invalid",
		"ann\xff":                      "invalid",
		"ann\ufffd":                    "invalid",
		"ann\u200b":                    "invalid", // zero-width space
		"a\u202enn":                    "invalid", // turns the line around
		"a\u00adnn":                    "invalid", // soft hyphen
		"\u3164":                       "invalid", // Hangul filler: a letter that shows nothing
		"ann\uffa0":                    "invalid",
		"ann\u115f":                    "invalid",
		"a\u0301\u0302nn\u0302":        "invalid", // marks don't match \w
		"ann!":                         "invalid",
		"<ann>":                        "invalid",
		"ann/../bob":                   "invalid",
		"ann'--":                       "invalid",
		"№1€":                          "invalid",
		"☺":                            "invalid",
		strings.Repeat("é", 151):       "max_length",
		strings.Repeat("\ufdfa", 9):    "max_length", // becomes 162 characters
		strings.Repeat("x", 1_000_000): "max_length",
	} {
		_, err := s.named(typed, "")
		if got := codes(t, err); len(got) != 1 || got[0] != "username "+code {
			t.Errorf("%.20q: %q, want %s", typed, got, code)
		}
	}
}

// TestDjangoTakesTheSameUsernames compares with the results of Django 3.2's NFKC and UnicodeUsernameValidator; null means
// refused.
func TestDjangoTakesTheSameUsernames(t *testing.T) {
	text, err := os.ReadFile("testdata/django_usernames.json")
	must(t, err)
	var rows [][2]*string
	must(t, json.Unmarshal(text, &rows))
	for _, row := range rows {
		u, err := newService(t, inMemory()).named(*row[0], "")
		switch {
		case row[1] == nil && err == nil:
			t.Errorf("%+q is stored as %+q; Django refuses it", *row[0], u.Username)
		case row[1] != nil && (err != nil || u.Username != *row[1]):
			t.Errorf("%+q: user %v, error %v; Django stores %+q", *row[0], u, err, *row[1])
		}
	}
}

func TestEmailAddresses(t *testing.T) {
	s := newService(t, inMemory())
	for typed, want := range map[string]string{
		"":                              "",
		"  ":                            "",
		"ann@example.org":               "ann@example.org",
		" Ann@EXAMPLE.Org\t":            "Ann@example.org",
		"ann+news@sub.example.org":      "ann+news@sub.example.org",
		"o'hara_{x}=!#$%&*/?^`|~-@a.bc": "o'hara_{x}=!#$%&*/?^`|~-@a.bc",
		"ann@localhost":                 "ann@localhost",
		"joe\u0301@exämple.ORG":         "jo\u00e9@exämple.org",
		"李雷@例え.テスト":                     "李雷@例え.テスト",
		"ann@xn--exmple-cua.org":        "ann@xn--exmple-cua.org",
		"a@b.c":                         "a@b.c",
		strings.Repeat("a", 64) + "@" + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 61): strings.Repeat("a", 64) +
			"@" + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 61),
	} {
		u, err := s.named("ann", typed)
		if err != nil || u.Email != want {
			t.Errorf("%q: user %v, error %v", typed, u, err)
			continue
		}
		must(t, s.Delete(t.Context(), u.ID))
	}
}

// TestAnAddressIsOneAddress refuses lists, headers, and anything that a mailer could read as more than one address.
func TestAnAddressIsOneAddress(t *testing.T) {
	t.Attr("threat", "G4")
	s := newService(t, inMemory())
	for _, typed := range []string{
		"ann", "@", "ann@", "@example.org", "ann@example", "ann@.org", "ann@example.", "ann@example..org", ".ann@example.org",
		"ann.@example.org", "an..n@example.org", "ann@-example.org", "ann@example-.org", "ann@exa_mple.org",
		"ann@example.org,eve@example.org", "ann@example.org;eve@example.org", "ann@example.org eve@example.org",
		"ann@example.org@example.net", "ann@eve@example.org", `"ann@eve"@example.org`, `"ann"@example.org`,
		"ann@example.org\nBcc: eve@example.org", "ann@example.org\r\n", "ann\x00@example.org", "ann@example.org%0abcc:eve@x.org",
		"Ann <ann@example.org>", "<ann@example.org>", "ann(comment)@example.org", "ann@[127.0.0.1]", "ann@example.org?cc=eve@x.org",
		"ann\\@example.org", "ann:eve@example.org", "ann@example.org:25", "[\"ann@example.org\",\"eve@example.org\"]",
		"ann＠example.org", "ann@eve＠example.org", "ann﹫example.org", "ann@example。org", "ann@1⒈org",
		"ann\u200b@example.org", "an\u034fn@example.org", "ann\ufe0f@example.org", "\u3164@example.org", "ann@example.org\u202e",
		"ann\xff@example.org", "ann@exa\xffmple.org", strings.Repeat("a", 65) + "@example.org",
		"ann@" + strings.Repeat("a", 64) + ".org", "ann@" + strings.Repeat("a.", 125) + "org", strings.Repeat("a", 1_000_000) + "@example.org",
	} {
		if strings.TrimSpace(typed) != typed {
			typed += "x"
		}
		_, err := s.named("ann", typed)
		if got := codes(t, err); len(got) != 1 || got[0] != "email invalid" {
			t.Errorf("%.60q: %q", typed, got)
		}
	}
}

// TestLookAlikeAddressesAreRefusedOrTheSame uses characters like those of CVE-2019-19844: either an address equals the
// victim's, and is taken; or it differs, and finds another user or no user.
func TestLookAlikeAddressesAreRefusedOrTheSame(t *testing.T) {
	t.Attr("threat", "G3")
	s := newService(t, inMemory())
	victims := map[string]*account.User{}
	for _, name := range []string{"mike", "kim", "strasse", "jim"} {
		u := s.enrol(&account.User{Username: name, Email: name + "@example.org", IsActive: true, Epoch: "e"})
		victims[name] = u
	}
	for _, c := range []struct {
		typed, codes string
		finds        *account.User
	}{
		{"\u212aim@example.org", "email unique", victims["kim"]}, // the Kelvin sign
		{"straße@example.org", "email unique", victims["strasse"]},
		{"ⓜike@example.org", "email invalid", victims["mike"]},
		{"ｍike@example.org", "email invalid", victims["mike"]},
		{"mike@ⓔxample.org", "email invalid", victims["mike"]},
		{"ſtrasse@example.org", "email invalid", victims["strasse"]}, // the long s
		{"mıke@example.org", "", nil},                                // the dotless i is another letter
		{"mİke@example.org", "", nil},
		{"mi\u0307ke@example.org", "", nil},
		{"jim@example.org\u200b", "email invalid", nil},
		{"j\u0456m@example.org", "", nil}, // Cyrillic
	} {
		found, err := s.Lookup(t.Context(), c.typed)
		switch {
		case c.finds == nil && err == nil && found.Username != "eve":
			t.Errorf("%q finds %s", c.typed, found.Username)
		case c.finds != nil && (err != nil || found.ID != c.finds.ID || found.Email != c.finds.Email):
			t.Errorf("%q finds %v, error %v", c.typed, found, err)
		}
		eve, err := s.named("eve", c.typed)
		if c.codes != "" {
			if got := codes(t, err); len(got) != 1 || got[0] != c.codes {
				t.Errorf("%q: %q, want %q", c.typed, got, c.codes)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.typed, err)
			continue
		}
		must(t, s.Delete(t.Context(), eve.ID))
	}
}

func TestPermissionsAreOfDjangosForm(t *testing.T) {
	s := newService(t, inMemory())
	id := s.enrol(ann()).ID
	for _, p := range []string{"blog.add_post", "a.b", "my-app.can.publish", "ünïcode.ändern"} {
		must(t, s.edit(id, func(u *account.User) { u.UserPermissions = []string{p} })())
		if u := s.load(id); !u.Has(p) {
			t.Errorf("%q was given, and %q are there", p, u.Permissions)
		}
	}
	for _, p := range []string{"", ".", "blog", "blog.", ".add_post", "blog.add post", "blog.*", "*", "a.b\n", "a.b,c.d", "a." + strings.Repeat("b", 199)} {
		wantCodes(t, s.edit(id, func(u *account.User) { u.UserPermissions = append(u.UserPermissions, p) })(), "permissions invalid")
	}
}

func TestKeysOfOneName(t *testing.T) {
	for _, names := range [][]string{
		{"ann", "ANN", "Ann", "ａｎｎ", "ⓐⓝⓝ"},
		{"straße", "STRASSE", "strasse", "STRAẞE"},
		{"\u00e9lan", "e\u0301lan", "\u00c9LAN"},
		{"find", "ﬁnd", "FIND"},
		{"kim", "\u212aim"},
		{"σσ", "ΣΣ", "σς"},
		{"\u1fb3", "\u03b1\u03b9", "\u1fbc"}, // iota subscript
		{"\u0390", "\u1fd3"},
		{"\u13a0", "\uab70"}, // Cherokee folds to upper case
	} {
		for _, name := range names {
			if account.CanonicalLogin(name) != account.CanonicalLogin(names[0]) {
				t.Errorf("%q is %q, and %q is %q", name, account.CanonicalLogin(name), names[0], account.CanonicalLogin(names[0]))
			}
		}
	}
	for _, names := range [][2]string{{"ann", "anna"}, {"mike", "mıke"}, {"ann", "a nn"}, {"o", "0"}, {"a", "\u0430"}, {"é", "e"}} {
		if account.CanonicalLogin(names[0]) == account.CanonicalLogin(names[1]) {
			t.Errorf("%q and %q have one key", names[0], names[1])
		}
	}
}

func TestEveryCharacterHasOneKeyInBothCases(t *testing.T) {
	for r := range unicode.MaxRune + 1 {
		s := string(r)
		key := account.CanonicalLogin(s)
		if again := account.CanonicalLogin(key); again != key {
			t.Errorf("the key of %U is %+q, and its key %+q", r, key, again)
		}
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			if account.CanonicalLogin(string(other)) != key {
				t.Errorf("the key of %U is %+q, and of %U it is %+q", r, key, other, account.CanonicalLogin(string(other)))
			}
		}
	}
}

// TestNoNewNameIsOneThatHeadersCannotCarry checks new users and edits of users, in each store.
func TestNoNewNameIsOneThatHeadersCannotCarry(t *testing.T) {
	t.Attr("threat", "E11")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		u := s.enrol(ann())
		for _, name := range []string{
			"", " ", "ada ", " ada", "ada\n", "\tada", "a\x00da", "a\x1fda", "a\x7fda", "ada\u0085", "a\u009bda", "ada\u00a0", "\u3000ada", "ada\u2028", "ada\xff",
		} {
			if made, err := s.Create(t.Context(), account.NewUser{Username: name, NoPassword: true}); err == nil {
				t.Errorf("a new user is called %q, stored as %q", name, made.Username)
			}
			if err := s.edit(u.ID, func(u *account.User) { u.Username = name })(); err == nil {
				t.Errorf("a user is renamed to %q, stored as %q", name, s.load(u.ID).Username)
			}
			address := "x" + name + "@example.org"
			if err := s.edit(u.ID, func(u *account.User) { u.Email = address })(); err == nil && name != "" {
				t.Errorf("the address %q is stored as %q", address, s.load(u.ID).Email)
			}
			address = name + "x@example.org" + name // white space is taken off
			if err := s.edit(u.ID, func(u *account.User) { u.Email = address })(); err == nil && s.load(u.ID).HeaderFlaw() != "" {
				t.Errorf("the address %q is stored as %q", address, s.load(u.ID).Email)
			}
		}
	})
}
