package docs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

var (
	walks       = by("e2e/walks.test.mjs", "the walks of the readers")
	typeChecked = bySnippets
	verifiers   = by("test/gateway/assertion_test.go", "TestAssertionsAreVerifiedAsDocumented")
	djangoCode  = by("test/gateway/assertion_test.go", "TestTheDocumentationHasTheExamplesDjangoCode")
	shop        = by("shop_test.go", "shop")
	readme      = by("readme_test.go", "TestTheReadmesProgramLetsItsReaderIn")
	traefik     = by("test/gateway/traefik_test.go", "startTraefik")
	fronts      = by("test/gateway/nodes_test.go", "TestARestartOfOneNodeAfterTheOtherLosesNoRequest")
	measured    = sample("bench/*.go")
)

var rules = []rule{
	{"README.md", "git clone", runs(swap{"https://github.com/cloakroom-auth", "--quiet --depth 1 file://HOME/source"},
		swap{"go run ./cmd/cloakroom serve ", "go run ./cmd/cloakroom serve --help"}, swap{"make test ", "make --dry-run test "})},
	{"README.md", "import { createAuth }", typeChecked},
	{"README.md", "cloakroom serve --app", runs()},
	{"README.md", "srv, err :=", readme},
	{"README.md", "func hello", readme},
	{"README.md", "cloakroom serve --db django+postgres:", besideDjango()},

	{"docs/README.md", "cloakroom user add ada", operatorsCommands},

	{"docs/architecture.md", "flowchart", arrows},
	{"docs/architecture.md", "ACL SETUSER", by("internal/redisdb/server_test.go", "TestTheRightsOfTheDocsAreEnough")},
	{"docs/architecture.md", "# prometheus.yml", prometheus},

	{"docs/benchmarks.md", "make compare", benchFlags},
	{"docs/benchmarks.md", "conditions:", measured},
	{"docs/benchmarks.md", "crowd/notices", measured},
	{"docs/benchmarks.md", "crowd/disable", measured},
	{"docs/benchmarks.md", "sign-out/postgres", measured},
	{"docs/benchmarks.md", "sign-out/  ", sample("bench/*.go", "postgres-slow-disk", "postgres-direct", "postgres-limit")},
	{"docs/benchmarks.md", "mail-flood", measured},
	{"docs/benchmarks.md", "mail-times/over-the-limit", measured},
	{"docs/benchmarks.md", "events", measured},
	{"docs/benchmarks.md", "check/10000", measured},
	{"docs/benchmarks.md", "go test ./internal/nearcache", goTestNames},
	{"docs/benchmarks.md", "           sign-outs/s", sample("internal/nearcache/*_test.go", "sign-outs/s", "p50")},
	{"docs/benchmarks.md", "CLOAKROOM_PICTURE", goTestNames},
	{"docs/benchmarks.md", "CLOAKROOM_LONG=1 CLOAKROOM_PICTURE", goTestNames},
	{"docs/benchmarks.md", "CLOAKROOM_LONG=1 go test ./test/server", goTestNames},
	{"docs/benchmarks.md", "                the feed alone", sample("internal/nearcache/*_test.go", "messages/s", "server busy")},
	{"docs/benchmarks.md", "7 rounds", measured},
	{"docs/benchmarks.md", "provider-token", measured},

	{"docs/commands.md", "", by("cmd/cloakroom/docs_test.go", "TestThePageOfFlagsIsCurrent")},

	{"docs/deploy.md", "CGO_ENABLED=0", runs(swap{"go build ", "go build -C HOME/source/cloakroom "}, swap{"-o /usr/local/bin/cloakroom ", "-o HOME/built "},
		swap{"useradd ", "mkdir etc/etc; printf 'root:x:0:\\n' > etc/etc/group; touch etc/etc/passwd; " + as("useradd --prefix HOME/etc ")})},
	{"docs/deploy.md", "[Unit]", by("release/release_test.go", "TestTheUnitIsTheDocumentedOne")},
	{"docs/deploy.md", "CLOAKROOM_LISTEN", environmentFile},
	{"docs/deploy.md", "[Socket]", socketUnit},
	{"docs/deploy.md", "cloakroom serve --listen 127.0.0.1:8000", runs(swap{"127.0.0.1:8000", "AT"})},
	{"docs/deploy.md", "entryPoints:", traefik},
	{"docs/deploy.md", "http:", traefik},
	{"docs/deploy.md", "cloakroom serve --db postgres:", onPostgres("postgres://cloakroom@db.internal/cloakroom", swap{"/etc/cloakroom", "HOME"}, swap{"0.0.0.0:8000", "AT"})},
	{"docs/deploy.md", "upstream cloakroom", fronts},
	{"docs/deploy.md", "(cloakroom)", fronts},
	{"docs/deploy.md", "--db 'postgres:", twoHosts},
	{"docs/deploy.md", "FROM golang", by("test/gateway/image_test.go", "TestTheImageOfTheDocumentationRuns")},

	{"docs/device-bound-sessions.md", "chromium", chromiumFlags},

	{"docs/django.md", "(umask 077;", shareDjango},
	{"docs/django.md", "cloakroom django install-feed", besideDjango()},
	{"docs/django.md", "from django.conf", by("django/gateway_test.go", "TestTheDocumentedMiddlewareLeavesANewerCookie")},
	{"docs/django.md", "cloakroom serve --db", besideDjango()},
	{"docs/django.md", "cloakroom django import", besideDjango()},

	{"docs/gateway.md", "--rule", accessRules},
	{"docs/gateway.md", "class Person", djangoCode},
	{"docs/gateway.md", "import json, time", djangoCode},
	{"docs/gateway.md", "package main", verifiers},
	{"docs/gateway.md", "import base64", verifiers},
	{"docs/gateway.md", "import { createPublicKey", verifiers},

	{"docs/go.md", "if order.Owner", compiles(`"net/http"`, `"github.com/cloakroom-auth/cloakroom/auth"`)(
		"func handler(w http.ResponseWriter, r *http.Request, who *auth.Identity, order struct{ Owner string; Paid bool }) {\n", "}")},
	{"docs/go.md", "srv, err := cloakroom.New(ctx", compiles(`"context"`, `"net/http"`, `"github.com/cloakroom-auth/cloakroom"`, `"github.com/cloakroom-auth/cloakroom/auth"`)(
		"func serve(ctx context.Context, mux *http.ServeMux, orders func() http.Handler) {\n", "_ = err }")},
	{"docs/go.md", "cloakroom.Config{OnEvent", compiles(`"github.com/cloakroom-auth/cloakroom"`, `"github.com/cloakroom-auth/cloakroom/audit"`)(
		"var orders interface{ Forget(user string) }\nvar _ = ", "")},
	{"docs/go.md", "func TestOrders", ordersTest},
	{"docs/go.md", "r = r.WithContext", compiles(`"net/http"`, `"github.com/cloakroom-auth/cloakroom/account"`, `"github.com/cloakroom-auth/cloakroom/auth"`)(
		"func one(w http.ResponseWriter, r *http.Request, handler http.Handler) {\n", "}")},
	{"docs/go.md", "mkdir shop", shop},
	{"docs/go.md", "// Command shop", shop},
	{"docs/go.md", "package main", shop},
	{"docs/go.md", "go mod tidy", shop},

	{"docs/http-api.md", `{"type"`, problemOfAWeakPassword},
	{"docs/http-api.md", "curl -c jar", curls},

	{"docs/install.md", "git clone", runs(swap{"https://github.com/cloakroom-auth", "--quiet --depth 1 file://HOME/source"}, swap{"go install ", "GOBIN=HOME/installed go install "})},
	{"docs/install.md", "make release", runs(swap{"make release", "make --dry-run -C HOME/source/cloakroom release"})},
	{"docs/install.md", "sudo apt install", by("release/install_test.go", "TestThePageOfInstallingNamesWhatThereIs")},
	{"docs/install.md", "sudo systemd-run", by("release/install_test.go", "TestThePackageInABareDebian")},
	{"docs/install.md", "docker load", by("release/install_test.go", "TestThePageOfInstallingNamesWhatThereIs")},

	{"docs/look.md", "cloakroom serve --name", runs()},
	{"docs/look.md", "@font-face", styleSheet},
	{"docs/look.md", "const next", typeChecked},
	{"docs/look.md", "{", ownTexts("en")},

	{"docs/mail.md", "cloakroom serve --smtp", runs()},
	{"docs/mail.md", "cloakroom serve --signup open", runs()},
	{"docs/mail.md", "cloakroom serve --signup invite", withUser(swap{"cloakroom user invite ada", "cloakroom group add editors\ncloakroom user invite eve"})},
	{"docs/mail.md", "cloakroom serve --mail-code", runs()},
	{"docs/mail.md", "{", ownTexts("en")},

	{"docs/moving.md", "cloakroom serve --app", runs()},
	{"docs/moving.md", "const old", typeChecked},
	{"docs/moving.md", "import { createAuth }", typeChecked},
	{"docs/moving.md", "cloakroom serve --access-log", runs()},
	{"docs/moving.md", "cloakroom token create", withUser()},
	{"docs/moving.md", "cloakroom serve --knox-ttl", runs()},
	{"docs/moving.md", "cloakroom serve --listen", runs(swap{"localhost:8000", "AT"})},
	{"docs/moving.md", "import { headers }", typeChecked},

	{"docs/providers.md", "cloakroom serve --url", runs()},
	{"docs/providers.md", "{", func(t *testing.T, b block) { // the other blocks of the page run with it
		if !json.Valid([]byte(b.text)) {
			t.Errorf("%s isn't JSON", b)
		}
	}},
	{"docs/providers.md", "cloakroom serve --provider", runs(swap{"cloakroom serve ", `sed -i 's/"signup": true/&, "keep_tokens": true/' google.json; cloakroom serve `})},

	{"docs/second-factors.md", "cloakroom serve --url", runs()},
	{"docs/second-factors.md", "import { createAuth }", typeChecked},

	{"docs/start/administrator.md", "", walks},
	{"docs/start/django.md", "", walks},
	{"docs/start/front-end.md", "", walks},
	{"docs/start/go.md", "", walks},
	{"docs/start/operator.md", "", walks},

	{"docs/webhooks.md", "(umask 077;", runs()},
	{"docs/webhooks.md", "POST /hooks", delivery},
	{"docs/webhooks.md", "event = Webhook", pythonSyntax},
	{"docs/webhooks.md", "const event", typeChecked},

	{"docs/your-data.md", "cloakroom user set ada", withUser()},
	{"docs/your-data.md", "PATCH", editOverHTTP},
	{"docs/your-data.md", "_, err := srv", compiles(`"context"`, `"github.com/cloakroom-auth/cloakroom"`, `"github.com/cloakroom-auth/cloakroom/account"`)(
		"func edit(ctx context.Context, srv *cloakroom.Server, id string) error {\n", "return err }")},
	{"docs/your-data.md", "CREATE TABLE shop_carts", onTablesOfPostgres("")},
	{"docs/your-data.md", "pool, err", compiles(`"context"`, `"github.com/jackc/pgx/v5/pgxpool"`, `"github.com/cloakroom-auth/cloakroom"`)(
		"func ownPool(ctx context.Context) error {\n", "_ = srv\nreturn err }")},
	{"docs/your-data.md", "CREATE TABLE orders (user_id BIGINT", onTablesOfPostgres("cloakroom")},
	{"docs/your-data.md", "db, err", compiles(`"context"`, `"database/sql"`, `"github.com/cloakroom-auth/cloakroom"`)(
		"func ownFile(ctx context.Context) error {\n", "_ = srv\nreturn err }")},
	{"docs/your-data.md", "CREATE TABLE orders (user_id INTEGER", onOwnFile},
}

