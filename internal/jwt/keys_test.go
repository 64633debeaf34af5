package jwt_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/sealed"
)

func kids(published []map[string]string) []string {
	var ids []string
	for _, k := range published {
		ids = append(ids, k["kid"])
	}
	return ids
}

// signedBy returns the kid of the key that a node signs with now.
func (w *world) signedBy(node *jwt.Service) string {
	w.t.Helper()
	pair, err := node.Create(w.t.Context(), jwt.SignIn{User: "1", Epoch: "first"})
	if err != nil {
		w.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(part(w.t, pair.Access, 0), `"kid":"`)
	return rest[:strings.Index(rest, `"`)]
}

func TestThereIsNoKeyUntilOneIsNeeded(t *testing.T) {
	w := newWorld(t)
	text, keep, err := w.PublicKeys(t.Context())
	if err != nil || string(text) != `{"keys":[]}` || keep != 0 {
		t.Errorf("PublicKeys returned %s, %v, %v; want no key, and 0", text, keep, err)
	}
	if err := w.Keys.Rotate(t.Context(), jwt.Rotation{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Verify(t.Context(), "eyJ.eyJ."+strings.Repeat("A", 86), ""); !errors.Is(err, jwt.ErrInvalid) {
		t.Errorf("Verify returned %v, want ErrInvalid", err)
	}
	if all, err := w.db.Sealed.Sealed(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("the store has %d keys (%v), want none", len(all), err)
	}
	w.signIn()
	if _, keep, err := w.PublicKeys(t.Context()); err != nil || keep != jwt.PublicFor {
		t.Errorf("after a sign-in PublicKeys returned %v, %v; want %v", keep, err, jwt.PublicFor)
	}
}

// TestAKeyIsPublishedBeforeItSignsAndAcceptedUntilItsLastTokenExpires, on two nodes that share only the store.
func TestAKeyIsPublishedBeforeItSignsAndAcceptedUntilItsLastTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		other := w.node()
		first := w.signedBy(w.Service)
		if got := w.signedBy(other); got != first {
			t.Fatal("the two nodes sign with different first keys")
		}
		time.Sleep(time.Hour)
		if err := w.Keys.Rotate(t.Context(), jwt.Rotation{Algorithm: jwt.ES256}); err != nil {
			t.Fatal(err)
		}
		made := time.Now()
		if ids := kids(w.published()); len(ids) != 2 || ids[0] != first {
			t.Fatalf("published after the rotation: %v, want two keys", ids)
		}
		second := kids(w.published())[1]
		time.Sleep(jwt.ReloadAfter)
		if ids := kids(published(t, other)); !slices.Equal(ids, []string{first, second}) {
			t.Errorf("the other node publishes %v", ids)
		}
		if jwt.PublishAhead <= jwt.ReloadAfter+jwt.PublicFor {
			t.Error("a key signs before every verifier can have it")
		}
		until := func(d time.Duration) { time.Sleep(time.Until(made.Add(d))) }
		until(jwt.PublishAhead - time.Second)
		for _, node := range []*jwt.Service{w.Service, other} {
			if got := w.signedBy(node); got != first {
				t.Error("the new key signs too early")
			}
		}
		last := w.signIn()
		until(jwt.PublishAhead)
		for _, node := range []*jwt.Service{w.Service, other} {
			if got := w.signedBy(node); got != second {
				t.Error("the new key doesn't sign")
			}
		}
		fresh := w.signIn()
		for _, node := range []*jwt.Service{w.Service, other} {
			for _, text := range []string{last.Access, last.Refresh, fresh.Access, fresh.Refresh} {
				if err := node.Verify(t.Context(), text, ""); err != nil {
					t.Error(err)
				}
			}
		}
		until(jwt.PublishAhead + 24*time.Hour - 2*time.Second)
		if err := w.Verify(t.Context(), last.Refresh, ""); err != nil {
			t.Errorf("the last token of the old key is refused before its end: %v", err)
		}
		if ids := kids(w.published()); len(ids) != 2 {
			t.Errorf("published before the end of the old key: %v, want two keys", ids)
		}
		until(jwt.PublishAhead + 24*time.Hour)
		if ids := kids(w.published()); !slices.Equal(ids, []string{second}) {
			t.Errorf("published after the end of the old key: %v, want only %v", ids, second)
		}
		// Tokens that are signed with the old key from now on are refused.
		key := w.oldest()
		now := time.Now().Unix()
		payload := strings.NewReplacer(fmt.Sprint(int64(claim(t, last.Access, "exp").(float64))), fmt.Sprint(now+60)).Replace(part(t, last.Access, 1))
		w.refused("signed with a retired key", key.sign(t, part(t, last.Access, 0), payload), jwt.ErrInvalid)
	})
}

