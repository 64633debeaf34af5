package nearcache

import (
	"strings"
	"sync"

	"github.com/cloakroom-auth/cloakroom/session"
)

// pack copies the strings into one piece of memory and returns its size in bytes.
func pack(texts ...*string) int {
	var all strings.Builder
	n := 0
	for _, t := range texts {
		n += len(*t)
	}
	all.Grow(n)
	for _, t := range texts {
		all.WriteString(*t)
	}
	rest := all.String()
	for _, t := range texts {
		*t, rest = rest[:len(*t)], rest[len(*t):]
	}
	return n
}

// listed returns the strings of lists, for pack.
func listed(lists ...[]string) (texts []*string) {
	for _, list := range lists {
		for i := range list {
			texts = append(texts, &list[i])
		}
	}
	return texts
}

// interner keeps one copy of strings that many entries share. Safe for concurrent use.
type interner struct {
	mu    sync.Mutex
	texts map[string]string
}

// charged are the interned texts whose bytes have been counted. Safe for concurrent use.
type charged struct {
	mu    sync.Mutex
	texts map[session.Interned]struct{}
}

// charge returns the bytes that a text takes: 0 if they have been counted.
func (c *charged) charge(text session.Interned) (bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, counted := c.texts[text]; counted {
		return 0
	}
	if c.texts == nil || len(c.texts) >= maxInterned {
		c.texts = map[session.Interned]struct{}{}
	}
	c.texts[text] = struct{}{}
	return len(text.String())
}

// maxInterned bounds the number of strings; when it is reached, the interner starts afresh.
const maxInterned = 4096

// intern replaces the string by the shared copy and returns the bytes that this adds: 0 if the copy existed.
func (i *interner) intern(text *string) (bytes int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.texts[*text]; ok {
		*text = known
		return 0
	}
	if i.texts == nil || len(i.texts) >= maxInterned {
		i.texts = map[string]string{}
	}
	*text = strings.Clone(*text)
	i.texts[*text] = *text
	return len(*text)
}
