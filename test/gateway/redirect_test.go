package gateway_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// payloads might lead a browser to another site. The tests of the sign-in page use the same.
func payloads(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "web", "pages", "src", "testdata", "redirects.json"))
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil || len(all) < 500 {
		t.Fatalf("%d payloads, %v", len(all), err)
	}
	return all
}

// judge is Node's URL parser, which is the WHATWG's: it says where a browser goes by an answer's Location, and then by its
// next parameter.
const judge = `
const { here, places } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const origin = new URL(here).origin;
let leads = 0;
for (const [payload, location] of places) {
  const url = new URL(location, here);
  const next = url.searchParams.get("next");
  if (next !== null) leads++;
  if (url.origin !== origin || !["/signin", "/auth/account"].includes(url.pathname) || next !== null && new URL(next, origin).origin !== origin) {
    console.log(JSON.stringify([payload, location, next]));
  }
}
console.log(places.length, leads);
`

func TestNoRedirectLeavesTheSite(t *testing.T) {
	t.Attr("threat", "E07")
	t.Attr("threat", "J03")
	t.Attr("threat", "D1")
	t.Attr("threat", "D2")
	t.Attr("threat", "D3")
	t.Attr("threat", "D4")
	t.Attr("threat", "D7")
	node := need(t, "node")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		var places [][2]string
		share := 1
		if f.name != "gateway" && !long {
			share = 4 // a proxy passes on what the server answers
		}
		for i, payload := range payloads(t) {
			if i%share != 0 {
				continue
			}
			for _, path := range []string{payload, "/orders?next=" + payload} {
				if strings.ContainsAny(path, "\r\n") || path == "" || protocol == "h2" && strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
					continue
				}
				if location, ok := f.location(t, protocol, path); ok {
					places = append(places, [2]string{path, location})
				}
			}
		}
		question, err := json.Marshal(map[string]any{"here": "https://" + f.host + "/x", "places": places})
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command(node, "-e", judge)
		c.Stdin = strings.NewReader(string(question))
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		for _, line := range lines[:len(lines)-1] {
			t.Errorf("leads elsewhere: %s", line)
		}
		var judged, leads int
		if _, err := fmt.Sscan(lines[len(lines)-1], &judged, &leads); err != nil || judged < 400/share || leads < 400/share {
			t.Errorf("%d redirects, of which %d lead back: %v", judged, leads, err)
		}
	})
}

// location returns the address to which a browser that opens a page is redirected.
func (f *front) location(t *testing.T, protocol, path string) (string, bool) {
	t.Helper()
	c := f.dial(t, protocol)
	defer c.Close()
	var r reply
	var err error
	if a := (ask{method: "GET", path: path, host: f.host, header: pageHeaders}); protocol == "h2" {
		r, err = sendH2(c, a)
	} else {
		r, err = sendH1(c, a)
	}
	if err != nil {
		return "", false // it was no request
	}
	if _, ok := r.seen(); ok {
		t.Errorf("%q reaches the application", path)
	}
	location := r.header.Get("Location")
	return location, location != ""
}

func TestTheHostIsNotRepeated(t *testing.T) {
	t.Attr("threat", "D4")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		for _, host := range []string{"evil.test", "evil.test:443", f.host + "@evil.test", "evil.test/" + f.host, "localhost:1"} {
			c := f.dial(t, protocol)
			a := ask{method: "GET", path: "/orders", host: host, header: append(pageHeaders, "X-Forwarded-Host: evil.test")}
			send := sendH1
			if protocol == "h2" {
				send = sendH2
			}
			r, err := send(c, a)
			c.Close()
			if _, ok := r.seen(); ok || err == nil && strings.Contains(r.header.Get("Location"), "evil") {
				t.Errorf("Host: %s: %s, %v", host, r, r.header)
			}
		}
	})
	// The absolute form of a target takes precedence over Host.
	f := startGateway(t)
	c := f.dial(t, "h1")
	defer c.Close()
	_, _ = io.WriteString(c, "GET https://evil.test/orders HTTP/1.1\r\nHost: "+f.host+"\r\n"+strings.Join(pageHeaders, "\r\n")+"\r\n\r\n")
	if r, err := readH1(bufio.NewReader(c), "GET"); err != nil || r.status != 421 {
		t.Errorf("another host in the target: %s, %v", r, err)
	}
}

func TestASignOutLeadsNowhere(t *testing.T) {
	t.Attr("threat", "D6")
	f := startGateway(t)
	cookie := f.signedIn(t, "ada")
	for _, query := range []string{"?next=//evil.test", "?rd=https://evil.test", "?return_to=//evil.test"} {
		r := f.send(t, "h1", ask{method: "POST", path: "/api/auth/logout" + query, header: append(pageHeaders, cookie, "Origin: https://"+f.host)})
		if r.status != 200 || r.header.Get("Location") != "" || strings.Contains(r.String(), "evil") {
			t.Errorf("%s: %s, %v", query, r, r.header)
		}
	}
}
