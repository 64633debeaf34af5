//go:build unix

package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// BenchmarkProxy compares requests of a signed-in user through the gateway with the same requests through a bare
// httputil.ReverseProxy to the same application.
func BenchmarkProxy(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		text := bytes.Repeat([]byte("x"), size)
		application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write(text)
		}))
		defer application.Close()
		cookie, address := signedIn(b, application.URL)
		b.Run(fmt.Sprintf("bare/%dk", size>>10), func(b *testing.B) {
			target, err := url.Parse(application.URL)
			if err != nil {
				b.Fatal(err)
			}
			proxy := httptest.NewServer(&httputil.ReverseProxy{
				Rewrite: func(p *httputil.ProxyRequest) {
					p.SetURL(target)
					p.SetXForwarded()
				},
				Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
			})
			defer proxy.Close()
			ask(b, proxy.URL+"/orders", cookie, size)
		})
		b.Run(fmt.Sprintf("gateway/%dk", size>>10), func(b *testing.B) { ask(b, address+"/orders", cookie, size) })
	}
}

// ask sends requests from many clients at once.
func ask(b *testing.B, address, cookie string, size int) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	before := harness.ProcessorTime(b)
	defer func() { b.ReportMetric(float64(harness.ProcessorTime(b)-before)/float64(b.N), "cpu-ns/op") }()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := http.NewRequest("GET", address, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Cookie", cookie)
			answer, err := client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if err != nil || n != int64(size) || answer.StatusCode != 200 {
				b.Fatal(answer.StatusCode, n, err)
			}
		}
	})
}

// signedIn starts the assembled server in front of an application, and signs a user in.
func signedIn(b *testing.B, upstream string) (cookie, address string) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address = "http://" + l.Addr().String()
	s, err := cloakroom.New(b.Context(), cloakroom.Config{URL: address, Data: filepath.Join(b.TempDir(), "data"), Upstreams: []string{upstream}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	const password = "correct horse battery staple"
	if _, err := s.Accounts.Create(b.Context(), account.NewUser{Username: "ada", Email: "ada@example.com", Password: password}); err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: s.Handler(nil)}
	go func() { _ = server.Serve(l) }()
	b.Cleanup(func() { server.Close() })
	go func() { _ = s.Run(b.Context()) }()
	body, err := json.Marshal(map[string]string{"username": "ada", "password": password})
	if err != nil {
		b.Fatal(err)
	}
	r, err := http.Post(address+"/api/auth/login", "application/json", strings.NewReader(string(body)))
	if err != nil || r.StatusCode != 200 {
		b.Fatal(r, err)
	}
	defer r.Body.Close()
	for _, c := range r.Cookies() {
		if c.Name == "sessionid" {
			return c.Name + "=" + c.Value, address
		}
	}
	b.Fatal("no ticket")
	return "", ""
}
