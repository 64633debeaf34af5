package server_test

import (
	"net/http"
	"path/filepath"
	"testing"
)

// apart are nodes that a test asks individually, not in turn.
func apart(t *testing.T, db string, args ...[]string) (all []*server) {
	t.Helper()
	first := startWith(t, filepath.Join(t.TempDir(), "data"), db, args[0]...)
	all = append(all, first)
	for _, more := range args[1:] {
		all = append(all, startWith(t, first.data, db, append(more, "--url", first.base)...))
	}
	for _, node := range all {
		node.through = aliased{node.transport, first.host()}
	}
	return all
}

// aliased asks a node under the name of another.
type aliased struct {
	http.RoundTripper
	host string
}

func (a aliased) RoundTrip(r *http.Request) (*http.Response, error) {
	to := r.Clone(r.Context())
	to.Host = a.host
	if to.Header.Get("Origin") != "" {
		to.Header.Set("Origin", "http://"+a.host)
	}
	return a.RoundTripper.RoundTrip(to)
}

// everywhere returns the state of one ticket at each node.
func everywhere(all []*server, ticket string) (visitors []*visitor) {
	for _, node := range all {
		visitors = append(visitors, node.holding(ticket))
	}
	return visitors
}

func demandAll(visitors []*visitor, status int, when string) {
	for _, v := range visitors {
		v.demand(status, when)
	}
}
