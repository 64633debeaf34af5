package fence

import (
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// A message is words separated by single blanks.
//
//	B NODE NONCE         heartbeat
//	P NODE NONCE         heartbeat of a node that caches nothing, so others needn't wait for its acknowledgement
//	I NODE TOKEN KEY…    notice: drop the entries of these keys and cache nothing for them for a while
//	A NODE TOKEN…        acknowledgement of these notices
//	Q NODE NONCE         question of a node that has begun to listen: which nodes answer from memory?
//	R NODE ASKER NONCE NODE…  answer to it
//	L NODE               this node no longer answers from memory
//
// A node's name is random for each start of a process, because two processes with one name would answer for each other. A
// token is the name of the sending node and a number. A key is a letter, a colon and 16 bytes in base64url.
const (
	heartbeat       = "B"
	ping            = "P"
	notice          = "I"
	acknowledgement = "A"
	leave           = "L"
	question        = "Q"
	answer          = "R"
)

// message is a parsed message.
type message struct {
	kind string
	node string
	rest []string // the nonce; a token and keys; tokens; or the asker, its nonce and nodes
}

// parse is strict: a node must not treat a message as handled if it can't read all of it.
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
	case heartbeat, ping, question:
		return m, len(m.rest) == 1
	case answer:
		return m, len(m.rest) >= 3
	case notice:
		return m, len(m.rest) >= 2
	case acknowledgement:
		return m, len(m.rest) >= 1
	case leave:
		return m, len(m.rest) == 0
	}
	return message{}, false
}

// keys returns the keys of a notice.
func (m message) keys() ([]Key, bool) {
	var all []Key
	for _, text := range m.rest[1:] {
		k, ok := parseKey(text)
		if !ok {
			return nil, false
		}
		all = append(all, k)
	}
	return all, true
}

func noticeText(node, token string, keys []Key) string {
	b := []byte(notice + " " + node + " " + token)
	for _, k := range keys {
		b = k.append(append(b, ' '))
	}
	return string(b)
}

// acknowledgementText acknowledges as many notices as fit into one message, and returns the remaining tokens.
func acknowledgementText(node string, tokens []string) (text string, rest []string) {
	var b strings.Builder
	b.WriteString(acknowledgement + " " + node)
	for i, token := range tokens {
		if b.Len()+1+len(token) > feed.MaxMessage {
			return b.String(), tokens[i:]
		}
		b.WriteByte(' ')
		b.WriteString(token)
	}
	return b.String(), nil
}
