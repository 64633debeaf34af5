package django

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

// The keys of a session's data that Django and we give a meaning.
const (
	userKey    = "_auth_user_id"
	backendKey = "_auth_user_backend"
	hashKey    = "_auth_user_hash"
	expiryKey  = "_session_expiry"

	// metaKey is the key under which a session's data has what Django's table has no column for.
	metaKey = "_cloakroom"
)

// hidden keys are not among a session's values.
func hidden(key string) bool {
	return strings.HasPrefix(key, "_auth_user_") || key == expiryKey || key == metaKey
}

// meta is the value under MetaKey. When a session was last used is the time that its data is signed with, so that a use
// changes nothing of the data itself.
type meta struct {
	ID       string   `json:"id"` // the public ID
	Method   string   `json:"method"`
	Created  int64    `json:"created"`
	Fresh    int64    `json:"fresh"`
	Idle     int64    `json:"idle"`
	Deadline int64    `json:"deadline"`
	IP       string   `json:"ip"`
	Agent    string   `json:"agent"`
	Was      []string `json:"was,omitempty"`  // hashes of the keys that the session had before rotations
	Over     string   `json:"over,omitempty"` // the hash of the key of the session in whose place this one was begun
	V        string   `json:"v"`              // random, so that no two states have one version

	// What the row said when it was last written here: another time or another end is Django's writing.
	At   int64 `json:"at,omitempty"`
	Till int64 `json:"till,omitempty"`
	Age  int64 `json:"age,omitempty"` // how long the session was to last when Django last wrote it, in seconds; 0: it never has
}

// djangoMethod is the method of the sessions that Django has begun.
const djangoMethod = "django"

// maxWas bounds how many former keys lead to a session.
const maxWas = 16

// row is a row of django_session.
type row struct {
	key, data string
	expires   int64
}

// stored is a row understood: a session that somebody is signed in with.
type stored struct {
	row
	*session.Record
	dict            *dict
	meta            meta
	createdByDjango bool // by Django, and not used here yet: it has no meta
	old             bool // signed by a fallback key
}

// form is what the meaning of rows depends on.
type form struct {
	keys           Keys
	backend        string
	idle, lifetime int64 // of the sessions that Django makes, in seconds
	zone           *time.Location
}

// errAnonymous says that a row is no session of anybody's: nobody has signed in, or the signature is not Django's, which
// Django, too, takes for an empty session.
var errAnonymous = fmt.Errorf("nobody is signed in: %w", session.ErrNotFound)

func (f *form) read(r row) (*stored, error) {
	signed, d, err := f.keys.open(r.data)
	if err != nil {
		return nil, errAnonymous
	}
	return f.stored(r, signed, d)
}

// errNotJSON says that what is signed with Django's keys is no JSON.
var errNotJSON = errors.New("no JSON")

// open takes apart what a row holds. [errNotJSON], or the error of verify.
func (k Keys) open(data string) (signed, *dict, error) {
	signed, err := k.verify(data)
	if err != nil {
		return signed, nil, err
	}
	text, err := unpack(signed.payload)
	if err != nil {
		return signed, nil, errNotJSON
	}
	d, err := parseDict(text)
	if err != nil {
		return signed, nil, errNotJSON
	}
	return signed, d, nil
}

// stored is what a row that was opened means. errAnonymous.
func (f *form) stored(r row, signed signed, d *dict) (*stored, error) {
	if d.text(userKey) == "" || d.text(backendKey) == "" {
		return nil, errAnonymous
	}
	s := &stored{row: r, dict: d, old: signed.old}
	s.createdByDjango = json.Unmarshal(d.values[metaKey], &s.meta) != nil || s.meta.ID == ""
	if s.createdByDjango {
		s.meta = f.djangoMeta(r.key, signed.at)
	}
	rewritten := s.meta.rewritten(signed.at, r.expires)
	if s.createdByDjango || rewritten {
		s.meta.Age = max(1, r.expires-signed.at)
	}
	idle, deadline := f.limits(s.meta, d)
	expires := r.expires
	if rewritten { // Django may mean longer than this session was given here
		expires = min(expires, signed.at+idle, deadline)
	}
	s.Record = &session.Record{
		PublicID: s.meta.ID, User: d.text(userKey), Epoch: d.text(hashKey), Method: s.meta.Method, Browser: browser(d),
		Created: s.meta.Created, ReauthenticatedAt: s.meta.Fresh, Seen: signed.at, Idle: idle, Deadline: deadline,
		Expires: expires, IP: s.meta.IP, Agent: s.meta.Agent, Values: d.members(hidden), Version: version(d, s.meta.V),
	}
	copy(s.ID[:], r.key)
	if s.createdByDjango {
		// A minute back, so that the first use here is one that is written down, and with it the absolute limit.
		s.Seen = max(0, signed.at-60)
	}
	return s, nil
}

// djangoMeta says about a session that Django has made what we would have noted: it was last written when it was signed, which
// is the sign-in unless a program has changed it since.
func (f *form) djangoMeta(key string, signedAt int64) meta {
	return meta{ID: f.publicID(key), Method: djangoMethod, Created: signedAt, Idle: f.idle, Deadline: signedAt + f.lifetime}
}

// rewritten reports whether Django has written the row since it was last written here.
func (m meta) rewritten(signedAt, expires int64) bool {
	return (m.At != 0 || m.Till != 0) && (m.At != signedAt || m.Till != expires)
}

