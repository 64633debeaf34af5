package account_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

const (
	fromDjango = "pbkdf2_sha256$1000$saltsaltsaltsaltsaltsa$Y1l4AxQampzbfIDkhafiWgGzDjyK4Ozi7cm2zmEySLc=" // of wonderland-42
	fromBcrypt = "bcrypt$$2b$04$abcdefghijklmnopqrstuub/FUwqLfgPnORQpxKUTVVsl3OiUaO0K"
)

// shared is a service on a database that it shares with Django.
func shared(t *testing.T, example string) service {
	s := newService(t, inMemory())
	s.HashTemplate = func(_ context.Context, u *account.User) (string, error) {
		if u.Password != "" {
			return u.Password, nil
		}
		return example, nil
	}
	return s
}

func TestInASharedDatabaseNothingIsHashedAnewAtSignIn(t *testing.T) {
	s := shared(t, fromDjango)
	u := ann()
	u.Password = fromDjango
	u = s.enrol(u)
	s.signsIn("ann", "wonderland-42")
	if now := s.load(u.ID); now.Password != fromDjango {
		t.Errorf("the hash has become %s", now.Password)
	}
}

func TestInASharedDatabaseNewHashesAreLikeTheOldOnes(t *testing.T) {
	s := shared(t, fromDjango)
	made, err := s.Create(t.Context(), account.NewUser{Username: "bob", Password: good})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(made.Password, "pbkdf2_sha256$1000$") {
		t.Errorf("a new user's hash is %s", made.Password)
	}
	changed, err := s.ChangePassword(t.Context(), made.ID, attempt("", good), better)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(changed.Password, "pbkdf2_sha256$1000$") || changed.Password == made.Password {
		t.Errorf("the changed hash is %s", changed.Password)
	}
	s.signsIn("bob", better)
	if err := s.SetPassword(t.Context(), made.ID, good); err != nil {
		t.Fatal(err)
	}
	s.signsIn("bob", good)
}

func TestAPasswordThatDjangosBcryptWouldCutIsRefused(t *testing.T) {
	t.Attr("threat", "P02")
	s := shared(t, fromBcrypt)
	_, err := s.Create(t.Context(), account.NewUser{Username: "bob", Password: good + " " + better + " and " + wrong})
	e, ok := errors.AsType[*account.InvalidError](err)
	if !ok || len(e.Fields["password"]) != 1 || e.Fields["password"][0].Code != "password_too_long" {
		t.Errorf("%v", err)
	}
}

func TestFindLoginGetsTheNameAsTyped(t *testing.T) {
	s := newService(t, inMemory())
	s.FindLogin = func(ctx context.Context, name string) (*account.User, error) {
		if name != "Ann" {
			return nil, account.ErrNotFound
		}
		return s.Store.Find(ctx, account.CanonicalLogin(name))
	}
	s.enrol(ann())
	s.signsIn(" Ann ", good)
	s.refused("ann", good)
}
