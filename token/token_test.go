package token_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/token"
)

func newService() *token.Service { return &token.Service{Store: memory.New().Tokens} }

// made returns the text of a new token.
func made(t testing.TB, s *token.Service, n token.Params) (string, *token.Token) {
	t.Helper()
	if n.User == "" {
		n.User, n.Epoch = "1", "e"
	}
	text, k, err := s.Create(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return text, k
}

var allKinds = []token.Kind{token.DRF, token.Knox, token.Personal}

// TestParamsThatMakeNoTokenAreRefused: what is left of a time that is over is negative, and is not for ever.
func TestParamsThatMakeNoTokenAreRefused(t *testing.T) {
	for want, n := range map[string]token.Params{
		"User and Epoch":  {Kind: token.Personal, User: "1"},
		`the kind ""`:     {User: "1", Epoch: "e"},
		`the kind "mine"`: {User: "1", Epoch: "e", Kind: "mine"},
		`the kind "jti"`:  {User: "1", Epoch: "e", Kind: token.UsedJTI},
		"the TTL -1s":     {User: "1", Epoch: "e", Kind: token.Knox, TTL: -time.Second},
	} {
		if text, _, err := newService().Create(t.Context(), n); err == nil || text != "" || !strings.Contains(err.Error(), want) {
			t.Errorf("Create(%+v) = %q, %v; want %s", n, text, err, want)
		}
	}
}

func TestEachKindHasTheFormThatItsClientsKnow(t *testing.T) {
	for kind, form := range map[token.Kind]string{
		token.DRF:      `^[0-9a-f]{40}$`,
		token.Knox:     `^[0-9a-f]{64}$`,
		token.Personal: `^cloak_[0-9A-Za-z]{49}$`,
	} {
		s := newService()
		seen := map[string]bool{}
		for range 50 {
			text, k := made(t, s, token.Params{Kind: kind, Name: "n"})
			if !regexp.MustCompile(form).MatchString(text) || seen[text] || strings.Contains(k.ID, text) {
				t.Fatalf("%s: %q, %q", kind, text, k.ID)
			}
			seen[text] = true
			got, err := s.Check(t.Context(), text, allKinds...)
			if err != nil || got.ID != k.ID || got.Kind != kind || got.User != "1" || got.Epoch != "e" || got.Name != "n" {
				t.Fatalf("%s: %+v, %v", kind, got, err)
			}
			if _, err := s.Check(t.Context(), text, "other"); !errors.Is(err, token.ErrInvalid) {
				t.Errorf("%s counts as another kind: %v", kind, err)
			}
		}
	}
}

// TestAStoreNeverHoldsAToken checks that the store has a hash, and that nothing in the record authenticates.
func TestAStoreNeverHoldsAToken(t *testing.T) {
	t.Attr("threat", "S09")
	for _, kind := range allKinds {
		s := newService()
		text, _ := made(t, s, token.Params{Kind: kind})
		records, err := s.Store.List(t.Context(), token.Query{})
		if err != nil || len(records) != 1 {
			t.Fatal(records, err)
		}
		r := records[0]
		for _, seen := range []string{string(r.ID[:]), hex.EncodeToString(r.ID[:]), r.PublicID, string(r.Data)} {
			if seen != "" && (strings.Contains(text, seen) || strings.Contains(seen, text)) {
				t.Errorf("%s: the record shows the token", kind)
			}
			if _, err := s.Check(t.Context(), seen, allKinds...); !errors.Is(err, token.ErrInvalid) {
				t.Errorf("%s: %q from the store opens something: %v", kind, seen, err)
			}
		}
		if kind == token.Personal && r.ID != token.ID(sha256.Sum256([]byte(text))) {
			t.Error("the ID is not the SHA-256 of the text")
		}
	}
}

// TestKnoxTokensAreKnownByHalfOfTheirSHA512 compares with the digest of django-rest-knox, which imported tokens have.
func TestKnoxTokensAreKnownByHalfOfTheirSHA512(t *testing.T) {
	digest, err := hex.DecodeString("3136010b401896ce3da77d8c11dbf30c3b927779f8814e043b881feafd30a7bf6323f85d1fe9d7bc655e1dc0e9be929899e91b898e1759f29567a1b3954f1190")
	if err != nil {
		t.Fatal(err)
	}
	s := newService()
	r := &token.Record{ID: token.ID(digest[:32]), PublicID: "p", User: "1", Epoch: "e", Kind: token.Knox}
	if err := s.Store.Create(t.Context(), r, token.Limit{}); err != nil {
		t.Fatal(err)
	}
	if k, err := s.Check(t.Context(), strings.Repeat("9f4b", 16), token.Knox); err != nil || k.ID != "p" {
		t.Errorf("%+v, %v", k, err)
	}
}

func TestAPersonalTokenThatWasMistypedNeverReachesTheStore(t *testing.T) {
	s := newService()
	text, _ := made(t, s, token.Params{Kind: token.Personal})
	s.Store = unasked{t}
	for i := range text {
		for _, wrong := range []string{text[:i] + text[i+1:], text[:i] + "~" + text[i+1:], text[:i] + flip(text[i]) + text[i+1:]} {
			if _, err := s.Check(t.Context(), wrong, token.Personal); !errors.Is(err, token.ErrInvalid) {
				t.Fatalf("%q: %v", wrong, err)
			}
		}
	}
	for _, wrong := range []string{"", " " + text, text + " ", text + "x", strings.ToUpper(text), strings.Repeat("a", 1<<20)} {
		if _, err := s.Check(t.Context(), wrong, token.Personal); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("%.60q: %v", wrong, err)
		}
	}
}

