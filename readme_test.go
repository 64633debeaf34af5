package cloakroom_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// TestTheReadmesProgramLetsItsReaderIn builds the program of the README, and does what its reader does: makes the first
// user on the link that it prints, and says hello.
func TestTheReadmesProgramLetsItsReaderIn(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := goBlock.FindAllSubmatch(readme, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of Go", len(blocks))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	text := `package main

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/auth"
)

func main() {
	ctx := context.Background()
` + string(blocks[0][1]) + "}\n" + string(blocks[1][1])
	text = strings.ReplaceAll(text, "localhost:8000", address)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	if out, err := exec.Command("go", "build", "-o", program, filepath.Join(dir, "main.go")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, text)
	}
	ctx, kill := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program)
	command.Dir = dir
	var log bytes.Buffer
	command.Stderr = &log
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { kill(); _ = command.Wait() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	_, secret, found := strings.Cut(strings.TrimSpace(line), "http://"+address+"/auth/setup#")
	if !found {
		kill()
		_ = command.Wait()
		t.Fatalf("it prints %q, %v\n%s", line, err, log.String())
	}
	for { // it listens right after the line
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			break
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
	b := newBrowser(t, "http://"+address)
	if r := b.send("POST", "/api/auth/setup", map[string]string{"secret": secret, "username": "ada", "password": goodPassword}); r.StatusCode != http.StatusOK {
		t.Fatalf("the set-up: %s", r.Status)
	}
	b.signIn()
	answer, err := io.ReadAll(b.send("GET", "/api/hello", nil).Body)
	if err != nil || string(answer) != "hello, ada\n" {
		t.Errorf("%q, %v", answer, err)
	}
}
