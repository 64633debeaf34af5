package nearcache

import (
	"strings"
	"sync"
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

// interner keeps one copy of strings that many entries share. Safe for concurrent use.
type interner struct {
	mu    sync.Mutex
	texts map[string]string
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
