package routers

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Gin makes gin's middleware of the standard library's, such as auth.Require.
func Gin(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort() // it has answered
		}
	}
}
