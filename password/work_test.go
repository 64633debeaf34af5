package password_test

import (
	"math"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/password"
)

// TestRefusalsCostTheSameWork counts the work, since a clock would measure the machine. One unit is the work of a new hash.
func TestRefusalsCostTheSameWork(t *testing.T) {
	t.Attr("threat", "F1")
	t.Attr("threat", "F2")
	t.Attr("threat", "G05")
	today := hash(t, good)
	for name, c := range map[string]struct{ encoded, plain string }{
		"a wrong password":                {today, "wrong horse battery staple"},
		"the right password":              {today, good},
		"no such user":                    {"", good},
		"an unusable password":            {"!", good},
		"an unknown scheme":               {"md5$salt$a688caa5421707d129ded6976b25d97a", good},
		"an empty password":               {today, ""},
		"a blank password":                {today, "   "},
		"a password of 73 bytes":          {today, strings.Repeat("x", 73)},
		"a password of a megabyte":        {today, strings.Repeat("x", 1<<20)},
		"a megabyte, no such user":        {"", strings.Repeat("x", 1<<20)},
		"a megabyte, an old hash":         {django(t, 1000, good), strings.Repeat("x", 1<<20)},
		"an old hash, few iterations":     {django(t, 1000, good), "wrong horse battery staple"},
		"an old hash, more iterations":    {django(t, 150_000, good), "wrong horse battery staple"},
		"an old hash, the right password": {django(t, 1000, good), good},
		"argon2id with little memory":     {reference(t, "m=4096,t=1,p=1", 16, 32, good), "wrong horse battery staple"},
		"argon2id with one pass":          {reference(t, "m=19456,t=1,p=1", 16, 32, good), "wrong horse battery staple"},
	} {
		if got := spent(t, c.encoded, c.plain); math.Abs(got-1) > 0.001 {
			t.Errorf("%s: %.3f of a hash computed", name, got)
		}
	}
}

// A password that isn't composed is tried in two forms where Django may have stored either. The time must not reveal which
// users have a hash of Django's.
func TestPasswordsThatAreNotComposedCostTwiceForEveryLogin(t *testing.T) {
	t.Attr("threat", "F1")
	for name, encoded := range map[string]string{
		"no such user": "", "our own": hash(t, good), "Django's": django(t, 1000, good),
	} {
		if got := spent(t, encoded, "cafe\u0301-cafe\u0301-cafe\u0301"); math.Abs(got-2) > 0.001 {
			t.Errorf("%s: %.3f of a hash computed", name, got)
		}
	}
}

// A hash that costs more than a new one can't be made cheaper, but it must not get additional work.
func TestExpensiveHashesGetNoAdditionalWork(t *testing.T) {
	encoded := reference(t, "m=19456,t=4,p=1", 16, 32, good)
	if got := spent(t, encoded, "wrong horse battery staple"); math.Abs(got-2) > 0.001 {
		t.Errorf("%.3f of a hash computed", got)
	}
}

func spent(t *testing.T, encoded, plain string) float64 {
	t.Helper()
	var h password.Hasher
	if _, err := h.Verify(t.Context(), encoded, plain); err != nil {
		t.Fatal(err)
	}
	return h.Spent()
}
