package gateway_test

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/gateway"
)

func TestOnlyFilesWithAHashInTheirNameAreCachedLong(t *testing.T) {
	for _, name := range []string{
		"assets/index-BkV8gq3T.js", "assets/index-DiwrgTda.css", "assets/react-35ef61ed.svg", "static/js/main.8f2a1b3c.js",
		"static/js/main.8f2a1b3c.js.map", "main-5XQKDC7T.js", "chunk-FK42WKJO.js", "polyfills-B6TNHZQ6.js", "assets/Inter-Bk_8gq3T.woff2",
		"_next/static/chunks/117-9f8e7d6c5b4a3210.js", "assets/logo-Dk_3aBx9.png", "styles-5INURTSO.css",
	} {
		if !gateway.Hashed(name) {
			t.Errorf("%s is asked about each time", name)
		}
	}
	for _, name := range []string{
		"index.html", "assets/index-BkV8gq3T.html", "favicon.ico", "sw.js", "service-worker.js", "robots.txt", "manifest.json", "app.js",
		"photo-holidays.jpg", "report-20240101.png", "jquery-3.7.1.min.js", "bootstrap.bundle.min.js", "my-component.js",
		"logo-dark.svg", "apple-touch-icon.png", "android-chrome-192x192.png", "data-BkV8gq3T.json", "assets/noextension-BkV8gq3T",
		"vendor-libraries.js", "firebase-messaging-sw.js", "BkV8gq3T.js", "icon-1024x1024.png",
	} {
		if gateway.Hashed(name) {
			t.Errorf("%s is kept for a year", name)
		}
	}
}
