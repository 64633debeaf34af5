// Package routers shows Cloakroom with the standard library's router and with those of others: chi, gin and echo. Each example runs as a
// test. The package is a module of its own, so that Cloakroom's own needs none of these routers.
package routers
