package reqinfo_test

import (
	"net/http"
	"net/netip"
	"regexp"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

func TestEachRequestHasANameOfItsOwn(t *testing.T) {
	form := regexp.MustCompile("^[A-Z2-7]{26}$")
	seen, header := map[string]bool{}, http.Header{}
	for range 10_000 {
		ctx := reqinfo.New(t.Context(), netip.Addr{}, "")
		name := reqinfo.ID(ctx)
		ctx.SetHeader(header)
		if seen[name] || !form.MatchString(name) || header.Get("X-Request-Id") != name {
			t.Fatalf("%q, in the answer %q", name, header.Get("X-Request-Id"))
		}
		seen[name] = true
	}
	if reqinfo.ID(t.Context()) != "" {
		t.Error("something outside of a request has a name")
	}
}