func flip(c byte) string {
	if c == 'a' {
		return "b"
	}
	return "a"
}

// unasked is a store that must not be asked.
type unasked struct{ t *testing.T }

func (u unasked) fail() error                                                    { u.t.Helper(); u.t.Error("the store was asked"); return nil }
func (u unasked) Create(context.Context, *token.Record, token.Limit) error       { return u.fail() }
func (u unasked) Load(context.Context, token.ID) (*token.Record, error)          { return nil, u.fail() }
func (u unasked) Replace(context.Context, *token.Record, *token.Record) error    { return u.fail() }
func (u unasked) Touch(context.Context, []token.LastUse) error                   { return u.fail() }
func (u unasked) Delete(context.Context, token.ID) error                         { return u.fail() }
func (u unasked) DeleteUser(context.Context, string, ...token.Kind) (int, error) { return 0, u.fail() }
func (u unasked) List(context.Context, token.Query) ([]*token.Record, error)     { return nil, u.fail() }
func (u unasked) DeleteExpired(context.Context, int64, int) (int, error)         { return 0, u.fail() }

func TestATokenEndsWhenItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		text, k := made(t, s, token.Params{Kind: token.Knox, TTL: 10 * time.Hour})
		eternal, never := made(t, s, token.Params{Kind: token.Personal})
		if !k.ExpiresAt.Equal(time.Now().Add(10*time.Hour).Truncate(time.Second)) || !never.ExpiresAt.IsZero() {
			t.Errorf("%v, %v", k.ExpiresAt, never.ExpiresAt)
		}
		time.Sleep(10*time.Hour - time.Second)
		if _, err := s.Check(t.Context(), text, token.Knox); err != nil {
			t.Errorf("a second before: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := s.Check(t.Context(), text, token.Knox); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("at the end: %v", err)
		}
		if list, err := s.List(t.Context(), "1"); err != nil || len(list) != 1 || list[0].Kind != token.Personal {
			t.Errorf("%+v, %v", list, err)
		}
		if _, err := s.Check(t.Context(), eternal, token.Personal); err != nil {
			t.Error(err)
		}
	})
}

func TestUsesAreWrittenInBatchesAndAMinuteApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		text, _ := made(t, s, token.Params{Kind: token.DRF})
		check := func() *token.Token {
			k, err := s.Check(t.Context(), text, token.DRF)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		first := time.Now()
		s.Use(t.Context(), check())
		if got := check().LastUsedAt; !got.Equal(first.Truncate(time.Second)) {
			t.Errorf("without Run a use is written at once: %v", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		time.Sleep(59 * time.Second)
		s.Use(t.Context(), check())
		time.Sleep(6 * time.Second)
		if got := check().LastUsedAt; !got.Equal(first.Truncate(time.Second)) {
			t.Errorf("written again within a minute: %v", got)
		}
		second := time.Now()
		s.Use(t.Context(), check())
		if got := check().LastUsedAt; !got.Equal(first.Truncate(time.Second)) {
			t.Errorf("written before its batch: %v", got)
		}
		time.Sleep(6 * time.Second)
		if got := check().LastUsedAt; !got.Equal(second.Truncate(time.Second)) {
			t.Errorf("not written: %v", got)
		}
		time.Sleep(time.Minute)
		third := time.Now()
		s.Use(t.Context(), check())
		cancel()
		if err := <-done; err != nil || !check().LastUsedAt.Equal(third.Truncate(time.Second)) {
			t.Errorf("lost at the end: %v, %v", err, check().LastUsedAt)
		}
	})
}

func TestRunDeletesExpiredTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		for range 450 {
			made(t, s, token.Params{Kind: token.Knox, TTL: time.Hour})
		}
		made(t, s, token.Params{Kind: token.Personal})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.Run(ctx)
		time.Sleep(time.Hour + 2*time.Minute)
		if left, err := s.Store.List(t.Context(), token.Query{}); err != nil || len(left) != 1 {
			t.Errorf("%d are left, %v", len(left), err)
		}
	})
}

func TestRevokingIsForTheOwnerAndLeavesOtherTokens(t *testing.T) {
	s := newService()
	mine, k := made(t, s, token.Params{Kind: token.Personal})
	other, _ := made(t, s, token.Params{Kind: token.Knox})
	bobs, b := made(t, s, token.Params{Kind: token.Personal, User: "2", Epoch: "e"})
	for _, id := range []string{"", b.ID, mine, "unknown"} {
		if err := s.Revoke(t.Context(), "1", id); !errors.Is(err, token.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if err := s.Revoke(t.Context(), "1", k.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(t.Context(), mine, token.Personal); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("it lives: %v", err)
	}
	if n, err := s.RevokeAll(t.Context(), "1", token.DRF, token.Knox); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := s.Check(t.Context(), other, token.Knox); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("it lives: %v", err)
	}
	if _, err := s.Check(t.Context(), bobs, token.Personal); err != nil {
		t.Error(err)
	}
	if _, err := s.RevokeAll(t.Context(), ""); err == nil {
		t.Error("RevokeAll accepted an empty user")
	}
}

func TestScopesLimitAToken(t *testing.T) {
	s := newService()
	_, all := made(t, s, token.Params{Kind: token.Personal})
	_, some := made(t, s, token.Params{Kind: token.Personal, Scopes: []string{"app.write", "app.read", "app.read"}})
	if !all.Allows("app.read") || !some.Allows("app.read") || !some.Allows("app.write") || some.Allows("app.drop") || some.Allows("app") || some.Allows("") {
		t.Errorf("%v, %v", all.Scopes, some.Scopes)
	}
	if len(some.Scopes) != 2 {
		t.Errorf("%v", some.Scopes)
	}
}

// TestTheLogNamesATokenByItsPublicID, and never contains its text.
func TestTheLogNamesATokenByItsPublicID(t *testing.T) {
	var log bytes.Buffer
	s := newService()
	s.Audit = &audit.Log{Text: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	text, k := made(t, s, token.Params{Kind: token.Knox})
	if err := s.Revoke(t.Context(), "", k.ID); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); strings.Contains(got, text) || strings.Count(got, k.ID) != 2 ||
		!strings.Contains(got, "authn_token_created") || !strings.Contains(got, "authn_token_revoked") {
		t.Error(got)
	}
}

// FuzzCheck checks that only texts of created tokens are accepted, and that texts without the form of a token don't reach
// the store.
func FuzzCheck(f *testing.F) {
	s := newService()
	known := map[string]bool{}
	for _, kind := range allKinds {
		text, _, err := s.Create(context.Background(), token.Params{User: "1", Epoch: "e", Kind: kind})
		if err != nil {
			f.Fatal(err)
		}
		known[text] = true
		f.Add(text)
		f.Add(strings.ToUpper(text))
	}
	f.Add("cloak_" + strings.Repeat("0", 43) + token.Checksum("cloak_"+strings.Repeat("0", 43)))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := s.Check(t.Context(), text, allKinds...)
		if known[text] != (err == nil) || (err != nil && !errors.Is(err, token.ErrInvalid)) {
			t.Fatalf("%q: %+v, %v", text, k, err)
		}
	})
}