// TestAfterALeakTheOldKeysCanBeDropped: at once on the node that drops them, within a minute on others, and for good.
func TestAfterALeakTheOldKeysCanBeDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		other := w.node()
		pair := w.signIn()
		time.Sleep(time.Hour)
		if err := w.Keys.Rotate(t.Context(), jwt.Rotation{}); err != nil { // its key doesn't sign yet
			t.Fatal(err)
		}
		pair = w.refresh(pair)
		if err := other.Verify(t.Context(), pair.Access, ""); err != nil {
			t.Fatal(err)
		}
		if err := w.Keys.Rotate(t.Context(), jwt.Rotation{Drop: true}); err != nil {
			t.Fatal(err)
		}
		w.refused("signed with a dropped key", pair.Access, jwt.ErrInvalid)
		w.refused("signed with a dropped key", pair.Refresh, jwt.ErrInvalid)
		fresh := w.signIn()
		keys := w.published()
		if len(keys) != 1 || w.signedBy(w.Service) != keys[0]["kid"] {
			t.Errorf("published after the drop: %v, want only the key that signs", keys)
		}
		time.Sleep(jwt.ReloadAfter)
		if err := other.Verify(t.Context(), pair.Refresh, ""); !errors.Is(err, jwt.ErrInvalid) {
			t.Errorf("another node accepts a dropped key a minute later: %v", err)
		}
		for _, d := range []time.Duration{0, jwt.PublishAhead, 12 * time.Hour} {
			time.Sleep(d)
			if err := other.Verify(t.Context(), fresh.Refresh, ""); err != nil || w.signedBy(other) != keys[0]["kid"] {
				t.Errorf("another node doesn't use the new key %v later: %v", d, err)
			}
		}
	})
}

// oldest returns the first key in the store, published or not.
func (w *world) oldest() signer {
	secrets, err := w.db.Sealed.Sealed(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	plain, err := w.ring.Open(secrets[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return opened(w.t, plain)
}

func TestRotationKeepsTheAlgorithmUnlessAsked(t *testing.T) {
	w := newWorld(t)
	for _, row := range []struct{ ask, want string }{{jwt.EdDSA, jwt.EdDSA}, {"", jwt.EdDSA}, {jwt.ES256, jwt.ES256}, {"", jwt.ES256}, {jwt.EdDSA, jwt.EdDSA}} {
		if err := w.Keys.Rotate(t.Context(), jwt.Rotation{Algorithm: row.ask}); err != nil {
			t.Fatal(err)
		}
		all := w.published()
		if got := all[len(all)-1]["alg"]; got != row.want {
			t.Errorf("a rotation to %q made a key for %s, want %s", row.ask, got, row.want)
		}
	}
	for _, bad := range []string{"none", "HS256", "RS256", "eddsa"} {
		if err := w.Keys.Rotate(t.Context(), jwt.Rotation{Algorithm: bad}); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("a rotation to %s: %v, want an error that names it", bad, err)
		}
	}
	if n := len(w.published()); n != 5 {
		t.Errorf("there are %d keys, want 5", n)
	}
}

// TestNodesThatStartAtOnceMakeOneKey: and concurrent rotations end without an error.
func TestNodesThatStartAtOnceMakeOneKey(t *testing.T) {
	w := newWorld(t)
	nodes := make([]*jwt.Service, 8)
	for i := range nodes {
		nodes[i] = w.node()
	}
	texts := make([]string, len(nodes))
	atOnce(len(nodes), func(i int) {
		pair, err := nodes[i].Create(t.Context(), jwt.SignIn{User: "1", Epoch: "first"})
		if err != nil {
			t.Error(err)
		}
		texts[i] = pair.Access
	})
	for _, node := range nodes {
		for _, text := range texts {
			if err := node.Verify(t.Context(), text, ""); err != nil {
				t.Errorf("a node refuses the token of another: %v", err)
			}
		}
	}
	if n := len(w.published()); n != 1 {
		t.Errorf("there are %d keys, want 1", n)
	}
	atOnce(len(nodes), func(i int) {
		if err := nodes[i].Keys.Rotate(t.Context(), jwt.Rotation{}); err != nil {
			t.Error(err)
		}
	})
	if all, err := w.db.Sealed.Sealed(t.Context()); err != nil || len(all) < 2 || len(all) > len(nodes)+1 {
		t.Errorf("there are %d keys (%v), want 2 to %d", len(all), err, len(nodes)+1)
	}
}

// TestAKeyThatAnotherNodeHasJustMadeIsFound: the first key signs at once, so a node that had none loads the keys again, also
// right after a token that no key has signed.
func TestAKeyThatAnotherNodeHasJustMadeIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		other := w.node()
		if keys := published(t, other); len(keys) != 0 {
			t.Fatalf("published before the first sign-in: %v", keys)
		}
		unknown := encode([]byte(`{"alg":"EdDSA","kid":"x","typ":"JWT"}`)) + "." + encode([]byte("{}")) + "." + encode(make([]byte, 64))
		if err := other.Verify(t.Context(), unknown, ""); !errors.Is(err, jwt.ErrInvalid) {
			t.Fatal(err)
		}
		pair := w.signIn()
		if err := other.Verify(t.Context(), pair.Access, ""); err != nil {
			t.Errorf("the other node refuses the token: %v", err)
		}
	})
}

