package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/store"
)

// Joins runs the cases of accounts that are made together with what is in other stores of the database. open returns empty stores.
func Joins(t *testing.T, open func(t *testing.T) store.Set) {
	run(t, open, joinCases)
}

// joining is how a person joins by the link with this number, with a passkey if there is one.
func joining(link int, passkey *factor.Factor) account.SignUpByLink {
	j := account.SignUpByLink{Link: codeHash(link), Passkey: passkey}
	if passkey != nil {
		j.Handle, j.RecoveryCodes = []byte("handle\x00\xff"), [][32]byte{codeHash(91), codeHash(92)}
	}
	return j
}

func firstPasskey() *factor.Factor {
	return &factor.Factor{
		ID: "first", Kind: factor.Passkey, Name: "Phone", State: factor.Active, Epoch: "first", Created: 1_000, Counter: 3,
		Credential: []byte{0, 255}, RPID: "example.com", Data: []byte("{}"),
	}
}

// joins makes a user and joins in one step.
func joins(t testing.TB, s store.Set, name string, j account.SignUpByLink) (*account.User, error) {
	u := user(name)
	err := s.Accounts.Transact(t.Context(), func(tx account.Tx) error {
		if err := tx.Create(u); err != nil {
			return err
		}
		if j.Passkey != nil {
			passkey := *j.Passkey
			passkey.User = u.ID
			j.Passkey = &passkey
		}
		return tx.SpendLink(u.ID, j)
	})
	return u, err
}

// mailedLinks stores a sign-up with the number 1, and an invitation with the number 2.
func mailedLinks(t testing.TB, s store.Set) {
	t.Helper()
	ok(t, s.Mail.PutSecret(t.Context(), mailSecret(1, 2_000)))
	ok(t, s.Mail.PutInvitation(t.Context(), invitation(2, 2_000)))
}

// linksLeft ends the test unless these links are there.
func linksLeft(t testing.TB, s store.Set, signUp, invited bool) {
	t.Helper()
	_, err := s.Mail.FindSecret(t.Context(), codeHash(1))
	if signUp != (err == nil) || err != nil && !errors.Is(err, mail.ErrNotFound) {
		t.Fatalf("the link of the sign-up: %v", err)
	}
	_, err = s.Mail.FindInvitation(t.Context(), codeHash(2))
	if invited != (err == nil) || err != nil && !errors.Is(err, mail.ErrNotFound) {
		t.Fatalf("the link of the invitation: %v", err)
	}
}

