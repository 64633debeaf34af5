package main

import (
	"regexp"
	"strings"
	"unicode"
)

// configField is how the library's errors name what is wrong in a cloakroom.Config.
var configField = regexp.MustCompile(`Config\.((?:Django\.|Cookie\.)?[A-Z]\w*)`)

// irregular are the flags that aren't called like the Config fields that they set.
var irregular = map[string]string{
	"Origins": "origin", "TrustedProxies": "trusted-proxy", "Audiences": "audience", "Upstreams": "upstream", "Rules": "rule",
	"DB": "db", "URL": "url", "Cookie.SameSite": "cookie-samesite",
}

// inFlags names the flags of this command where an error of the library names fields of a Config.
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