// counted is a store that counts the reads of the keys, and fails them while down is set.
type counted struct {
	sealed.Store
	reads int
	down  bool
}

var errDown = errors.New("the database is down")

func (c *counted) Sealed(ctx context.Context) ([]sealed.Secret, error) {
	c.reads++
	if c.down {
		return nil, errDown
	}
	return c.Store.Sealed(ctx)
}

// TestStrangersCantMakeUsReadTheKeysAllTheTime sends many tokens with unknown headers.
func TestStrangersCantMakeUsReadTheKeysAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		store := &counted{Store: w.db.Sealed}
		w.Keys.Store = store
		pair := w.signIn()
		store.reads = 0
		for i := range 1000 {
			time.Sleep(10 * time.Millisecond)
			_, rest, _ := strings.Cut(pair.Access, ".")
			forged := encode(fmt.Appendf(nil, `{"alg":"EdDSA","kid":"%d","typ":"JWT"}`, i)) + "." + rest
			if err := w.Verify(t.Context(), forged, ""); !errors.Is(err, jwt.ErrInvalid) {
				t.Fatal(err)
			}
		}
		if store.reads > 3 {
			t.Errorf("the keys were read %d times in ten seconds, want at most 3", store.reads)
		}
	})
}

// TestAnOutageOfTheKeysIsNoRefusal: a node goes on with the keys that it has, and returns the error of the store if it has
// none.
func TestAnOutageOfTheKeysIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		store := &counted{Store: w.db.Sealed}
		w.Keys.Store = store
		pair := w.signIn()
		store.down = true
		time.Sleep(2 * time.Minute)
		if err := w.Verify(t.Context(), pair.Access, ""); err != nil {
			t.Errorf("a node that has the key refuses the token: %v", err)
		}
		cold := w.node()
		cold.Keys.Store = store
		if _, err := cold.Authenticate(t.Context(), pair.Access); !errors.Is(err, errDown) {
			t.Errorf("Authenticate on a node without keys: %v, want errDown", err)
		}
		if _, err := cold.Create(t.Context(), jwt.SignIn{User: "1", Epoch: "first"}); !errors.Is(err, errDown) {
			t.Errorf("Create on a node without keys: %v, want errDown", err)
		}
		if _, _, err := cold.PublicKeys(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("PublicKeys on a node without keys: %v, want errDown", err)
		}
		store.down = false
		if err := cold.Verify(t.Context(), pair.Access, ""); err != nil {
			t.Errorf("Verify after the outage: %v", err)
		}
	})
}

// TestSigningKeysAreSealed: the database without the server secret can't sign.
func TestSigningKeysAreSealed(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	secrets, err := w.db.Sealed.Sealed(t.Context())
	if err != nil || len(secrets) != 1 || secrets[0].Name != "jwt 000001" {
		t.Fatalf("the sealed secrets are %v (%v), want the first key", secrets, err)
	}
	if strings.Contains(string(secrets[0].Box), "pkcs8") {
		t.Error("the key is stored in plain text")
	}
	moved := sealed.Secret{Name: "jwt 000002", Box: secrets[0].Box}
	if _, err := w.db.Sealed.AddSealed(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	if err := w.node().Verify(t.Context(), "eyJ.eyJ."+strings.Repeat("A", 86), ""); !errors.Is(err, keyring.ErrWrongSecret) {
		t.Errorf("a key moved to another name: %v, want ErrWrongSecret", err)
	}
}
