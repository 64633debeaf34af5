package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/cloakroom-auth/cloakroom/token"
)

// maxWords is the maximum of words of an Authorization header that are looked up. A header with more is withheld as a whole.
const maxWords = 8

// StripCredentials returns those Authorization lines of a request that may be passed on to another server: lines without anything
// that could be a credential of this one. It is for lines that did not authenticate the request, because they are malformed,
// repeated, or another credential took precedence. So it reads them loosely, whatever their scheme, and withholds
//
//   - words that begin like a personal token or the ticket of an app, in any case;
//   - JSON Web Tokens that name this server as their issuer;
//   - tokens of Django REST framework and knox and tickets of sessions that are in the stores. If the stores don't answer, it
//     withholds each line with a word that might be one;
//   - HTTP Basic, if it is a credential here; otherwise it is decoded and searched, too.
func (a *Resolver) StripCredentials(ctx context.Context, lines []string) (rest []string) {
	for _, line := range lines {
		if !a.ours(ctx, line) {
			rest = append(rest, line)
		}
	}
	return rest
}

// ours reports whether a line could contain a credential of this server.
func (a *Resolver) ours(ctx context.Context, line string) bool {
	words := wordsOf(line)
	if plain, err := url.PathUnescape(line); err == nil && plain != line {
		words = append(words, wordsOf(plain)...)
	}
	if len(words) > 0 && strings.EqualFold(words[0], "basic") {
		if a.c.Basic != nil {
			return true
		}
		for _, word := range words[1:] {
			if plain, err := base64.RawStdEncoding.DecodeString(word); err == nil {
				words = append(words, wordsOf(string(plain))...)
			}
		}
	}
	lookups := 0
	for _, word := range words {
		if strings.Contains(strings.ToLower(word), personalPrefix) || a.issued(word) {
			return true
		}
		if len(word) < shortestSecret {
			continue
		}
		if lookups++; lookups > maxWords || a.stored(ctx, word) {
			return true
		}
	}
	return false
}

// shortestSecret is the length of the shortest credential that is looked up: a session key of Django.
const shortestSecret = 32

// stored reports whether a word is the text of a token or the ticket of a session, or might be one while the stores don't
// answer.
func (a *Resolver) stored(ctx context.Context, word string) bool {
	if found, err := a.c.Sessions.IsTicket(ctx, word); found || err != nil {
		return true
	}
	if a.c.Tokens == nil || !hexadecimal(word) {
		return false
	}
	// A token in capitals was copied from somewhere; the server writes them in lower case.
	for _, text := range []string{word, strings.ToLower(word)} {
		if _, err := a.c.Tokens.Check(ctx, text, token.DRF, token.Knox); !errors.Is(err, token.ErrInvalid) {
			return true
		}
	}
	return false
}

func wordsOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !isWord(r) })
}

// isWord reports whether a character can be part of a token. The equals signs that pad base64 can't.
func isWord(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~+/", r)
}

// hexadecimal reports whether a word ends like a token of Django REST framework or knox, which may begin with a prefix.
func hexadecimal(word string) bool {
	const digits = 40
	return len(word) >= digits && strings.Trim(word[len(word)-digits:], "0123456789abcdefABCDEF") == ""
}

// issued reports whether a word is a JSON Web Token that claims to be from this server, of any kind and even with a wrong
// signature.
func (a *Resolver) issued(word string) bool {
	if a.c.JWTs == nil {
		return false
	}
	for part := range strings.SplitSeq(word, ".") {
		plain, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || len(plain) < 2 || plain[0] != '{' {
			continue
		}
		var claims struct {
			Issuer any `json:"iss"`
		}
		if json.Unmarshal(plain, &claims) != nil {
			continue
		}
		if issuer, ok := claims.Issuer.(string); ok && a.c.JWTs.Issues(issuer) {
			return true
		}
	}
	return false
}
