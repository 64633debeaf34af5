package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
)

// happened is an event at some time, by some user.
func happened(at int64, name, actor, subject string) *audit.Event {
	return &audit.Event{At: at, Name: name, Outcome: audit.Success, Actor: actor, Subject: subject}
}

// tells ends the test unless a query finds exactly the events of these times, in this order.
func tells(t testing.TB, s audit.Store, q audit.Query, want ...int64) {
	t.Helper()
	found, err := s.List(t.Context(), q)
	ok(t, err)
	var got []int64
	for _, e := range found {
		got = append(got, e.At)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%+v found %d, want %d", q, got, want)
	}
}

// hostile are texts that must be stored unchanged.
var hostile = []string{"", "a", "a\x00b", "\xff\xfe", "\u202e", "'; --", "é👩", `{"a":1}`}

var auditCases = []testCase[audit.Store]{
	{
		"events come back as they were added", "Append adds events and sets their IDs",
		func(t *testing.T, s audit.Store) {
			tells(t, s, audit.Query{})
			var all []*audit.Event
			for i, text := range hostile {
				e := &audit.Event{
					At: int64(i), Name: "a" + text, Outcome: audit.Failure, Actor: "b" + text, Subject: "c" + text, Login: "d" + text,
					Session: "e" + text, Address: "f" + text, Agent: "g" + text, Request: "h" + text,
				}
				if i%2 == 0 {
					e.Detail = map[string]string{"reason": "x", "empty": "", "é": "👩 <&>"}
				}
				all = append(all, e)
			}
			ok(t, s.Append(t.Context(), all))
			found, err := s.List(t.Context(), audit.Query{})
			ok(t, err)
			slices.Reverse(found)
			if len(found) != len(all) {
				t.Fatalf("%d events, want %d", len(found), len(all))
			}
			for i := range all {
				if !reflect.DeepEqual(found[i], all[i]) || all[i].ID == "" {
					t.Errorf("added %+v, found %+v", all[i], found[i])
				}
			}
			ok(t, s.Append(t.Context(), nil))
		},
	},
	{
		"the latest added comes first, whatever its time", "List: the latest added first",
		func(t *testing.T, s audit.Store) {
			for _, at := range []int64{5, 1, 9, 3} {
				ok(t, s.Append(t.Context(), []*audit.Event{happened(at, "x", "", "")}))
			}
			tells(t, s, audit.Query{}, 3, 9, 1, 5)
			tells(t, s, audit.Query{Limit: 2}, 3, 9)
		},
	},
	{
		"events are found by user, name and time", "Query: User, Name, From, To",
		func(t *testing.T, s audit.Store) {
			ok(t, s.Append(t.Context(), []*audit.Event{
				happened(1, "login", "7", "7"), happened(2, "fail", "", "7"), happened(3, "edit", "1", "7"), happened(4, "edit", "7", "8"),
				happened(5, "login", "70", "70"), happened(6, "fail", "", ""),
			}))
			tells(t, s, audit.Query{User: "7"}, 4, 3, 2, 1)
			tells(t, s, audit.Query{User: "7", Name: "edit"}, 4, 3)
			tells(t, s, audit.Query{Name: "fail"}, 6, 2)
			tells(t, s, audit.Query{From: 3}, 6, 5, 4, 3)
			tells(t, s, audit.Query{To: 3}, 2, 1)
			tells(t, s, audit.Query{From: 2, To: 5, User: "7"}, 4, 3, 2)
			for _, none := range []audit.Query{{User: "9"}, {User: "7 "}, {User: "\x00"}, {Name: "EDIT"}, {Name: "\xff"}, {From: 7}, {To: 1}} {
				tells(t, s, none)
			}
		},
	},
	{
		"pages add up to the whole list, even if events are added meanwhile", "Query.Before and Query.Limit are for paging",
		func(t *testing.T, s audit.Store) {
			for at := range int64(12) {
				ok(t, s.Append(t.Context(), []*audit.Event{happened(at, "x", "", "")}))
			}
			var got []int64
			for before := ""; ; {
				page, err := s.List(t.Context(), audit.Query{Before: before, Limit: 5})
				ok(t, err)
				if len(page) == 0 {
					break
				}
				for _, e := range page {
					got = append(got, e.At)
				}
				before = page[len(page)-1].ID
				ok(t, s.Append(t.Context(), []*audit.Event{happened(99, "x", "", "")}))
			}
			if want := []int64{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}; !slices.Equal(got, want) {
				t.Fatalf("pages: %d", got)
			}
		},
	},
	{
		"old events are deleted in batches", "DeleteOlder removes at most limit of the events that happened before this time",
		func(t *testing.T, s audit.Store) {
			for at := range int64(10) {
				ok(t, s.Append(t.Context(), []*audit.Event{happened(at, "x", "", "")}))
			}
			for _, step := range []struct{ before, limit, want int }{{0, 10, 0}, {4, 3, 3}, {4, 0, 0}, {4, 3, 1}, {4, 3, 0}, {8, 100, 4}} {
				n, err := s.DeleteOlder(t.Context(), int64(step.before), step.limit)
				ok(t, err)
				if n != step.want {
					t.Fatalf("%+v removed %d", step, n)
				}
			}
			tells(t, s, audit.Query{}, 9, 8)
		},
	},
	{
		"IDs are not used again", "ID: a later event has a greater one",
		func(t *testing.T, s audit.Store) {
			first := happened(1, "x", "", "")
			ok(t, s.Append(t.Context(), []*audit.Event{first}))
			_, err := s.DeleteOlder(t.Context(), 2, 10)
			ok(t, err)
			second := happened(1, "x", "", "")
			ok(t, s.Append(t.Context(), []*audit.Event{second}))
			if second.ID == first.ID {
				t.Fatalf("the ID %q was used again", first.ID)
			}
		},
	},
	{
		"changing events after a call doesn't change the store", "a Store copies what it takes and gives",
		func(t *testing.T, s audit.Store) {
			e := happened(1, "x", "", "")
			e.Detail = map[string]string{"a": "1"}
			ok(t, s.Append(t.Context(), []*audit.Event{e}))
			e.Name, e.Detail["a"] = "y", "2"
			found, err := s.List(t.Context(), audit.Query{})
			ok(t, err)
			found[0].Name, found[0].Detail["a"] = "z", "3"
			found, err = s.List(t.Context(), audit.Query{})
			ok(t, err)
			if found[0].Name != "x" || found[0].Detail["a"] != "1" {
				t.Fatalf("found %+v", found[0])
			}
		},
	},
	{
		"of many concurrent events none is lost", "implementations are safe for concurrent use",
		func(t *testing.T, s audit.Store) {
			var mu sync.Mutex
			ids := map[string]bool{}
			together(16, func(i int) {
				for j := range 5 {
					pair := []*audit.Event{happened(1, fmt.Sprint(i, j), "", ""), happened(2, fmt.Sprint(i, j), "", "")}
					if err := s.Append(t.Context(), pair); err != nil {
						t.Error(err)
					}
					mu.Lock()
					ids[pair[0].ID], ids[pair[1].ID] = true, true
					mu.Unlock()
				}
			})
			found, err := s.List(t.Context(), audit.Query{})
			ok(t, err)
			if len(found) != 160 || len(ids) != 160 {
				t.Fatalf("%d events with %d IDs", len(found), len(ids))
			}
		},
	},
	{
		"a call whose context has ended returns an error and does nothing", "no step is taken halfway",
		func(t *testing.T, s audit.Store) {
			ok(t, s.Append(t.Context(), []*audit.Event{happened(1, "x", "", "")}))
			for name, call := range map[string]func(ctx context.Context) error{
				"Append":      func(ctx context.Context) error { return s.Append(ctx, []*audit.Event{happened(2, "x", "", "")}) },
				"List":        func(ctx context.Context) error { _, err := s.List(ctx, audit.Query{}); return err },
				"DeleteOlder": func(ctx context.Context) error { _, err := s.DeleteOlder(ctx, 9, 9); return err },
			} {
				if err := call(ended()); err == nil {
					t.Errorf("%s returned no error", name)
				}
			}
			tells(t, s, audit.Query{}, 1)
		},
	},
}

var auditPersistenceCases = []testCase[Stores]{
	{
		"events are there after a restart", "what a method acknowledged survives",
		func(t *testing.T, s Stores) {
			ok(t, s.Audit.Append(t.Context(), []*audit.Event{happened(1, "x", "", "7"), happened(2, "y", "7", "8")}))
			s = s.Reopen(t)
			tells(t, s.Audit, audit.Query{User: "7"}, 2, 1)
		},
	},
}
