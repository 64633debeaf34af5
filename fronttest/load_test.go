package fronttest_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestJ1_NobodyIsTakenForAnother(t *testing.T) {
	f := startGateway(t)
	cookies := map[string]string{}
	for i := range 10 {
		name := fmt.Sprintf("user%d", i)
		cookies[name] = f.signedIn(t, name)
	}
	cookies[""] = "X-Nobody: 1"
	client := f.client()
	var group sync.WaitGroup
	var answers, cut atomic.Int64
	for worker := range 20 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 100 {
				for name, line := range cookies {
					if random.IntN(4) > 0 {
						continue
					}
					r, err := http.NewRequest("POST", "https://"+f.host+"/open/"+name, strings.NewReader(name))
					if err != nil {
						t.Error(err)
						return
					}
					header, value, _ := strings.Cut(line, ": ")
					r.Header.Set(header, value)
					r.Header.Set("Origin", "https://"+f.host)
					if random.IntN(10) == 0 { // goes away in the middle
						ctx, cancel := contextFor(time.Duration(random.IntN(2000)) * time.Microsecond)
						defer cancel()
						r = r.WithContext(ctx)
					}
					if err := who(client, r, name); err == errCut {
						cut.Add(1)
					} else if err != nil {
						t.Error(err)
						return
					}
					answers.Add(1)
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d answers, of which %d were cut off", answers.Load(), cut.Load())
}

// memory returns the most memory that a process has held, in bytes.
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
	size := int64(256 << 20)
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

func TestSlowClientsTakeLittleMemory(t *testing.T) {
	clients := 1000
	if long {
		clients = 5000
	}
	f := newFront(t, "gateway")
	f.inner = f.address
	f.serve(t, append(ruleFlags(), "--upstream", f.app.URL)...)
	f.app.routes["/open/large"] = respond(200, strings.Repeat("x", 64<<20)) // more than what sockets hold
	empty := memory(t, f.server)
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range clients {
		c, err := (&net.Dialer{Control: likeANetwork}).Dial("tcp", f.inner)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		open = append(open, c)
		if _, err := fmt.Fprintf(c, "GET /open/large HTTP/1.1\r\nHost: %s\r\n\r\n", f.host); err != nil {
			t.Fatal(err)
		}
	}
	// All read a little, again and again.
	for range 5 {
		for _, c := range open {
			_ = c.SetDeadline(time.Now().Add(patience))
			if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	most := memory(t, f.server)
	t.Logf("%d clients: %d MB, %d kB each", clients, most>>20, (most-empty)>>10/int64(clients))
	// 5,000 of them fit into 400 MB. The first few hundred take more, for speed.
	if each := (most - empty) / int64(clients); each > 90<<10 || most > 400<<20 {
		t.Errorf("%d clients take %d MB, %d kB each", clients, most>>20, each>>10)
	}
	if r := f.question(t, "/health"); r.status != 200 {
		t.Errorf("another client meanwhile: %s", r)
	}
}

// client speaks HTTP/2.
func (f *front) client() *http.Client { return f.clientOf("h2") }

func (f *front) clientOf(protocol string) *http.Client {
	return &http.Client{Timeout: 5 * patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: f.roots, ServerName: "localhost"}, ForceAttemptHTTP2: protocol == "h2",
		MaxIdleConnsPerHost: 100, TLSNextProto: map[bool]map[string]func(string, *tls.Conn) http.RoundTripper{false: {}}[protocol == "h2"],
	}}
}
