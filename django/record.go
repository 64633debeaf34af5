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

// Keys of a session's data with a meaning to Django or to this package.
const (
	userKey    = "_auth_user_id"
	backendKey = "_auth_user_backend"
	hashKey    = "_auth_user_hash"
	expiryKey  = "_session_expiry"

	// metaKey has what Django's table has no column for.
	metaKey = "_cloakroom"
)

// hidden keys are not among a session's values.
func hidden(key string) bool {
	return strings.HasPrefix(key, "_auth_user_") || key == expiryKey || key == metaKey
}

// meta is the value of metaKey. The time of the last use is the time of the signature, so a use changes nothing in the data
// itself.
type meta struct {
	ID       string   `json:"id"` // the public ID
	Method   string   `json:"method"`
	Created  int64    `json:"created"`
	Fresh    int64    `json:"fresh"`
	Second   int64    `json:"second,omitempty"`
	Methods  string   `json:"methods,omitempty"`
	Idle     int64    `json:"idle"`
	Deadline int64    `json:"deadline"`
	IP       string   `json:"ip"`
	Agent    string   `json:"agent"`
	Was      []string `json:"was,omitempty"`  // hashes of the keys that the session had before its rotations
	Over     string   `json:"over,omitempty"` // the hash of the key of the session that this one replaced
	Bound    bool     `json:"bound,omitempty"`
	Binding  string   `json:"binding,omitempty"`
	V        string   `json:"v"` // random, so that no two states have the same version

	// What the row had when it was last written here: another time or another expiry means that Django has written it since.
	At   int64 `json:"at,omitempty"`
	Till int64 `json:"till,omitempty"`
	Age  int64 `json:"age,omitempty"` // how long the session was to last when Django last wrote it, in seconds; 0: Django never has
}

// djangoMethod is the sign-in method of sessions that Django created.
const djangoMethod = "django"

// maxWas limits how many former keys of a session are kept.
const maxWas = 16

// row is a row of django_session.
type row struct {
	key, data string
	expires   int64
}

// stored is a row that is a session with a user.
type stored struct {
	row
	*session.Record
	dict            *dict
	meta            meta
	createdByDjango bool // and not used here yet, so it has no meta
	old             bool // signed by a fallback key
}

// form is what the meaning of a row depends on.
type form struct {
	keys           Keys
	backend        string
	idle, lifetime int64 // of sessions that Django created, in seconds
	zone           *time.Location
}

// errAnonymous says that a row is an anonymous session, or that its signature is wrong, which Django treats as an empty
// session.
var errAnonymous error = anonymousError{}

type anonymousError struct{}

func (anonymousError) Error() string   { return "anonymous session: " + session.ErrNotFound.Error() }
func (anonymousError) Unwrap() error   { return session.ErrNotFound }
func (anonymousError) Anonymous() bool { return true } // see session.Store

func (f *form) read(r row) (*stored, error) {
	signed, d, err := f.keys.open(r.data)
	if err != nil {
		return nil, errAnonymous
	}
	return f.stored(r, signed, d)
}

// errNotJSON says that data signed with one of Django's keys is not JSON.
var errNotJSON = errors.New("session data is not JSON")

// open verifies and parses the data of a row. It returns errNotJSON or the error of verify.
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

// stored returns the session in a row that was opened, or errAnonymous.
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
	if rewritten { // Django may have given the session more time than it has here
		expires = min(expires, signed.at+idle, deadline)
	}
	s.Record = &session.Record{
		PublicID: s.meta.ID, User: d.text(userKey), Epoch: d.text(hashKey), Method: session.Intern(s.meta.Method), Browser: browser(d),
		Created: s.meta.Created, ReauthenticatedAt: s.meta.Fresh, SecondAt: s.meta.Second, Methods: session.Intern(s.meta.Methods), Seen: signed.at, Idle: idle, Deadline: deadline,
		Expires: expires, IP: s.meta.IP, Agent: session.Intern(s.meta.Agent), Bound: s.meta.Bound, Binding: s.meta.Binding, Values: d.members(hidden), Version: version(d, s.meta.V),
	}
	copy(s.ID[:], r.key)
	if s.createdByDjango {
		// A minute earlier, so that the first use here is written, and with it the absolute limit.
		s.Seen = max(0, signed.at-60)
	}
	return s, nil
}

