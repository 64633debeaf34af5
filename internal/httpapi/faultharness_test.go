package httpapi_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/token"
)

// faultyServer is a server whose stores fail at one call, and the users of the test.
type faultyServer struct {
	*server
	inner     stores // the stores behind those that fail
	root, bob *account.User
	c         *client // of root, signed in just now
	epochs    map[string]string
}

func newFaultyServer(t *testing.T, plan *storetest.FaultPlan) *faultyServer {
	t.Helper()
	inner := inMemory(t)
	s := start(t, options{idle: true, appTokens: true, stores: func(*testing.T) stores { return faulty(inner, plan) }})
	p := &faultyServer{server: s, inner: inner, root: s.superuser("root"), bob: s.user("bob"), epochs: map[string]string{}}
	for name, permissions := range map[string][]string{"editors": {"blog.edit_post"}, "empty": nil} {
		if err := inner.Accounts.SetGroup(t.Context(), account.Group{Name: name, Permissions: permissions}); err != nil {
			t.Fatal(err)
		}
	}
	p.bob = s.with(p.bob, func(u *account.User) { u.Groups = []string{"editors"} })
	p.c = s.as(p.root)
	p.epochs[p.root.ID], p.epochs[p.bob.ID] = p.root.Epoch, p.bob.Epoch
	return p
}

// signInBob gives bob two sessions and a token.
func (p *faultyServer) signInBob() {
	p.as(p.bob)
	p.as(p.bob)
	p.issue(p.bob, token.Params{Kind: token.Personal, Name: "x"})
}

func (p *faultyServer) sending(method, path string, body any) func() *answer {
	return func() *answer { return p.c.send(method, path, body) }
}

func (p *faultyServer) bearing(scheme string, u *account.User, n token.Params, method, path string) func() *answer {
	line := "Authorization: " + scheme + " " + p.issue(u, n)
	return func() *answer { return p.program().send(method, path, nil, line) }
}

func (p *faultyServer) proves(path string) func() *answer {
	return func() *answer {
		return p.program().send("POST", path, map[string]string{"username": "bob", "password": goodPassword})
	}
}

func (p *faultyServer) says(path, field, text string) func() *answer {
	return func() *answer { return p.program().send("POST", path, map[string]string{field: text}) }
}

// tokenOf creates a token, and returns its ID.
func (p *faultyServer) tokenOf(u *account.User) string {
	p.issue(u, token.Params{Kind: token.Personal, Name: "x"})
	return p.tokens(u.ID)[0].PublicID
}

func (p *faultyServer) tokens(user string) []*token.Record {
	p.t.Helper()
	all, err := p.inner.Tokens.List(context.WithoutCancel(p.t.Context()), token.Query{User: user})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

func (p *faultyServer) live(user, epoch string) int {
	p.t.Helper()
	all, err := p.inner.Sessions.List(context.WithoutCancel(p.t.Context()), session.Query{User: user})
	if err != nil {
		p.t.Fatal(err)
	}
	return len(slices.DeleteFunc(all, func(r *session.Record) bool { return r.Epoch != epoch }))
}

// facts describes the content of the stores without random values, so that two runs can be compared.
func (p *faultyServer) facts() string {
	p.t.Helper()
	ctx := context.WithoutCancel(p.t.Context())
	users, err := p.inner.Accounts.List(ctx, account.Query{})
	if err != nil {
		p.t.Fatal(err)
	}
	groups, err := p.inner.Accounts.Groups(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	facts := fmt.Sprintf("%+v", groups)
	for _, u := range users {
		var kinds []string
		for _, r := range p.tokens(u.ID) {
			if r.Epoch == u.Epoch {
				kinds = append(kinds, string(r.Kind))
			}
		}
		slices.Sort(kinds)
		facts += fmt.Sprintf("\n%s %q active=%v staff=%v in %q, password new=%v, epoch moved=%v, %d sessions, tokens %q", u.Username, u.FirstName,
			u.IsActive, u.IsStaff, u.Groups, u.Password != goodHash(), u.Epoch != p.epochs[u.ID], p.live(u.ID, u.Epoch), kinds)
	}
	return facts
}
