package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// front is the server that browsers connect to: the program's own gateway, or another proxy that asks it.
type front struct {
	name    string
	host    string // localhost:PORT, as browsers know it
	address string // 127.0.0.1:PORT
	roots   *x509.CertPool
	app     *application
	data    string
	binary  string
	server  *process // the program
	proxy   *process // nginx or Caddy
	inner   string   // where the program itself listens
	people  map[string]bool
}

// rulesOfTests are the rules of every front.
var rulesOfTests = []string{
	"public GET,HEAD /health", "public /open/*", "permission:shop.admin /admin/*", "fresh /fresh/*", "public /stream-open",
}

func ruleFlags() (flags []string) {
	for _, rule := range rulesOfTests {
		flags = append(flags, "--rule", rule)
	}
	return flags
}

// onEachFront runs a test through the built-in gateway, nginx, Caddy and perhaps Traefik: the gateway by HTTP/1.1 and HTTP/2, a
// proxy by one of them, and in a long run by both. The tests share one front of each kind, which has no further arguments.
func onEachFront(t *testing.T, test func(t *testing.T, f *front, protocol string)) {
	t.Helper()
	onFronts(t, sharedFront, inShort, test)
}

// onEachFrontH1 is onEachFront for what only HTTP/1.1 has.
func onEachFrontH1(t *testing.T, test func(t *testing.T, f *front, protocol string)) {
	t.Helper()
	onFronts(t, sharedFront, func(string) []string { return []string{"h1"} }, test)
}

// onEachOwnFront is onEachFront for a test that shares its fronts with no other.
func onEachOwnFront(t *testing.T, test func(t *testing.T, f *front, protocol string)) {
	t.Helper()
	onFronts(t, func(t *testing.T, name string) *front { return fronts[name](t) }, inShort, test)
}

// inShort returns the protocols by which the tests ask a kind of front.
func inShort(front string) []string {
	switch {
	case long || front == "gateway":
		return []string{"h1", "h2"}
	case front == "nginx":
		return []string{"h1"}
	}
	return []string{"h2"}
}

func onFronts(t *testing.T, start func(*testing.T, string) *front, protocols func(string) []string, test func(*testing.T, *front, string)) {
	for name := range fronts {
		t.Run(name, func(t *testing.T) {
			f := start(t, name)
			for _, protocol := range protocols(name) {
				t.Run(protocol, func(t *testing.T) { test(t, f, protocol) })
			}
		})
	}
}

var fronts = withTraefik(map[string]func(testing.TB, ...string) *front{"gateway": startGateway, "nginx": startNginx, "caddy": startCaddy})

// startGateway starts the program with the application behind it.
func startGateway(t testing.TB, args ...string) *front {
	t.Helper()
	f := newFront(t, "gateway")
	certificate, key := f.certify(t)
	f.inner = f.address
	args = append([]string{"--tls-cert", certificate, "--tls-key", key, "--upstream", f.app.URL}, args...)
	f.serve(t, append(ruleFlags(), args...)...)
	return f
}

func newFront(t testing.TB, name string) *front {
	port := strconv.Itoa(harness.FreePort(t))
	return &front{
		name: name, binary: binary, host: "localhost:" + port, address: "127.0.0.1:" + port, app: startApplication(t),
		data: filepath.Join(t.TempDir(), "data"), people: map[string]bool{},
	}
}

// serve starts the program.
func (f *front) serve(t testing.TB, args ...string) {
	t.Helper()
	f.server = run(t, f.binary, append([]string{
		"serve", "--data", f.data, "--listen", f.inner, "--url", "https://" + f.host, "--log-format", "json"}, args...)...)
	f.server.listening(f.inner)
}

// startNginx starts the example's nginx in front of the program and the application.
func startNginx(t testing.TB, args ...string) *front { return startNginxWith(t, nil, args...) }

// startNginxWith changes the example's configuration first, as an operator would.
func startNginxWith(t testing.TB, changes map[string]string, args ...string) *front {
	t.Helper()
	nginx := need(t, "nginx")
	f := newFront(t, "nginx")
	f.startAuthServer(t, args...)
	f.runNginx(t, nginx, changes)
	return f
}

