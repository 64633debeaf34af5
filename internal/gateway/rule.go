package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/auth"
)

// demand is what is asked of a caller. The zero demand asks nothing.
type requirement struct {
	signedIn    bool
	whole       bool // a token that is limited to scopes won't do
	fresh       bool
	permissions []string
}

func (d requirement) and(e requirement) requirement {
	return requirement{
		signedIn: d.signedIn || e.signedIn, whole: d.whole || e.whole, fresh: d.fresh || e.fresh,
		permissions: append(slices.Clip(d.permissions), e.permissions...),
	}
}

// of says why who may not do what demands d; nil if they may.
func (d requirement) check(who *auth.Identity) error {
	if d.revokedFor(who) {
		return auth.ErrPermissionDenied
	}
	if d.whole && who.Limited() {
		return auth.ErrInsufficientScope
	}
	if d.fresh && !who.Fresh() {
		return auth.ErrFreshSignInRequired
	}
	return nil
}

// lost reports whether somebody who was let in has lost a right that was asked for.
func (d requirement) revokedFor(who *auth.Identity) bool {
	return slices.ContainsFunc(d.permissions, func(p string) bool { return !who.Has(p) })
}

// signedIn asks for somebody who may all that the user may.
var signedIn = requirement{signedIn: true, whole: true}

// rule says what is asked of whoever wants these paths by these methods.
type rule struct {
	requirement requirement
	methods     []string // none: all
	path        []string // its segments; "*" stands for any one
	folded      []string // the same, folded
	below       bool     // the path and everything below it
}

const ruleForm = `want "LEVEL [METHOD,…] PATH", such as "public GET /api/products/*" or "permission:shop.view_order /api/orders/*"`

// parseRule reads "LEVEL [METHOD,…] PATH". LEVEL is public, signed-in, scoped, fresh, or permission: and the permission. In PATH,
// a segment "*" stands for any one segment, and a last segment "*" for all that is below, and the path itself.
func parseRule(text string) (rule, error) {
	words := strings.Fields(text)
	if len(words) != 2 && len(words) != 3 {
		return rule{}, errors.New(ruleForm)
	}
	var r rule
	var err error
	if r.requirement, err = parseLevel(words[0]); err != nil {
		return rule{}, err
	}
	if len(words) == 3 {
		if r.methods, err = parseMethods(words[1]); err != nil {
			return rule{}, err
		}
	}
	return r, r.parsePath(words[len(words)-1])
}

func parseLevel(word string) (requirement, error) {
	permission, isPermission := strings.CutPrefix(word, "permission:")
	app, codename, ok := strings.Cut(permission, ".")
	switch {
	case word == "public":
		return requirement{}, nil
	case word == "signed-in":
		return signedIn, nil
	case word == "scoped": // the upstream judges the scopes
		return requirement{signedIn: true}, nil
	case word == "fresh":
		return requirement{signedIn: true, whole: true, fresh: true}, nil
	case isPermission && ok && app != "" && codename != "":
		return requirement{signedIn: true, permissions: []string{permission}}, nil
	case isPermission:
		return requirement{}, fmt.Errorf("the permission %q is not of the form app.codename", permission)
	}
	return requirement{}, fmt.Errorf("%q is no level: want public, signed-in, scoped, fresh or permission:app.codename", word)
}

func parseMethods(word string) ([]string, error) {
	methods := strings.Split(word, ",")
	for _, m := range methods {
		if m == "" || strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			return nil, fmt.Errorf("%q is no list of methods such as GET,POST", word)
		}
	}
	return methods, nil
}

func (r *rule) parsePath(word string) error {
	for segment := range strings.SplitSeq(word, "/") {
		if placeholder(segment) {
			return fmt.Errorf("%s is taken as it stands, and matches no other segment: write * for any one, such as %s",
				segment, strings.Replace(word, segment, "*", 1))
		}
	}
	path, err := plainPath(word)
	if err != nil {
		return fmt.Errorf("%q is no path that a rule can name, such as /api/orders/*", word)
	}
	path, r.below = strings.CutSuffix(path, "/*")
	r.path, r.folded = split(path), split(folded(path))
	for _, s := range r.path {
		if s != "*" && strings.Contains(s, "*") {
			return fmt.Errorf("%q: * stands for a whole segment", word)
		}
	}
	return nil
}

// placeholder reports whether a segment has the form in which routers name what may be anything: :id, {id}, <id> or [id].
// A segment that really begins with a colon can be written with %3A.
func placeholder(segment string) bool {
	if len(segment) < 2 {
		return false
	}
	first, last := segment[0], segment[len(segment)-1]
	return first == ':' || first == '{' && last == '}' || first == '<' && last == '>' || first == '[' && last == ']'
}

// split returns the segments of a path; the last one is empty if a slash is at the end.
func split(path string) []string { return strings.Split(path, "/")[1:] }

func (r rule) allows(method string) bool {
	if method == "HEAD" && slices.Contains(r.methods, "GET") {
		return true
	}
	return r.methods == nil || slices.Contains(r.methods, method)
}

// covers compares a path with a rule's, segment by segment.
func covers(pattern, path []string, below bool) bool {
	if len(path) < len(pattern) || len(path) > len(pattern) && !below {
		return false
	}
	for i, s := range pattern {
		if s != "*" && s != path[i] {
			return false
		}
	}
	return true
}

// rules are in the order in which they were given: the first that covers a request counts.
type rules []rule

func parseRules(texts []string) (rules, error) {
	var all rules
	for _, text := range texts {
		r, err := parseRule(text)
		if err != nil {
			return nil, fmt.Errorf("Config.Rules %q: %w", text, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// of returns what is demanded of a request; standard is what is where no rule covers it.
//
// The upstream may not tell /Admin or /admin/ from /admin, or it may. So a path is judged twice, as it is and folded, and
// what both rules demand is demanded: no other spelling opens more than the rule's own.
func (all rules) require(method, path string, fallback requirement) requirement {
	if len(all) == 0 {
		return fallback
	}
	asIs, fold := fallback, fallback
	segments := split(path)
	for _, r := range all {
		if r.allows(method) && covers(r.path, segments, r.below) {
			asIs = r.requirement
			break
		}
	}
	segments = split(folded(path))
	for _, r := range all {
		if r.allows(method) && covers(r.folded, segments, r.below) {
			fold = r.requirement
			break
		}
	}
	return asIs.and(fold)
}
