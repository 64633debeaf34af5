package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// openUnsafe reads the prefixes below which ambiguous paths are passed on.
func (g *Gateway) openUnsafe(prefixes []string) error {
	for _, text := range prefixes {
		path, err := plainPath(text)
		if err != nil {
			return fmt.Errorf("%q is not a plain path", text)
		}
		prefix := strings.TrimSuffix(path, "/")
		if prefix != "" && g.owns(prefix) {
			return fmt.Errorf("%s belongs to Cloakroom itself", prefix)
		}
		if g.Serves() && !slices.ContainsFunc(g.upstreams, func(u *upstream) bool { return u.prefix == prefix }) {
			return fmt.Errorf("none of Config.Upstreams has the prefix %q: name one, or / for the one without a prefix", text)
		}
		g.unsafe = append(g.unsafe, prefix)
	}
	return nil
}

// unsafePrefix returns the prefix below which a path is accepted although target refuses it; false if there is none. The
// longest prefix wins. If the path belongs to an upstream with a longer prefix, it is refused.
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
			return "", false // it belongs to an upstream without unsafe paths
		}
	}
	return prefix, ok
}

// below reports whether an undecoded path begins with the segments of a prefix. An encoded slash doesn't end a segment.
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

// collapsed returns a path as the most lenient server reads it: without parameters and empty segments.
func collapsed(path string) string {
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		if segment, _, _ = strings.Cut(segment, ";"); segment != "" {
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/")
}

// requireBelow returns the requirement for a path below a prefix whose meaning to the upstream is unknown: the requirements
// of all rules that match any path below the prefix, up to the first rule that matches all of them.
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

// overlaps reports whether a rule's path matches any path below a prefix.
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
