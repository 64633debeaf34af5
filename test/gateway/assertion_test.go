package gateway_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// verifier is a program that calls the code of the documentation. It reads assertions, each with its request, and answers each with the
// name and the ID, or with an error.
type verifier struct {
	name     string
	requests *json.Encoder
	answers  *json.Decoder
}

var made []verifier // by the first test that needs them

// verifiers are programs that call the code of docs/gateway.md.
func verifiers(t *testing.T) []verifier {
	t.Helper()
	if made == nil {
		made = makeVerifiers(t)
	}
	return made
}

func makeVerifiers(t *testing.T) []verifier {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "gateway.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Verifying the assertion")
	var all []verifier
	for _, v := range []struct {
		title, fence, file string
		command            []string
		main, mainFile     string
	}{
		{"Go", "go", "verify.go", []string{"go", "run", "."}, `package main

import ("encoding/json"; "fmt"; "os")

func main() {
	for in := json.NewDecoder(os.Stdin); ; {
		var request [5]string
		if in.Decode(&request) != nil { return }
		var keys []Key
		if err := json.Unmarshal([]byte(request[4]), &keys); err != nil { panic(err) }
		answer := map[string]any{}
		if claims, err := verify(request[0], request[1], request[2], request[3], keys); err != nil {
			answer["error"] = err.Error()
		} else {
			answer["who"] = fmt.Sprint(claims["username"], " ", claims["sub"])
		}
		json.NewEncoder(os.Stdout).Encode(answer)
	}
}
`, "main.go"},
		{"Python", "python", "verify.py", []string{need(t, "/usr/bin/python3"), "main.py"}, `import json, sys
from urllib.parse import unquote
from verify import verify
for line in sys.stdin:
    assertion, method, path, url, keys = json.loads(line)
    try:
        claims = verify(assertion, method, unquote(path), url, json.loads(keys))
        answer = {"who": f"{claims['username']} {claims['sub']}"}
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
`, "main.py"},
		{"Node", "js", "verify.mjs", []string{need(t, "node"), "main.mjs"}, `import { createInterface } from "node:readline";
import { verify } from "./verify.mjs";
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  try {
    const claims = verify(...request.slice(0, 4), JSON.parse(request[4]));
    console.log(JSON.stringify({ who: claims.username + " " + claims.sub }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
`, "main.mjs"},
	} {
		code := regexp.MustCompile("(?s)### " + v.title + "\n.*?```" + v.fence + "\n(.*?)```").FindStringSubmatch(section)
		if code == nil {
			t.Fatalf("docs/gateway.md has no verifier for %s", v.title)
		}
		if lines := strings.Count(code[1], "\n"); lines > 45 {
			t.Errorf("the verifier for %s has %d lines", v.title, lines)
		}
		dir := sharedDir(t)
		files := map[string]string{v.file: code[1], v.mainFile: v.main}
		if v.fence == "go" {
			files["go.mod"] = "module verifier\n\ngo 1.25\n"
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if v.fence == "go" {
			build := exec.Command("go", "build", "-o", "verifier", ".")
			build.Dir = dir
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			v.command = []string{"./verifier"}
		}
		all = append(all, startVerifier(t, v.title, dir, v.command))
	}
	return all
}

// startVerifier starts a program, which ends with this process, since its input does.
func startVerifier(t *testing.T, name, dir string, command []string) verifier {
	t.Helper()
	c := exec.Command(command[0], command[1:]...)
	c.Dir, c.Stderr = dir, os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return verifier{name, json.NewEncoder(in), json.NewDecoder(out)}
}

// of verifies an assertion for a request. It fails the test if the program doesn't answer.
func (v verifier) of(t *testing.T, assertion, method, path, url, keys string) (string, error) {
	t.Helper()
	var answer struct{ Who, Error string }
	err := v.requests.Encode([]string{assertion, method, path, url, keys})
	if err == nil {
		err = v.answers.Decode(&answer)
	}
	switch {
	case err != nil:
		t.Fatalf("the verifier for %s: %v", v.name, err)
	case answer.Error != "":
		return "", errors.New(answer.Error)
	}
	return answer.Who, nil
}

// TestAssertionsAreVerifiedAsDocumented runs the code of the documentation on what the application gets from each front.
func TestAssertionsAreVerifiedAsDocumented(t *testing.T) {
	all := verifiers(t)
	onEachFrontH1(t, func(t *testing.T, f *front, protocol string) {
		cookie := f.signedIn(t, "ada")
		r := f.send(t, protocol, ask{method: "PUT", path: "/orders/a%20b?x=1", header: []string{cookie, "Origin: https://" + f.host}, body: "x"})
		s, ok := r.seen()
		if !ok {
			t.Fatal(r)
		}
		assertion := s.Header.Get("Cloakroom-Assertion")
		keys := f.keys(t)
		url := "https://" + f.host
		for _, v := range all {
			if who, err := v.of(t, assertion, "PUT", "/orders/a%20b", url, keys); err != nil || who != "ada "+s.CGI["HTTP_REMOTE_USER_ID"] {
				t.Errorf("%s: %q, %v", v.name, who, err)
			}
		}
		if f.name != "gateway" {
			return
		}
		for _, v := range all {
			for what, args := range map[string][4]string{
				"another method": {assertion, "GET", "/orders/a%20b", url}, "another path": {assertion, "PUT", "/orders/b", url},
				"another issuer": {assertion, "PUT", "/orders/a%20b", "https://evil.test"}, "no signature": {assertion[:strings.LastIndexByte(assertion, '.')+1], "PUT", "/orders/a%20b", url},
				"a changed claim": {tamper(t, assertion), "PUT", "/orders/a%20b", url}, "nothing": {"", "PUT", "/orders/a%20b", url},
			} {
				if who, err := v.of(t, args[0], args[1], args[2], args[3], keys); err == nil {
					t.Errorf("%s accepts %s as %s", v.name, what, who)
				}
			}
		}
	})
}

