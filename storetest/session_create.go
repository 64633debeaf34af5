package storetest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
)

var sessionCreateCases = []testCase[session.Store]{
	{
		"a created session loads as it was given", "Create adds a session; Load returns it",
		func(t *testing.T, s session.Store) {
			loads(t, s, created(t, s, 1, "ann"))
		},
	},
	{
		"an ID that was never created is not found", "Load: ErrNotFound if there is none",
		func(t *testing.T, s session.Store) {
			created(t, s, 1, "ann")
			gone(t, s, 2)
			_, err := s.Load(t.Context(), session.ID{})
			fails(t, err, session.ErrNotFound)
		},
	},
	{
		"Create sets a version", "Create sets r.Version",
		func(t *testing.T, s session.Store) {
			if r := created(t, s, 1, "ann"); r.Version == "" {
				t.Fatal("no version")
			}
		},
	},
	{
		"Create refuses an ID that is taken, and leaves the session there as it was", "Create: ErrExists if the ID is taken",
		func(t *testing.T, s session.Store) {
			first := created(t, s, 1, "ann")
			second := record(2, "bob")
			second.ID = first.ID
			fails(t, s.Create(t.Context(), second), session.ErrExists)
			loads(t, s, first)
			lists(t, s, session.Query{}, first)
		},
	},
	{
		"Create refuses a public ID that is taken, and adds nothing", "Create: ErrExists if the public ID is taken",
		func(t *testing.T, s session.Store) {
			first := created(t, s, 1, "ann")
			second := record(2, "bob")
			second.PublicID = first.PublicID
			fails(t, s.Create(t.Context(), second), session.ErrExists)
			gone(t, s, 2)
			lists(t, s, session.Query{}, first)
		},
	},
	{
		"a deleted ID and public ID can be used again", "a session that was deleted leaves nothing behind",
		func(t *testing.T, s session.Store) {
			ok(t, s.Delete(t.Context(), created(t, s, 1, "ann").ID))
			loads(t, s, created(t, s, 1, "bob"))
		},
	},
	{
		"a session created anew under an old ID is not its predecessor", "Version is opaque and belongs to one state of one session",
		func(t *testing.T, s session.Store) {
			old := created(t, s, 1, "ann")
			ok(t, s.Delete(t.Context(), old.ID))
			anew := created(t, s, 1, "ann")
			fails(t, s.Replace(t.Context(), old, changed(old, func(r *session.Record) { r.User = "eve" })), session.ErrConflict)
			loads(t, s, anew)
		},
	},
	{
		"a record with only an ID and a public ID is a session", "zero fields are kept as they are",
		func(t *testing.T, s session.Store) {
			r := &session.Record{ID: id(1), PublicID: "p"}
			ok(t, s.Create(t.Context(), r))
			loads(t, s, r)
		},
	},
	{
		"any bytes come back as they went in", "texts and values are opaque to a Store",
		func(t *testing.T, s session.Store) {
			for n, text := range []string{
				"nul\x00inside", "\x00", "👩‍🚀 🇦🇹", "\xff\xfe not UTF-8 \x80", "'; DROP TABLE sessions; --", `"%_\?*[`,
				" leading and trailing ", "line\r\nbreak\t", "\u202eright to left", "NULL", "0", "0x00", "1e3", "{}",
			} {
				r := record(n, text)
				r.Epoch, r.IP, r.Values = text, text, []byte(text)
				r.Method, r.Methods, r.Agent = session.Intern(text), session.Intern(text), session.Intern(text)
				ok(t, s.Create(t.Context(), r))
				loads(t, s, r)
				lists(t, s, session.Query{User: text}, r)
			}
		},
	},
	{
		"64 KiB of user and a mebibyte of values come back", "texts and values may be long",
		func(t *testing.T, s session.Store) {
			r := record(1, strings.Repeat("ü", 32<<10))
			r.Agent, r.Values = session.Intern(strings.Repeat("a", 64<<10)), bytes.Repeat([]byte{0, 1, 0xff, 'x'}, 256<<10)
			ok(t, s.Create(t.Context(), r))
			loads(t, s, r)
			lists(t, s, session.Query{User: r.User}, r)
		},
	},
	{
		"numbers are stored exactly", "times are whole seconds in 64 bits",
		func(t *testing.T, s session.Store) {
			r := record(1, "ann")
			r.Created, r.ReauthenticatedAt, r.SecondAt, r.Seen, r.Idle = -1, 1<<53+1, 1<<61+1, 253_402_300_800, 0
			r.Deadline, r.Expires = 1<<62+1, 1<<62
			ok(t, s.Create(t.Context(), r))
			loads(t, s, r)
		},
	},
	{
		"users and public IDs that only look alike are different", "texts are compared byte for byte",
		func(t *testing.T, s session.Store) {
			var all []*session.Record
			for n, text := range []string{"Ann", "ann", "ann ", "e\u0301", "\u00e9"} {
				r := record(n, text)
				r.PublicID = text
				ok(t, s.Create(t.Context(), r))
				all = append(all, r)
			}
			for _, r := range all {
				lists(t, s, session.Query{User: r.User}, r)
				lists(t, s, session.Query{PublicID: r.PublicID}, r)
			}
		},
	},
	{
		"a session that has expired is there until it is deleted", "expired sessions are returned like others; stores never read the clock",
		func(t *testing.T, s session.Store) {
			r := record(1, "ann")
			r.Seen, r.Expires, r.Deadline = 1, 2, 3
			ok(t, s.Create(t.Context(), r))
			loads(t, s, r)
			lists(t, s, session.Query{User: "ann"}, r)
		},
	},
}