// as returns a command that needs the rights of an administrator: as it is, or nothing for someone who hasn't them.
func as(command string) string {
	if os.Getuid() != 0 {
		return ": "
	}
	return command
}

// operatorsCommands runs the commands of a block in columns. A terminal asks for the password.
func operatorsCommands(t *testing.T, b block) {
	w := newWorld(t, "http")
	commands := regexp.MustCompile(`cloakroom \w.*?( {2,}|\n)`).FindAllString(b.text, -1)
	if len(commands) != strings.Count(b.text, "cloakroom ") {
		t.Fatalf("%q", commands)
	}
	for _, command := range commands {
		switch command = strings.TrimSpace(command); {
		case strings.Contains(command, "user add"):
			password := "correct horse battery staple\n"
			w.write("typed", password+password)
			if out := w.run("script -qec '" + command + "' /dev/null < typed"); !strings.Contains(out, "added ada") {
				t.Errorf("%s prints %s", command, out)
			}
		case strings.Contains(command, "check --deploy"): // finds much on a machine of one's own
			if out := w.run(command + " || [ $? = 1 ]"); !strings.Contains(out, "cloakroom.I035") {
				t.Errorf("%s prints %s", command, out)
			}
		default:
			w.run(command)
		}
	}
}

// arrows compares the picture with the imports: each solid arrow is one, perhaps through other packages.
func arrows(t *testing.T, b block) {
	folders := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)\[([\w/]+)<br/>`).FindAllStringSubmatch(b.text, -1) {
		folders[m[1]] = m[2]
	}
	packageOf := func(name string) string {
		const module = "github.com/cloakroom-auth/cloakroom"
		folder, named := folders[name]
		if !named {
			folder = name
		}
		if folder == "cloakroom" {
			return module
		}
		return module + "/" + folder
	}
	names := regexp.MustCompile(`\w+`)
	arrow := regexp.MustCompile(`(?m)^ +([\w &]+?)(?:\[[^\]]*\])? (?:-->|-\. .* \.->) ([\w &]+)`)
	found := 0
	text := regexp.MustCompile(`\[[^\]]*\]`).ReplaceAllString(b.text, "")
	for _, m := range arrow.FindAllStringSubmatch(text, -1) {
		for _, from := range names.FindAllString(m[1], -1) {
			out, err := exec.Command("go", "list", "-deps", packageOf(from)).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v\n%s", from, err, out)
				continue
			}
			for _, to := range names.FindAllString(m[2], -1) {
				found++
				if from != "storetest" && !strings.Contains("\n"+string(out), "\n"+packageOf(to)+"\n") { // which the stores' tests import
					t.Errorf("%s doesn't import %s", packageOf(from), packageOf(to))
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d arrows are found", found)
	}
}

func prometheus(t *testing.T, b block) {
	need(t, "promtool")
	w := newWorld(t, "http")
	w.write("prometheus.yml", b.text)
	w.write("alerts.yaml", readText(t, "docs/operations/alerts.yaml"))
	if out := w.run("promtool check config prometheus.yml"); !strings.Contains(out, "1 rule files found") {
		t.Error(out)
	}
}

// benchFlags: the program of the measurements has each flag that the block shows, and each name after --only.
func benchFlags(t *testing.T, b block) {
	source := readText(t, "bench/main.go")
	flags := regexp.MustCompile(`--([a-z]+)(?: "([^"]+)"| (gateways))?`).FindAllStringSubmatch(b.text, -1)
	if len(flags) < 6 {
		t.Errorf("%d flags", len(flags))
	}
	for _, m := range flags {
		if !regexp.MustCompile(`flag\.\w+\("` + m[1] + `"`).MatchString(source) {
			t.Errorf("the program has no --%s", m[1])
		}
		if what := m[2] + m[3]; !strings.Contains(source, what) {
			t.Errorf("nothing is called %q", what)
		}
	}
	if !strings.Contains(readText(t, "Makefile"), "\ncompare:") {
		t.Error("make has no compare")
	}
}

