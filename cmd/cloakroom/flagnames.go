package main

import (
	"regexp"
	"strings"
	"unicode"
)

// configField matches the name of a cloakroom.Config field in an error of the library.
var configField = regexp.MustCompile(`Config\.((?:Django\.|Cookie\.)?[A-Z]\w*)`)

// irregular are the flags whose names differ from those of the Config fields.
var irregular = map[string]string{
	"Origins": "origin", "TrustedProxies": "trusted-proxy", "Audiences": "audience", "Upstreams": "upstream", "UpstreamTokens": "upstream-token", "Rules": "rule", "Providers": "provider", "Webhooks": "webhook",
	"DB": "db", "URL": "url", "Cookie.SameSite": "cookie-samesite",
}

// inFlags replaces the Config fields that an error of the library names by the flags of this command.
func inFlags(text string) string {
	return configField.ReplaceAllStringFunc(text, func(field string) string {
		field = strings.TrimPrefix(field, "Config.")
		if flag, ok := irregular[field]; ok {
			return "--" + flag
		}
		return "--" + kebab(field)
	})
}

// kebab turns "Django.SecretKeyFile" into "django-secret-key-file".
func kebab(field string) string {
	var b strings.Builder
	runes := []rune(strings.ReplaceAll(field, ".", ""))
	for i, r := range runes {
		// A word begins at a capital after a small letter, and at the last capital before one: InsecureHTTP, HTTPPort.
		if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
