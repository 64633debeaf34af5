package token_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/token"
)

func TestAServiceWithoutAStoreSaysSo(t *testing.T) {
	text, issued, err := (&token.Service{Store: memory.New().Tokens}).Create(t.Context(), token.Params{User: "1", Epoch: "e", Kind: token.Personal})
	if err != nil {
		t.Fatal(err)
	}
	s := &token.Service{}
	for name, call := range map[string]func(context.Context){
		"Create": func(ctx context.Context) {
			_, _, _ = s.Create(ctx, token.Params{User: "1", Epoch: "e", Kind: token.Personal})
		},
		"Check":     func(ctx context.Context) { _, _ = s.Check(ctx, text, token.Personal) },
		"Use":       func(ctx context.Context) { s.Use(ctx, &token.Token{ID: issued.ID}) },
		"List":      func(ctx context.Context) { _, _ = s.List(ctx, "1") },
		"Find":      func(ctx context.Context) { _, _ = s.Find(ctx, issued.ID) },
		"Revoke":    func(ctx context.Context) { _ = s.Revoke(ctx, "1", issued.ID) },
		"RevokeAll": func(ctx context.Context) { _, _ = s.RevokeAll(ctx, "1") },
		"Run": func(ctx context.Context) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			_ = s.Run(ctx)
		},
	} {
		if text := panicText(func() { call(t.Context()) }); !strings.Contains(text, "Service.Store is nil") {
			t.Errorf("%s panics with %q, want a text that says that Service.Store is nil", name, text)
		}
	}
}

// panicText returns what a call panics with; "" if it returns.
func panicText(call func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprint(v)
		}
	}()
	call()
	return ""
}
