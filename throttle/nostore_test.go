package throttle_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/throttle"
)

func TestAGuardWithoutAStoreSaysSo(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, g *throttle.Guard){
		"Reserve": func(ctx context.Context, g *throttle.Guard) { _, _ = g.Reserve(ctx, throttle.Attempt{Name: "ada"}) },
		"Purge":   func(ctx context.Context, g *throttle.Guard) { _ = g.Purge(ctx) },
	} {
		for _, g := range []*throttle.Guard{nil, {}} {
			if text := panicText(func() { call(t.Context(), g) }); !strings.Contains(text, "Guard.Store is nil") {
				t.Errorf("%s panics with %q, want a text that says that Guard.Store is nil", name, text)
			}
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
