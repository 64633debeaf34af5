package jwt_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/session"
)

func sessionsOf(user string) session.Query { return session.Query{User: user} }

func TestTokensAreMintedForListedAudiencesOnly(t *testing.T) {
	w := newWorld(t)
	w.Audiences = []string{"reports", publicURL}
	s := w.session()
	for _, audience := range []string{"", "report", "Reports", "reports ", "billing", publicURL, "*"} {
		if _, _, err := w.Mint(t.Context(), jwt.Mint{Session: s, Epoch: "first", Audience: audience}); !errors.Is(err, jwt.ErrAudience) {
			t.Errorf("Mint for %q returned %v, want ErrAudience", audience, err)
		}
	}
	w.mint(s, "reports")
}

func TestAMintedTokenSaysByWhatItsUserHasProvenWhoTheyAre(t *testing.T) {
	w := newWorld(t)
	w.Audiences = []string{"reports"}
	s := w.session()
	text, _, err := w.Mint(t.Context(), jwt.Mint{Session: s, Epoch: "first", AuthenticatedAt: s.CreatedAt, Methods: []string{"mfa", "otp", "pwd"}, Audience: "reports"})
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := claim(t, text, "amr").([]any); !ok || fmt.Sprint(got) != "[mfa otp pwd]" {
		t.Errorf("amr is %v", got)
	}
	if got := claim(t, w.mint(s, "reports"), "amr"); got != nil {
		t.Errorf("amr is %v though no method is known", got)
	}
}

func TestAMintedTokenExpiresNoLaterThanItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.sessions.Idle = time.Hour
		s := w.session()
		time.Sleep(57 * time.Minute)
		_, expires, err := w.Mint(t.Context(), jwt.Mint{Session: s, Epoch: "first", AuthenticatedAt: s.CreatedAt, Audience: "reports"})
		if err != nil || !expires.Equal(s.ExpiresAt) {
			t.Errorf("the token expires at %v (%v), want %v, when the session does", expires, err, s.ExpiresAt)
		}
	})
}

// TestAMintedTokenDoesNotRevealTheEpoch, nor whether two tokens have the same one. It stays valid with a new server secret.
func TestAMintedTokenDoesNotRevealTheEpoch(t *testing.T) {
	w := newWorld(t)
	s := w.session()
	a, b := w.mint(s, "reports"), w.mint(s, "reports")
	if claim(t, a, "epoch") == claim(t, b, "epoch") || strings.Contains(part(t, a, 1), "first") {
		t.Error("the tokens reveal the epoch")
	}
	path := t.TempDir() + "/secret"
	ring, err := keyring.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w2 := newWorld(t)
	w2.ring, w2.Keys.Ring = ring, ring
	text := w2.mint(w2.session(), "reports")
	if err := keyring.Rotate(t.Context(), path, w2.db.Sealed); err != nil {
		t.Fatal(err)
	}
	if w2.Keys.Ring, err = keyring.Load(path); err != nil {
		t.Fatal(err)
	}
	if err := w2.Verify(t.Context(), text, "reports"); err != nil {
		t.Errorf("the token is refused after the rotation of the server secret: %v", err)
	}
}
