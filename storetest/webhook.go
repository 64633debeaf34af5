package storetest

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/webhook"
)

const hook, otherHook = "https://example.com/b", "https://example.com/a?x=1"

// appends adds events with these names, and returns their IDs.
func appends(t testing.TB, s audit.Store, names ...string) (ids []string) {
	t.Helper()
	var all []*audit.Event
	for _, name := range names {
		all = append(all, happened(1, name, "1", "7"))
	}
	ok(t, s.Append(t.Context(), all))
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	return ids
}

// reads ends the test unless these are the events after a position.
func reads(t testing.TB, s webhook.Store, after string, limit int, ids ...string) {
	t.Helper()
	got, err := s.Events(t.Context(), after, limit)
	ok(t, err)
	var found []string
	for _, e := range got {
		found = append(found, e.ID)
	}
	if !reflect.DeepEqual(found, ids) {
		t.Fatalf("after %q there are %q, want %q", after, found, ids)
	}
}

// isAt ends the test unless the endpoint is stored so.
func isAt(t testing.TB, s webhook.Store, want webhook.Endpoint) {
	t.Helper()
	got, err := s.Find(t.Context(), want.URL)
	ok(t, err)
	if *got != want {
		t.Fatalf("the endpoint is %+v\nwant            %+v", *got, want)
	}
}

