package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// signInPath is where people sign in.
func (c *Config) signInPath() string { return cmp.Or(c.SignIn, "/signin") }

// checkSignIn returns an error unless Config.SignIn is a path of the app or an upstream that people can open before they are signed in.
func (g *Gateway) checkSignIn(texts []string) error {
	if g.c.SignIn == "" {
		return nil
	}
	path, err := plainPath(g.c.SignIn)
	if err != nil || strings.ContainsAny(g.c.SignIn, "?#%") || path == "/" {
		return errors.New("is not a plain path of a page, such as /login")
	}
	if folded := folded(path); g.owns(path) || g.owns(folded) || strings.HasPrefix(folded+"/", "/auth/") || strings.HasPrefix(folded+"/", "/api/") {
		return errors.New("belongs to Cloakroom itself: give a path of your app, such as /login")
	}
	segments, foldedSegments := split(path), split(folded(path))
	for i, r := range g.rules {
		if !r.allows("GET") || !covers(r.path, segments, r.below) && !covers(r.folded, foldedSegments, r.below) {
			continue
		}
		if r.requirement.signedIn {
			return fmt.Errorf("is covered by the rule %q, which wants a user who couldn't sign in then: put the rule \"public GET %s\" before it",
				texts[i], g.c.SignIn)
		}
		break
	}
	return nil
}

// require returns the requirement for a request. The sign-in page has none.
func (g *Gateway) require(method, path string, fallback requirement) requirement {
	if g.c.SignIn != "" && path == g.c.SignIn && isRead(method) {
		return requirement{}
	}
	return g.rules.require(method, path, fallback)
}
