package httpapi

import (
	"net/http"
	"slices"
	"sync"
)

// Route is a row of the table of routes.
type Route struct {
	Method, Path string
	Plain        bool // a compatibility route
}

func (r Route) String() string { return r.Method + " " + r.Path }

// Routes returns the table of routes.
func Routes() []Route { return slices.Clone(allRoutes()) }

var allRoutes = sync.OnceValue(func() []Route {
	all := make([]Route, len(routes))
	for i, t := range routes {
		_, plain := t.handler(&API{}).(compatHandler)
		all[i] = Route{t.method, t.path, plain}
	}
	return all
})

// Login has the fields of the body of a sign-in. Absent fields are nil.
type Login struct {
	Username, Password *string
	Remember, App      *bool
}

// DecodeLogin decodes the body of a sign-in.
func DecodeLogin(w http.ResponseWriter, r *http.Request) (Login, error) {
	var in loginIn
	err := decode(w, r, 0, &in, false)
	return Login(in), err
}

// BasicLogin returns the credentials of HTTP Basic.
func BasicLogin(r *http.Request) (Login, error) {
	var in loginIn
	err := in.fromBasic(r)
	return Login(in), err
}