// goTestNames: the tests or benchmarks exist that a command names.
func goTestNames(t *testing.T, b block) {
	m := regexp.MustCompile(`go test (\./\S+) .*-(?:run|bench) (\w+)(?:/\S+)?(?: -benchtime \S+| -v)?(?: -timeout \S+)?\n`).FindStringSubmatch(strings.ReplaceAll(b.text, "-run XXX ", ""))
	if m == nil {
		t.Fatal("no command")
	}
	files, err := filepath.Glob(root + m[1] + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`(?m)^func (Test|Benchmark)\w*` + m[2]).Match(text) {
			return
		}
	}
	t.Errorf("%s has no test %s", m[1], m[2])
}

// environmentFile starts a server with the settings, on https.
func environmentFile(t *testing.T, b block) {
	w := newWorld(t, "https")
	w.write("dist/index.html", "home")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"app.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	w.write("fullchain.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	w.write("privkey.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	for line := range strings.SplitSeq(w.swapped(b, []swap{{":443", "AT"}, {"/etc/cloakroom", "HOME"}, {"/srv/app", "HOME"}}), "\n") {
		w.env = append(w.env, line) // as systemd reads the file: no shell, no quotes
	}
	w.run("cloakroom serve")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "app.example.com"}}}
	for path, status := range map[string]int{"/": 200, "/api/products/7": 502, "/api/admin/x": 401} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", w.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "app.example.com"
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%s is %s, want %d", path, answer.Status, status)
		}
	}
}

