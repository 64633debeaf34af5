package django_test

import (
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cloakroom-auth/cloakroom/session"
)

// values generates what a program may keep in a session: any JSON, with numbers of any length and any characters.
func values() *rapid.Generator[map[string]any] {
	leaf := rapid.OneOf(
		rapid.Just(any(nil)), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.StringMatching(`-?[1-9][0-9]{0,40}`), func(s string) any { return json.Number(s) }),
		rapid.Map(rapid.StringMatching(`-?[1-9]\.[0-9]{0,12}[1-9]`), func(s string) any { return json.Number(s) }),
		rapid.Map(rapid.StringMatching(`(many words, ){0,300}`), func(s string) any { return s }),
	)
	value := rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(leaf, leaf, leaf,
			rapid.Map(rapid.SliceOfN(leaf, 0, 4), func(s []any) any { return s }),
			rapid.Map(rapid.MapOfN(rapid.String(), leaf, 0, 4), func(m map[string]any) any { return m }))
	})
	// Keys that begin with an underscore may be Django's own.
	key := rapid.String().Filter(func(s string) bool { return !strings.HasPrefix(s, "_") })
	return rapid.MapOfN(key, value, 0, 6)
}

// Each program reads what the other writes, and nothing is lost.
func TestAnyValuesGoRoundThroughBothPrograms(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		name, _ := p.user(t)
		b := p.person(t)
		b.signsIn("Cloakroom", name, good)
		rapid.Check(t, func(rt *rapid.T) {
			fromUs, fromDjango := values().Draw(rt, "from us"), values().Draw(rt, "from Django")
			for key := range fromUs {
				delete(fromDjango, key)
			}
			p.clear(t, b)
			if status := b.ours.Do(t, "POST", "/values", fromUs, nil); status != http.StatusOK {
				rt.Fatalf("Cloakroom: %d", status)
			}
			var seen map[string]json.RawMessage
			b.django.Do(t, "POST", "/session", map[string]any{"set": fromDjango}, &seen)
			agree(t, rt, "Django", seen, fromUs, fromDjango)
			seen = nil
			b.ours.Do(t, "GET", "/values", nil, &seen)
			agree(t, rt, "Cloakroom", seen, fromUs, fromDjango)
			if len(seen) != len(fromUs)+len(fromDjango) {
				rt.Fatalf("there is more than was put: %s", seen)
			}
		})
		b.is(name)
	})
}

// clear empties the session's values.
func (p *pair) clear(t testing.TB, b *person) {
	t.Helper()
	id, _ := ticket(b.key())
	r, err := p.server.Sessions.Store.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	next := *r
	next.Values = nil
	if err := p.server.Sessions.Store.Replace(t.Context(), r, &next); err != nil {
		t.Fatal(err)
	}
}

func agree(t testing.TB, rt *rapid.T, who string, seen map[string]json.RawMessage, wanted ...map[string]any) {
	t.Helper()
	for _, want := range wanted {
		for key, value := range want {
			expected, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if !sameJSON(t, seen[key], expected) {
				rt.Fatalf("%s has %q as %s, want %s", who, key, seen[key], expected)
			}
		}
	}
}

// sameJSON is equalJSON with numbers compared by value: Python writes 1e5 as 100000.0.
func sameJSON(t testing.TB, a, b []byte) bool {
	t.Helper()
	if len(a) == 0 {
		return false
	}
	if equalJSON(t, a, b) {
		return true
	}
	x, ok1 := new(big.Rat).SetString(string(a))
	y, ok2 := new(big.Rat).SetString(string(b))
	return ok1 && ok2 && x.Cmp(y) == 0
}

// Python's json module writes NaN and single surrogates.
func TestValuesThatOnlyPythonReadsAsJSONStay(t *testing.T) {
	const object = `{"_auth_user_id":"1","_auth_user_backend":"b","nan":NaN,"list":[1,Infinity,-Infinity],"half":"\ud800","\udc00":1,"big":123456789012345678901234567890,"_x":{"a":1.0}}`
	data, err := keys.Sign(object, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	r, err := keys.Read(strings.Repeat("a", 32), data, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"half":"\ud800","\udc00":1,"big":123456789012345678901234567890,"_x":{"a":1.0}}`; string(r.Values) != want {
		t.Errorf("values are %s, want %s", r.Values, want)
	}
	data, err = keys.Rewrite(strings.Repeat("a", 32), data, func(r *session.Record) { r.Values = []byte(`{"half":"\ud800","new":1}`) })
	if err != nil {
		t.Fatal(err)
	}
	text, _, _, err := keys.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"_auth_user_id":"1","_auth_user_backend":"b","nan":NaN,"list":[1,Infinity,-Infinity],"half":"\ud800","new":1,`; !strings.HasPrefix(text, want) {
		t.Errorf("written %s, want it to begin with %s", text, want)
	}
}

// Django decodes them as latin-1, whichever program wrote them.
func TestBytesBeyondASCIIAreLatin1(t *testing.T) {
	data := keys.SignRaw([]byte("{\"_auth_user_id\":\"1\",\"_auth_user_backend\":\"b\",\"n\":\"Zo\xeb\"}"), signedAt)
	r, err := keys.Read(strings.Repeat("a", 32), data, 1<<40)
	if err != nil || string(r.Values) != `{"n":"Zoë"}` {
		t.Errorf("%s, %v", r.Values, err)
	}
}
