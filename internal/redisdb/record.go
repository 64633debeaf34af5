package redisdb

import (
	"encoding/binary"
	"strings"

	"github.com/cloakroom-auth/cloakroom/session"
)

// A session is stored as one string. The scripts read its beginning (lua/session.lua):
//
//	format   1 byte: '2'; '3' with a binding; '1' before sessions had second and methods
//	version  16 bytes
//	seen     8 bytes, big-endian like all numbers
//	expires  8 bytes
//	place    4 bytes: length of name; 4 bytes: length of user; name; user
//	numbers  created, fresh, second, idle, deadline, 8 bytes each; 1 byte: browser
//	texts    epoch, method, methods, IP, agent, values: 4 bytes of length, and the bytes, each
//	binding  only in format '3': 1 byte: bound; binding, like the texts
//
// The ID is in the name, so that a reader can check that an answer belongs to its question.
const (
	firstFormat = '1'
	plainFormat = '2'
	boundFormat = '3'
	versionSize = 16
	placeAt     = 1 + versionSize + 8 + 8
)

// end sorts before every continuation of a public ID, in which a NUL is followed by \xff.
const end = "\x00\x01"

var escaper = strings.NewReplacer("\x00", "\x00\xff")

// name is the member of the indexes for a session. Names sort like public IDs.
func name(publicID string, id session.ID) string {
	return escaper.Replace(publicID) + end + string(id[:])
}

// encode writes a record with a version.
func encode(r *session.Record, version string) string {
	n := name(r.PublicID, r.ID)
	texts := []string{r.Epoch, r.Method.String(), r.Methods.String(), r.IP, r.Agent.String(), string(r.Values)}
	size := placeAt + 8 + len(n) + len(r.User) + 5*8 + 1 + 1 + 4 + len(r.Binding)
	for _, t := range texts {
		size += 4 + len(t)
	}
	form := byte(plainFormat) // also readable for a node from before sessions had a binding
	if r.Bound || r.Binding != "" {
		form = boundFormat
	}
	b := append(make([]byte, 0, size), form)
	b = append(b, version...)
	b = append(b, times(r.Seen, r.Expires)...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(n)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.User)))
	b = append(append(b, n...), r.User...)
	b = append(b, times(r.Created, r.ReauthenticatedAt, r.SecondAt, r.Idle, r.Deadline)...)
	b = append(b, flag(r.Browser))
	for _, t := range texts {
		b = appendText(b, t)
	}
	if form == boundFormat {
		b = appendText(append(b, flag(r.Bound)), r.Binding)
	}
	return string(b)
}

func appendText(b []byte, t string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(t))), t...)
}

func times(seconds ...int64) []byte {
	var b []byte
	for _, s := range seconds {
		b = binary.BigEndian.AppendUint64(b, uint64(s))
	}
	return b
}

func flag(on bool) byte {
	if on {
		return 1
	}
	return 0
}

// decode reads what encode wrote.
func decode(text string) (*session.Record, error) {
	d := decoder{rest: text}
	form := d.take(1)
	if form == "" || form[0] < firstFormat || form[0] > boundFormat {
		return nil, errDamaged
	}
	first := form[0] == firstFormat
	r := &session.Record{Version: d.take(versionSize), Seen: d.number(), Expires: d.number()}
	nameSize, userSize := d.size(), d.size()
	d.name(r, d.take(nameSize))
	r.User = d.take(userSize)
	r.Created, r.ReauthenticatedAt = d.number(), d.number()
	if !first {
		r.SecondAt = d.number()
	}
	r.Idle, r.Deadline = d.number(), d.number()
	r.Browser = d.take(1) == "\x01"
	r.Epoch, r.Method = d.text(), session.Intern(d.text())
	if !first {
		r.Methods = session.Intern(d.text())
	}
	r.IP, r.Agent = d.text(), session.Intern(d.text())
	if values := d.text(); values != "" {
		r.Values = []byte(values)
	}
	if form[0] == boundFormat {
		r.Bound = d.take(1) == "\x01"
		r.Binding = d.text()
	}
	if d.short || d.rest != "" {
		return nil, errDamaged
	}
	return r, nil
}

// decoder reads a text from its beginning. Once the text was too short, every result is empty.
type decoder struct {
	rest  string
	short bool
}

func (d *decoder) take(n int) string {
	if d.short = d.short || n > len(d.rest); d.short {
		return ""
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) number() int64 {
	b := d.take(8)
	if d.short {
		return 0
	}
	return int64(binary.BigEndian.Uint64([]byte(b)))
}

func (d *decoder) size() int {
	b := d.take(4)
	if d.short {
		return 0
	}
	return int(binary.BigEndian.Uint32([]byte(b)))
}

func (d *decoder) text() string { return d.take(d.size()) }

// name reads the public ID and the ID from a session's name.
func (d *decoder) name(r *session.Record, text string) {
	at := len(text) - len(r.ID) - len(end)
	if at < 0 || text[at:at+len(end)] != end {
		d.short = true
		return
	}
	r.PublicID = strings.ReplaceAll(text[:at], "\x00\xff", "\x00")
	copy(r.ID[:], text[at+len(end):])
}
