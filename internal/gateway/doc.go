// Package gateway is a reverse proxy that signs users in: it serves the built files of a single-page app, passes other
// requests on to upstreams, and tells them who is asking. Other proxies get the same decisions through forward-auth.
//
// A request is judged by exactly what the upstream will see. A path that servers read differently, such as one with "%2f",
// ".." or ";", is refused and never cleaned. Rules name paths segment by segment; there are no patterns. Every header in
// which an upstream might look for the identity is removed, in each spelling that becomes the same variable in CGI, before
// ours are set.
package gateway
