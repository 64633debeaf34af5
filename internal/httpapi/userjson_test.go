package httpapi

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// TestUsersThatShareASlotAreNotMixedUp describes more users than the cache has slots.
func TestUsersThatShareASlotAreNotMixedUp(t *testing.T) {
	t.Attr("threat", "J1")
	var cache userCache
	users := make([]*account.User, 5*len(cache.slots))
	for i := range users {
		users[i] = &account.User{ID: fmt.Sprint(i + 1), Username: fmt.Sprintf("user-%d", i)}
	}
	for range 2 {
		for _, u := range users {
			if line := string(cache.line(u)); !strings.Contains(line, fmt.Sprintf("%q", u.Username)) {
				t.Fatalf("%s is described as %s", u.Username, line)
			}
		}
	}
	later := *users[0]
	later.Email = "new@example.org"
	cache.line(users[0])
	if line := string(cache.line(&later)); !strings.Contains(line, later.Email) {
		t.Errorf("after a change: %s", line)
	}
}

// TestEachFieldOfAUserIsCompared changes one field after the other, also those that don't matter now.
func TestEachFieldOfAUserIsCompared(t *testing.T) {
	t.Attr("threat", "J1")
	first := account.User{ID: "1", Username: "ada", Groups: []string{"staff"}, Permissions: []string{"app.see"}}
	var fields func(v reflect.Value, change func(field reflect.Value))
	fields = func(v reflect.Value, change func(field reflect.Value)) {
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.Struct {
				fields(f, change)
			} else {
				change(f)
			}
		}
	}
	var cache userCache
	later := first
	fields(reflect.ValueOf(&later).Elem(), func(f reflect.Value) {
		later = first
		later.Groups, later.Permissions = []string{"staff"}, []string{"app.see"}
		switch f.Kind() {
		case reflect.String:
			f.SetString("{}")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int64:
			f.SetInt(1_000_000_000)
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		default:
			t.Fatalf("a user has a field of the kind %v", f.Kind())
		}
		for i := range cache.slots {
			cache.slots[i].Store(&cachedUser{&first, jsonLine(newUserOut(&first))})
		}
		user := later
		if got, want := string(cache.line(&user)), string(jsonLine(newUserOut(&user))); got != want {
			t.Errorf("%+v is described as %s, want %s", user, got, want)
		}
	})
}
