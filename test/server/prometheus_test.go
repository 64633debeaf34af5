package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/test/harness"
)

const operations = "../../docs/operations/"

// prometheusProgram returns the path of one of Prometheus's programs.
func prometheusProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CLOAKROOM_TESTS_NEED_ALL") == "" {
		t.Skipf("left out: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTheAlertsDoWhatTheySay runs the tests of the rules, and checks that each rule is tested both ways.
func TestTheAlertsDoWhatTheySay(t *testing.T) {
	t.Parallel()
	promtool := prometheusProgram(t, "promtool")
	for _, args := range [][]string{{"check", "rules", operations + "alerts.yaml"}, {"test", "rules", operations + "alerts_test.yaml"}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	rules, tests := readText(t, operations+"alerts.yaml"), readText(t, operations+"alerts_test.yaml")
	n := 0
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1) {
		n++
		if strings.Count(tests, "alertname: "+m[1]+", exp_alerts: []") != 1 || strings.Count(tests, "alertname: "+m[1]+"\n") != 1 {
			t.Errorf("%s isn't tested for both cases", m[1])
		}
	}
	if n < 10 {
		t.Errorf("only %d alerts are found", n)
	}
	page := readMetricsPage(t)
	for _, name := range regexp.MustCompile(`cloakroom_\w+`).FindAllString(rules, -1) {
		if _, ok := page[strings.TrimSuffix(strings.TrimPrefix(name, "cloakroom_"), "_bucket")]; !ok {
			t.Errorf("the rules name %s, which isn't documented", name)
		}
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// startPrometheus starts a Prometheus that scrapes a server, with the rules of the documentation, and returns its address.
func startPrometheus(t *testing.T, target string) string {
	t.Helper()
	program := prometheusProgram(t, "prometheus")
	rules, err := filepath.Abs(operations + "alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: { scrape_interval: 250ms, evaluation_interval: 250ms }\nrule_files: [%q]\nscrape_configs:\n"+
		"  - job_name: cloakroom\n    static_configs:\n      - targets: [%q]\n", rules, target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	c := exec.Command(program, "--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address, "--log.level", "error")
	c.Stderr = t.Output()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return "http://" + address
}

// ask returns how many series answer a query; -1 before Prometheus answers.
func ask(t *testing.T, prometheus, query string) int {
	t.Helper()
	answer, err := http.Get(prometheus + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return -1
	}
	defer answer.Body.Close()
	var got struct {
		Status, Error string
		Data          struct{ Result []any }
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
		return -1
	}
	if answer.StatusCode >= 500 {
		return -1
	}
	if got.Status != "success" {
		t.Fatalf("%s: %s", query, got.Error)
	}
	return len(got.Data.Result)
}

// TestEachQueryOfTheDashboardHasAnAnswer from a real Prometheus that scrapes a real server.
func TestEachQueryOfTheDashboardHasAnAnswer(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readText(t, operations+"dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	s := start(t, "--metrics-listen", addr, "--sessions", startRedis(t).URL())
	prometheus := startPrometheus(t, addr)
	user := s.person("ann").Username
	v := s.signedIn(user)
	for _, path := range []string{"/signin", "/", "/api/auth/no-such-route"} {
		v.must(v.send("GET", path, nil))
	}
	s.visitor().must(s.visitor().signIn(user, "not this user's password"))
	v.must(v.signOut())
	v = s.signedIn(user)
	queries := 0
	for _, p := range dashboard.Panels {
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s has no query", p.Title)
		}
		for _, target := range p.Targets {
			queries++
			query := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(target.Expr)
			// These have series only after something went wrong.
			if strings.Contains(query, `status=~"5..|cut"`) || strings.Contains(query, "store_outages_total") {
				eventually(t, query, func() bool { return ask(t, prometheus, query) >= 0 })
				continue
			}
			eventually(t, p.Title+": "+query, func() bool {
				v.must(v.me())
				return ask(t, prometheus, query) > 0
			})
		}
	}
	if queries < 20 {
		t.Errorf("only %d queries are found", queries)
	}
}
