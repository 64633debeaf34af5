package gateway_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/gateway"
)

var shop = []string{
	"public GET /health",
	"public GET,OPTIONS /products/*",
	"public /docs/*",
	"permission:shop.admin /admin/*",
	"fresh POST /orders/*/refund",
	"signed-in /reports/summary",
	"permission:shop.reports /reports/*",
	"scoped /scripts/*",
	"second /payroll/*",
}

func TestTheFirstRuleThatCoversTheRequestCounts(t *testing.T) {
	t.Attr("threat", "E03")
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/health", "public"}, {"HEAD", "/health", "public"}, {"POST", "/health", "signed-in"},
		{"GET", "/products", "public"}, {"GET", "/products/", "public"}, {"GET", "/products/7/photos", "public"},
		{"DELETE", "/products/7", "signed-in"}, {"HEAD", "/products/7", "public"}, {"get", "/products/7", "signed-in"},
		{"GET", "/productsx", "signed-in"}, {"GET", "/x/products/7", "signed-in"},
		{"DELETE", "/docs/a", "public"},
		{"GET", "/admin", "scoped shop.admin shop.admin"}, {"PUT", "/admin/users", "scoped shop.admin shop.admin"},
		{"POST", "/orders/7/refund", "fresh"}, {"GET", "/orders/7/refund", "signed-in"}, {"POST", "/orders/refund", "signed-in"},
		{"POST", "/orders/7/8/refund", "signed-in"},
		{"GET", "/reports/summary", "signed-in"}, {"GET", "/reports/7", "scoped shop.reports shop.reports"},
		{"GET", "/", "signed-in"}, {"GET", "/other", "signed-in"}, {"GET", "/scripts/x", "scoped"},
		{"GET", "/payroll/7", "second"},
	} {
		if got, err := gateway.Demanded(shop, c.method, c.path); err != nil || got != c.want {
			t.Errorf("%s %s: %s, want %s (%v)", c.method, c.path, got, c.want, err)
		}
	}
}

// An upstream may treat these paths like the path of a rule, or not. Both must be safe.
func TestAnotherSpellingOpensNothing(t *testing.T) {
	t.Attr("threat", "C6")
	for _, c := range []struct{ path, want string }{
		{"/HEALTH", "signed-in"}, {"/Health", "signed-in"}, {"/health/", "signed-in"}, {"/health.", "signed-in"}, {"/health ", "signed-in"},
		{"/Products/7", "signed-in"}, {"/healthx", "signed-in"}, {"/health/x", "signed-in"}, {"/x/health", "signed-in"},
		{"/ADMIN", "signed-in shop.admin"}, {"/Admin/x", "signed-in shop.admin"}, {"/admin./x", "signed-in shop.admin"},
		{"/admin /x", "signed-in shop.admin"}, {"/reports/SUMMARY", "signed-in shop.reports"}, {"/reports/summary/", "signed-in shop.reports"},
		{"/Reports/summary", "signed-in"}, {"/Scripts/x", "signed-in"}, {"/scripts/X", "scoped"},
	} {
		if got, err := gateway.Demanded(shop, "GET", c.path); err != nil || got != c.want {
			t.Errorf("%q: %s, want %s (%v)", c.path, got, c.want, err)
		}
	}
}

// TestARuleThatNeverAppliesIsRefused: one that protects a path, behind one that opens it, would protect nothing.
func TestARuleThatNeverAppliesIsRefused(t *testing.T) {
	t.Attr("threat", "E03")
	for _, c := range []struct {
		first, second string
		never         bool
	}{
		{"public /*", "signed-in /dashboard/*", true},
		{"public /*", "signed-in /", true},
		{"signed-in /api/*", "public GET /api/products/*", true},
		{"public /a/*", "second /a", true},
		{"public /*/b", "fresh /a/b", true},
		{"public /*/b", "fresh /*/b", true},
		{"public GET,POST /a", "fresh POST /a", true},
		{"public GET /a", "fresh HEAD /a", true},
		{"permission:shop.one /a", "permission:shop.two /a", true},
		{"scoped /a", "signed-in /a", true},
		{"public /a", "public /a", false},
		{"public GET /a", "fresh /a", false},
		{"public GET /a", "fresh GET,POST /a", false},
		{"public HEAD /a", "fresh GET /a", false},
		{"public /a", "fresh /a/*", false},
		{"public /a/*", "fresh /*", false},
		{"public /a/b", "fresh /*/b", false},
		{"public /a", "fresh /A", false},
		{"public /a/*", "fresh /ab", false},
	} {
		_, err := gateway.Demanded([]string{c.first, c.second}, "GET", "/")
		if c.never != (err != nil) || c.never && !strings.Contains(err.Error(), "it never applies") {
			t.Errorf("%q behind %q: %v", c.second, c.first, err)
		}
	}
}

func TestWrongRulesAreRefusedWithTheReason(t *testing.T) {
	for rule, why := range map[string]string{
		"":                            "LEVEL",
		"public":                      "LEVEL",
		"public GET POST /x":          "LEVEL",
		"open /x":                     "not a level",
		"permission: /x":              "app.codename",
		"permission:shop /x":          "app.codename",
		"public get /x":               "not a list of methods",
		"public GET, /x":              "not a list of methods",
		"public x":                    "not a path",
		"public /a//b":                "not a path",
		"public /a/../b":              "not a path",
		"public /a%2fb":               "not a path",
		"public /a;b":                 "not a path",
		"public /a*":                  "whole segment",
		"public ^/health$":            "not a path",
		"public GET|POST /x":          "not a list of methods",
		"signed-in /api/products/:id": "/api/products/*",
		"signed-in /a/{id}/b":         "/a/*/b",
		"signed-in /a/<int:id>":       "/a/*",
		"signed-in /a/[id]":           "/a/*",
		"signed-in /a/%3Aid":          "",
		"signed-in /v1/items:batch":   "",
		"scoped /a/*":                 "",
		"permission:shop.admin GET /": "",
		"public /*":                   "",
		"fresh POST /a/*/b":           "",
	} {
		_, err := gateway.Demanded([]string{rule}, "GET", "/")
		if why == "" && err != nil || why != "" && (err == nil || !strings.Contains(err.Error(), why)) {
			t.Errorf("%q: %v, want %q", rule, err, why)
		}
	}
}
