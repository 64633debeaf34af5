package gateway_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// Headers of browsers for a request that they show as a page, and for one by a script.
var (
	pageHeaders   = []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html,application/xhtml+xml,*/*;q=0.8"}
	oldPage       = []string{"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
	fetchHeaders  = []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Accept: */*"}
	scriptHeaders = []string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script", "Accept: */*"}
	frameHeaders  = []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Accept: text/html"}
)

func TestAPageIsLedToTheSignInAndAScriptIsNot(t *testing.T) {
	t.Attr("threat", "J04")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		for _, header := range [][]string{pageHeaders, oldPage} {
			r := f.kept(t, protocol, ask{path: "/orders?page=2&q=%C3%A9", header: header}, 303)
			if got := r.header.Get("Location"); got != "/signin?next="+url.QueryEscape("/orders?page=2&q=%C3%A9") {
				t.Errorf("led to %q", got)
			}
			if r.header.Get("Cache-Control") != "no-store" {
				t.Errorf("the redirect may be kept: %v", r.header)
			}
		}
		for _, header := range [][]string{fetchHeaders, scriptHeaders, frameHeaders, {"Accept: application/json"}, {"Accept: */*"}, nil,
			append(oldPage, "X-Requested-With: XMLHttpRequest")} {
			r := f.kept(t, protocol, ask{path: "/orders", header: header}, 401)
			var problem struct {
				Code     string
				LoginURL string `json:"login_url"`
			}
			if err := json.Unmarshal(r.body, &problem); err != nil || problem.Code != "not_authenticated" || problem.LoginURL != "https://"+f.host+"/signin" {
				t.Errorf("%v: %s", header, r)
			}
			if r.header.Get("Content-Type") != "application/problem+json" || r.header.Get("Www-Authenticate") != "Session" || r.header.Get("Location") != "" {
				t.Errorf("%v: %v", header, r.header)
			}
		}
		r := f.kept(t, protocol, ask{method: "POST", path: "/orders", header: append(pageHeaders, "Origin: https://"+f.host, "Sec-Fetch-Site: same-origin"), body: "x=1"}, 303)
		if got := r.header.Get("Location"); got != "/signin" {
			t.Errorf("a form is led to %q, and so would be asked for again as a page", got)
		}
	})
}

func TestTheAnswerSaysThatTheSessionHasEnded(t *testing.T) {
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		name := "ada-" + protocol
		cookie := f.signedIn(t, name)
		f.command(t, "", "session", "revoke-all", name)
		r := f.kept(t, protocol, ask{path: "/private", header: append(fetchHeaders, cookie)}, 401)
		if r.code() != "session_ended" || r.header["Set-Cookie"] != nil {
			t.Errorf("%s, %v", r, r.header)
		}
		r = f.send(t, protocol, ask{path: "/open/x", header: []string{cookie}})
		if s, ok := r.seen(); !ok || s.CGI["HTTP_REMOTE_USER"] != "" {
			t.Errorf("a public path with an ended session: %s", r)
		}
	})
}

func TestASessionThatIsNotFreshIsRefusedWithTheReason(t *testing.T) {
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		cookie := f.signedIn(t, "ada-"+protocol)
		if _, ok := f.send(t, protocol, ask{path: "/fresh/x", header: []string{cookie}}).seen(); !ok {
			t.Error("a password that has just been typed is not fresh")
		}
		f.kept(t, protocol, ask{path: "/fresh/x"}, 401)
		r := f.kept(t, protocol, ask{path: "/admin/x", header: []string{cookie}}, 403)
		if r.code() != "permission_denied" {
			t.Errorf("without the right: %s", r)
		}
	})
}

func TestTheRefererIsNotAReturnAddress(t *testing.T) {
	t.Attr("threat", "D5")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		for _, referer := range []string{"https://evil.test/", "https://" + f.host + "/elsewhere"} {
			r := f.kept(t, protocol, ask{path: "/orders", header: append(pageHeaders, "Referer: "+referer)}, 303)
			if got := r.header.Get("Location"); got != "/signin?next=%2Forders" {
				t.Errorf("Referer: %s leads to %q", referer, got)
			}
		}
	})
}

// No proxy takes the application's own refusals for Cloakroom's.
func TestTheApplicationsAnswersComeThroughAsTheyAre(t *testing.T) {
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		cookie := f.signedIn(t, "ada-"+protocol)
		for _, status := range []int{401, 403, 404, 500, 502, 503} {
			f.app.routes["/status"] = respond(status, "of the application")
			r := f.send(t, protocol, ask{path: "/status", header: append(pageHeaders, cookie)})
			if r.status != status || !strings.Contains(string(r.body), "of the application") {
				t.Errorf("%d comes through as %s", status, r)
			}
		}
	})
}
