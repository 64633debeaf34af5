package storetest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cloakroom-auth/cloakroom/session"
)

var sessionModelCases = []testCase[session.Store]{
	{
		"any sequence of calls has the results of a map", "all promises together, one call after the other",
		func(t *testing.T, s session.Store) {
			rapid.Check(t, func(rt *rapid.T) {
				ok(rt, clearSessions(t, s))
				m := &sessionModel{store: s, records: map[session.ID]*session.Record{}, retired: map[session.ID]string{}, context: t}
				rt.Repeat(map[string]func(*rapid.T){
					"": m.compare, "create": m.create, "replace": m.replace, "rotate": m.rotate, "touch": m.touch,
					"delete": m.delete, "deleteUser": m.deleteUser, "list": m.list, "deleteExpired": m.deleteExpired,
				})
			})
		},
	},
	{
		"parallel calls have an order in which each did what it returned", "each method takes effect in one step (linearizability)",
		checkLinearizability,
	},
}

func clearSessions(t *testing.T, s session.Store) error {
	all, err := s.List(t.Context(), session.Query{})
	for _, r := range all {
		err = cmp.Or(err, s.Delete(t.Context(), r.ID))
	}
	return err
}

// sessionModel is what the store should hold. There are few IDs, public IDs and users, so that they collide.
type sessionModel struct {
	store   session.Store
	context *testing.T
	records map[session.ID]*session.Record
	retired map[session.ID]string // public IDs of the sessions that had these IDs before rotations
	seen    []*session.Record     // former states, for calls of slow requests
}

func (m *sessionModel) draw(rt *rapid.T) *session.Record {
	return &session.Record{
		ID:       id(rapid.IntRange(0, 5).Draw(rt, "id")),
		PublicID: rapid.SampledFrom([]string{"a", "B", "c", "ä"}).Draw(rt, "public ID"),
		User:     rapid.SampledFrom([]string{"ann", "bob", ""}).Draw(rt, "user"),
		Agent:    session.Intern(rapid.String().Draw(rt, "agent")),
		Bound:    rapid.Bool().Draw(rt, "bound"),
		Binding:  rapid.String().Draw(rt, "binding"),
		Browser:  rapid.Bool().Draw(rt, "browser"),
		Seen:     rapid.Int64Range(0, 20).Draw(rt, "seen"),
		Expires:  rapid.Int64Range(0, 20).Draw(rt, "expires"),
		Values:   rapid.SliceOf(rapid.Byte()).Draw(rt, "values"),
	}
}

// taken reports whether the model has the ID or public ID of r in another session than the one with the ID mine.
func (m *sessionModel) taken(r *session.Record, mine session.ID) bool {
	for _, other := range m.records {
		if other.ID != mine && (other.ID == r.ID || other.PublicID == r.PublicID) {
			return true
		}
	}
	return false
}

func (m *sessionModel) put(r *session.Record) {
	m.records[r.ID] = changed(r, func(*session.Record) {})
	m.seen = append(m.seen, changed(r, func(*session.Record) {}))
}

func (m *sessionModel) create(rt *rapid.T) {
	r := m.draw(rt)
	_, there := m.records[r.ID]
	err := m.store.Create(m.context.Context(), r)
	if there || m.taken(r, r.ID) {
		fails(rt, err, session.ErrExists)
		return
	}
	ok(rt, err)
	m.put(r)
}

func (m *sessionModel) replace(rt *rapid.T) { m.exchange(rt, true) }
func (m *sessionModel) rotate(rt *rapid.T)  { m.exchange(rt, false) }

func (m *sessionModel) exchange(rt *rapid.T, keepID bool) {
	if len(m.seen) == 0 {
		return
	}
	old := rapid.SampledFrom(m.seen).Draw(rt, "old")
	next := m.draw(rt)
	if keepID {
		next.ID = old.ID
	}
	err := m.store.Replace(m.context.Context(), old, next)
	switch now, there := m.records[old.ID]; {
	case !there:
		fails(rt, err, session.ErrNotFound)
	case now.Version != old.Version:
		fails(rt, err, session.ErrConflict)
	case m.taken(next, old.ID):
		fails(rt, err, session.ErrExists)
	default:
		ok(rt, err)
		if next.ID == old.ID {
			next.Seen, next.Expires = max(next.Seen, now.Seen), max(next.Expires, now.Expires)
		}
		delete(m.records, old.ID)
		m.put(next)
		m.follow(old, next)
	}
}

// follow applies a replacement to the IDs before rotations.
func (m *sessionModel) follow(old, next *session.Record) {
	switch {
	case next.PublicID != old.PublicID:
		m.forget()
	case next.ID != old.ID:
		m.retired[old.ID] = old.PublicID
	}
}

