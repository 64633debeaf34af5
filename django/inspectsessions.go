package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
)

// liveSessions reads all sessions that haven't expired.
func (i *inspection) liveSessions(ctx context.Context) error {
	n := sessionCounts{backends: map[string]int{}, djangoBackends: map[string]int{}}
	s := (*sessions)(i.DB)
	rows, err := queryAll(ctx, i.read, func(rows *sql.Rows) (row, error) { return s.scan(rows.Scan) },
		`SELECT `+s.columns()+` FROM `+s.table()+` WHERE expire_date > $1`, i.stamp(i.now))
	if err != nil {
		return fmt.Errorf("read the sessions: %w", err)
	}
	n.all = len(rows)
	for _, r := range rows {
		signed, d, err := i.form.keys.open(r.data)
		switch {
		case errors.Is(err, errNotJSON):
			n.notJSON++
			continue
		case err != nil:
			n.unknownKey++
			continue
		case signed.old:
			n.fallback++
		}
		found, err := i.form.stored(r, signed, d)
		if err != nil {
			n.anonymous++
			continue
		}
		n.signedIn++
		n.backends[found.dict.text(backendKey)]++
		if found.Method.String() == djangoMethod {
			n.djangoBackends[found.dict.text(backendKey)]++
		}
		if _, set := found.dict.values[expiryKey]; !set && found.meta.Age > 0 && found.signedAt() >= n.ageWritten {
			n.age, n.ageWritten = found.meta.Age, found.signedAt()
		}
		if err := i.compareClock(ctx, found, &n); err != nil {
			return err
		}
		password, err := i.password(ctx, found.User)
		if err != nil {
			return err
		}
		if password != "" && !i.form.keys.provesPassword(found.Epoch, password) {
			n.ended++
		}
	}
	i.add("info", "", "%d live sessions with a user, and %d anonymous ones, in %s", n.signedIn, n.anonymous, i.config.SessionTable)
	i.reportKeys(n)
	i.reportLimits(n)
	i.reportBackends(n)
	i.reportEngine()
	return nil
}

// sessionCounts counts the live sessions by kind.
type sessionCounts struct {
	all        int
	signedIn   int
	anonymous  int
	unknownKey int // signed with none of the keys
	fallback   int // signed with a fallback key
	notJSON    int // signed with one of the keys, but not JSON
	ended      int // the user's password has changed since

	backends       map[string]int // how many sessions name each backend
	djangoBackends map[string]int // the same, for the sessions that Django created
	age            int64          // SESSION_COOKIE_AGE, as the latest session that Django wrote shows it; 0: unknown
	ageWritten     int64          // when that session was written

	onTime, offTime int // created by Django at the user's last_login, and whole quarters of an hour before or after it
}

func (i *inspection) reportKeys(n sessionCounts) {
	switch {
	case n.unknownKey > 0 && n.unknownKey == n.all:
		i.add("error", "Put settings.SECRET_KEY on the first line of --django-secret-key-file.", "none of the live sessions is signed with the given secret key")
	case n.unknownKey > 0:
		i.add("warning", "If Django has SECRET_KEY_FALLBACKS, add each as a line to --django-secret-key-file.", "%d live sessions are signed with another secret key, and are refused", n.unknownKey)
	}
	if n.fallback > 0 && n.fallback == n.all-n.unknownKey-n.notJSON {
		i.add("warning", "If SECRET_KEY has not just been changed, put settings.SECRET_KEY on the first line of --django-secret-key-file: Django refuses what is signed with another key.",
			"all live sessions are signed with a fallback key, and none with the first key of the file")
	}
	if n.notJSON > 0 {
		i.add("warning", "Set SESSION_SERIALIZER to JSONSerializer in Django.", "%d live sessions are not JSON, and are refused", n.notJSON)
	}
	if n.offTime > n.onTime {
		i.add("warning", "If USE_TZ is off, give TIME_ZONE with --django-time-zone. Otherwise sessions end hours too early or too late.",
			"%d sessions were signed whole hours before or after their users' last_login", n.offTime)
	}
	if n.ended > 0 {
		i.add("info", "", "%d of these %d have ended: their users' passwords have changed", n.ended, n.signedIn)
	}
}

// compareClock compares the time of a session's signature, which is always in UTC, with the user's last_login, which is in
// local time if USE_TZ is off. Both are of the same moment if Django created the session and the user hasn't signed in
// since.
func (i *inspection) compareClock(ctx context.Context, s *stored, n *sessionCounts) error {
	if !s.createdByDjango || i.dialect.postgres {
		return nil
	}
	u, err := i.Accounts().Load(ctx, s.User)
	if errors.Is(err, account.ErrNotFound) || err == nil && u.LastLogin == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	const quarter = 15 * 60
	apart := max(s.signedAt()-u.LastLogin, u.LastLogin-s.signedAt())
	switch beside := min(apart%quarter, quarter-apart%quarter); {
	case apart <= 2:
		n.onTime++
	case beside <= 2 && apart < 15*60*60:
		n.offTime++
	}
	return nil
}

// reportLimits compares how long sessions last at either program. A session that Django created ends here no later than in
// Django. For a session created here, only --idle and --lifetime count.
func (i *inspection) reportLimits(n sessionCounts) {
	theirs, ours := time.Duration(n.age)*time.Second, i.config.Idle
	const cut = 2 * time.Second // fractions of seconds
	switch {
	case n.age == 0 || max(theirs-ours, ours-theirs) <= cut:
	case theirs < ours:
		i.add("warning", fmt.Sprintf("To end the sessions created here as early, give --idle %v, the value of SESSION_COOKIE_AGE. --lifetime limits them however much they are used.", theirs),
			"sessions created by Django end %v after their last use (SESSION_COOKIE_AGE), those created here %v after it (--idle)", theirs, ours)
	default:
		i.add("info", "Unless you want that, give --idle and SESSION_COOKIE_AGE the same value.",
			"sessions created by Django would last %v there (SESSION_COOKIE_AGE); once used here, they end %v after their last use (--idle)", theirs, ours)
	}
}

func (i *inspection) reportBackends(n sessionCounts) {
	if own := i.config.AuthBackend; len(n.djangoBackends) > 0 && n.djangoBackends[own] == 0 {
		named := slices.Sorted(maps.Keys(n.djangoBackends))
		i.add("warning", "Name one of settings.AUTHENTICATION_BACKENDS: --django-auth-backend "+named[0],
			"the sessions that Django created name the backend %s, those created here name %s: Django takes the latter for anonymous unless their backend is in AUTHENTICATION_BACKENDS",
			strings.Join(named, ", "), own)
		return
	}
	for _, backend := range slices.Sorted(maps.Keys(n.backends)) {
		if backend != i.config.AuthBackend {
			i.add("info", "Unless that backend is in AUTHENTICATION_BACKENDS, Django takes these sessions for anonymous, and Cloakroom does not.",
				"%d sessions name the backend %s; those created here name %s (--django-auth-backend)", n.backends[backend], backend, i.config.AuthBackend)
		}
	}
}

// reportEngine reports what the table doesn't show.
func (i *inspection) reportEngine() {
	if i.config.SessionEngine != "" {
		i.add("info", "", "SESSION_ENGINE is %s, according to --django-session-engine", i.config.SessionEngine)
		return
	}
	i.add("info", "Give the SESSION_ENGINE of Django's settings with --django-session-engine.", "the database doesn't show whether SESSION_ENGINE is db: "+
		"cached_db keeps sessions in this table too, but reads them from its cache, so a session that Cloakroom ends would go on in Django")
}