var joinCases = []testCase[store.Set]{
	{
		"no account joins what is in another store", "Joins: false for other stores",
		func(t *testing.T, s store.Set) {
			withoutFactors, otherFactors, otherMail, otherAccounts := s, s, s, s
			withoutFactors.Factors = nil
			otherFactors.Factors = struct{ factor.Store }{s.Factors}
			otherMail.Mail = struct{ mail.Store }{s.Mail}
			otherAccounts.Accounts = struct{ account.Store }{s.Accounts}
			for what, c := range map[string]struct {
				set   store.Set
				lacks bool
			}{
				"one database": {s, false}, "no factors": {withoutFactors, false}, "other factors": {otherFactors, true},
				"another outbox": {otherMail, true}, "a wrapper of accounts": {otherAccounts, true},
			} {
				if got := c.set.Unsupported().SpendLink; got != c.lacks {
					t.Errorf("%s: SpendLink is lacking: %v, want %v", what, got, c.lacks)
				}
			}
		},
	},
	{
		"a user joins by a link, which is spent", "SpendLink spends the link",
		func(t *testing.T, s store.Set) {
			mailedLinks(t, s)
			u, err := joins(t, s, "ann", joining(1, nil))
			ok(t, err)
			has(t, s.Accounts, u)
			linksLeft(t, s, false, true)
			u, err = joins(t, s, "bob", joining(2, nil))
			ok(t, err)
			has(t, s.Accounts, u)
			linksLeft(t, s, false, false)
			for _, link := range []int{1, 2, 3} {
				_, err := joins(t, s, "cy", joining(link, nil))
				fails(t, err, account.SpentErrors.Link)
			}
			absent(t, s.Accounts, "cy")
		},
	},
	{
		"a user joins with a passkey", "SpendLink adds the passkey, the handle and the recovery codes",
		func(t *testing.T, s store.Set) {
			mailedLinks(t, s)
			u, err := joins(t, s, "ann", joining(1, firstPasskey()))
			ok(t, err)
			linksLeft(t, s, false, true)
			p, err := s.Factors.Load(t.Context(), u.ID)
			ok(t, err)
			want := firstPasskey()
			want.User = u.ID
			if len(p.Factors) != 1 || !reflect.DeepEqual(p.Factors[0], want) || p.RecoveryCodes != 2 || string(p.Handle) != "handle\x00\xff" || p.SecondStep {
				t.Fatalf("the user has %+v", p)
			}
			if id, err := s.Factors.FindHandle(t.Context(), []byte("handle\x00\xff")); err != nil || id != u.ID {
				t.Fatalf("the handle is that of %q, %v", id, err)
			}
			if left, err := s.Factors.SpendRecoveryCode(t.Context(), u.ID, codeHash(91)); err != nil || left != 1 {
				t.Fatalf("%d codes are left, %v", left, err)
			}
		},
	},
	{
		"a step that fails leaves neither the user nor a trace of the link's use", "Transact writes nothing if do fails",
		func(t *testing.T, s store.Set) {
			mailedLinks(t, s)
			other := firstPasskey()
			other.ID, other.User = "other", "bob"
			ok(t, s.Factors.Add(t.Context(), other))
			same := firstPasskey()
			same.Credential = []byte("another")
			_, err := s.Factors.AddHandle(t.Context(), "bob", []byte("handle\x00\xff"))
			ok(t, err)
			for what, j := range map[string]account.SignUpByLink{"the credential": joining(1, firstPasskey()), "the handle": joining(1, same)} {
				if _, err := joins(t, s, "ann", j); !errors.Is(err, factor.ErrExists) {
					t.Errorf("%s is another user's: %v", what, err)
				}
			}
			_, err = s.Factors.DeleteUser(t.Context(), "bob")
			ok(t, err)
			id := ""
			fails(t, s.Accounts.Transact(t.Context(), func(tx account.Tx) error {
				u, passkey := user("ann"), firstPasskey()
				if err := tx.Create(u); err != nil {
					return err
				}
				id, passkey.User = u.ID, u.ID
				return errors.Join(tx.SpendLink(u.ID, joining(1, passkey)), errUndo)
			}), errUndo)
			absent(t, s.Accounts, "ann")
			linksLeft(t, s, true, true)
			p, err := s.Factors.Load(t.Context(), id)
			ok(t, err)
			if len(p.Factors) > 0 || p.RecoveryCodes > 0 || p.Handle != nil {
				t.Fatalf("the user who isn't there has %+v", p)
			}
			_, err = joins(t, s, "ann", joining(1, firstPasskey()))
			ok(t, err)
		},
	},
	{
		"of 20 concurrent users one joins by a link", "SpendLink: ErrLinkSpent",
		func(t *testing.T, s store.Set) {
			mailedLinks(t, s)
			var won atomic.Int32
			together(20, func(n int) {
				passkey := firstPasskey()
				passkey.ID, passkey.Credential = fmt.Sprint(n), []byte{byte(n)}
				_, err := joins(t, s, fmt.Sprint("u", n), joining(1, passkey))
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, account.SpentErrors.Link) && !errors.Is(err, factor.ErrExists) {
					t.Error(err)
				}
			})
			all, err := s.Accounts.List(t.Context(), account.Query{})
			ok(t, err)
			if won.Load() != 1 || len(all) != 1 {
				t.Fatalf("%d have joined, %d are there", won.Load(), len(all))
			}
		},
	},
}
