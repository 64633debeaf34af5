package redisdb_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

func ptr[T any](v T) *T { return &v }

// ticketID returns the n-th ID.
func ticketID(n int) session.ID { return session.ID{byte(n), byte(n >> 8), byte(n >> 16), 1} }

// ticket returns the n-th session, which ends at this time.
func ticket(n int, expires int64) *session.Record {
	return &session.Record{
		ID: ticketID(n), PublicID: fmt.Sprint("p", n), User: fmt.Sprint("u", n%7), Seen: 1, Expires: expires, Deadline: 1 << 40,
		Agent: session.Intern("Mozilla/5.0"), Values: []byte(`{}`),
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keys returns how many keys there are.
func keys(t testing.TB, c rueidis.Client) int64 {
	t.Helper()
	n, err := ptr(command(t, c, "DBSIZE")).AsInt64()
	must(t, err)
	return n
}

// until returns the time at which Redis drops a key by itself.
func until(t testing.TB, c rueidis.Client, key string) int64 {
	t.Helper()
	n, err := ptr(command(t, c, "EXPIRETIME", key)).AsInt64()
	must(t, err)
	return n
}

func sessionKey(n int) string {
	id := ticketID(n)
	return "cloakroom:s:" + string(id[:])
}

const day = 24 * 60 * 60

func TestRedisDropsASessionADayAfterItsEnd(t *testing.T) {
	empty(t)
	s, c := open(t, shared.URL()).Sessions, raw(t, shared.Addr)
	now := time.Now().Unix()
	r := ticket(1, now+1000)
	must(t, s.Create(t.Context(), r))
	if got := until(t, c, sessionKey(1)); got != now+1000+day {
		t.Fatalf("created: dropped %d s after now", got-now)
	}
	must(t, s.Touch(t.Context(), []session.LastUse{{ID: r.ID, At: now, Expires: now + 2000}}))
	if got := until(t, c, sessionKey(1)); got != now+2000+day {
		t.Fatalf("touched: dropped %d s after now", got-now)
	}
	next := ticket(2, now+3000)
	must(t, s.Replace(t.Context(), r, next))
	if got := until(t, c, sessionKey(2)); got != now+3000+day {
		t.Fatalf("rotated: dropped %d s after now", got-now)
	}
}

func TestRedisDropsNoSessionBeforeADayIsOver(t *testing.T) {
	empty(t)
	s, c := open(t, shared.URL()).Sessions, raw(t, shared.Addr)
	must(t, s.Create(t.Context(), ticket(1, 10))) // ended long ago by Redis's clock
	if got := until(t, c, sessionKey(1)) - time.Now().Unix(); got < day-60 {
		t.Fatalf("dropped in %d s", got)
	}
	must(t, s.Create(t.Context(), ticket(2, 1<<61)))
	if got := until(t, c, sessionKey(2)); got != -1 {
		t.Fatalf("a session for ever is dropped at %d", got)
	}
}

func TestRedisDropsACounterADayAfterItsEnd(t *testing.T) {
	empty(t)
	s, c := open(t, shared.URL()).Throttles, raw(t, shared.Addr)
	ends := time.Now().Unix() + 1000
	must(t, s.Update(t.Context(), []string{"a"}, func(c []throttle.Counter) error { c[0].Tries, c[0].Ends = 1, ends; return nil }))
	if got := until(t, c, "cloakroom:t:a"); got != ends+day {
		t.Fatalf("dropped %d s after its end", got-ends)
	}
}

func TestDeleteExpiredRemovesWhatRedisHasDropped(t *testing.T) {
	empty(t)
	db, c := open(t, shared.URL()), raw(t, shared.Addr)
	s := db.Sessions
	for n := range 20 {
		must(t, s.Create(t.Context(), ticket(n, int64(100+n))))
	}
	must(t, db.Throttles.Update(t.Context(), []string{"a"}, func(c []throttle.Counter) error { c[0].Tries, c[0].Ends = 1, 5; return nil }))
	command(t, c, "DEL", "cloakroom:t:a", sessionKey(0), sessionKey(3), sessionKey(7), sessionKey(10)) // 0, 7: both of u0
	list, err := s.List(t.Context(), session.Query{Limit: 17})
	must(t, err)
	if len(list) != 16 {
		t.Fatalf("listed %d, want 16", len(list))
	}
	if list, err = s.List(t.Context(), session.Query{User: "u0"}); err != nil || len(list) != 1 {
		t.Fatalf("listed %d of u0, want 1 (%v)", len(list), err)
	}
	if n, err := s.DeleteUser(t.Context(), "u3", session.ID{}); err != nil || n != 1 {
		t.Fatalf("deleted %d of u3, want 1 (%v)", n, err)
	}
	_, err = s.DeleteExpired(t.Context(), 1000, 100)
	must(t, err)
	_, err = db.Throttles.DeleteExpired(t.Context(), 1000, 100)
	must(t, err)
	if n := keys(t, c); n != 0 {
		t.Fatalf("%d keys are left: %v", n, ptr(command(t, c, "KEYS", "*")))
	}
}

func TestADeletedSessionLeavesNoKey(t *testing.T) {
	empty(t)
	s, c := open(t, shared.URL()).Sessions, raw(t, shared.Addr)
	for n := range 100 {
		r := ticket(n, int64(100+n))
		must(t, s.Create(t.Context(), r))
		rotated := ticket(n, int64(100+n))
		rotated.ID = ticketID(n + 2000)
		must(t, s.Replace(t.Context(), r, rotated))
		r = rotated
		next := ticket(n+1000, int64(200+n))
		next.User = "x" + r.User
		must(t, s.Replace(t.Context(), r, next))
		must(t, s.Touch(t.Context(), []session.LastUse{{ID: next.ID, At: 50, Expires: int64(300 + n)}}))
		if n%2 == 0 {
			rotated := *next
			rotated.ID = ticketID(n + 3000)
			must(t, s.Replace(t.Context(), next, &rotated))
			if n < 40 {
				must(t, s.Delete(t.Context(), rotated.ID))
			}
		}
	}
	for n := range 40 {
		must(t, s.Delete(t.Context(), ticketID(n+1000)))
	}
	for n := range 4 {
		_, err := s.DeleteUser(t.Context(), fmt.Sprint("xu", n), session.ID{})
		must(t, err)
	}
	_, err := s.DeleteExpired(t.Context(), 1000, 100)
	must(t, err)
	if n := keys(t, c); n != 0 {
		t.Fatalf("%d keys are left: %v", n, ptr(command(t, c, "KEYS", "*")))
	}
}

func TestAllKeysAreOurs(t *testing.T) {
	empty(t)
	db, c := open(t, shared.URL()), raw(t, shared.Addr)
	must(t, db.Sessions.Create(t.Context(), ticket(1, 100)))
	must(t, db.Throttles.Update(t.Context(), []string{"a"}, func(c []throttle.Counter) error { c[0].Tries = 1; return nil }))
	must(t, db.Ping(t.Context()))
	all, err := ptr(command(t, c, "KEYS", "*")).AsStrSlice()
	must(t, err)
	for _, key := range all {
		if !strings.HasPrefix(key, "cloakroom:") {
			t.Errorf("key %q", key)
		}
	}
}

func TestALongListIsComplete(t *testing.T) {
	empty(t)
	s := open(t, shared.URL()).Sessions
	const many = 1203
	for n := range many {
		must(t, s.Create(t.Context(), ticket(n, 100)))
	}
	for _, limit := range []int{0, 499, 500, 501, 1000, 1202, 1203, 5000} {
		list, err := s.List(t.Context(), session.Query{Limit: limit})
		must(t, err)
		want := min(limit, many)
		if limit == 0 {
			want = many
		}
		if len(list) != want {
			t.Errorf("limit %d: %d sessions", limit, len(list))
		}
		for i := 1; i < len(list); i++ {
			if list[i-1].PublicID >= list[i].PublicID {
				t.Fatalf("%q before %q", list[i-1].PublicID, list[i].PublicID)
			}
		}
	}
}

func TestForeignValuesAreAnOutage(t *testing.T) {
	empty(t)
	s, c := open(t, shared.URL()).Sessions, raw(t, shared.Addr)
	must(t, s.Create(t.Context(), ticket(1, 100)))
	must(t, s.Create(t.Context(), ticket(2, 100)))
	command(t, c, "COPY", sessionKey(2), sessionKey(1), "REPLACE")
	if r, err := s.Load(t.Context(), ticketID(1)); err == nil || err == session.ErrNotFound { //nolint:errorlint // exactly
		t.Errorf("another session in its place: %+v, %v", r, err)
	}
	command(t, c, "SET", sessionKey(1), "something else")
	if r, err := s.Load(t.Context(), ticketID(1)); err == nil || err == session.ErrNotFound { //nolint:errorlint // exactly
		t.Errorf("something else in its place: %+v, %v", r, err)
	}
}
