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
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/session"
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
		{&auth.Refusal{Code: "secret_status"}, "500 server_error"},
		{&auth.Refusal{Status: http.StatusOK, Code: "secret_status"}, "500 server_error"},
		{&auth.Refusal{Status: 1000, Code: "secret_status"}, "500 server_error"},
		{&account.InvalidError{Fields: map[string][]password.Problem{"email": {{Code: "invalid", Message: "Enter a valid address."}}}}, "400 invalid"},
		{fmt.Errorf("order 7: %w", session.ErrEnded), "401 session_ended"},
		{fmt.Errorf("order 7: %w", session.ErrNoHandler), "500 no_handler"},
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

// TestMistakesOfTheProgramPanicAtOnce, not at the first request that meets them.
func TestMistakesOfTheProgramPanicAtOnce(t *testing.T) {
	for name, mistake := range map[string]func(){
		"a permission without an app":   func() { auth.RequirePermission("view_order") },
		"a permission without a name":   func() { auth.RequirePermission("shop.") },
		"no permission":                 func() { auth.RequirePermission("") },
		"a scope that is no permission": func() { auth.RequireScope("orders") },
		"an identity that is no user's": func() { auth.NewContext(t.Context(), &auth.Identity{}) },
	} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "auth: ") {
					t.Errorf("%s: the panic is %q", name, text)
				}
			}()
			mistake()
		}()
	}
}
