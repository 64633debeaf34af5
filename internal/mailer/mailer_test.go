package mailer_test

import (
	"context"
	"crypto/x509"
	"errors"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/mailer"
	"github.com/cloakroom-auth/cloakroom/internal/smtpserver"
	"github.com/cloakroom-auth/cloakroom/mail"
)

var from = netmail.Address{Name: "Käte’s Example", Address: "no-reply@example.com"}

func message(to string) *mail.Message {
	return &mail.Message{
		ID: "ID1", Kind: "reset", To: to, Subject: "Your password for app.example.com", Created: 1_767_225_600,
		Text: "Grüße,\n.a line that begins with a dot\n" + strings.Repeat("long ", 300) + "\n", HTML: "<!doctype html><p>Grüße</p>\n",
	}
}

// sender returns a sender for the server, which believes its authority.
func sender(t *testing.T, s *smtpserver.Server) *mailer.SMTP {
	t.Helper()
	server, err := mailer.ParseServer(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	out := &mailer.SMTP{Server: server, From: from, Hello: "app.example.com", Password: "the password"}
	if s.CA != "" {
		text, err := os.ReadFile(s.CA)
		if err != nil {
			t.Fatal(err)
		}
		out.RootCAs = x509.NewCertPool()
		out.RootCAs.AppendCertsFromPEM(text)
	}
	return out
}

// TestAMailServerGetsTheMessage over a verified connection, and parses it strictly.
func TestAMailServerGetsTheMessage(t *testing.T) {
	server := smtpserver.New(t, smtpserver.Config{TLS: true, User: "mailer", Password: "the password"})
	want := message("ada@example.org")
	if err := sender(t, server).Send(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got := server.Wait(t, 1)[0]
	if !got.TLS || got.User != "mailer" || got.Hello != "app.example.com" || got.Sender != from.Address || len(got.To) != 1 || got.To[0] != want.To {
		t.Errorf("the server got %+v", got)
	}
	if strings.ReplaceAll(got.Text, "\r\n", "\n") != want.Text || strings.ReplaceAll(got.HTML, "\r\n", "\n") != want.HTML {
		t.Errorf("the words are %q and %q", got.Text, got.HTML)
	}
	for name, value := range map[string]string{
		"Message-ID": "<ID1@example.com>", "Auto-Submitted": "auto-generated", "Subject": want.Subject, "To": "ada@example.org", "From": "Käte’s Example <no-reply@example.com>",
		"Date": "Thu, 01 Jan 2026 00:00:00 +0000",
	} {
		if got.Headers[name] != value {
			t.Errorf("%s is %q, want %q", name, got.Headers[name], value)
		}
	}
	for _, name := range []string{"User-Agent", "X-Mailer"} {
		if value, there := got.Headers[name]; there {
			t.Errorf("%s: %s tells what we are", name, value)
		}
	}
	for line := range strings.SplitSeq(got.Raw, "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
}

// TestWhatIsInAMessageMakesNoHeader and no second recipient.
func TestWhatIsInAMessageMakesNoHeader(t *testing.T) {
	t.Attr("threat", "MA01")
	server := smtpserver.New(t, smtpserver.Config{})
	m := message("ada@example.org")
	m.Subject = "Hello\r\nBcc: eve@example.org\r\n\r\nthe body"
	if err := sender(t, server).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := server.Wait(t, 1)[0]
	if _, there := got.Headers["Bcc"]; there || len(got.To) != 1 || !strings.HasPrefix(got.Text, "Grüße") {
		t.Errorf("the server got %+v", got)
	}
	for _, to := range []string{"ada@example.org, eve@example.org", "ada@example.org\r\nBcc: eve@example.org", "", "ada", "<ada@example.org> <eve@example.org>"} {
		err := sender(t, server).Send(t.Context(), message(to))
		if _, refused := errors.AsType[*mail.RefusedError](err); !refused {
			t.Errorf("to %q: %v, want a refusal", to, err)
		}
	}
	if n := len(server.Received()); n != 1 {
		t.Errorf("%d messages were sent, want 1", n)
	}
}

func TestWhatTheMailServerAnswers(t *testing.T) {
	server := smtpserver.New(t, smtpserver.Config{})
	send := func(to string) error { return sender(t, server).Send(t.Context(), message(to)) }

	err := send("never@example.org")
	if refused, ok := errors.AsType[*mail.RefusedError](err); !ok || refused.Code != 550 {
		t.Errorf("550: %v, want a refusal", err)
	}
	err = send("later@example.org")
	if _, refused := errors.AsType[*mail.RefusedError](err); err == nil || refused || !strings.Contains(err.Error(), "451") {
		t.Errorf("451: %v, want an error that may pass", err)
	}
	if err := send("later@example.org"); err != nil {
		t.Errorf("at the second attempt: %v", err)
	}
	if err := send("drop@example.org"); err != nil {
		t.Errorf("accepted, and the connection was lost afterwards: %v", err)
	}
	if n := len(server.Wait(t, 2)); n != 2 {
		t.Errorf("%d messages were accepted, want 2", n)
	}
	for _, to := range []string{"never@example.org", "always-later@example.org"} {
		if text := send(to).Error(); strings.Contains(text, to) {
			t.Errorf("the error names the recipient: %s", text)
		}
	}
	server.Stop()
	err = send("ada@example.org")
	if _, refused := errors.AsType[*mail.RefusedError](err); err == nil || refused {
		t.Errorf("no server: %v, want an error that may pass", err)
	}
	server.Start(t)
	if err := send("ada@example.org"); err != nil {
		t.Errorf("the server came back: %v", err)
	}
}

// TestACertificateOfAnotherAuthorityIsRefused before anything is sent, and so is a server that offers no TLS.
func TestACertificateOfAnotherAuthorityIsRefused(t *testing.T) {
	t.Attr("threat", "MA02")
	server := smtpserver.New(t, smtpserver.Config{TLS: true})
	plain := smtpserver.New(t, smtpserver.Config{})
	stranger := sender(t, server)
	stranger.RootCAs = x509.NewCertPool()
	demanding := sender(t, plain)
	demanding.Server.TLS = mailer.StartTLS
	for name, s := range map[string]*mailer.SMTP{"another authority": stranger, "no STARTTLS": demanding} {
		err := s.Send(t.Context(), message("ada@example.org"))
		if _, refused := errors.AsType[*mail.RefusedError](err); err == nil || refused {
			t.Errorf("%s: %v, want an error that may pass", name, err)
		}
	}
	if n := len(server.Received()) + len(plain.Received()); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// TestAHangingMailServerIsLeft when the context ends.
func TestAHangingMailServerIsLeft(t *testing.T) {
	server := smtpserver.New(t, smtpserver.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := sender(t, server).Send(ctx, message("hang@example.org")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Send returned %v", err)
	}
}

func TestAddressesOfMailServers(t *testing.T) {
	for address, want := range map[string]mailer.Server{
		"smtp://mail.example.com":                    {Host: "mail.example.com", Port: 587, TLS: mailer.StartTLS},
		"smtp://ada%40x@mail.example.com:2525":       {Host: "mail.example.com", Port: 2525, TLS: mailer.StartTLS, User: "ada@x"},
		"smtps://mail.example.com":                   {Host: "mail.example.com", Port: 465, TLS: mailer.ImplicitTLS},
		"smtp://mail.example.com?tls=none":           {Host: "mail.example.com", Port: 25, TLS: mailer.NoTLS},
		"smtp://localhost":                           {Host: "localhost", Port: 25, TLS: mailer.NoTLS},
		"smtp://[::1]:1025":                          {Host: "::1", Port: 1025, TLS: mailer.NoTLS},
		"smtp://127.0.0.1?tls=starttls":              {Host: "127.0.0.1", Port: 587, TLS: mailer.StartTLS},
		"smtp://localhost.example.com":               {Host: "localhost.example.com", Port: 587, TLS: mailer.StartTLS},
		"":                                           {},
		"mail.example.com":                           {},
		"mail.example.com:587":                       {},
		"http://mail.example.com":                    {},
		"smtp://":                                    {},
		"smtp://mail.example.com:0":                  {},
		"smtp://mail.example.com:70000":              {},
		"smtp://mail.example.com/x":                  {},
		"smtp://mail.example.com?tls=off":            {},
		"smtp://mail.example.com?ssl=none":           {},
		"smtps://mail.example.com?tls=none":          {},
		"smtp://ada:hunter2hunter2@mail.example.com": {},
	} {
		got, err := mailer.ParseServer(address)
		if (err == nil) != (want.Host != "") || got != want && err == nil {
			t.Errorf("%q is %+v, %v; want %+v", address, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestMessagesInFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	var told string
	files := &mailer.Files{Dir: dir, From: from, Tell: func(_ *mail.Message, path string) { told = path }}
	for range 2 { // the same message again
		if err := files.Send(t.Context(), message("ada@example.org")); err != nil {
			t.Fatal(err)
		}
	}
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(all) != 1 || all[0] != told || filepath.Base(told) != "20260101T000000Z-reset-ID1.eml" {
		t.Fatalf("the files are %q, %v; told was %q", all, err, told)
	}
	text, err := os.ReadFile(told)
	if err != nil || !strings.Contains(string(text), "Message-ID: <ID1@example.com>") {
		t.Errorf("the file has %q, %v", text, err)
	}
	for _, path := range []string{told, dir} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others can read %s: %v, %v", path, info.Mode(), err)
		}
	}
}
