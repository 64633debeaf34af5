package main

import (
	"regexp"
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/cmdline"
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
		return "--" + cmdline.FlagName(strings.ReplaceAll(field, ".", ""))
	})
}
