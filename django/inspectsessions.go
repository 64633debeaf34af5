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

// live looks into all sessions that haven't expired.
func (i *inspection) live(ctx context.Context) error {
	n := counted{backends: map[string]int{}, theirs: map[string]int{}}
	s := (*sessions)(i.DB)
	rows, err := all(ctx, i.read, func(rows *sql.Rows) (row, error) { return s.scan(rows.Scan) },
		`SELECT `+s.columns()+` FROM `+s.table()+` WHERE expire_date > $1`, i.stamp(i.now))
	if err != nil {
		return fmt.Errorf("look at the sessions: %w", err)
	}
	n.all = len(rows)
	for _, r := range rows {
		signed, d, err := i.form.keys.open(r.data)
		switch {
		case errors.Is(err, errNotJSON):
			n.pickled++
			continue
		case err != nil:
			n.strange++
			continue
		case signed.old:
			n.old++
		}
		found, err := i.form.stored(r, signed, d)
		if err != nil {
			n.anonymous++
			continue
		}
		n.signedIn++
		n.backends[found.dict.text(backendKey)]++
		if found.Method == djangoMethod {
			n.theirs[found.dict.text(backendKey)]++
		}
		if _, set := found.dict.values[expiryKey]; !set && found.meta.Age > 0 && found.signedAt() >= n.aged {
			n.age, n.aged = found.meta.Age, found.signedAt()
		}
		if err := i.clock(ctx, found, &n); err != nil {
			return err
		}
		password, err := i.password(ctx, found.User)
		if err != nil {
			return err
		}
		if password != "" && !i.form.keys.provesPassword(found.Epoch, password) {
			n.unproved++
		}
	}
	i.say("info", "", "%d live sessions of somebody, and %d anonymous ones, in %s", n.signedIn, n.anonymous, i.config.SessionTable)
	i.judge(n)
	i.limits(n)
	i.backends(n)
	i.engine()
	return nil
}

// counted is how many live sessions there are, and of which kinds.
type counted struct {
	all       int
	signedIn  int // of somebody
	anonymous int
	strange   int // signed with no key that is known
	old       int // signed with a fallback
	pickled   int // signed, but no JSON
	unproved  int // of somebody whose password is another since

	backends map[string]int // how many sessions name each
	theirs   map[string]int // of those that Django has begun
	age      int64          // SESSION_COOKIE_AGE, by the latest session that Django has written; 0: none tells
	aged     int64          // when that was written

	onTime, offTime int // begun by Django when the user's last_login says, and whole quarters of an hour beside it
}

func (i *inspection) judge(n counted) {
	switch {
	case n.strange > 0 && n.strange == n.all:
		i.say("error", "Put settings.SECRET_KEY on the first line of --django-secret-key-file.", "none of the live sessions is signed with the secret key that was given")
	case n.strange > 0:
		i.say("warning", "If Django has SECRET_KEY_FALLBACKS, add each as a line to --django-secret-key-file.", "%d live sessions are signed with another secret key, and count for nothing", n.strange)
	}
	if n.old > 0 && n.old == n.all-n.strange-n.pickled {
		i.say("warning", "If SECRET_KEY has not just been changed, put settings.SECRET_KEY on the first line of --django-secret-key-file: what is signed with any other, Django refuses.",
			"all live sessions are signed with a fallback, and none with the first key that was given")
	}
	if n.pickled > 0 {
		i.say("warning", "Set SESSION_SERIALIZER to JSONSerializer in Django.", "%d live sessions are not JSON, and count for nothing", n.pickled)
	}
	if n.offTime > n.onTime {
		i.say("warning", "If USE_TZ is off, name TIME_ZONE with --django-time-zone: else sessions end hours too early or too late.",
			"%d sessions were signed whole hours beside their users' last_login", n.offTime)
	}
	if n.unproved > 0 {
		i.say("info", "", "%d of %d have ended since: their users' passwords have changed", n.unproved, n.signedIn)
	}
}

// clock compares when a session was signed, which is in UTC always, with when its user signed in, which is in local time where
// USE_TZ is off. Both are of one moment, if Django has made the session and nobody has signed in anew.
func (i *inspection) clock(ctx context.Context, s *stored, n *counted) error {
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

// limits compares how long sessions last at either side. What Django has begun ends here no later than Django means; for what
// is begun here, --idle alone counts.
func (i *inspection) limits(n counted) {
	theirs, ours := time.Duration(n.age)*time.Second, i.config.Idle
	const cut = 2 * time.Second // fractions of seconds
	switch {
	case n.age == 0 || max(theirs-ours, ours-theirs) <= cut:
	case theirs < ours:
		i.say("warning", fmt.Sprintf("If sessions begun here are to last no longer: --idle %v, which is SESSION_COOKIE_AGE; and --lifetime for an end that no use moves.", theirs),
			"sessions begun at Django end %v after their last use (SESSION_COOKIE_AGE); those begun here %v after it (--idle)", theirs, ours)
	default:
		i.say("info", "Unless that is what you want, give both the same: --idle and SESSION_COOKIE_AGE.",
			"sessions begun at Django would last %v there (SESSION_COOKIE_AGE); from their first use here they end %v after the last one (--idle)", theirs, ours)
	}
}

func (i *inspection) backends(n counted) {
	if own := i.config.AuthBackend; len(n.theirs) > 0 && n.theirs[own] == 0 {
		named := slices.Sorted(maps.Keys(n.theirs))
		i.say("warning", "Name one of settings.AUTHENTICATION_BACKENDS: --django-auth-backend "+named[0],
			"the sessions that Django has begun name the backend %s; those begun here name %s, and whoever signs in here is nobody at Django unless it is among AUTHENTICATION_BACKENDS",
			strings.Join(named, ", "), own)
		return
	}
	for _, backend := range slices.Sorted(maps.Keys(n.backends)) {
		if backend != i.config.AuthBackend {
			i.say("info", "Unless it is among AUTHENTICATION_BACKENDS, they count for nothing at Django, and here they do.",
				"%d sessions were begun by the backend %s; those begun here name %s (--django-auth-backend)", n.backends[backend], backend, i.config.AuthBackend)
		}
	}
}

// engine says what nobody can see in the table.
func (i *inspection) engine() {
	if i.config.SessionEngine != "" {
		i.say("info", "", "SESSION_ENGINE is said to be %s", i.config.SessionEngine)
		return
	}
	i.say("info", "Look at SESSION_ENGINE in Django's settings, and name it with --django-session-engine.", "whether SESSION_ENGINE is db can't be seen: "+
		"cached_db keeps its sessions in this table, too, but believes its cache, so that what is ended here would stay alive there")
}
