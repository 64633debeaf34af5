// Package gateway stands in front of an app: it serves the built files of a single-page app, passes the rest on to
// upstreams, and tells them who is asking. For a proxy that somebody else runs it decides the same, as forward-auth.
//
// What is judged is what the upstream will see. A path that servers read differently, such as one with "%2f", ".." or ";",
// is refused and never cleaned; rules name paths, not patterns of text; and every header in which an upstream might look
// for the identity is removed, in each spelling that becomes the same variable in CGI, before ours are set.
package gateway
