package django_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkMeBesideDjango sends requests for the signed-in user to both programs on one PostgreSQL, over eight connections
// each. It measures the processor time of the servers, as requests per second and core.
func BenchmarkMeBesideDjango(b *testing.B) {
	p := newFed(b)
	name, _ := p.user(b)
	who := p.person(b)
	who.signsIn("Django", name, good)
	server, base := program(b, p)
	perCore := map[string]float64{}
	for _, side := range []struct {
		name, url string
		group     int
	}{{"Cloakroom", base + "/api/me", server}, {"Django", p.site.URL + "/me", p.site.Group()}} {
		b.Run(side.name, func(b *testing.B) {
			spread(b, 200, side.url, who.key())
			time.Sleep(4 * time.Second) // for the memory, which is not trusted right after a change
			spread(b, 200, side.url, who.key())
			before := used(b, side.group)
			b.ResetTimer()
			spread(b, b.N, side.url, who.key())
			b.StopTimer()
			spent := used(b, side.group) - before
			perCore[side.name] = float64(b.N) / spent.Seconds()
			b.ReportMetric(perCore[side.name], "requests/core-s")
		})
	}
	b.Logf("Cloakroom answers %.0f times as many requests per core as Django", perCore["Cloakroom"]/perCore["Django"])
}

// program starts the command on the pair's database and returns its process group and address.
func program(b *testing.B, p *pair) (group int, url string) {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "cloakroom")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/cloakroom").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	p.stop()
	if err := os.Chmod(p.config.Data, 0o700); err != nil {
		b.Fatal(err)
	}
	c := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--data", p.config.Data, "--db", p.config.DB,
		"--django-secret-key-file", p.config.Django.SecretKeyFile)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	lines, said := bufio.NewScanner(out), ""
	for lines.Scan() {
		said += lines.Text() + "\n"
		if _, after, ok := strings.Cut(lines.Text(), "url="); ok {
			go func() {
				for lines.Scan() {
				}
			}()
			return c.Process.Pid, strings.Fields(after)[0]
		}
	}
	b.Fatalf("the program doesn't say where it listens:\n%s", said)
	return 0, ""
}

// spread sends n requests over eight connections.
func spread(b *testing.B, n int, url, key string) {
	b.Helper()
	var all sync.WaitGroup
	for part := range 8 {
		all.Go(func() {
			client := http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			r, err := http.NewRequest("GET", url, nil)
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Cookie", "sessionid="+key)
			for range (n + 7 - part) / 8 {
				got, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				if got.StatusCode != http.StatusOK {
					b.Errorf("%s: %d", url, got.StatusCode)
				}
				_, _ = bufio.NewReader(got.Body).WriteTo(new(strings.Builder))
				got.Body.Close()
			}
		})
	}
	all.Wait()
}

// used returns the processor time of a process group.
func used(b *testing.B, group int) time.Duration {
	b.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	ticks := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if fields[2] != fmt.Sprint(group) {
			continue
		}
		for _, field := range fields[11:13] {
			n, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
