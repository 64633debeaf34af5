package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Values is a JSON object that a program keeps in a session. Keys that a program doesn't know stay as they are.
// It is a map: make one, session.Values{}, before Set.
type Values map[string]json.RawMessage

// Get decodes the value of a key, and reports whether there is one.
func (v Values) Get(key string, into any) (bool, error) {
	raw, ok := v[key]
	if !ok {
		return false, nil
	}
	return true, json.Unmarshal(raw, into)
}

// Set encodes a value under a key.
func (v Values) Set(key string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode session value %q: %w", key, err)
	}
	v[key] = raw
	return nil
}

// maxValues limits the encoded values of one session, in bytes.
const maxValues = 64 << 10

// ErrTooLarge says that the values of a session, encoded, are over 64 KiB.
var ErrTooLarge = errors.New("session values are over 64 KiB")

func (v Values) encode() ([]byte, error) {
	if len(v) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode session values: %w", err)
	}
	if len(b) > maxValues {
		return nil, ErrTooLarge
	}
	return b, nil
}

func decodeValues(b []byte) (Values, error) {
	v := Values{}
	if len(b) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, fmt.Errorf("decode session values: %w", err)
	}
	if v == nil { // the JSON was null
		v = Values{}
	}
	return v, nil
}

// Session is a live session at the moment of the check. It never changes, so it is safe to share.
type Session struct {
	ID                string // names the session in lists and logs; it is not the ticket, and gives no access
	User              string
	Method            string // how the user signed in
	Browser           bool   // the cookie ends with the browser
	CreatedAt         time.Time
	ReauthenticatedAt time.Time // when a factor, such as the password, was last shown in this session; zero: never
	SecondAt          time.Time // when two factors, or one that is both, were last shown together; zero: never
	LastSeenAt        time.Time // exact to a minute
	ExpiresAt         time.Time // when the session ends unless it is used
	IP                string    // at sign-in
	UserAgent         string    // at sign-in
	Bound             bool      // the session is bound to a browser; see NeedsDeviceProof

	record *Record // as the store had it; never changed
	values Values

	needsProof  bool
	provenUntil int64 // in Unix seconds; 0: it isn't bound, or not proven
}

// NeedsDeviceProof reports whether the session is bound, and counts only with a proof that the request comes from its browser.
func (s *Session) NeedsDeviceProof() bool { return s.needsProof }

// DeviceProvenUntil returns until when the request that the session was loaded for has proven that it comes from the browser that the
// session is bound to; zero if it hasn't. What goes on for longer than a request should end then.
func (s *Session) DeviceProvenUntil() time.Time {
	if s.provenUntil == 0 {
		return time.Time{}
	}
	return at(s.provenUntil)
}

// Methods returns how the user has proven who they are in this session.
func (s *Session) Methods() []string {
	if s.record == nil { // no Manager has made it
		return nil
	}
	return strings.Fields(s.record.Methods.String())
}

// Version changes whenever the session does, such as when it gets a new ticket, but not by being used. It says nothing else, and is ""
// for a session that no Manager has made.
func (s *Session) Version() string {
	if s.record == nil {
		return ""
	}
	return s.record.Version
}

// Level is 2 if the user has shown two factors together in this session, or one that is both, such as a passkey; else it is 1.
func (s *Session) Level() int {
	if s.SecondAt.IsZero() {
		return 1
	}
	return 2
}

// Values returns a copy of the session's values; to change them use [Manager.Update].
func (s *Session) Values() Values {
	values := make(Values, len(s.values))
	for key, raw := range s.values {
		values[key] = bytes.Clone(raw)
	}
	return values
}

func newSession(r *Record) (*Session, error) {
	s := &Session{
		ID: r.PublicID, User: r.User, Method: r.Method.String(), Browser: r.Browser, IP: r.IP, UserAgent: r.Agent.String(), Bound: r.Bound,
		CreatedAt: at(r.Created), LastSeenAt: at(max(r.Seen, r.Created)), ExpiresAt: at(r.Expires), record: r,
	}
	if r.ReauthenticatedAt != 0 {
		s.ReauthenticatedAt = at(r.ReauthenticatedAt)
	}
	if r.SecondAt != 0 {
		s.SecondAt = at(r.SecondAt)
	}
	if len(r.Values) == 0 {
		return s, nil
	}
	values, err := decodeValues(r.Values)
	if err != nil {
		return nil, err
	}
	s.values = values
	return s, nil
}

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
