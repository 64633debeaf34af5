package gateway_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// memory returns the peak memory of a process, in bytes.
func memory(t *testing.T, p *process) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		t.Skipf("left out: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

func TestALargeUploadIsStreamed(t *testing.T) {
	size := int64(64 << 20)
	if long {
		size = 2 << 30
	}
	f := startGateway(t)
	cookie := f.signedIn(t, "ada")
	for _, protocol := range []string{"h1", "h2"} {
		t.Run(protocol, func(t *testing.T) {
			before := memory(t, f.server)
			r, err := http.NewRequest("PUT", "https://"+f.host+"/upload", io.LimitReader(zeros{}, size))
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = size
			r.Header.Set("Cookie", strings.TrimPrefix(cookie, "Cookie: "))
			r.Header.Set("Origin", "https://"+f.host)
			began := time.Now()
			answer, err := f.clientOf(protocol).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if s, ok := (reply{answer.StatusCode, answer.Header, body}).seen(); err != nil || !ok || s.Body != size {
				t.Fatalf("%d %s %v", answer.StatusCode, body, err)
			}
			grown := memory(t, f.server) - before
			t.Logf("%d MB in %v, memory grown by %d kB to %d MB", size>>20, time.Since(began), grown>>10, memory(t, f.server)>>20)
			if grown > 48<<20 {
				t.Errorf("memory has grown by %d MB", grown>>20)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func (f *front) clientOf(protocol string) *http.Client {
	return &http.Client{Timeout: 5 * patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: f.roots, ServerName: "localhost"}, ForceAttemptHTTP2: protocol == "h2",
		MaxIdleConnsPerHost: 100, TLSNextProto: map[bool]map[string]func(string, *tls.Conn) http.RoundTripper{false: {}}[protocol == "h2"],
	}}
}
