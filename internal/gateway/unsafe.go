package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// openUnsafe reads the prefixes below which paths are passed on that servers read differently.
func (g *Gateway) openUnsafe(prefixes []string) error {
	for _, text := range prefixes {
		path, err := plainPath(text)
		if err != nil {
			return fmt.Errorf("%q is no plain path", text)
		}
		prefix := strings.TrimSuffix(path, "/")
		if prefix != "" && g.owns(prefix) {
			return fmt.Errorf("%s is Cloakroom's own", prefix)
		}
		if g.Serves() && !slices.ContainsFunc(g.upstreams, func(u *upstream) bool { return u.prefix == prefix }) {
			return fmt.Errorf("no --upstream has the prefix %q; name one, or / for the one without a prefix", text)
		}
		g.unsafe = append(g.unsafe, prefix)
	}
	return nil
}

// unsafePrefix returns the prefix that lets a request have a path that target refuses; false if none does. Of several the
// longest counts, and an upstream's own before a shorter one's.
func (g *Gateway) unsafePrefix(r *http.Request) (prefix string, ok bool) {
	raw, err := rawTarget(r)
	if err != nil || len(g.unsafe) == 0 {
		return "", false
	}
	decoded, err := decodePath(raw, true)
	if err != nil || g.owns(collapsed(decoded)) {
		return "", false
	}
	for _, p := range g.unsafe {
		if below(raw, p) && (!ok || len(p) > len(prefix)) {
			prefix, ok = p, true
		}
	}
	for _, u := range g.upstreams {
		if below(raw, u.prefix) && len(u.prefix) > len(prefix) {
			return "", false // it belongs to an upstream that is spared
		}
	}
	return prefix, ok
}

// below reports whether a path as it came begins with the segments of a prefix, and an encoded slash ends none.
func below(raw, prefix string) bool {
	if prefix == "" {
		return true
	}
	segments := split(raw)
	for i, want := range split(prefix) {
		if i == len(segments) {
			return false
		}
		if got, err := decode(segments[i], false); err != nil || got != want {
			return false
		}
	}
	return true
}

// collapsed is a path as the most forgiving server reads it: no parameters, no empty segments.
func collapsed(path string) string {
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		if segment, _, _ = strings.Cut(segment, ";"); segment != "" {
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/")
}

// anyBelow returns all that is demanded of any path below a prefix: what every rule demands that covers one, up to the first
// that covers them all. Rules can't tell how the upstream will read a path, but to the upstream it is one of these.
func (all rules) requireBelow(method, prefix string, fallback requirement) requirement {
	var d requirement
	var segments, fold []string
	if prefix != "" {
		segments, fold = split(prefix), split(folded(prefix))
	}
	for _, r := range all {
		if !r.allows(method) || !overlaps(r.folded, fold, r.below) {
			continue
		}
		d = d.and(r.requirement)
		if r.below && covers(r.path, segments, true) {
			return d
		}
	}
	return d.and(fallback)
}

// overlaps reports whether a rule's path covers anything below a prefix.
func overlaps(pattern, prefix []string, below bool) bool {
	for i, s := range prefix {
		if i == len(pattern) {
			return below
		}
		if pattern[i] != "*" && pattern[i] != s {
			return false
		}
	}
	return true
}