// limits returns how long a session may go without a use, and when it ends whatever happens: never longer than Django meant.
// What Django meant is in the row: how long it was to last when Django last wrote it, which is SESSION_COOKIE_AGE or what
// set_expiry was given; and the value that set_expiry has left.
func (f *form) limits(m meta, d *dict) (idle, deadline int64) {
	idle, deadline = m.Idle, m.Deadline
	if m.Age > 0 {
		idle = min(idle, m.Age)
	}
	var seconds int64
	if json.Unmarshal(d.values[expiryKey], &seconds) == nil && seconds > 0 {
		idle = min(idle, seconds)
	} else if end, ok := f.instant(d.text(expiryKey)); ok {
		deadline = min(deadline, end)
	}
	return idle, deadline
}

// instant reads the ISO 8601 text that set_expiry makes of a datetime.
func (f *form) instant(text string) (int64, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} { // both take a fraction
		if t, err := time.ParseInLocation(layout, text, f.zone); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}

// browser reports whether the cookie ends with the browser: Django's set_expiry(0).
func browser(d *dict) bool { return string(d.values[expiryKey]) == "0" }

// publicID names a session that has no name yet. Who doesn't know SECRET_KEY learns nothing from it.
func (f *form) publicID(key string) string {
	mac := salted("cloakroom.public_id", f.keys[0], key)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac[:16])
}

// version names a state of a session's data. A use changes nothing of it.
func version(d *dict, v string) string {
	sum := sha256.New()
	for _, key := range d.keys {
		if key == metaKey {
			continue
		}
		for _, part := range [][]byte{ascii(d.spell(key)), ascii(d.values[key])} { // as it stands in the row
			_, _ = fmt.Fprintf(sum, "%d:%s", len(part), part) // a hash takes everything
		}
	}
	_, _ = sum.Write([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:16])
}

func formerKey(id session.ID) string {
	sum := sha256.Sum256(id[:])
	return hex.EncodeToString(sum[:])
}

// write makes the row of a record. from is what the session was before, whose unknown keys stay; nil: it is new.
func (f *form) write(r *session.Record, from *stored) (row, *session.Record, error) {
	d, m := newDict(), meta{Idle: r.Idle, Deadline: r.Deadline}
	if from != nil && from.PublicID == r.PublicID {
		d, m.Was, m.Over, m.Age = from.dict, from.meta.Was, from.meta.Over, from.meta.Age
		if r.Idle == from.Idle { // else the limit would stay what Django has cut it to, even when Django means more again
			m.Idle = from.meta.Idle
		}
		if r.Deadline == from.Deadline {
			m.Deadline = from.meta.Deadline
		}
		if from.ID != r.ID {
			m.Was = append(slices.Clone(m.Was), formerKey(from.ID))
			m.Was = m.Was[max(0, len(m.Was)-maxWas):]
		}
	}
	if from != nil && from.PublicID != r.PublicID {
		m.Over = formerKey(from.ID)
	}
	if err := fill(d, r.Values); err != nil {
		return row{}, nil, err
	}
	d.setText(userKey, r.User)
	if d.text(backendKey) == "" {
		d.setText(backendKey, f.backend)
	}
	d.setText(hashKey, r.Epoch)
	if r.Browser {
		d.set(expiryKey, json.RawMessage("0"))
	} else if browser(d) {
		d.drop(expiryKey)
	}
	m.ID, m.Method, m.Created, m.Fresh = r.PublicID, r.Method, r.Created, r.ReauthenticatedAt
	m.IP, m.Agent, m.V = r.IP, r.Agent, (Tickets{}).New()
	written := *r
	if from != nil && from.createdByDjango && r.Seen == from.Seen {
		written.Seen = from.signedAt() // or the row would tell of a longer age than Django meant
	}
	if idle, deadline := f.limits(m, d); m.Age > 0 {
		written.Expires = min(r.Expires, written.Seen+idle, deadline)
	}
	return f.sign(d, m, &written)
}

// sign makes the row of data.
func (f *form) sign(d *dict, m meta, r *session.Record) (row, *session.Record, error) {
	m.At, m.Till = max(0, r.Seen), min(r.Expires, endOfTime)
	about, err := json.Marshal(m)
	if err != nil {
		return row{}, nil, fmt.Errorf("encode session: %w", err)
	}
	d.set(metaKey, about)
	payload, err := pack(d.encode())
	if err != nil {
		return row{}, nil, fmt.Errorf("encode session: %w", err)
	}
	written := *r
	written.Version = version(d, m.V)
	return row{string(r.ID[:]), f.keys.sign(payload, r.Seen), r.Expires}, &written, nil
}

// fill puts values into data in the place of those that are there. Values that only Python can read stay.
func fill(d *dict, values []byte) error {
	next := newDict()
	if len(bytes.TrimSpace(values)) > 0 {
		var err error
		if next, err = parseDict(values); err != nil {
			return fmt.Errorf("encode session values: %w", err)
		}
	}
	for _, key := range slices.Clone(d.keys) {
		if _, stays := next.values[key]; !stays && !hidden(key) && json.Valid(d.values[key]) {
			d.drop(key)
		}
	}
	for _, key := range next.keys {
		if hidden(key) {
			return errors.New("session value " + key + " is Django's own")
		}
		d.set(key, next.values[key])
	}
	return nil
}
