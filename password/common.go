package password

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// common.txt.gz is the list of common passwords that Django ships, django/contrib/auth/common-passwords.txt.gz (Copyright
// Django Software Foundation and individual contributors, 3-clause BSD licence; Royce Williams made it from the breach
// corpus Pwned Passwords): one a line, in lower case. Few of them have fifteen characters, so longer
// passwords that people make from them are found by rules.
//
//go:embed common.txt.gz
var commonList []byte

var commonWords = sync.OnceValue(func() map[string]bool {
	r, err := gzip.NewReader(bytes.NewReader(commonList))
	if err != nil {
		panic(err) // can't happen: a test reads the embedded file
	}
	text, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	words := make(map[string]bool, 20_000)
	for line := range strings.Lines(string(text)) {
		words[strings.TrimSpace(line)] = true
	}
	return words
})

// walks are sequences on the keyboard and in the alphabet. They count in both directions and wrap around.
var walks = []string{
	"abcdefghijklmnopqrstuvwxyz", "0123456789", "1234567890", "qwertyuiopasdfghjklzxcvbnm", "qwertyuiop", "asdfghjkl",
	"zxcvbnm", "azertyuiopqsdfghjklmwxcvbn", "qwertzuiopasdfghjklyxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
	"qazwsxedcrfvtgbyhnujmikolp", "!@#$%^&*()", "1q2w3e4r5t6y7u8i9o0p",
}

// least is the minimum length of a word that counts as a piece of a password.
const least = 4

// common reports whether a password is a common one, or at most two pieces with a little punctuation anywhere. Pieces are
// common passwords, words about the user and the service, dates, keyboard walks and repetitions.
func (p Policy) common(password string, about []Attribute) bool {
	password = strings.ToLower(strings.TrimSpace(password))
	if commonWords()[password] {
		return true
	}
	known := p.known(about)
	bare := strings.Map(letterOrDigit, password)
	return madeOf(password, known) || 3*len(bare) >= 2*len(password) && madeOf(bare, known)
}

// known returns the words that an attacker who knows the user and the service would try.
func (p Policy) known(about []Attribute) map[string]bool {
	known := map[string]bool{"cloakroom": true}
	words := p.Words
	for _, a := range about {
		local, _, _ := strings.Cut(a.Value, "@")
		words = append(words[:len(words):len(words)], a.Value, local)
	}
	for _, w := range words {
		for _, form := range []string{w, strings.Map(letterOrDigit, w)} {
			if utf8.RuneCountInString(form) >= least {
				known[strings.ToLower(form)] = true
			}
		}
	}
	return known
}

func letterOrDigit(r rune) rune {
	if unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) {
		return r
	}
	return -1
}

// longest is the maximum length of a password that is split into pieces, in bytes; a longer one is only checked for
// repetition.
const longest = 72

// madeOf reports whether p is one or two pieces of the kinds that common lists. More than two words make a passphrase, which
// is a good password even if each word is common.
func madeOf(p string, known map[string]bool) bool {
	if piece(p, known) {
		return true
	}
	for i := 1; i < len(p) && len(p) <= longest; i++ {
		if piece(p[:i], known) && piece(p[i:], known) {
			return true
		}
	}
	return false
}

func piece(s string, known map[string]bool) bool {
	n := period(s)
	switch {
	case 3*n <= len(s):
		return true
	case 2*n == len(s):
		return n < least || piece(s[:n], known)
	}
	return len(s) < 2 || (len(s) >= least && (known[s] || commonWords()[s] || date(s) || walk(s)))
}

// date accepts a year, or a date as people write it: 1999, 311299, 31121999, 19991231. It doesn't check the day and month.
func date(s string) bool {
	return len(s) <= len("19991231") && len(s)%2 == 0 && strings.Trim(s, "0123456789") == ""
}

// period returns the least number of bytes after which s repeats itself; the last repetition may be truncated.
func period(s string) int {
	border := make([]int, len(s)+1) // the longest proper prefix of s[:i] that is also its suffix
	for i, k := 1, 0; i < len(s); i++ {
		for k > 0 && s[i] != s[k] {
			k = border[k]
		}
		if s[i] == s[k] {
			k++
		}
		border[i+1] = k
	}
	return len(s) - border[len(s)]
}

func walk(s string) bool { return len(s) <= longest && strings.Contains(rounds(), s) }

// rounds is all walks in both directions, a line each, as long as a walk in a password may be from any of its steps.
var rounds = sync.OnceValue(func() string {
	var lines []string
	for _, w := range walks {
		round := strings.Repeat(w, 2+longest/len(w))
		lines = append(lines, round, reversed(round))
	}
	return strings.Join(lines, "\n")
})

func reversed(ascii string) string {
	b := []byte(ascii)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
