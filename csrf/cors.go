package csrf

import (
	"net/http"

	"github.com/rs/cors"
)

// preflightAge is how long a browser may remember a preflight, in seconds, and so how long an origin that is no longer
// trusted can go on sending requests. Chromium keeps none for longer than 2 hours.
const preflightAge = 2 * 60 * 60

// CORS lets pages of the trusted origins, and of no other, read what next answers, with credentials. It belongs around
// everything that answers under the API's paths, so that errors can be read too. It answers preflights itself. Headers
// outside the list that django-cors-headers has by default are refused; X-Session-Token above all, so that an app's
// token is of no use to a page.
func (p *Protection) CORS(next http.Handler) http.Handler {
	return cors.New(cors.Options{
		// A function, since the library's list compares without regard to case and knows wildcards.
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
