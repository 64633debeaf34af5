package hooked_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/hooked"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

func TestHookedStoresKeepTheirPromises(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Stores {
		return storetest.Stores{Set: hooked.Stores(memory.New().Set, func(_ context.Context, _ string, do func() error) error { return do() })}
	})
}

// TestNoCallPassesTheHook calls every method of every store with zero values.
func TestNoCallPassesTheHook(t *testing.T) {
	var calls []string
	stopped := errors.New("stopped")
	set := reflect.ValueOf(hooked.Stores(memory.New().Set, func(_ context.Context, call string, _ func() error) error {
		calls = append(calls, call)
		return stopped
	}))
	seen := map[string]bool{}
	for i := range set.NumField() {
		s := set.Field(i)
		for j := range s.NumMethod() {
			calls = nil
			method := s.Type().Method(j)
			err := call(t, s.Method(j))
			if len(calls) != 1 || err != stopped {
				t.Errorf("%s.%s: %d calls of the hook, and the error %v, want 1 and the hook's", set.Type().Field(i).Name, method.Name, len(calls), err)
				continue
			}
			if seen[calls[0]] {
				t.Errorf("two methods are called %q", calls[0])
			}
			seen[calls[0]] = true
		}
	}
	if len(seen) < 80 {
		t.Errorf("%d methods were called", len(seen))
	}
}

// call calls a method with a context and zero values, and pointers to zero values, and returns its error.
func call(t *testing.T, method reflect.Value) any {
	args := []reflect.Value{reflect.ValueOf(t.Context())}
	in := method.Type()
	for i := 1; i < in.NumIn(); i++ {
		if in.IsVariadic() && i == in.NumIn()-1 {
			break
		}
		arg := reflect.New(in.In(i)).Elem()
		if arg.Kind() == reflect.Pointer {
			arg = reflect.New(in.In(i).Elem())
		}
		args = append(args, arg)
	}
	out := method.Call(args)
	return out[len(out)-1].Interface()
}

func TestNothingIsSetIfTheHookReportsAFailure(t *testing.T) {
	db, failed := memory.New(), errors.New("failed")
	stores := hooked.Stores(db.Set, func(_ context.Context, _ string, do func() error) error {
		if err := do(); err != nil {
			t.Error(err)
		}
		return failed
	})
	r := &session.Record{ID: session.ID{1}, PublicID: "p", User: "u", Expires: 10}
	if err := stores.Sessions.Create(t.Context(), r); err != failed {
		t.Errorf("Create returned %v, want the hook's error", err)
	}
	if r.Version != "" {
		t.Errorf("the record has the version %q", r.Version)
	}
	if _, err := db.Sessions.Load(t.Context(), r.ID); err != nil {
		t.Errorf("the call wasn't carried out: %v", err)
	}
	e := &audit.Event{Name: "x"}
	if err := stores.Audit.Append(t.Context(), []*audit.Event{e}); err != failed || e.ID != "" {
		t.Errorf("Append returned %v and set the ID %q", err, e.ID)
	}
	if all, err := stores.Sessions.List(t.Context(), session.Query{}); all != nil || err != failed {
		t.Errorf("List returned %v, %v, want no value", all, err)
	}
}
