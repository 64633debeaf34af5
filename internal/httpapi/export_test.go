package httpapi

import "net/http"

// Route is a line of the table of routes.
type Route struct {
	Method, Path string
	Plain        bool // speaks as a Django package does
}

func (r Route) String() string { return r.Method + " " + r.Path }

// Routes returns the table of routes.
func Routes() []Route {
	all := make([]Route, len(routes))
	for i, t := range routes {
		_, plain := t.handler(&API{}).(compatHandler)
		all[i] = Route{t.method, t.path, plain}
	}
	return all
}

// Login is what the body of a sign-in says; nil fields were not there.
type Login struct {
	Username, Password *string
	Remember, App      *bool
}

// DecodeLogin reads the body of a sign-in.
func DecodeLogin(w http.ResponseWriter, r *http.Request) (Login, error) {
	var in loginIn
	err := decode(w, r, 0, &in, false)
	return Login(in), err
}

// BasicLogin reads the credentials of HTTP Basic.
func BasicLogin(r *http.Request) (Login, error) {
	var in loginIn
	err := in.fromBasic(r)
	return Login(in), err
}
