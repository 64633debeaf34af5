package auth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
)

func TestANewContextHasTheIdentityThatWasGiven(t *testing.T) {
	ann := &auth.Identity{User: &account.User{ID: "1", Username: "ann", IsActive: true}}
	ctx := auth.NewContext(t.Context(), ann)
	for name, ask := range map[string]func() (*auth.Identity, error){
		"FromContext":   func() (*auth.Identity, error) { return auth.FromContext(ctx) },
		"Identify":      func() (*auth.Identity, error) { return auth.Identify(ctx) },
		"IdentifyAgain": func() (*auth.Identity, error) { return auth.IdentifyAgain(ctx) },
	} {
		if got, err := ask(); got != ann || err != nil {
			t.Errorf("%s: %+v, %v; want what was given", name, got, err)
		}
	}
	if id, err := new(auth.Resolver).SessionID(ctx); id != "" || err != nil || !new(auth.Resolver).CSRFSafe(ctx) {
		t.Errorf("the session is %q, %v", id, err)
	}
	visitor := auth.NewContext(ctx, nil) // replaces the other
	if got, err := auth.FromContext(visitor); got != nil || err != nil {
		t.Errorf("a visitor: %+v, %v; want nil", got, err)
	}
	if _, err := auth.Identify(visitor); !errors.Is(err, auth.ErrNotAuthenticated) {
		t.Errorf("a visitor: %v; want ErrNotAuthenticated", err)
	}
}

func TestErrorsAreAnsweredInOneForm(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{auth.ErrPermissionDenied, "403 permission_denied"},
		{fmt.Errorf("order 7: %w", auth.ErrFreshSignInRequired), "403 fresh_sign_in_required"},
		{&auth.Refusal{Status: http.StatusConflict, Code: "already_paid", Detail: "This order has been paid."}, "409 already_paid"},
		{fmt.Errorf("order 7: %w", &auth.Refusal{Status: 404, Code: "no_such_order"}), "404 no_such_order"},
		{errors.New("secret text of a database"), "503 unavailable"},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/orders/7", nil)
		auth.WriteError(w, r.WithContext(auth.NewContext(r.Context(), nil)), c.err)
		body := w.Body.String()
		var problem struct{ Code string }
		if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(w.Code, " ", problem.Code); got != c.want || strings.Contains(body, "secret") || strings.Contains(body, "order 7") {
			t.Errorf("%v: %s %s; want %s", c.err, got, body, c.want)
		}
		if w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%v: the header is %v", c.err, w.Header())
		}
	}
}
