package gateway

import "net/http"

// PlainPath is plainPath.
var PlainPath = plainPath

// Demanded says what rules demand of a request, in the words of rules. What is passed on demands a session.
func Demanded(texts []string, method, path string) (string, error) {
	all, err := parseRules(texts)
	if err != nil {
		return "", err
	}
	d := all.of(method, path, demand{signedIn: true})
	words := ""
	if d.signedIn {
		words = "signed-in"
	}
	if d.fresh {
		words = "fresh"
	}
	for _, p := range d.permissions {
		words += " " + p
	}
	if words == "" {
		words = "public"
	}
	return words, nil
}

// Hashed is hashed.
var Hashed = hashed

// Scrubbed is what is left of a client's headers.
func Scrubbed(h http.Header) http.Header {
	h = h.Clone()
	scrub(h)
	return h
}

// Listed is listed.
var Listed = listed

// WithoutCookies is withoutCookies.
var WithoutCookies = withoutCookies
