package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
)

// A test of one handler says who asks, and needs no server. Package cloakroomtest has a whole one.
func ExampleNewContext() {
	refund := auth.RequirePermission("shop.refund")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := auth.FromContext(r.Context())
		fmt.Fprint(w, "refunded by ", who.User.Username)
	}))
	ann := &auth.Identity{User: &account.User{ID: "1", Username: "ann", IsActive: true, Permissions: []string{"shop.refund"}}}
	bob := &auth.Identity{User: &account.User{ID: "2", Username: "bob", IsActive: true}}
	for _, who := range []*auth.Identity{ann, bob, nil} { // nil: a visitor who isn't signed in
		r := httptest.NewRequest("POST", "/orders/7/refund", nil)
		w := httptest.NewRecorder()
		refund.ServeHTTP(w, r.WithContext(auth.NewContext(r.Context(), who)))
		if w.Code == http.StatusOK {
			fmt.Println(w.Code, w.Body)
		} else {
			fmt.Println(w.Code, http.StatusText(w.Code))
		}
	}
	// Output:
	// 200 refunded by ann
	// 403 Forbidden
	// 401 Unauthorized
}

// A refusal of one's own is answered in the form of Cloakroom's.
func ExampleWriteError() {
	r := httptest.NewRequest("POST", "/orders/7/refund", nil)
	w := httptest.NewRecorder()
	auth.WriteError(w, r, &auth.Refusal{Status: http.StatusConflict, Code: "already_paid", Detail: "This order has been paid."})
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	// Output: 409 application/problem+json
}
