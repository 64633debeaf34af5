package admin_test

import (
	"encoding/json"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/admin"
)

// TestIDsSurviveJavaScript: JavaScript would round a number beyond 2^53.
func TestIDsSurviveJavaScript(t *testing.T) {
	for id, want := range map[string]string{
		"1": "1", "9007199254740991": "9007199254740991", "9007199254740992": `"9007199254740992"`, "0": `"0"`, "-1": `"-1"`,
		"007": `"007"`, "+7": `"+7"`, "": `""`, "0192f0c1-8a6e-7000-8000-000000000001": `"0192f0c1-8a6e-7000-8000-000000000001"`,
		"a\x7f\u2028\"": "\"a\x7f\\u2028\\\"\"",
	} {
		if got := string(admin.JSONID(id)); got != want || !json.Valid([]byte(got)) {
			t.Errorf("ID(%q) is %s, want %s", id, got, want)
		}
	}
}
