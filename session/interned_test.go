package session_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
)

// TestAnInternedTextIsTheText, whatever it is, also as JSON.
func TestAnInternedTextIsTheText(t *testing.T) {
	for _, text := range []string{"", "password", "pwd otp mfa", "nul\x00inside", "Mozilla/5.0 (X11; Linux x86_64)"} {
		one, other := session.Intern(text), session.Intern(strings.Clone(text))
		if one.String() != text || one != other || !reflect.DeepEqual(one, other) {
			t.Errorf("%q is %q and %q", text, one, other)
		}
		if one == session.Intern(text+" ") {
			t.Errorf("%q is equal to another text", text)
		}
		written, err := json.Marshal(session.Record{Agent: one})
		if err != nil {
			t.Fatal(err)
		}
		var r session.Record
		if err := json.Unmarshal(written, &r); err != nil || r.Agent != one {
			t.Errorf("%q comes back from JSON as %q, %v", text, r.Agent, err)
		}
	}
	if session.Intern("") != (session.Interned{}) {
		t.Error(`the zero value isn't ""`)
	}
}