// TestVerifiersReturnTheExactNameAndID uses names that servers which read headers as Latin-1 would garble.
func TestVerifiersReturnTheExactNameAndID(t *testing.T) {
	all := verifiers(t)
	f := startGateway(t)
	cookie := f.signedIn(t, "ada")
	db := f.database(t)
	for _, name := range []string{"jörg", "ann\u00e0", "ann\u00c5", "李雷", "王梅", "王\u68a0", "a b", "jo\u0308rg", "☺", "a,b%20", "\u200bx"} {
		if _, err := db.ExecContext(t.Context(), `UPDATE users SET username = ?`, name); err != nil {
			t.Fatal(err)
		}
		s, ok := f.send(t, "h1", ask{path: "/x", header: []string{cookie}}).seen()
		if !ok {
			t.Fatalf("%q doesn't get through", name)
		}
		for _, v := range all {
			if who, err := v.of(t, s.Header.Get("Cloakroom-Assertion"), "GET", "/x", "https://"+f.host, f.keys(t)); err != nil || who != name+" 1" {
				t.Errorf("%s: %q is told as %q, %v", v.name, name, who, err)
			}
		}
	}
}

func TestTheDocumentationHasTheExamplesDjangoCode(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "gateway.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"assertion.py", "middleware.py"} {
		code, err := os.ReadFile(filepath.Join("..", "..", "examples", "django", "notes", file))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), "```python\n"+string(code)+"```") {
			t.Errorf("docs/gateway.md doesn't have the code of examples/django/notes/%s", file)
		}
	}
}

// keys are the contents of /.well-known/jwks.json.
func (f *front) keys(t *testing.T) string {
	t.Helper()
	r := f.send(t, "h1", ask{path: "/.well-known/jwks.json"})
	var set struct{ Keys json.RawMessage }
	if err := json.Unmarshal(r.body, &set); err != nil || r.status != 200 {
		t.Fatalf("%s, %v", r, err)
	}
	return string(set.Keys)
}

func tamper(t *testing.T, assertion string) string {
	t.Helper()
	parts := strings.Split(assertion, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(bytes.Replace(text, []byte(`"ada"`), []byte(`"eve"`), 1))
	return strings.Join(parts, ".")
}

// TestDocumentedVerifiersCheckEverything gives them assertions that are signed with the right key and wrong otherwise.
func TestDocumentedVerifiersCheckEverything(t *testing.T) {
	t.Attr("threat", "J02")
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	keys := fmt.Sprintf(`[{"kid":"other","kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kid":"k","kty":"OKP","crv":"Ed25519","x":%q}]`, encode(public))
	sign := func(header, claims map[string]any) string {
		head, _ := json.Marshal(header)
		body, _ := json.Marshal(claims)
		signed := encode(head) + "." + encode(body)
		return signed + "." + encode(ed25519.Sign(private, []byte(signed)))
	}
	now, url := time.Now().Unix(), "https://app.example.com"
	header := map[string]any{"alg": "EdDSA", "kid": "k", "typ": "cloakroom-assertion+jwt"}
	claims := map[string]any{"iss": url, "aud": url, "sub": "1", "htm": "GET", "path": "/x", "username": "ada", "iat": now, "exp": now + 60}
	with := func(m map[string]any, name string, value any) map[string]any {
		m = maps.Clone(m)
		if m[name] = value; value == nil {
			delete(m, name)
		}
		return m
	}
	for _, v := range verifiers(t) {
		if who, err := v.of(t, sign(header, claims), "GET", "/x", url, keys); err != nil || who != "ada 1" {
			t.Errorf("%s: %q, %v", v.name, who, err)
		}
		for what, text := range map[string]string{
			"expired": sign(header, with(claims, "exp", now-1)), "from the future": sign(header, with(claims, "iat", now+3600)),
			"another audience": sign(header, with(claims, "aud", "https://other")), "no audience": sign(header, with(claims, "aud", nil)),
			"another issuer": sign(header, with(claims, "iss", "https://other")), "no method": sign(header, with(claims, "htm", nil)),
			"no path": sign(header, with(claims, "path", nil)), "no expiry": sign(header, with(claims, "exp", nil)), "no date": sign(header, with(claims, "iat", now+100000)),
			"an access token": sign(with(header, "typ", "JWT"), claims), "no type": sign(with(header, "typ", nil), claims), "alg none": sign(with(header, "alg", "none"), claims),
			"another algorithm": sign(with(header, "alg", "HS256"), claims), "an unknown key": sign(with(header, "kid", "x"), claims), "another kind of key": sign(with(header, "kid", "other"), claims),
		} {
			if who, err := v.of(t, text, "GET", "/x", url, keys); err == nil {
				t.Errorf("%s accepts %s as %s", v.name, what, who)
			}
		}
	}
}
