package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/smtpserver"
)

// heldRelay stands between the program and a mail server. Until it is opened, it keeps back what the server answers to a whole message.
type heldRelay struct {
	net.Listener
	target  string
	opened  atomic.Bool
	holding chan struct{} // gets a value for each answer that is kept back
}

func newHeldRelay(t *testing.T, target string) *heldRelay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	r := &heldRelay{Listener: listener, target: target, holding: make(chan struct{}, 100)}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(client)
		}
	}()
	return r
}

func (r *heldRelay) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	defer server.Close()
	var whole atomic.Bool // the client has sent all of a message
	go func() {
		defer server.Close()
		var tail []byte
		buffer := make([]byte, 4096)
		for {
			n, err := client.Read(buffer)
			if tail = append(tail, buffer[:n]...); bytes.Contains(tail, []byte("\r\n.\r\n")) {
				whole.Store(true)
			}
			tail = tail[max(0, len(tail)-4):]
			if _, failed := server.Write(buffer[:n]); err != nil || failed != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 4096)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		if whole.Load() && !r.opened.Load() {
			r.holding <- struct{}{}
			_, _ = io.Copy(io.Discard, server) // until the client is gone
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// TestAMessageSurvivesAKillBetweenItsAcceptanceAndItsMark: the program dies after the mail server has taken a message, and before it knows.
// The next process sends the same message once more, and then never again.
func TestAMessageSurvivesAKillBetweenItsAcceptanceAndItsMark(t *testing.T) {
	t.Attr("threat", "MA04")
	t.Parallel()
	mailbox := smtpserver.New(t, smtpserver.Config{})
	relay := newHeldRelay(t, net.JoinHostPort("127.0.0.1", fmt.Sprint(mailbox.Port)))
	s := start(t, "--smtp", "smtp://"+relay.Addr().String(), "--mail-from", "no-reply@example.com")
	kim := s.person("kim")
	func() {
		db := s.stores()
		defer db.Close()
		_, err := db.Accounts.Change(t.Context(), kim.ID, func(u *account.User) error {
			u.Email, u.EmailProven = "kim@example.com", "kim@example.com"
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}()
	r, err := http.Post(s.base+"/api/auth/password/forgot", "application/json", strings.NewReader(`{"email":"kim@example.com"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusAccepted {
		t.Fatalf("forgot: %s", r.Status)
	}
	select {
	case <-relay.holding:
	case <-time.After(patience):
		t.Fatalf("no message was sent:\n%s", s.log.Tail(20))
	}
	s.kill()
	<-s.done
	first := mailbox.Wait(t, 1)[0]
	relay.opened.Store(true)
	db := s.open()
	waiting := func() (n int) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM outbox`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := waiting(); n != 1 {
		t.Fatalf("%d messages wait after the kill, want 1", n)
	}
	// The claim of the process that has died is over: it lasts three minutes.
	if _, err := db.ExecContext(t.Context(), `UPDATE outbox SET due = 0`); err != nil {
		t.Fatal(err)
	}
	s.start()
	all := mailbox.Wait(t, 2)
	eventually(t, "the message is done", func() bool { return waiting() == 0 })
	second := all[1]
	if id := first.Headers["Message-ID"]; id == "" || id != second.Headers["Message-ID"] || first.Text != second.Text || !strings.Contains(first.Text, "/auth/reset#") {
		t.Errorf("the messages differ:\n%v\n%s\n%v\n%s", first.Headers, first.Text, second.Headers, second.Text)
	}
	s.stop()
	if n := len(mailbox.Received()); n != 2 {
		t.Errorf("the message was sent %d times", n)
	}
}
