// Command mobileclient does what a mobile app does: it signs in once, stores the ticket, and sends it with each request.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: app URL login NAME PASSWORD | me | logout")
	}
	ticket, _ := os.ReadFile("ticket") // a mobile app would use the keychain
	method, path, in := "GET", "/api/me", map[string]any(nil)
	switch {
	case len(os.Args) == 5 && os.Args[2] == "login":
		ticket, method, path = nil, "POST", "/api/auth/login"
		in = map[string]any{"username": os.Args[3], "password": os.Args[4], "app": true}
	case len(os.Args) == 3 && os.Args[2] == "logout":
		method, path = "POST", "/api/auth/logout"
	}
	var body bytes.Buffer
	if in != nil {
		_ = json.NewEncoder(&body).Encode(in)
	}
	r, err := http.NewRequest(method, os.Args[1]+path, &body)
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if len(ticket) > 0 {
		r.Header.Set("X-Session-Token", strings.TrimSpace(string(ticket)))
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	if next := answer.Header.Get("X-Session-Token"); next != "" { // at sign-in, and when the ticket is rotated
		err = os.WriteFile("ticket", []byte(next), 0o600)
	}
	text, unread := io.ReadAll(answer.Body)
	fmt.Print(answer.Status, "\n", string(text))
	if errors.Join(err, unread) != nil || answer.StatusCode != http.StatusOK {
		os.Exit(1)
	}
}
