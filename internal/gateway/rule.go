package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/auth"
)

// requirement is what a caller must meet. The zero requirement asks nothing.
type requirement struct {
	signedIn    bool
	whole       bool // refuses a token that is limited to scopes
	fresh       bool
	second      bool // two factors were shown together in the session
	permissions []string
}

func (d requirement) and(e requirement) requirement {
	return requirement{
		signedIn: d.signedIn || e.signedIn, whole: d.whole || e.whole, fresh: d.fresh || e.fresh,
		second:      d.second || e.second,
		permissions: append(slices.Clip(d.permissions), e.permissions...),
	}
}

func (d requirement) equals(e requirement) bool {
	return d.signedIn == e.signedIn && d.whole == e.whole && d.fresh == e.fresh && d.second == e.second && slices.Equal(d.permissions, e.permissions)
}

// check returns why who doesn't meet d; nil if they do.
func (d requirement) check(who *auth.Identity) error {
	if d.revokedFor(who) {
		return auth.ErrPermissionDenied
	}
	if d.whole && who.Scoped() {
		return auth.ErrInsufficientScope
	}
	if d.second && who.Level() < 2 {
		return auth.ErrSecondFactorNeeded
	}
	if d.fresh && !who.Fresh() {
		return auth.ErrFreshSignInRequired
	}
	return nil
}

// revokedFor reports whether who, once admitted, has lost a permission that d asks for.
func (d requirement) revokedFor(who *auth.Identity) bool {
	return slices.ContainsFunc(d.permissions, func(p string) bool { return !who.Has(p) })
}

// signedIn asks for a caller with all rights of a user.
var signedIn = requirement{signedIn: true, whole: true}

// rule is the requirement for some paths and methods.
type rule struct {
	requirement requirement
	methods     []string // none: all
	path        []string // its segments; "*" stands for any
	folded      []string // the same after folded
	below       bool     // the path and everything below it
}

const ruleForm = `want "LEVEL [METHOD,…] PATH", such as "public GET /api/products/*" or "permission:shop.view_order /api/orders/*"`

// parseRule reads "LEVEL [METHOD,…] PATH". LEVEL is public, signed-in, scoped, fresh, second, or permission:app.codename. In PATH, a
// segment "*" stands for any one segment. As the last segment it stands for the path before it and everything below.
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
	case word == "second":
		return requirement{signedIn: true, whole: true, second: true}, nil
	case isPermission && ok && app != "" && codename != "":
		return requirement{signedIn: true, permissions: []string{permission}}, nil
	case isPermission:
		return requirement{}, fmt.Errorf("the permission %q is not of the form app.codename", permission)
	}
	return requirement{}, fmt.Errorf("%q is not a level: want public, signed-in, scoped, fresh, second or permission:app.codename", word)
}

func parseMethods(word string) ([]string, error) {
	methods := strings.Split(word, ",")
	for _, m := range methods {
		if m == "" || strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			return nil, fmt.Errorf("%q is not a list of methods such as GET,POST", word)
		}
	}
	return methods, nil
}

func (r *rule) parsePath(word string) error {
	for segment := range strings.SplitSeq(word, "/") {
		if placeholder(segment) {
			return fmt.Errorf("%s is not a placeholder here, and matches only itself: write * for any segment, such as %s",
				segment, strings.Replace(word, segment, "*", 1))
		}
	}
	path, err := plainPath(word)
	if err != nil {
		return fmt.Errorf("%q is not a path for a rule, such as /api/orders/*", word)
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

// placeholder reports whether a segment looks like a router's placeholder: :id, {id}, <id> or [id]. For a segment that
// really begins with a colon, write %3A.
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

// covers reports whether a rule's path matches a path, segment by segment.
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

// rules are in the order in which they were given: the first that matches a request applies.
type rules []rule

func parseRules(texts []string) (rules, error) {
	var all rules
	for _, text := range texts {
		r, err := parseRule(text)
		if err != nil {
			return nil, fmt.Errorf("Config.Rules %q: %w", text, err)
		}
		for i, earlier := range all {
			if earlier.hides(r) {
				return nil, fmt.Errorf("Config.Rules %q: it never applies, since %q stands in front of it and matches the same requests: put it first", text, texts[i])
			}
		}
		all = append(all, r)
	}
	return all, nil
}

// hides reports whether a rule behind r, which asks for something else, can never apply.
func (r rule) hides(later rule) bool {
	for _, m := range later.methods {
		if !r.allows(m) {
			return false
		}
	}
	if later.methods == nil && r.methods != nil || later.below && !r.below {
		return false
	}
	return covers(r.path, later.path, r.below) && !r.requirement.equals(later.requirement)
}

// require returns the requirement for a request; fallback applies if no rule matches.
//
// An upstream may or may not treat /Admin and /admin/ like /admin. So the rules are applied twice, to the path as it is and
// to the folded path, and both results are required: no other spelling opens more than the rule's own.
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