// forget drops the IDs of deleted sessions.
func (m *sessionModel) forget() {
	maps.DeleteFunc(m.retired, func(_ session.ID, public string) bool {
		for _, r := range m.records {
			if r.PublicID == public {
				return false
			}
		}
		return true
	})
}

func (m *sessionModel) touch(rt *rapid.T) {
	// Each ID once, because the order within a batch is not promised.
	n := rapid.SliceOfNDistinct(rapid.IntRange(0, 5), 0, 4, rapid.ID[int]).Draw(rt, "ids")
	var uses []session.LastUse
	for _, n := range n {
		at := rapid.Int64Range(0, 20).Draw(rt, "at")
		uses = append(uses, session.LastUse{ID: id(n), At: at, Expires: at + 5})
	}
	ok(rt, m.store.Touch(m.context.Context(), uses))
	for _, use := range uses {
		if r, there := m.records[use.ID]; there && use.At > r.Seen && use.At < r.Expires {
			r.Seen, r.Expires = use.At, use.Expires
		}
	}
}

func (m *sessionModel) delete(rt *rapid.T) {
	r := m.draw(rt)
	ok(rt, m.store.Delete(m.context.Context(), r.ID))
	delete(m.records, r.ID)
	m.forget()
}

func (m *sessionModel) deleteUser(rt *rapid.T) {
	r := m.draw(rt)
	before := len(m.records)
	maps.DeleteFunc(m.records, func(id session.ID, other *session.Record) bool { return other.User == r.User && id != r.ID })
	m.forget()
	deleted, err := m.store.DeleteUser(m.context.Context(), r.User, r.ID)
	ok(rt, err)
	if want := before - len(m.records); deleted != want {
		rt.Fatalf("deleted %d, want %d", deleted, want)
	}
}

func (m *sessionModel) list(rt *rapid.T) {
	r := m.draw(rt)
	q := session.Query{Limit: rapid.IntRange(0, 3).Draw(rt, "limit"), User: r.User}
	if rapid.Bool().Draw(rt, "by public ID") {
		q.PublicID = r.PublicID
	}
	if rapid.Bool().Draw(rt, "by ID") {
		q.FormerID = r.ID
	}
	if rapid.Bool().Draw(rt, "after") {
		q.After = rapid.SampledFrom([]string{"a", "b", "c", "z"}).Draw(rt, "after")
	}
	got, err := m.store.List(m.context.Context(), q)
	ok(rt, err)
	if want := m.selected(q); !slices.EqualFunc(got, want, same) {
		rt.Fatalf("%+v found %s, want %s", q, show(got), show(want))
	}
}

func (m *sessionModel) selected(q session.Query) []*session.Record {
	var found []*session.Record
	for _, r := range m.records {
		if q.FormerID != (session.ID{}) && r.ID != q.FormerID && m.retired[q.FormerID] != r.PublicID {
			continue
		}
		if (q.User == "" || r.User == q.User) && (q.PublicID == "" || r.PublicID == q.PublicID) && r.PublicID > q.After {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *session.Record) int { return strings.Compare(a.PublicID, b.PublicID) })
	if q.Limit > 0 {
		found = found[:min(q.Limit, len(found))]
	}
	return found
}

func (m *sessionModel) deleteExpired(rt *rapid.T) {
	now, limit := rapid.Int64Range(0, 20).Draw(rt, "now"), rapid.IntRange(0, 3).Draw(rt, "limit")
	var due []session.ID
	for id, r := range m.records {
		if r.Expires <= now {
			due = append(due, id)
		}
	}
	deleted, err := m.store.DeleteExpired(m.context.Context(), now, limit)
	ok(rt, err)
	if want := min(limit, len(due)); deleted != want {
		rt.Fatalf("deleted %d, want %d", deleted, want)
	}
	for _, id := range due { // the order is not promised
		if _, err := m.store.Load(m.context.Context(), id); errors.Is(err, session.ErrNotFound) {
			delete(m.records, id)
			deleted--
		}
	}
	m.forget()
	if deleted != 0 {
		rt.Fatalf("%d more are missing than were deleted", -deleted)
	}
}

func (m *sessionModel) compare(rt *rapid.T) {
	got, err := m.store.List(m.context.Context(), session.Query{})
	ok(rt, err)
	if want := m.selected(session.Query{}); !slices.EqualFunc(got, want, same) {
		rt.Fatalf("the store has %s, want %s", show(got), show(want))
	}
}

func show(all []*session.Record) string {
	var b bytes.Buffer
	for _, r := range all {
		fmt.Fprintf(&b, "\n%+v", *r)
	}
	return b.String()
}
