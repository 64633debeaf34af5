package nearcache

import (
	"strings"
	"sync"
)

// pack puts the texts into one piece of memory, and returns its size in bytes.
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

// interner keeps one copy of texts that many things have in common. It is safe for concurrent use.
type interner struct {
	mu    sync.Mutex
	texts map[string]string
}

// maxInterned bounds how many texts are kept; then it begins anew.
const maxInterned = 4096

// intern puts the copy that is kept in the place of the text, and returns what that costs: nothing, if it was there.
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
