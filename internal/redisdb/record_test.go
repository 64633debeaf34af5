package redisdb_test

import (
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
	"github.com/cloakroom-auth/cloakroom/session"
)

const aVersion = "ABCDEFGHIJKLMNOP"

func drawRecord(t *rapid.T) *session.Record {
	text := func(label string) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, label)) }
	shared := func(label string) session.Interned { return session.Intern(text(label)) }
	r := &session.Record{
		PublicID: text("public"), User: text("user"), Epoch: text("epoch"), Method: shared("method"), Browser: rapid.Bool().Draw(t, "browser"),
		Created: rapid.Int64().Draw(t, "created"), ReauthenticatedAt: rapid.Int64().Draw(t, "fresh"), SecondAt: rapid.Int64().Draw(t, "second"),
		Methods: shared("methods"), Seen: rapid.Int64().Draw(t, "seen"),
		Idle: rapid.Int64().Draw(t, "idle"), Deadline: rapid.Int64().Draw(t, "deadline"), Expires: rapid.Int64().Draw(t, "expires"),
		IP: text("ip"), Agent: shared("agent"), Bound: rapid.Bool().Draw(t, "bound"), Binding: text("binding"), Version: aVersion,
	}
	copy(r.ID[:], text("id"))
	if values := text("values"); values != "" {
		r.Values = []byte(values)
	}
	return r
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRecord(t)
		got, err := redisdb.Decode(redisdb.Encode(want, aVersion))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, %+v\nwant %+v", err, got, want)
		}
	})
}

func TestNamesSortAsPublicIDsDo(t *testing.T) {
	few := rapid.StringOfN(rapid.RuneFrom([]rune{0, 1, 2, 'a', 255}), 0, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := few.Draw(t, "a"), few.Draw(t, "b")
		x, y := session.ID{rapid.Byte().Draw(t, "x")}, session.ID{rapid.Byte().Draw(t, "y")}
		if got, want := strings.Compare(redisdb.Name(a, x), redisdb.Name(b, y)), strings.Compare(a, b); want != 0 && got != want {
			t.Fatalf("%q and %q: %d, want %d", a, b, got, want)
		}
	})
}

func FuzzDecode(f *testing.F) {
	whole := redisdb.Encode(&session.Record{PublicID: "p\x00q", User: "ann", Values: []byte("{}")}, aVersion)
	for n := range len(whole) + 1 {
		f.Add(whole[:n])
	}
	f.Add(whole + "x")
	f.Add(redisdb.Encode(&session.Record{PublicID: "p", User: "ann", Bound: true, Binding: "{}"}, aVersion))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := redisdb.Decode(text)
		if err != nil {
			return
		}
		again, err := redisdb.Decode(redisdb.Encode(r, r.Version))
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%v: %+v is not %+v", err, again, r)
		}
	})
}

// TestARecordOfTheFirstFormatIsRead reads a session that was written before sessions had SecondAt and Methods.
func TestARecordOfTheFirstFormatIsRead(t *testing.T) {
	written, err := hex.DecodeString("314142434445464748494a4b4c4d4e4f50000000000000000300000000000000060000002300000003700001" +
		"0102030000000000000000000000000000000000000000000000000000000000616e6e0000000000000001000000000000000200000000000000" +
		"0400000000000000050100000001650000000870617373776f7264000000093139322e302e322e31000000046375726c000000027b7d")
	if err != nil {
		t.Fatal(err)
	}
	want := &session.Record{
		ID: session.ID{1, 2, 3}, PublicID: "p", User: "ann", Epoch: "e", Method: session.Intern("password"), Browser: true, Created: 1,
		ReauthenticatedAt: 2, Seen: 3, Idle: 4, Deadline: 5, Expires: 6, IP: "192.0.2.1", Agent: session.Intern("curl"), Values: []byte("{}"),
		Version: aVersion,
	}
	if got, err := redisdb.Decode(string(written)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestACutRecordIsAnError(t *testing.T) {
	whole := redisdb.Encode(&session.Record{PublicID: "p", User: "ann", Values: []byte("{}")}, aVersion)
	for n := range len(whole) {
		if r, err := redisdb.Decode(whole[:n]); err == nil {
			t.Fatalf("%d of %d bytes make %+v", n, len(whole), r)
		}
	}
	if _, err := redisdb.Decode(whole + "x"); err == nil {
		t.Fatal("a byte too many passed")
	}
}

// TestARecordWithoutABindingKeepsItsFormat: nodes from before sessions had a binding read it.
func TestARecordWithoutABindingKeepsItsFormat(t *testing.T) {
	plain := &session.Record{PublicID: "p", User: "ann"}
	if got := redisdb.Encode(plain, aVersion)[:1]; got != "2" {
		t.Errorf("without a binding the format is %q, want 2", got)
	}
	plain.Binding = "{}"
	if got := redisdb.Encode(plain, aVersion)[:1]; got != "3" {
		t.Errorf("with a binding the format is %q, want 3", got)
	}
}