// runNginx starts nginx in front of the program.
func (f *front) runNginx(t testing.TB, nginx string, changes map[string]string) {
	t.Helper()
	dir := t.TempDir()
	certificate, key := f.certify(t)
	places := map[string]string{
		"127.0.0.1:8000": f.inner, "127.0.0.1:3000": f.app.address(), "listen 443 ssl": "listen " + f.address + " ssl",
		"/etc/ssl/certs/app.example.com.pem": certificate, "/etc/ssl/private/app.example.com.key": key,
		"events {": "pid " + dir + "/pid; daemon off; error_log stderr warn; user root; worker_processes 1;\nevents {",
		"http {": "http {\naccess_log off; client_body_temp_path " + dir + "/b; proxy_temp_path " + dir + "/p; fastcgi_temp_path " + dir +
			"/f; uwsgi_temp_path " + dir + "/u; scgi_temp_path " + dir + "/s;",
	}
	maps.Copy(places, changes)
	maps.Copy(places, http2Form(t, nginx))
	config := f.example(t, "nginx/nginx.conf", places)
	if os.Geteuid() != 0 {
		config = strings.Replace(config, "user root; ", "", 1)
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	f.proxy = run(t, nginx, "-c", file, "-p", dir)
	f.proxy.listening(f.address)
}

// http2Form returns the change of the configuration that turns HTTP/2 on in this version of nginx.
func http2Form(t testing.TB, nginx string) map[string]string {
	t.Helper()
	out, err := exec.Command(nginx, "-v").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	var major, minor, patch int
	_, version, _ := strings.Cut(string(out), "nginx/")
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	if slices.Compare([]int{major, minor, patch}, []int{1, 25, 1}) < 0 {
		return nil
	}
	return map[string]string{" ssl http2;": " ssl; http2 on;"}
}

// TestNginxHasNoWarningForTheExample checks that the example uses nothing that this version of nginx deprecates.
func TestNginxHasNoWarningForTheExample(t *testing.T) {
	f := startNginx(t)
	f.send(t, "h2", ask{path: "/health"})
	if log := f.proxy.log.String(); strings.Contains(log, "[warn]") || strings.Contains(log, "[emerg]") {
		t.Error(log)
	}
}

// startCaddy starts the example's Caddy in front of the program and the application.
func startCaddy(t testing.TB, args ...string) *front {
	t.Helper()
	caddy := need(t, "caddy")
	f := newFront(t, "caddy")
	f.startAuthServer(t, args...)
	f.runCaddy(t, caddy, nil)
	return f
}

// runCaddy starts Caddy in front of the program.
func (f *front) runCaddy(t testing.TB, caddy string, changes map[string]string) {
	t.Helper()
	dir := t.TempDir()
	certificate, key := f.certify(t)
	places := map[string]string{
		"\napp.example.com {": "\nhttps://localhost:" + portOf(f.address) + ", https://127.0.0.1:" + portOf(f.address) + " {\n\ttls " + certificate + " " + key + "\n\tbind 127.0.0.1",
		"127.0.0.1:8000":      f.inner, "127.0.0.1:3000": f.app.address(),
	}
	maps.Copy(places, changes)
	config := "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + f.example(t, "caddy/Caddyfile", places)
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	f.proxy = run(t, caddy, "run", "--config", file, "--adapter", "caddyfile")
	f.proxy.listening(f.address)
}

// startAuthServer starts the program as the server that the proxy asks.
func (f *front) startAuthServer(t testing.TB, args ...string) {
	t.Helper()
	f.inner = "127.0.0.1:" + strconv.Itoa(harness.FreePort(t))
	f.serve(t, append(append(ruleFlags(), "--trusted-proxy", "127.0.0.1"), args...)...)
}

// example returns a configuration of the examples with the addresses and files of this test.
func (f *front) example(t testing.TB, name string, replace map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	longestFirst := slices.SortedFunc(maps.Keys(replace), func(a, b string) int { return len(b) - len(a) })
	for _, old := range longestFirst {
		with := replace[old]
		if !strings.Contains(config, old) {
			t.Fatalf("%s doesn't say %q", name, old)
		}
		config = strings.ReplaceAll(config, old, with)
	}
	return config
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// certify makes a certificate for localhost that the test's clients trust.
func (f *front) certify(t testing.TB) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	f.roots = x509.NewCertPool()
	f.roots.AddCert(writeCertificate(t, certFile, keyFile))
	return certFile, keyFile
}

func writeCertificate(t testing.TB, certFile, keyFile string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

const goodPassword = "correct horse battery staple"

// command runs a command of the program beside the server.
func (f *front) command(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	c := exec.Command(binary, append(args, "--data", f.data)...)
	c.Env = environment(t)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("cloakroom %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// person makes a user. On a front that tests share, it takes the place of another test's user of that name.
func (f *front) person(t testing.TB, name string) {
	t.Helper()
	if f.people[name] {
		f.command(t, "", "user", "delete", name, "--yes")
	}
	f.people[name] = true
	f.command(t, goodPassword+"\n", "user", "add", name, "--email", name+"@example.com", "--password-stdin")
}

const sessionCookie = "__Host-Http-sessionid"

// signIn signs a user in and returns the Cookie line.
func (f *front) signIn(t testing.TB, name string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"username": name, "password": goodPassword})
	if err != nil {
		t.Fatal(err)
	}
	r := f.send(t, "h1", ask{method: "POST", path: "/api/auth/login", body: string(body),
		header: []string{"Content-Type: application/json", "Origin: https://" + f.host}})
	if r.status != 200 {
		t.Fatalf("sign-in: %s", r)
	}
	return ticketOf(t, r)
}

// ticketOf returns the Cookie line for the session cookie that an answer sets.
func ticketOf(t testing.TB, r reply) string {
	t.Helper()
	for _, line := range r.header.Values("Set-Cookie") {
		if value, ok := strings.CutPrefix(line, sessionCookie+"="); ok {
			ticket, _, _ := strings.Cut(value, ";")
			return "Cookie: " + sessionCookie + "=" + ticket
		}
	}
	t.Fatalf("no ticket: %v", r.header)
	return ""
}

// signedIn makes a user and signs them in.
func (f *front) signedIn(t testing.TB, name string) (cookie string) {
	t.Helper()
	f.person(t, name)
	return f.signIn(t, name)
}
