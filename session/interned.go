package session

import "unique"

// Interned is a text that many records have in common, such as a User-Agent. Equal texts are kept once in a process, so an Interned
// takes a single word of memory, and == compares the texts. The zero value is "". As text, also in JSON, it is the text itself.
type Interned struct{ handle unique.Handle[string] }

// Intern returns a text as an Interned. Safe for concurrent use.
func Intern(text string) Interned {
	if text == "" {
		return Interned{}
	}
	return Interned{unique.Make(text)}
}

// String returns the text.
func (i Interned) String() string {
	if i == (Interned{}) {
		return ""
	}
	return i.handle.Value()
}

// MarshalText returns the text.
func (i Interned) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText sets the text.
func (i *Interned) UnmarshalText(text []byte) error {
	*i = Intern(string(text))
	return nil
}
