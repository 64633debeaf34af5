package fence

import (
	"strconv"
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// A message is words separated by single blanks.
//
//	B NODE NONCE         heartbeat
//	P NODE NONCE         heartbeat of a node that caches nothing, so others needn't wait for its acknowledgement
//	G NODE (NODE NONCE)… heartbeats of several nodes, gathered by the first
//	I NODE TOKEN KEY…    notice: drop the entries of these keys and cache nothing for them for a while
//	A NODE TOKEN…        acknowledgement of these notices, and of all that their senders have numbered lower
//	M NODE TOKEN NODE…   reminder: these nodes' acknowledgements of the notice are missing; give them on the feed
//	Q NODE NONCE         question of a node that has begun to listen: which nodes answer from memory?
//	R NODE ASKER NONCE NODE…  answer to it
//	L NODE               this node no longer answers from memory
//
// Between two nodes that have a [Direct] way, without the feed:
//
//	H NODE PLACE         greeting: answer to this place
//	W NODE               answer to a greeting
//	B NODE NONCE         heartbeat, to be gathered
//	A NODE TOKEN         as above
//	M NODE TOKEN         reminder: give the acknowledgement once more
//
// A node's name is random for each start of a process, because two processes with one name would answer for each other. A
// token is the name of the sending node, a hyphen and a number in base 36; a node numbers its notices in the order in which it sends
// them. A key is a letter, a colon and 16 bytes in base64url.
//
// On the feed a nonce ends in "@" and perhaps the place of its node: who sends "@" can read G. A build that can't takes all of it for the
// nonce, which it doesn't look into.
const (
	heartbeat       = "B"
	ping            = "P"
	gathered        = "G"
	notice          = "I"
	acknowledgement = "A"
	reminder        = "M"
	leave           = "L"
	question        = "Q"
	answer          = "R"
	greeting        = "H"
	welcome         = "W"

	readsGathered = "@"
)

// message is a parsed message.
type message struct {
	kind string
	node string
	rest []string // the nonce; nodes and nonces; a token and keys or nodes; tokens; or the asker, its nonce and nodes
}

// parse is strict: a node must not treat a message as handled if it can't read all of it.
func parse(text string) (m message, ok bool) {
	m, ok = split(text)
	if !ok {
		return message{}, false
	}
	switch m.kind {
	case heartbeat, ping, question:
		return m, len(m.rest) == 1
	case gathered:
		return m, len(m.rest) >= 2 && len(m.rest)%2 == 0
	case reminder:
		return m, len(m.rest) >= 2
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

// parseDirect parses a message that came without the feed.
func parseDirect(text string) (m message, ok bool) {
	m, ok = split(text)
	if !ok {
		return message{}, false
	}
	switch m.kind {
	case greeting, heartbeat, acknowledgement, reminder:
		return m, len(m.rest) == 1
	case welcome:
		return m, len(m.rest) == 0
	}
	return message{}, false
}

func split(text string) (m message, ok bool) {
	words := strings.Split(text, " ")
	for _, word := range words {
		if word == "" {
			return message{}, false
		}
	}
	if len(words) < 2 {
		return message{}, false
	}
	return message{words[0], words[1], words[2:]}, true
}

// tokenOf names a notice of a node.
func tokenOf(node string, number uint64) string { return node + "-" + strconv.FormatUint(number, 36) }

// parseToken returns the node and the number of a token.
func parseToken(token string) (node string, number uint64, ok bool) {
	node, text, ok := strings.Cut(token, "-")
	if !ok {
		return "", 0, false
	}
	number, err := strconv.ParseUint(text, 36, 64)
	return node, number, err == nil
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

// listText returns messages that begin alike and have the words in groups of a size, as many in each as fit.
func listText(begin string, words []string, size int) (texts []string) {
	var b strings.Builder
	for len(words) > 0 {
		group := " " + strings.Join(words[:size], " ")
		if b.Len()+len(group) > feed.MaxMessage {
			texts = append(texts, b.String())
			b.Reset()
		}
		if b.Len() == 0 {
			b.WriteString(begin)
		}
		b.WriteString(group)
		words = words[size:]
	}
	if b.Len() > 0 {
		texts = append(texts, b.String())
	}
	return texts
}
