package django

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// dict is a session's data as Django's JSONSerializer writes it: a JSON object whose keys keep their order and whose values
// keep their bytes. So numbers lose no precision, and values that only Python accepts as JSON (NaN) survive.
type dict struct {
	keys    []string
	values  map[string]json.RawMessage
	written map[string][]byte // keys as they were written, since half a surrogate pair, which Python allows, can't be written from a Go string
}

func newDict() *dict {
	return &dict{values: map[string]json.RawMessage{}, written: map[string][]byte{}}
}

func (d *dict) set(key string, value json.RawMessage) {
	if _, there := d.values[key]; !there {
		d.keys = append(d.keys, key)
	}
	d.values[key] = value
}

func (d *dict) drop(key string) {
	if _, there := d.values[key]; there {
		delete(d.values, key)
		d.keys = slices.DeleteFunc(d.keys, func(k string) bool { return k == key })
	}
}

// text returns a value that is a string; "" if the key is missing or the value is not a string.
func (d *dict) text(key string) string {
	var s string
	if json.Unmarshal(d.values[key], &s) != nil {
		return ""
	}
	return s
}

func (d *dict) setText(key, text string) {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // strings always marshal
	}
	d.set(key, b)
}

func (d *dict) encode() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range d.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(d.writtenKey(key))
		b.WriteByte(':')
		b.Write(d.values[key])
	}
	b.WriteByte('}')
	return b.Bytes()
}

func (d *dict) writtenKey(key string) []byte {
	if as, ok := d.written[key]; ok {
		return as
	}
	b, err := json.Marshal(key)
	if err != nil {
		panic(err) // strings always marshal
	}
	return b
}

var errNoObject = errors.New("session data is not a JSON object")

// parseDict parses an object. If a key occurs twice, the last value counts, as in Python.
func parseDict(text []byte) (*dict, error) {
	s := scanner{text: text}
	d := newDict()
	if !s.take('{') {
		return nil, errNoObject
	}
	if s.take('}') {
		return d, s.end()
	}
	for {
		key, written, ok := s.key()
		if !ok || !s.take(':') {
			return nil, errNoObject
		}
		value, ok := s.value()
		if !ok {
			return nil, errNoObject
		}
		d.set(key, value)
		d.written[key] = written
		if s.take('}') {
			return d, s.end()
		}
		if !s.take(',') {
			return nil, errNoObject
		}
	}
}

// scanner finds where the values of an object begin and end. It parses no more than that takes and returns values unchanged.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) blanks() {
	for s.at < len(s.text) && bytes.IndexByte([]byte(" \t\r\n"), s.text[s.at]) >= 0 {
		s.at++
	}
}

func (s *scanner) take(c byte) bool {
	s.blanks()
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) end() error {
	if s.blanks(); s.at < len(s.text) {
		return errNoObject
	}
	return nil
}

func (s *scanner) key() (key string, written []byte, ok bool) {
	s.blanks()
	from := s.at
	if !s.string() {
		return "", nil, false
	}
	written = s.text[from:s.at]
	return key, written, json.Unmarshal(written, &key) == nil
}

// string skips a string.
func (s *scanner) string() bool {
	if s.at >= len(s.text) || s.text[s.at] != '"' {
		return false
	}
	for s.at++; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case '"':
			s.at++
			return true
		case '\\':
			s.at++
		}
	}
	return false
}

// value returns one value without the blanks around it.
func (s *scanner) value() (json.RawMessage, bool) {
	s.blanks()
	from := s.at
	var open []byte // the closing brackets that are still expected
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case '"':
			if !s.string() {
				return nil, false
			}
			continue
		case '{', '[':
			open = append(open, c+2) // in ASCII, the closing bracket comes two after the opening one
		case '}', ']':
			if len(open) > 0 {
				if c != open[len(open)-1] {
					return nil, false
				}
				open = open[:len(open)-1]
				break
			}
			return s.cut(from)
		case ',':
			if len(open) == 0 {
				return s.cut(from)
			}
		}
		s.at++
	}
	return nil, false
}

func (s *scanner) cut(from int) (json.RawMessage, bool) {
	value := bytes.TrimRight(s.text[from:s.at], " \t\r\n")
	return value, len(value) > 0
}

// members returns the object without the keys for which hidden is true, and without values that only Python accepts as JSON;
// nil if nothing is left.
func (d *dict) members(hidden func(key string) bool) []byte {
	shown := newDict()
	for _, key := range d.keys {
		if !hidden(key) && json.Valid(d.values[key]) {
			shown.set(key, d.values[key])
			shown.written[key] = d.writtenKey(key)
		}
	}
	if len(shown.keys) == 0 {
		return nil
	}
	return shown.encode()
}
