package server_test

import (
	"net/http"
	"testing"
	"time"
)

// TestExpiredSessionsGoAwayWithoutNotice starts the server on a file full of expired sessions. They are removed a few at a time,
// so other requests aren't delayed.
func TestExpiredSessionsGoAwayWithoutNotice(t *testing.T) {
	t.Attr("threat", "X08")
	s := start(t)
	user := s.person("pia")
	v := s.holding(s.give(user)[0])
	quiet := measure(t, v, func() { time.Sleep(time.Second) })
	s.stop()
	db := s.open()
	dead := 50_000
	if raceDetector {
		dead = 5_000
	}
	_, err := db.ExecContext(t.Context(), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		INSERT INTO sessions (id, public_id, user_id, epoch, method, browser, created, fresh, seen, idle, deadline, expires, ip, agent, data, version)
		SELECT randomblob(32), hex(randomblob(16)), $2, $3, 'password', 0, 1, 1, 1 + i % 1000, 1, 1e9, 1 + i % 1000,
		'127.0.0.1', 'Mozilla/5.0', x'', hex(randomblob(8)) FROM n`, dead, user.ID, user.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM sessions`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	s.start()
	began := time.Now()
	counts := map[int]bool{}
	meanwhile := measure(t, v, func() {
		s.signedIn(user.Username)
		for n := count(); n > 2; n = count() { // as long as some go, however slowly
			counts[n] = true
			eventually(t, "more expired sessions are gone", func() bool { return count() < n })
		}
	})
	if n := count(); n != 2 {
		t.Errorf("%d sessions are left, of which 2 haven't expired", n)
	}
	if len(counts) < 10 {
		t.Errorf("they went in %d batches, which were not small", len(counts))
	}
	t.Logf("%d sessions removed in %v", dead, round(time.Since(began)))
	t.Logf("/api/me before: %s", summary(quiet))
	t.Logf("/api/me meanwhile: %s", summary(meanwhile))
	v.demand(http.StatusOK, "alive")
}