// socketUnit has systemd judge the unit beside that of the service.
func socketUnit(t *testing.T, b block) {
	need(t, "systemd-analyze")
	w := newWorld(t, "http")
	for _, other := range blocksOf(t, b.page) {
		if strings.HasPrefix(other.text, "[Unit]") {
			w.write("cloakroom.service", strings.NewReplacer("/usr/local/bin/cloakroom", "/bin/true", "User=cloakroom", "User=root").Replace(other.text))
		}
	}
	w.write("cloakroom.socket", b.text)
	if out := w.run("systemd-analyze verify ./cloakroom.socket"); out != "" {
		t.Error(out)
	}
}

// twoHosts serves with a database of which one host doesn't answer.
func twoHosts(t *testing.T, b block) {
	w := newWorld(t, "http")
	address := strings.TrimPrefix(pgserver.Test(t), "postgres://postgres@")
	host, name, _ := strings.Cut(address, "/")
	w.run("cloakroom serve " + w.swapped(b, []swap{{"cloakroom@db1.internal,db2.internal/cloakroom", "postgres@127.0.0.1:1," + host + "/" + name}}))
	w.ready()
}

func chromiumFlags(t *testing.T, b block) {
	tests := readText(t, "e2e/test/binding.test.mjs")
	for _, feature := range strings.Split(strings.TrimSpace(strings.TrimPrefix(b.text, "chromium --enable-features=")), ",") {
		if !strings.Contains(tests, feature) {
			t.Errorf("the tests in Chromium don't turn on %s", feature)
		}
	}
}

