package httpapi

// Route is a line of the table of routes.
type Route struct{ Method, Path string }

// Routes returns the table of routes.
func Routes() []Route {
	all := make([]Route, len(routes))
	for i, t := range routes {
		all[i] = Route{t.method, t.path}
	}
	return all
}
