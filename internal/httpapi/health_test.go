package httpapi_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

// TestReadiness: the server is ready while the store works and the server isn't stopping, and alive all the time.
func TestReadiness(t *testing.T) {
	s := start(t, options{})
	c := s.client()
	if r := c.send("GET", "/readyz", nil); r.StatusCode != 200 || string(r.body) != "{\"status\":\"ok\"}\n" {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	s.api.Drain()
	if r := c.send("GET", "/readyz", nil); !isProblem(r, 503, "stopping") || r.Header.Get("Retry-After") == "" {
		t.Errorf("stopping: got %d %s", r.StatusCode, r.body)
	}
	if r := c.send("GET", "/healthz", nil); r.StatusCode != 200 {
		t.Errorf("stopping, but alive: got %d", r.StatusCode)
	}
	if r := c.send("GET", "/api/auth/setup", nil); r.StatusCode != 200 {
		t.Errorf("stopping, but answering: got %d", r.StatusCode)
	}
}

// TestReadinessChecksTheStoreOnceASecond: the check writes to the store, and any client can request it.
func TestReadinessChecksTheStoreOnceASecond(t *testing.T) {
	plan, inner := &storetest.FaultPlan{Call: 1}, inMemory(t)
	s := start(t, options{stores: func(*testing.T) stores { return faulty(inner, plan) }})
	c := s.client()
	began := time.Now()
	for range 20 {
		if r := c.send("GET", "/readyz", nil); !isProblem(r, 503, "unavailable") && time.Since(began) < time.Second {
			t.Errorf("while the store is out: got %d", r.StatusCode)
		}
	}
	if n, most := len(plan.Calls()), 1+int(time.Since(began)/time.Second); n > most {
		t.Errorf("the store was checked %d times", n)
	}
	time.Sleep(time.Until(began.Add(1100 * time.Millisecond)))
	if r := c.send("GET", "/readyz", nil); r.StatusCode != 200 {
		t.Errorf("when it is back: got %d", r.StatusCode)
	}
}

// TestAHangingStoreIsAnOutage: each route that needs a store answers 503 after some seconds, and leaves nothing waiting.
func TestAHangingStoreIsAnOutage(t *testing.T) {
	t.Attr("threat", "L05")
	t.Parallel()
	inner := inMemory(t)
	hung := stores{
		Sessions: hungSessions{inner.Sessions}, Accounts: hungAccounts{inner.Accounts}, Tokens: hungTokens{inner.Tokens},
		Throttles: hungThrottles{inner.Throttles}, Sealed: inner.Sealed, Audit: inner.Audit,
	}
	s := start(t, options{stores: func(*testing.T) stores { return hung }})
	signed := signedWith(t, s, inner)
	var all sync.WaitGroup
	for _, route := range httpapi.Routes() {
		body := map[string]any(nil)
		switch route.Path {
		case "/healthz", "/readyz", "/api/auth/openapi.yaml", "/.well-known/jwks.json",
			"/api/auth/methods", "/.well-known/change-password", "/api/auth/login/pending", "/api/auth/login/second", "/api/auth/code", "/api/auth/code/login", "/api/auth/device/register", "/api/auth/device/refresh", "/api/auth/login/enrol/code", "/api/auth/login/enrol/code/confirm", "/api/auth/login/enrol/totp", "/api/auth/login/enrol/totp/confirm", "/api/auth/login/enrol/passkey/options", "/api/auth/login/enrol/passkey",
			"/api/auth/oidc/{provider}/start", "/api/auth/oidc/{provider}/callback", "/api/auth/oidc/{provider}/backchannel-logout",
			"/.well-known/webauthn", "/api/auth/password/forgot", "/api/auth/email/revert", "/api/auth/signup", "/api/auth/signup/link", "/api/auth/signup/complete", "/api/auth/signup/passkey/options", "/api/auth/signup/passkey", "/api/auth/passkey/options", "/api/auth/passkey/login": // they ask no store, at least not for such a body
			continue
		case "/api/auth/jwt/refresh", "/api/auth/jwt/blacklist", "/api/auth/jwt/verify":
			body = map[string]any{"refresh": signed.Refresh, "token": signed.Access}
		case "/api/auth/login", "/api/auth/token", "/api-token-auth", "/api/auth/jwt/create":
			body = map[string]any{"username": "ada", "password": goodPassword}
		case "/api/auth/password/reset":
			body = map[string]any{"secret": "x", "new_password": goodPassword}
		case "/api/auth/setup":
			if route.Method == "POST" {
				body = map[string]any{"secret": "x", "username": "ada", "password": goodPassword}
			}
		}
		all.Go(func() {
			began := time.Now()
			c, r := s.client().hold(anyTicket()), (*answer)(nil)
			if body == nil {
				r = c.send(route.Method, at(route), nil)
			} else {
				r = c.send(route.Method, at(route), body)
			}
			if spent := time.Since(began); !isProblem(r, 503, "unavailable") || len(r.Cookies()) > 0 || spent > 20*time.Second {
				t.Errorf("%s: got %d %s after %v", route, r.StatusCode, r.body, spent)
			}
		})
	}
	all.Wait()
}

// signedWith returns JWTs that are signed with a server's keys, and whose families are in the stores st.
func signedWith(t *testing.T, s *server, st stores) jwt.Pair {
	t.Helper()
	u := &account.User{Username: "ada", Password: "!", IsActive: true, Epoch: "first"}
	if err := st.Accounts.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	service := &jwt.Service{Keys: s.api.JWT.Keys, Store: st.Tokens, Issuer: s.public}
	pair, err := service.Create(t.Context(), jwt.SignIn{User: u.ID, Epoch: u.Epoch})
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

type hungSessions struct{ session.Store }

func (hungSessions) Load(ctx context.Context, _ session.ID) (*session.Record, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hungSessions) List(ctx context.Context, _ session.Query) ([]*session.Record, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

type hungAccounts struct{ account.Store }

func (hungAccounts) Find(ctx context.Context, _ string) (*account.User, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hungAccounts) List(ctx context.Context, _ account.Query) ([]*account.User, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

type hungTokens struct{ token.Store }

func (hungTokens) Load(ctx context.Context, _ token.ID) (*token.Record, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

type hungThrottles struct{ throttle.Store }

func (hungThrottles) Update(ctx context.Context, _ []string, _ func([]throttle.Counter) error) error {
	<-ctx.Done()
	return ctx.Err()
}
