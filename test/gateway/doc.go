// Package gateway tests the gateway of the built program, and beside it the proxies of others with the same rules.
package gateway