// shareDjango begins a Django project, and shares it.
func shareDjango(t *testing.T, b block) {
	w := newWorld(t, "http")
	needDjango(t)
	w.run("python -m django startproject website . && python manage.py migrate -v 0")
	w.run(w.swapped(b, nil))
	w.ready()
}

func accessRules(t *testing.T, b block) {
	w := newWorld(t, "http")
	lines := strings.Split(strings.TrimSpace(b.text), "\n")
	w.run("cloakroom serve --upstream http://127.0.0.1:1 " + strings.Join(lines, " "))
	for path, status := range map[string]int{"/api/products/7": 502, "/reports/1": 401, "/api/account/1": 401} {
		answer, err := http.Get(w.url + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%s is %s, want %d", path, answer.Status, status)
		}
	}
}

// compiles returns what makes the check of a fragment of Go: it must compile between two texts, in a file with these imports.
func compiles(imports ...string) func(before, after string) func(*testing.T, block) {
	return func(before, after string) func(*testing.T, block) {
		return func(t *testing.T, b block) {
			goVet(t, "fragment.go", "package fragment\n\nimport (\n"+strings.Join(imports, "\n")+"\n)\n\n"+before+b.text+after+"\n")
		}
	}
}

// goVet type-checks a file as if it were in this module.
func goVet(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("go", "vet", file)
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, text)
	}
}

// ordersTest runs the test of the page on a handler of its own.
func ordersTest(t *testing.T, b block) {
	file := filepath.Join(t.TempDir(), "orders_test.go")
	text := `package orders

import (
	"net/http"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/cloakroomtest"
)

func shop() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /orders", auth.RequirePermission("shop.view_order")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	return mux
}

` + strings.Replace(b.text, "// 401\n}", "\n	if err != nil || answer.StatusCode != http.StatusUnauthorized {\n		t.Error(answer, err)\n	}\n}", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("go", "test", "-v", "-vet=all", file) // the imports are vetted by all rules already
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestOrders")) {
		t.Errorf("%v\n%s\n%s", err, out, text)
	}
}

// problemOfAWeakPassword compares the problem with the one of a real server.
func problemOfAWeakPassword(t *testing.T, b block) {
	w := newWorld(t, "http")
	w.signIn()
	out := w.run(strings.ReplaceAll(`cloakroom serve
csrf() { awk '$6 == "csrftoken" {print $7}' jar; }
curl -sf -o /dev/null -c jar -H 'Content-Type: application/json' -d '{"username":"ada","password":"correct horse battery staple"}' URL/api/auth/login
curl -s -b jar -H "X-CSRFToken: $(csrf)" -H 'Content-Type: application/json' \
  -d '{"current_password":"correct horse battery staple","new_password":"qzv7"}' URL/api/auth/password/change`, "URL", w.url))
	var shown, real map[string]any
	if err := json.Unmarshal([]byte(b.text), &shown); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &real); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	shown["request_id"], real["request_id"] = nil, nil
	if !reflect.DeepEqual(shown, real) {
		t.Errorf("the page shows %v\nthe server %v", shown, real)
	}
}

