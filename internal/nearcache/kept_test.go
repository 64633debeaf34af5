package nearcache_test

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// TestWhatIsCachedKeepsNoRowInMemory: a database may return texts that are pieces of all that it has read. What is cached takes the bytes
// that are counted for it, and shares nothing with the record that the caller got.
func TestWhatIsCachedKeepsNoRowInMemory(t *testing.T) {
	db, c := memory.New(), nearcache.New(nearcache.Config{Feed: feed.NewLocal()})
	defer c.Close()
	for _, row := range []struct{ store, record any }{
		{c.Sessions(db.Sessions), new(session.Record)},
		{c.Accounts(db.Accounts), new(account.User)},
		{c.Tokens(db.Tokens), new(token.Record)},
	} {
		whole := strings.Repeat("0123456789", 1000)
		at, texts := 0, 0
		piece := func() string {
			at += 10
			return whole[at-10 : at+20]
		}
		eachText(reflect.ValueOf(row.record).Elem(), "", func(_ string, v reflect.Value) {
			texts++
			switch {
			case v.Type() == reflect.TypeFor[session.Interned]():
				v.Set(reflect.ValueOf(session.Intern(piece())))
			case v.Kind() == reflect.String:
				v.SetString(piece())
			case v.Type() == reflect.TypeFor[[]byte]():
				v.SetBytes([]byte(piece()))
			default:
				v.Set(reflect.ValueOf([]string{piece(), piece()}))
			}
		})
		if texts < 8 {
			t.Fatalf("%T has %d texts", row.record, texts)
		}
		copied, size := nearcache.Kept(row.store, row.record)
		kept := reflect.ValueOf(copied)
		if !reflect.DeepEqual(copied, reflect.ValueOf(row.record).Elem().Interface()) {
			t.Errorf("%T: the copy is %+v", row.record, copied)
		}
		bytes := int(kept.Type().Size())
		eachText(kept, "", func(name string, v reflect.Value) {
			pieceOf := func(s string) {
				bytes += len(s)
				begin := uintptr(unsafe.Pointer(unsafe.StringData(whole)))
				if p := uintptr(unsafe.Pointer(unsafe.StringData(s))); p >= begin && p < begin+uintptr(len(whole)) {
					t.Errorf("%T%s keeps the row in memory", copied, name)
				}
			}
			original := reflect.ValueOf(row.record).Elem().FieldByName(strings.TrimPrefix(name, "."))
			switch {
			case v.Kind() == reflect.String:
				pieceOf(v.String())
			case v.Kind() == reflect.Slice && v.Pointer() == original.Pointer():
				t.Errorf("%T%s is shared", copied, name)
			case v.Type() == reflect.TypeFor[[]byte]():
				bytes += v.Len()
			case v.Kind() == reflect.Slice:
				bytes += v.Len() * int(v.Type().Elem().Size())
				for _, s := range v.Interface().([]string) {
					pieceOf(s)
				}
			}
		})
		if size < bytes {
			t.Errorf("%T counts for %d bytes, and takes %d", copied, size, bytes)
		}
	}
}

// eachText calls do with the name and the value of each field of a record that refers to memory.
func eachText(record reflect.Value, name string, do func(string, reflect.Value)) {
	for i := range record.NumField() {
		f, v := name+"."+record.Type().Field(i).Name, record.Field(i)
		switch {
		case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[session.Interned]():
			eachText(v, f, do)
		case v.Kind() == reflect.Struct, v.Kind() == reflect.String, v.Kind() == reflect.Slice:
			do(f, v)
		}
	}
}
