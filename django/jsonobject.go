package django

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// dict is a session's data as Django's JSONSerializer writes it: an object whose keys keep their order and whose values
// stay the bytes that they were, so that nothing is lost of a number or of what only Python takes for JSON (NaN).
type dict struct {
	keys   []string
	values map[string]json.RawMessage
	spelt  map[string][]byte // keys as they were written: half a surrogate pair, which Python allows, has no other form
}

func newDict() *dict { return &dict{values: map[string]json.RawMessage{}, spelt: map[string][]byte{}} }

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

// text returns a value that is a string; "" if it is none, or not there.
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
		panic(err) // a string always can be
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
		b.Write(d.spell(key))
		b.WriteByte(':')
		b.Write(d.values[key])
	}
	b.WriteByte('}')
	return b.Bytes()
}

func (d *dict) spell(key string) []byte {
	if as, ok := d.spelt[key]; ok {
		return as
	}
	b, err := json.Marshal(key)
	if err != nil {
		panic(err) // a string always can be
	}
	return b
}

var errNoObject = errors.New("session data is no JSON object")

// parseDict reads an object. Of a key that is there twice the last value counts, as in Python.
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
		key, spelt, ok := s.key()
		if !ok || !s.take(':') {
			return nil, errNoObject
		}
		value, ok := s.value()
		if !ok {
			return nil, errNoObject
		}
		d.set(key, value)
		d.spelt[key] = spelt
		if s.take('}') {
			return d, s.end()
		}
		if !s.take(',') {
			return nil, errNoObject
		}
	}
}

// scanner finds where the values of an object begin and end. It looks into them only as far as that takes: they are
// handed on as they are.
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

func (s *scanner) key() (key string, spelt []byte, ok bool) {
	s.blanks()
	from := s.at
	if !s.string() {
		return "", nil, false
	}
	spelt = s.text[from:s.at]
	return key, spelt, json.Unmarshal(spelt, &key) == nil
}

// string moves past a string.
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

// value returns one value without blanks around it.
func (s *scanner) value() (json.RawMessage, bool) {
	s.blanks()
	from := s.at
	var open []byte // the brackets that wait for their partners
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case '"':
			if !s.string() {
				return nil, false
			}
			continue
		case '{', '[':
			open = append(open, c+2) // in ASCII the partner is two further on
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

// members returns the object without the keys for which hidden holds, and without values that only Python takes for JSON.
// Empty if nothing is left.
func (d *dict) members(hidden func(key string) bool) []byte {
	shown := newDict()
	for _, key := range d.keys {
		if !hidden(key) && json.Valid(d.values[key]) {
			shown.set(key, d.values[key])
			shown.spelt[key] = d.spell(key)
		}
	}
	if len(shown.keys) == 0 {
		return nil
	}
	return shown.encode()
}
