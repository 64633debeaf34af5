package csrf

import (
	"net/http"

	"github.com/rs/cors"
)

// preflightAge is how long a browser may cache a preflight, in seconds, and so how long an origin that is no longer trusted
// can still send requests. Chromium caches none for longer than 2 hours.
const preflightAge = 2 * 60 * 60

// CORS lets pages of the trusted origins, and of no others, read the responses of next, with credentials. Put it around all
// handlers of the API's paths, so that errors can be read too. It answers preflights. It allows only the request headers
// that django-cors-headers allows by default; in particular not X-Session-Token, so that an app's token is useless to a
// page.
func (p *Protection) CORS(next http.Handler) http.Handler {
	return cors.New(cors.Options{
		// A function, since the library's list is case-insensitive and has wildcards.
		AllowOriginVaryRequestFunc: func(_ *http.Request, origin string) (bool, []string) {
			return p.origins[origin], nil
		},
		AllowCredentials: true,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
			http.MethodDelete},
		AllowedHeaders: []string{"accept", "authorization", "content-type", "user-agent", "x-csrftoken", "x-requested-with"},
		ExposedHeaders: []string{"Retry-After", "WWW-Authenticate", "X-Request-Id"},
		MaxAge:         preflightAge,
	}).Handler(next)
}
