package nearcache

import (
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// What goes over the feed: words with a blank between them.
//
//	B NODE NONCE         a beat
//	P NODE NONCE         a beat of a node that remembers nothing, so that nobody need wait for it
//	I NODE TOKEN KEY…    drop what is known under these keys, and keep nothing of it for a while
//	A NODE TOKEN…        done, for these notices
//	L NODE               this node answers from memory no more
//
// A node's name is random for each start of a process: two processes with one name would answer for each other. A token
// is the name of the node that gives the notice, and a number. A key is a letter, a colon and 16 bytes in base64url.
const (
	beat   = "B"
	ping   = "P"
	notice = "I"
	ack    = "A"
	leave  = "L"
)

// message is one of these, taken apart.
type message struct {
	kind string
	node string
	rest []string // nonce, token and keys, or tokens
}

// parse is strict: what a node can't read it can't carry out, and so must not take for read.
func parse(text string) (m message, ok bool) {
	words := strings.Split(text, " ")
	for _, word := range words {
		if word == "" {
			return message{}, false
		}
	}
	if len(words) < 2 {
		return message{}, false
	}
	m = message{words[0], words[1], words[2:]}
	switch m.kind {
	case beat, ping:
		return m, len(m.rest) == 1
	case notice:
		return m, len(m.rest) >= 2
	case ack:
		return m, len(m.rest) >= 1
	case leave:
		return m, len(m.rest) == 0
	}
	return message{}, false
}

// keys returns what a notice is about.
func (m message) keys() ([]key, bool) {
	var all []key
	for _, text := range m.rest[1:] {
		k, ok := parseKey(text)
		if !ok {
			return nil, false
		}
		all = append(all, k)
	}
	return all, true
}

func noticeText(node, token string, keys []key) string {
	b := []byte(notice + " " + node + " " + token)
	for _, k := range keys {
		b = k.append(append(b, ' '))
	}
	return string(b)
}

// ackText answers as many notices as fit into one message, and returns the rest.
func ackText(node string, tokens []string) (text string, rest []string) {
	var b strings.Builder
	b.WriteString(ack + " " + node)
	for i, token := range tokens {
		if b.Len()+1+len(token) > feed.MaxMessage {
			return b.String(), tokens[i:]
		}
		b.WriteByte(' ')
		b.WriteString(token)
	}
	return b.String(), nil
}