// djangoMeta returns the meta of a session that Django created. It was last written when it was signed, which is when the
// user signed in, unless a program has changed the session since.
func (f *form) djangoMeta(key string, signedAt int64) meta {
	return meta{ID: f.publicID(key), Method: djangoMethod, Created: signedAt, Idle: f.idle, Deadline: signedAt + f.lifetime}
}

// rewritten reports whether Django has written the row since it was last written here.
func (m meta) rewritten(signedAt, expires int64) bool {
	return (m.At != 0 || m.Till != 0) && (m.At != signedAt || m.Till != expires)
}

// limits returns how long a session may go unused and when it ends in any case, which is never later than Django meant. The
// row shows what Django meant: how long the session was to last when Django last wrote it (SESSION_COOKIE_AGE, or the
// argument of set_expiry), and the value that set_expiry stored.
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

// instant parses the ISO 8601 text that set_expiry makes of a datetime.
func (f *form) instant(text string) (int64, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} { // both accept a fraction
		if t, err := time.ParseInLocation(layout, text, f.zone); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}

// browser reports whether the cookie ends with the browser (Django's set_expiry(0)).
func browser(d *dict) bool { return string(d.values[expiryKey]) == "0" }

// publicID returns the public ID of a session that has none yet. Without SECRET_KEY it reveals nothing about the session
// key.
func (f *form) publicID(key string) string {
	mac := salted("cloakroom.public_id", f.keys[0], key)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac[:16])
}

// version identifies a state of a session's data. A use doesn't change it.
func version(d *dict, v string) string {
	sum := sha256.New()
	for _, key := range d.keys {
		if key == metaKey {
			continue
		}
		for _, part := range [][]byte{ascii(d.writtenKey(key)), ascii(d.values[key])} { // as they stand in the row
			_, _ = fmt.Fprintf(sum, "%d:%s", len(part), part) // writing to a hash never fails
		}
	}
	_, _ = sum.Write([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:16])
}

func formerKey(id session.ID) string {
	sum := sha256.Sum256(id[:])
	return hex.EncodeToString(sum[:])
}

// write returns the row of a record. from is the session's current state, whose unknown keys are kept; nil if the session is
// new.
func (f *form) write(r *session.Record, from *stored) (row, *session.Record, error) {
	d, m := newDict(), meta{Idle: r.Idle, Deadline: r.Deadline}
	if from != nil && from.PublicID == r.PublicID {
		d, m.Was, m.Over, m.Age = from.dict, from.meta.Was, from.meta.Over, from.meta.Age
		if r.Idle == from.Idle { // keep our own limit, which counts again when Django gives the session more time
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
	m.ID, m.Method, m.Created, m.Fresh = r.PublicID, r.Method.String(), r.Created, r.ReauthenticatedAt
	m.Second, m.Methods, m.Bound, m.Binding = r.SecondAt, r.Methods.String(), r.Bound, r.Binding
	m.IP, m.Agent, m.V = r.IP, r.Agent.String(), (SessionKeys{}).New()
	written := *r
	if from != nil && from.createdByDjango && r.Seen == from.Seen {
		written.Seen = from.signedAt() // otherwise the row would show a longer age than Django meant
	}
	if idle, deadline := f.limits(m, d); m.Age > 0 {
		written.Expires = min(r.Expires, written.Seen+idle, deadline)
	}
	return f.sign(d, m, &written)
}

// sign returns the row of data.
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

// fill replaces the values in data by others. Values that only Python can read stay.
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
			return errors.New("session value " + key + " is reserved for Django")
		}
		d.set(key, next.values[key])
	}
	return nil
}