var webhookCases = []testCase[store.Set]{
	{
		"an endpoint begins after the last event, and is added once", "Add: an endpoint that is there already isn't changed",
		func(t *testing.T, s store.Set) {
			ok(t, s.Webhooks.AddEndpoint(t.Context(), hook))
			isAt(t, s.Webhooks, webhook.Endpoint{URL: hook})
			ids := appends(t, s.Audit, "x", "y")
			ok(t, s.Webhooks.AddEndpoint(t.Context(), hook))
			ok(t, s.Webhooks.AddEndpoint(t.Context(), otherHook))
			isAt(t, s.Webhooks, webhook.Endpoint{URL: hook})
			isAt(t, s.Webhooks, webhook.Endpoint{URL: otherHook, Position: ids[1]})
			_, err := s.Webhooks.Find(t.Context(), "https://example.com/")
			fails(t, err, webhook.ErrNotFound)
			all, err := s.Webhooks.List(t.Context())
			ok(t, err)
			if len(all) != 2 || all[0].URL != otherHook || all[1].URL != hook {
				t.Fatalf("listed %+v", all)
			}
			ok(t, s.Webhooks.Remove(t.Context(), hook))
			ok(t, s.Webhooks.Remove(t.Context(), hook))
			_, err = s.Webhooks.Find(t.Context(), hook)
			fails(t, err, webhook.ErrNotFound)
		},
	},
	{
		"events are read in their order after a position", "Events: the earliest first, at most limit",
		func(t *testing.T, s store.Set) {
			reads(t, s.Webhooks, "", 9)
			ids := appends(t, s.Audit, "a", "b", "c")
			ids = append(ids, appends(t, s.Audit, "d")...)
			reads(t, s.Webhooks, "", 9, ids...)
			reads(t, s.Webhooks, "", 2, ids[:2]...)
			reads(t, s.Webhooks, ids[1], 9, ids[2:]...)
			reads(t, s.Webhooks, ids[3], 9)
			reads(t, s.Webhooks, "", 0)
			reads(t, s.Webhooks, "", -1)
			got, err := s.Webhooks.Events(t.Context(), ids[2], 1)
			ok(t, err)
			want := happened(1, "d", "1", "7")
			want.ID = ids[3]
			if !reflect.DeepEqual(got[0], want) {
				t.Fatalf("read %+v\nwant %+v", got[0], want)
			}
		},
	},
	{
		"one holder has an endpoint until its time", "Claim: ErrNotFound if another holder has it at now; Save: for the holder that has claimed it last",
		func(t *testing.T, s store.Set) {
			w := s.Webhooks
			id := appends(t, s.Audit, "x")[0]
			ok(t, w.AddEndpoint(t.Context(), hook))
			claims := func(holder string, now, until int64, want bool) *webhook.Endpoint {
				t.Helper()
				e, err := w.Claim(t.Context(), hook, holder, now, until)
				if !want {
					fails(t, err, webhook.ErrNotFound)
					return nil
				}
				ok(t, err)
				return e
			}
			e := claims("a", 1_000, 1_030, true)
			if *e != (webhook.Endpoint{URL: hook, Position: id}) {
				t.Fatalf("claimed %+v", e)
			}
			claims("b", 1_029, 1_060, false)
			claims("a", 1_010, 1_040, true)
			claims("b", 1_039, 1_060, false)
			fails(t, w.Save(t.Context(), e, "b", 1_060), webhook.ErrNotFound)
			e.Tries, e.Due, e.Dropped, e.Position = 3, 1_050, 12, ""
			ok(t, w.Save(t.Context(), e, "a", 1_045))
			isAt(t, w, *e)
			claims("b", 1_044, 1_060, false)
			claims("b", 1_045, 1_060, false) // it isn't due
			claims("b", 1_050, 1_080, true)
			fails(t, w.Save(t.Context(), e, "a", 1_090), webhook.ErrNotFound)
			e.Position, e.Due = id, 0
			ok(t, w.Save(t.Context(), e, "b", 0))
			claims("c", 1_051, 1_080, true)
			_, err := w.Claim(t.Context(), otherHook, "a", 1_000, 1_030)
			fails(t, err, webhook.ErrNotFound)
			ok(t, w.Remove(t.Context(), hook))
			fails(t, w.Save(t.Context(), e, "c", 1_090), webhook.ErrNotFound)
		},
	},
	{
		"of many who claim at once one gets it", "each method is one step",
		func(t *testing.T, s store.Set) {
			ok(t, s.Webhooks.AddEndpoint(t.Context(), hook))
			var won atomic.Int32
			together(12, func(i int) {
				switch _, err := s.Webhooks.Claim(t.Context(), hook, string(rune('a'+i)), 1_000, 2_000); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, webhook.ErrNotFound):
					t.Error(err)
				}
			})
			if won.Load() != 1 {
				t.Fatalf("%d have it, want one", won.Load())
			}
		},
	},
	{
		"a reader who goes on after the last event misses none of concurrent ones", "Events returns no event while one with a smaller ID may still be added",
		func(t *testing.T, s store.Set) {
			const writers, each = 8, 20
			done := make(chan struct{})
			go func() {
				defer close(done)
				together(writers, func(int) {
					for range each {
						if err := s.Audit.Append(t.Context(), []*audit.Event{happened(1, "a", "", ""), happened(1, "b", "", ""), happened(1, "c", "", "")}); err != nil {
							t.Error(err)
						}
					}
				})
			}()
			read, after := 0, ""
			for finished := false; ; {
				got, err := s.Webhooks.Events(t.Context(), after, 50)
				ok(t, err)
				if len(got) == 0 && finished {
					break
				}
				for _, e := range got {
					read, after = read+1, e.ID
				}
				select {
				case <-done:
					finished = true
				default:
				}
			}
			if read != writers*each*3 {
				t.Fatalf("read %d events of %d", read, writers*each*3)
			}
		},
	},
	{
		"endpoints passed and returned are the caller's own, and nothing is done for a context that has ended", "a Store copies; each method is done whole or not at all",
		func(t *testing.T, s store.Set) {
			w := s.Webhooks
			ok(t, w.AddEndpoint(t.Context(), hook))
			e, err := w.Claim(t.Context(), hook, "a", 1_000, 2_000)
			ok(t, err)
			e.Tries = 7
			isAt(t, w, webhook.Endpoint{URL: hook})
			for name, call := range map[string]func(ctx context.Context) error{
				"Add":    func(ctx context.Context) error { return w.AddEndpoint(ctx, otherHook) },
				"Find":   func(ctx context.Context) error { _, err := w.Find(ctx, hook); return err },
				"List":   func(ctx context.Context) error { _, err := w.List(ctx); return err },
				"Claim":  func(ctx context.Context) error { _, err := w.Claim(ctx, hook, "b", 3_000, 4_000); return err },
				"Save":   func(ctx context.Context) error { return w.Save(ctx, e, "a", 3_000) },
				"Remove": func(ctx context.Context) error { return w.Remove(ctx, hook) },
				"Events": func(ctx context.Context) error { _, err := w.Events(ctx, "", 1); return err },
			} {
				if err := call(ended()); err == nil || errors.Is(err, webhook.ErrNotFound) {
					t.Errorf("%s returned %v, want the end of the context", name, err)
				}
			}
			isAt(t, w, webhook.Endpoint{URL: hook})
			all, err := w.List(t.Context())
			ok(t, err)
			if len(all) != 1 {
				t.Fatalf("there are %d endpoints", len(all))
			}
		},
	},
}

var webhookPersistenceCases = []testCase[Stores]{
	{
		"an endpoint and its position are there after a restart", "what a method acknowledged survives",
		func(t *testing.T, s Stores) {
			id := appends(t, s.Audit, "x")[0]
			ok(t, s.Webhooks.AddEndpoint(t.Context(), hook))
			e, err := s.Webhooks.Claim(t.Context(), hook, "a", 1_000, 2_000)
			ok(t, err)
			e.Tries, e.Due, e.Dropped = 1, 1_500, 2
			ok(t, s.Webhooks.Save(t.Context(), e, "a", 2_000))
			s = s.Reopen(t)
			isAt(t, s.Webhooks, webhook.Endpoint{URL: hook, Position: id, Tries: 1, Due: 1_500, Dropped: 2})
			_, err = s.Webhooks.Claim(t.Context(), hook, "b", 1_999, 3_000)
			fails(t, err, webhook.ErrNotFound)
		},
	},
}
