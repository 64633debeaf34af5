package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestUploadsOfEverySizeReachTheApplication checks the limits of fronts. nginx also has one for its forward-auth request, 1 MiB
// by default, and must not apply it to the body, which it doesn't send there.
func TestUploadsOfEverySizeReachTheApplication(t *testing.T) {
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		cookie := f.signedIn(t, "ada-"+protocol)
		for _, size := range []int64{1, 1 << 20, 1<<20 + 1, 20 << 20} {
			for _, announced := range []bool{true, false} {
				for path, lines := range map[string][]string{"/private": {cookie}, "/open/upload": nil} {
					r := f.upload(t, protocol, path, size, announced, lines...)
					if s, ok := r.seen(); !ok || s.Body != size {
						t.Errorf("%s, %d bytes, announced: %t: %s", path, size, announced, r)
					}
				}
			}
		}
	})
}

// upload sends a body of zeros, with its size in the header or not.
func (f *front) upload(t *testing.T, protocol, path string, size int64, announced bool, header ...string) reply {
	t.Helper()
	r, err := http.NewRequest("POST", "https://"+f.host+path, io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	if announced {
		r.ContentLength = size
	}
	for _, line := range append(header, "Origin: https://"+f.host) {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	client := f.clientOf(protocol)
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s, %d bytes, announced: %t: %v", path, size, announced, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, body}
}

// TestTheSitesOwnLimitForUploadsHolds sets the limit where the example says.
func TestTheSitesOwnLimitForUploadsHolds(t *testing.T) {
	f := startNginxWith(t, map[string]string{"client_max_body_size 0;   #": "client_max_body_size 2m;   #"})
	cookie := f.signedIn(t, "ada")
	for _, protocol := range []string{"h1", "h2"} {
		for _, announced := range []bool{true, false} {
			r := f.upload(t, protocol, "/private", 3<<19, announced, cookie)
			if s, ok := r.seen(); !ok || s.Body != 3<<19 {
				t.Errorf("%s, announced: %t: %s", protocol, announced, r)
			}
			r = f.upload(t, protocol, "/private", 3<<20, announced, cookie)
			if r.status != 413 {
				t.Errorf("%s, announced: %t: %s, want 413", protocol, announced, r)
			}
		}
	}
}

// TestTheReasonForARefusedUploadArrives checks that a large body doesn't hide the reason of a refusal.
func TestTheReasonForARefusedUploadArrives(t *testing.T) {
	onEachFrontH1(t, func(t *testing.T, f *front, protocol string) {
		cookie := f.signedIn(t, "ada")
		for _, c := range []struct {
			path   string
			header []string
			status int
			code   string
		}{
			{"/private", []string{"Origin: https://" + f.host}, 401, "not_authenticated"},
			{"/admin/x", []string{"Origin: https://" + f.host, cookie}, 403, "permission_denied"},
			{"/private", []string{"Origin: https://evil.test", cookie}, 403, "csrf_failed"},
		} {
			before := f.app.requests.Load()
			r := f.send(t, protocol, ask{method: "POST", path: c.path, header: c.header, body: strings.Repeat("x", 3<<20)})
			if r.status != c.status || r.code() != c.code || f.app.requests.Load() != before {
				t.Errorf("%s %v: %s, want %d %s", c.path, c.header, r, c.status, c.code)
			}
		}
	})
}