// curls runs the requests of the block.
func curls(t *testing.T, b block) {
	w := newWorld(t, "http")
	w.signIn()
	w.run("cloakroom serve")
	script := w.swapped(b, []swap{{"localhost:8000", "AT"}, {"…", "correct horse battery staple"}, {"curl ", "curl -sf "}})
	if out := w.run(script); strings.Count(out, `"username":"ada"`) != 2 {
		t.Errorf("%s\n%s", script, out)
	}
}

// styleSheet serves the style sheet as the page says, and reads it again.
func styleSheet(t *testing.T, b block) {
	w := newWorld(t, "http")
	w.write("own.css", b.text)
	w.run("cloakroom serve --style own.css")
	if out := w.run("curl -sf " + w.url + "/signin | grep -o '[^\"]*css' | while read -r path; do curl -sf " + w.url + "$path; done"); !strings.Contains(out, "--ground: #0b0b12") {
		t.Errorf("no style sheet of the sign-in has the block:\n%.500s", out)
	}
	tokens := readText(t, "web/pages/src/style/tokens.css")
	for _, name := range regexp.MustCompile(`--[\w-]+`).FindAllString(b.text, -1) {
		if !strings.Contains(tokens, name+":") {
			t.Errorf("tokens.css has no %s", name)
		}
	}
}

// ownTexts has the program check a folder with the file, and serves it.
func ownTexts(language string) func(*testing.T, block) {
	return func(t *testing.T, b block) {
		w := newWorld(t, "http")
		w.write("texts/"+language+".json", b.text)
		w.run("cloakroom texts " + language + " --texts texts > all.json\ncloakroom serve --texts texts")
		var shown map[string]string
		if err := json.Unmarshal([]byte(b.text), &shown); err != nil || len(shown) == 0 {
			t.Fatalf("%d texts: %v", len(shown), err)
		}
		var all map[string]string
		text, err := os.ReadFile(filepath.Join(w.home, "all.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for key, want := range shown {
			if all[key] != want {
				t.Errorf("%s is %q, want %q", key, all[key], want)
			}
		}
	}
}

// delivery reads the sample of a request. Its signature is one of a secret that no one knows; package courier tests real ones.
func delivery(t *testing.T, b block) {
	head, body, found := strings.Cut(b.text, "\n\n")
	if !found || !json.Valid([]byte(body)) {
		t.Fatal("no body of JSON")
	}
	source := readText(t, "internal/courier/courier.go") + readText(t, "internal/courier/message.go") + readText(t, "internal/courier/courier_test.go")
	for _, m := range regexp.MustCompile(`(?m)^([\w-]+): `).FindAllStringSubmatch(head, -1) {
		if !strings.Contains(strings.ToLower(source), strings.ToLower(m[1])) {
			t.Errorf("a request has no header %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(body, -1) {
		if !strings.Contains(source, m[1]) {
			t.Errorf("a request has no field %s", m[1])
		}
	}
}

// pythonSyntax: the library isn't among Debian's packages.
func pythonSyntax(t *testing.T, b block) {
	w := newWorld(t, "http")
	w.write("snippet.py", b.text)
	w.run("python -m py_compile snippet.py")
}

// editOverHTTP sends the request of the block.
func editOverHTTP(t *testing.T, b block) {
	m := regexp.MustCompile(`^PATCH (/api/auth/admin/users/)7\n(\{.*\})\n$`).FindStringSubmatch(b.text)
	if m == nil {
		t.Fatalf("%q", b.text)
	}
	w := newWorld(t, "http")
	w.signIn()
	out := w.run(strings.NewReplacer("URL", w.url, "PATH", m[1], "BODY", m[2]).Replace(`cloakroom serve
curl -sf -o /dev/null -c jar -H 'Content-Type: application/json' -d '{"username":"ada","password":"correct horse battery staple"}' URL/api/auth/login
curl -s -b jar -X PATCH -H "X-CSRFToken: $(awk '$6 == "csrftoken" {print $7}' jar)" -H 'Content-Type: application/json' -d 'BODY' URLPATH1
curl -sf -b jar URL/api/me`))
	if strings.Count(out, `"plan"`) < 2 {
		t.Error(out)
	}
}

// onTablesOfPostgres runs the statements beside the tables of the program, in the schema.
func onTablesOfPostgres(schema string) func(*testing.T, block) {
	return func(t *testing.T, b block) { statements(t, b, pgserver.Test(t), schema) }
}
