package passkey_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/internal/passkey/passkeytest"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// TestAnotherAuthenticatorAgrees registers and signs in with virtualwebauthn, which reads our options and writes the answers by
// itself, for each kind of key.
func TestAnotherAuthenticatorAgrees(t *testing.T) {
	for _, kind := range []virtualwebauthn.KeyType{virtualwebauthn.KeyTypeEC2, virtualwebauthn.KeyTypeRSA} {
		t.Run(string(kind), func(t *testing.T) {
			s := newSite(t)
			rp := virtualwebauthn.RelyingParty{ID: rpID, Name: rpID, Origin: origin}
			device := virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{BackupEligible: true, BackupState: true})
			credential := passkeytest.NewCredential(kind)

			options, err := s.CreationOptions(t.Context(), ada, factor.Passkey, "session")
			if err != nil {
				t.Fatal(err)
			}
			creation, err := virtualwebauthn.ParseAttestationOptions(text(t, options))
			if err != nil || creation.RelyingPartyID != rpID || creation.UserName != "ada" || creation.UserDisplayName != "Ada Lovelace" || len(creation.UserID) != 32 {
				t.Fatalf("creation options: %+v, %v", creation, err)
			}
			f, err := s.Register(t.Context(), ada.ID, factor.Passkey, "session",
				[]byte(virtualwebauthn.CreateAttestationResponse(rp, device, credential, *creation)))
			if err != nil {
				t.Fatal(err)
			}
			if f.User != ada.ID || f.Kind != factor.Passkey || f.RPID != rpID || !bytes.Equal(f.Credential, credential.ID) || f.Created == 0 {
				t.Errorf("factor: %+v", f)
			}
			f.ID, f.State = "f", factor.Active
			if err := s.db.Factors.Add(t.Context(), f); err != nil {
				t.Fatal(err)
			}

			request, err := s.RequestOptions()
			if err != nil {
				t.Fatal(err)
			}
			assertion, err := virtualwebauthn.ParseAssertionOptions(text(t, request))
			if err != nil || assertion.RelyingPartyID != rpID || len(assertion.AllowCredentials) != 0 {
				t.Fatalf("request options: %+v, %v", assertion, err)
			}
			device.Options.UserHandle = []byte(creation.UserID)
			proof, err := s.check(t, signIn, []byte(virtualwebauthn.CreateAssertionResponse(rp, device, credential, *assertion)))
			if err != nil {
				t.Fatal(err)
			}
			want := []signin.Method{signin.SyncedKey, signin.UserPresent, signin.MultiFactor}
			if !proof.Verified || proof.CounterFell || proof.Factor.ID != "f" || !slices.Equal(proof.Methods, want) {
				t.Errorf("proof: %+v", proof)
			}
		})
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestOptions are read by browsers, which take null for the text "null" or refuse it.
func TestOptions(t *testing.T) {
	s, d := newSite(t), newDevice()
	first := text(t, must(s.CreationOptions(t.Context(), ada, factor.Passkey, "session")))
	f := s.add(t, d, factor.Passkey)
	again := text(t, must(s.CreationOptions(t.Context(), ada, factor.Passkey, "session")))
	key := text(t, must(s.CreationOptions(t.Context(), ada, factor.SecurityKey, "session")))
	visitor := text(t, must(s.RequestOptions()))
	known := text(t, must(s.RequestOptionsFor(t.Context(), passkey.Ceremony{Purpose: passkey.Second, User: ada.ID, Bound: "p"})))
	for name, options := range map[string]string{"first": first, "again": again, "key": key, "visitor": visitor, "known": known} {
		if strings.Contains(options, "null") || strings.Contains(options, `""`) {
			t.Errorf("%s has an empty member: %s", name, options)
		}
		if !strings.Contains(options, `"timeout":300000`) {
			t.Errorf("%s: %s", name, options)
		}
	}
	id := `"id":"` + passkeytest.B64(f.Credential) + `"`
	for options, wants := range map[string][]string{
		first:   {`"residentKey":"required"`, `"requireResidentKey":true`, `"userVerification":"required"`, `"attestation":"none"`, `"alg":-7`},
		again:   {`"excludeCredentials":[{"type":"public-key",` + id},
		key:     {`"excludeCredentials":[{"type":"public-key",` + id, `"residentKey":"discouraged"`, `"userVerification":"discouraged"`},
		visitor: {`"userVerification":"required"`, `"rpId":"app.example.com"`},
		known:   {`"allowCredentials":[{"type":"public-key",` + id, `"userVerification":"preferred"`},
	} {
		for _, want := range wants {
			if !strings.Contains(options, want) {
				t.Errorf("%s\nlacks %s", options, want)
			}
		}
	}
	if strings.Contains(visitor, "allowCredentials") {
		t.Errorf("a visitor is told credentials: %s", visitor)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestWhatOptionsLeaveOut: a credential for another relying party can't be used, and one that is being removed must not be.
func TestWhatOptionsLeaveOut(t *testing.T) {
	s := newSite(t)
	none := passkey.Ceremony{Purpose: passkey.Again, User: ada.ID, Bound: "s"}
	if options, err := s.RequestOptionsFor(t.Context(), none); options != nil || err != nil {
		t.Errorf("without a passkey: %v, %v", options, err)
	}
	f := s.add(t, newDevice(), factor.Passkey)
	if err := s.db.Factors.SetState(t.Context(), f.ID, factor.Active, factor.Removing, "e"); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Factors.Add(t.Context(), &factor.Factor{ID: "else", User: ada.ID, Kind: factor.Passkey, Credential: []byte("c"), RPID: "example.net", Data: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if options, err := s.RequestOptionsFor(t.Context(), none); options != nil || err != nil {
		t.Errorf("with unusable ones: %v, %v", options, err)
	}
}

func TestTenCredentialsAtMost(t *testing.T) {
	s := newSite(t)
	for range factor.MaxKeys {
		s.add(t, newDevice(), factor.SecurityKey)
	}
	if _, err := s.CreationOptions(t.Context(), ada, factor.Passkey, "session"); !errors.Is(err, factor.ErrTooManyKeys) {
		t.Errorf("the eleventh: %v", err)
	}
}

// TestUserHandlesAreRandomAndStay: they say nothing about the account.
func TestUserHandlesAreRandomAndStay(t *testing.T) {
	s := newSite(t)
	handle := func(u passkey.User) string {
		return text(t, must(s.CreationOptions(t.Context(), u, factor.Passkey, "session")).Response.User.ID)
	}
	first, other := handle(ada), handle(passkey.User{ID: "2", Name: "ada"})
	if first != handle(ada) || first == other || len(first) != 43+2 {
		t.Errorf("handles %s, %s", first, other)
	}
}

// TestAPasskeyIsUsedByEachPurpose checks the words and the record of a use.
func TestAPasskeyIsUsedByEachPurpose(t *testing.T) {
	for _, c := range []passkey.Ceremony{
		signIn,
		{Purpose: passkey.Second, User: ada.ID, Bound: "pending"},
		{Purpose: passkey.Again, User: ada.ID, Bound: "session"},
		{Purpose: passkey.Again, User: ada.ID, Bound: "session", Verify: true},
	} {
		for _, synced := range []byte{0, passkeytest.BE, passkeytest.BE | passkeytest.BS} {
			t.Run(fmt.Sprint(c, synced), func(t *testing.T) {
				s, d := newSite(t), newDevice()
				d.Flags |= synced
				f := s.add(t, d, factor.Passkey)
				d.Counter = 7
				proof, err := s.check(t, c, d.Assertion(s.challenge(t, c)).Sign(d))
				if err != nil {
					t.Fatal(err)
				}
				word := signin.HardwareKey
				if synced != 0 {
					word = signin.SyncedKey
				}
				if !proof.Verified || proof.CounterFell || !slices.Equal(proof.Methods, []signin.Method{word, signin.UserPresent, signin.MultiFactor}) {
					t.Errorf("proof %+v", proof)
				}
				got := must(s.db.Factors.FindCredential(t.Context(), f.Credential))
				var record webauthn.Credential
				if err := json.Unmarshal(got.Data, &record); err != nil {
					t.Fatal(err)
				}
				if got.Used == 0 || got.Counter != 7 || record.Flags.BackupState != (synced == passkeytest.BE|passkeytest.BS) || !record.Flags.UserVerified {
					t.Errorf("stored %+v, %+v", got, record)
				}
			})
		}
	}
}

// TestASecurityKeyIsOneFactor: it is a second step, and opens nothing alone, even if it verifies its user.
func TestASecurityKeyIsOneFactor(t *testing.T) {
	t.Attr("threat", "N04")
	s, d := newSite(t), newDevice()
	d.Flags = passkeytest.UP
	s.add(t, d, factor.SecurityKey)
	second := passkey.Ceremony{Purpose: passkey.Second, User: ada.ID, Bound: "pending"}
	proof, err := s.check(t, second, d.Assertion(s.challenge(t, second)).Sign(d))
	if err != nil || proof.Verified || !slices.Equal(proof.Methods, []signin.Method{signin.HardwareKey}) {
		t.Errorf("as second step: %+v, %v", proof, err)
	}
	d.Flags |= passkeytest.UV
	if proof, err := s.check(t, signIn, d.Assertion(s.challenge(t, signIn)).Sign(d)); !errors.Is(err, passkey.ErrRefused) {
		t.Errorf("alone: %+v, %v", proof, err)
	}
}

// TestASyncedPasskeyMayLoseItsCopies: the flag BS changes, and BE may not.
func TestASyncedPasskeyMayLoseItsCopies(t *testing.T) {
	s, d := newSite(t), newDevice()
	d.Flags |= passkeytest.BE | passkeytest.BS
	s.add(t, d, factor.Passkey)
	d.Flags &^= passkeytest.BS
	if _, err := s.check(t, signIn, d.Assertion(s.challenge(t, signIn)).Sign(d)); err != nil {
		t.Errorf("no longer copied: %v", err)
	}
}

func TestAChangedPasskeyIsRefused(t *testing.T) {
	t.Attr("threat", "N06")
	for _, was := range []byte{0, passkeytest.BE} {
		s, d := newSite(t), newDevice()
		d.Flags |= was
		f := s.add(t, d, factor.Passkey)
		d.Flags ^= passkeytest.BE
		a := d.Assertion(s.challenge(t, signIn))
		forged := *a
		forged.Signature = []byte("forged")
		if _, err := s.check(t, signIn, forged.Sign(d)); !errors.Is(err, passkey.ErrRefused) {
			t.Errorf("a forged change: %v; want ErrRefused", err)
		}
		if _, err := s.check(t, signIn, a.Sign(d)); !errors.Is(err, passkey.ErrChanged) {
			t.Errorf("BE changed from %d: %v", was, err)
		}
		if f := must(s.db.Factors.FindCredential(t.Context(), f.Credential)); f.Used != 0 {
			t.Error("the refused use was recorded")
		}
	}
}

// TestAFallingCounterIsToldAndNotRefused: synchronized passkeys always send 0, and a refusal would lock their users out.
func TestAFallingCounterIsToldAndNotRefused(t *testing.T) {
	t.Attr("threat", "N06")
	s, d := newSite(t), newDevice()
	d.Counter = 5
	f := s.add(t, d, factor.Passkey)
	for _, c := range []struct {
		counter uint32
		fell    bool
		stored  int64
	}{{6, false, 6}, {6, true, 6}, {3, true, 6}, {0, true, 6}, {7, false, 7}} {
		d.Counter = c.counter
		proof, err := s.check(t, signIn, d.Assertion(s.challenge(t, signIn)).Sign(d))
		if err != nil || proof.CounterFell != c.fell {
			t.Errorf("counter %d: %+v, %v", c.counter, proof, err)
		}
		if f := must(s.db.Factors.FindCredential(t.Context(), f.Credential)); f.Counter != c.stored {
			t.Errorf("after %d the counter is %d", c.counter, f.Counter)
		}
	}
	zero := newDevice()
	s.add(t, zero, factor.Passkey)
	for range 2 {
		if proof, err := s.check(t, signIn, zero.Assertion(s.challenge(t, signIn)).Sign(zero)); err != nil || proof.CounterFell {
			t.Errorf("always 0: %+v, %v", proof, err)
		}
	}
}

// TestAnUnknownPasskey is told apart only where its user handle was given out here: two installations under one relying party
// must not make browsers delete each other's passkeys.
func TestAnUnknownPasskey(t *testing.T) {
	t.Attr("threat", "N05")
	s, d, gone := newSite(t), newDevice(), newDevice()
	s.add(t, d, factor.Passkey)
	ask := func(a func(*passkeytest.Answer)) error {
		answer := gone.Assertion(s.challenge(t, signIn))
		answer.Handle = d.Handle
		a(answer)
		_, err := s.check(t, signIn, answer.Sign(gone))
		return err
	}
	if err := ask(func(*passkeytest.Answer) {}); !errors.Is(err, passkey.ErrUnknown) {
		t.Errorf("our handle, no credential: %v", err)
	}
	if err := ask(func(a *passkeytest.Answer) { a.Handle = bytes.Repeat([]byte{1}, 32) }); !errors.Is(err, passkey.ErrRefused) {
		t.Errorf("a handle of elsewhere: %v", err)
	}
	if err := ask(func(a *passkeytest.Answer) { a.ClientData["challenge"] = passkeytest.B64(make([]byte, 72)) }); !errors.Is(err, passkey.ErrRefused) {
		t.Errorf("without our challenge: %v", err)
	}
	elsewhere := newDevice()
	other := &factor.Factor{ID: "o", User: "2", Kind: factor.Passkey, Credential: elsewhere.ID, RPID: rpID, Data: []byte("{}")}
	if err := s.db.Factors.Add(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := ask(func(a *passkeytest.Answer) { a.ID = elsewhere.ID }); !errors.Is(err, passkey.ErrRefused) {
		t.Errorf("another user's credential: %v", err)
	}
}

// TestAPasskeyCountsOnceItsAdditionIsConfirmed, and no longer than until its removal begins.
func TestAPasskeyCountsOnceItsAdditionIsConfirmed(t *testing.T) {
	t.Attr("threat", "M06")
	s, d := newSite(t), newDevice()
	f := s.add(t, d, factor.Passkey)
	for state, counts := range map[factor.State]bool{factor.Adding: false, factor.Active: true, factor.Removing: false} {
		if err := s.db.Factors.SetState(t.Context(), f.ID, f.State, state, "epoch"); err != nil {
			t.Fatal(err)
		}
		f.State = state
		_, err := s.check(t, signIn, d.Assertion(s.challenge(t, signIn)).Sign(d))
		if counts != (err == nil) || !counts && !errors.Is(err, passkey.ErrRefused) {
			t.Errorf("%s: %v", state, err)
		}
	}
}

// TestAChallengeCountsOnceForOneThing: for its purpose, its user, what it is bound to, and five minutes.
func TestAChallengeCountsOnceForOneThing(t *testing.T) {
	t.Attr("threat", "N03")
	second := passkey.Ceremony{Purpose: passkey.Second, User: ada.ID, Bound: "pending"}
	for name, c := range map[string]struct {
		made, used passkey.Ceremony
	}{
		"a visitor's as second step":     {signIn, second},
		"a second step's as sign-in":     {second, signIn},
		"another pending sign-in's":      {second, passkey.Ceremony{Purpose: passkey.Second, User: ada.ID, Bound: "pendinh"}},
		"another user's":                 {second, passkey.Ceremony{Purpose: passkey.Second, User: "2", Bound: "pending"}},
		"a second step's once again":     {second, passkey.Ceremony{Purpose: passkey.Again, User: ada.ID, Bound: "pending"}},
		"of less for more":               {second, passkey.Ceremony{Purpose: passkey.Second, User: ada.ID, Bound: "pending", Verify: true}},
		"with the fields drawn together": {second, passkey.Ceremony{Purpose: passkey.Second, User: ada.ID + "p", Bound: "ending"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := newSite(t), newDevice()
			s.add(t, d, factor.Passkey)
			if _, err := s.check(t, c.used, d.Assertion(s.challenge(t, c.made)).Sign(d)); !contains(err, "made for something else") {
				t.Errorf("answered: %v", err)
			}
		})
	}

	t.Run("twice", func(t *testing.T) {
		s, d := newSite(t), newDevice()
		s.add(t, d, factor.Passkey)
		once := d.Assertion(s.challenge(t, signIn)).Sign(d)
		var wg sync.WaitGroup
		var mu sync.Mutex
		accepted := 0
		for range 20 {
			wg.Go(func() {
				if _, err := s.check(t, signIn, once); err == nil {
					mu.Lock()
					accepted++
					mu.Unlock()
				} else if !contains(err, "answered before") {
					t.Errorf("refused: %v", err)
				}
			})
		}
		wg.Wait()
		if accepted != 1 {
			t.Errorf("accepted %d times", accepted)
		}
	})

	t.Run("spelled otherwise", func(t *testing.T) {
		s, d := newSite(t), newDevice()
		s.add(t, d, factor.Passkey)
		challenge := s.challenge(t, signIn)
		for _, spelling := range []string{challenge[:50] + "\n" + challenge[50:], challenge + "\r\n", challenge + "=", challenge + "AA", challenge[:90], ""} {
			if _, err := s.check(t, signIn, d.Assertion(spelling).Sign(d)); !errors.Is(err, passkey.ErrRefused) {
				t.Errorf("%q: %v", spelling, err)
			}
		}
	})

	t.Run("of a creation", func(t *testing.T) {
		s, d := newSite(t), newDevice()
		credential := d.Creation(s.creationChallenge(t, factor.SecurityKey)).JSON()
		for what, refused := range map[string]func() error{
			"another kind": func() error {
				_, err := s.Register(t.Context(), ada.ID, factor.Passkey, "session", credential)
				return err
			},
			"another user": func() error {
				_, err := s.Register(t.Context(), "2", factor.SecurityKey, "session", credential)
				return err
			},
			"another session": func() error {
				_, err := s.Register(t.Context(), ada.ID, factor.SecurityKey, "other", credential)
				return err
			},
		} {
			if err := refused(); !contains(err, "made for something else") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := s.Register(t.Context(), ada.ID, factor.SecurityKey, "session", credential); err != nil {
			t.Error(err)
		}
		if _, err := s.Register(t.Context(), ada.ID, factor.SecurityKey, "session", credential); !contains(err, "answered before") {
			t.Errorf("twice: %v", err)
		}
	})
}

func TestAChallengeLivesFiveMinutes(t *testing.T) {
	t.Attr("threat", "N03")
	synctest.Test(t, func(t *testing.T) {
		s, d := newSite(t), newDevice()
		s.add(t, d, factor.Passkey)
		late, last := s.challenge(t, signIn), s.challenge(t, signIn)
		time.Sleep(passkey.Lifetime - time.Second)
		if _, err := s.check(t, signIn, d.Assertion(last).Sign(d)); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, err := s.check(t, signIn, d.Assertion(late).Sign(d)); !contains(err, "expired") {
			t.Errorf("after five minutes: %v", err)
		}
		// The mark outlives the challenge, so a node whose clock is behind doesn't take the answer again.
		if n, err := s.db.Signins.DeleteExpired(t.Context(), time.Now().Unix(), 10); n != 0 || err != nil {
			t.Errorf("deleted %d marks, %v", n, err)
		}
	})
}

// TestAChallengeOutlivesARotationOfTheKeys and no more: an unknown key is refused.
func TestAChallengeOutlivesARotationOfTheKeys(t *testing.T) {
	t.Attr("threat", "N03")
	before, d := newSite(t), newDevice()
	before.add(t, d, factor.Passkey)
	credential := d.Assertion(before.challenge(t, signIn)).Sign(d)
	if _, err := siteOf(t, before.db, "new").check(t, signIn, credential); !contains(err, "made for something else") {
		t.Errorf("under another key: %v", err)
	}
	if _, err := siteOf(t, before.db, "new", "key").check(t, signIn, credential); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
}

// TestAStoreThatFailsIsNoRefusal fails each call once, before and after it was done.
func TestAStoreThatFailsIsNoRefusal(t *testing.T) {
	for _, step := range []struct {
		name string
		do   func(t *testing.T, s site, d *passkeytest.Device) error
	}{
		{"options", func(t *testing.T, s site, _ *passkeytest.Device) error {
			_, err := s.CreationOptions(t.Context(), passkey.User{ID: "2", Name: "eve"}, factor.Passkey, "session")
			return err
		}},
		{"request", func(t *testing.T, s site, _ *passkeytest.Device) error {
			_, err := s.RequestOptionsFor(t.Context(), passkey.Ceremony{Purpose: passkey.Again, User: ada.ID})
			return err
		}},
		{"registration", func(t *testing.T, s site, _ *passkeytest.Device) error {
			options := must(newSite(t).CreationOptions(t.Context(), ada, factor.Passkey, "session"))
			d := newDevice()
			_, err := s.Register(t.Context(), ada.ID, factor.Passkey, "session", d.Creation(options.Response.Challenge.String()).JSON())
			return err
		}},
		{"sign-in", func(t *testing.T, s site, d *passkeytest.Device) error {
			_, err := s.check(t, signIn, d.Assertion(s.challenge(t, signIn)).Sign(d))
			return err
		}},
		{"an unknown passkey", func(t *testing.T, s site, d *passkeytest.Device) error {
			gone := newDevice()
			gone.Handle = d.Handle
			_, err := s.check(t, signIn, gone.Assertion(s.challenge(t, signIn)).Sign(gone))
			if errors.Is(err, passkey.ErrUnknown) {
				err = nil
			}
			return err
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			for call := 1; ; call++ {
				plan := &storetest.FaultPlan{}
				db := memory.New().Set
				d := newDevice()
				siteOf(t, db, "key").add(t, d, factor.Passkey)
				s := siteOf(t, faulty(db, plan, call), "key")
				err := step.do(t, s, d)
				if len(plan.Calls()) < call {
					if err != nil {
						t.Fatal(err)
					}
					if call == 1 {
						t.Fatal("no call of a store")
					}
					return
				}
				if !errors.Is(err, storetest.ErrFault) {
					t.Errorf("%v failed: %v", plan.Calls(), err)
				}
			}
		})
	}
}

func faulty(db store.Set, plan *storetest.FaultPlan, call int) store.Set {
	plan.Call = call
	return storetest.Faulty(db, plan)
}
