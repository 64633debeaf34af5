package mailer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	netmail "net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/cloakroom-auth/cloakroom/mail"
)

// Server is the address of a mail server, without a password.
type Server struct {
	Host string
	Port int
	User string // "": no authentication
	TLS  TLS
}

// TLS says how a connection to a mail server is encrypted. In each case but NoTLS the server's certificate is verified.
type TLS string

const (
	ImplicitTLS TLS = "implicit" // from the first byte (RFC 8314)
	StartTLS    TLS = "starttls" // before anything else is sent (RFC 3207)
	NoTLS       TLS = "none"
)

// ParseServer reads smtp://USER@HOST:PORT or smtps://USER@HOST:PORT. smtp:// demands STARTTLS, but not of this machine;
// ?tls=none and ?tls=starttls say otherwise. The port is 465 for smtps, 25 without TLS, and else 587, if it is left out.
func ParseServer(address string) (Server, error) {
	u, err := url.Parse(address)
	if err != nil { // its text may hold a password
		return Server{}, errors.New("it is not an address such as smtp://mail.example.com:587")
	}
	s := Server{Host: u.Hostname(), User: u.User.Username()}
	switch {
	case u.Scheme != "smtp" && u.Scheme != "smtps", s.Host == "", u.Path != "" && u.Path != "/", u.Fragment != "":
		return Server{}, errors.New("it is not an address such as smtp://mail.example.com:587")
	case hasPassword(u):
		return Server{}, errors.New("it must not hold a password, because other users of the machine can read command lines: put that into a file")
	}
	if s.TLS, err = tlsOf(u); err != nil {
		return Server{}, err
	}
	s.Port = map[TLS]int{ImplicitTLS: 465, StartTLS: 587, NoTLS: 25}[s.TLS]
	if port := u.Port(); port != "" {
		if s.Port, err = strconv.Atoi(port); err != nil || s.Port < 1 || s.Port > 65535 {
			return Server{}, fmt.Errorf("%s is not a port", port)
		}
	}
	return s, nil
}

func hasPassword(u *url.URL) bool {
	_, has := u.User.Password()
	return has
}

func tlsOf(u *url.URL) (TLS, error) {
	wanted := u.Query().Get("tls")
	for name := range u.Query() {
		if name != "tls" {
			return "", fmt.Errorf("it knows tls=none and tls=starttls, and not %q", name)
		}
	}
	switch {
	case u.Scheme == "smtps" && wanted == "":
		return ImplicitTLS, nil
	case u.Scheme == "smtps":
		return "", errors.New("smtps:// is TLS already; leave ?tls= out")
	case wanted == "none", wanted == "" && OnThisMachine(u.Hostname()):
		return NoTLS, nil
	case wanted == "starttls", wanted == "":
		return StartTLS, nil
	}
	return "", fmt.Errorf("it knows tls=none and tls=starttls, and not %q", wanted)
}

// OnThisMachine reports whether a host is a name or address of the loopback interface.
func OnThisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && address.IsLoopback())
}

// SMTP sends messages by a mail server. It is safe for concurrent use.
type SMTP struct {
	Server   Server
	Password string
	From     netmail.Address
	Hello    string         // the name that this machine gives itself (EHLO)
	RootCAs  *x509.CertPool // whose certificates are accepted; nil: those of the system
}

// timeout bounds the beginning of a connection, and then what is said on it.
const timeout = 30 * time.Second

// MostTime is how long Send takes at most.
const MostTime = 2*timeout + 10*time.Second

// Send implements [mail.Sender].
func (s *SMTP) Send(ctx context.Context, m *mail.Message) error {
	msg, err := build(m, s.From)
	if err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- send(ctx, client, msg) }() // the library's reads and writes end by its timeouts alone
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *SMTP) client() (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.Server.Port), gomail.WithTimeout(timeout), gomail.WithHELO(s.Hello),
		gomail.WithTLSConfig(&tls.Config{ServerName: s.Server.Host, RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12}),
	}
	switch s.Server.TLS {
	case ImplicitTLS:
		options = append(options, gomail.WithSSL())
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.Server.User != "" { // without TLS only methods that don't show the password
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.Server.User), gomail.WithPassword(s.Password))
	}
	return gomail.NewClient(s.Server.Host, options...)
}

// send sends a message on a connection of its own. Once the server has accepted it, later errors are none of ours.
func send(ctx context.Context, client *gomail.Client, msg *gomail.Msg) error {
	err := client.DialAndSendWithContext(ctx, msg)
	if err == nil || msg.IsDelivered() {
		return nil
	}
	// A SendError that isn't temporary may be a lost connection as well, so the code decides.
	// Its text names the recipient, and belongs in no log.
	e, ok := errors.AsType[*gomail.SendError](err)
	switch {
	case !ok:
	case e.Reason == gomail.ErrSMTPMailFrom && e.ErrorCode() >= 400: // no fault of this message
		return fmt.Errorf("the mail server doesn't accept our address as the sender: %d %s", e.ErrorCode(), e.EnhancedStatusCode())
	case e.ErrorCode() >= 500:
		return &mail.RefusedError{Code: e.ErrorCode(), Status: e.EnhancedStatusCode()}
	case e.ErrorCode() >= 400:
		return fmt.Errorf("the mail server wants it later: %d %s", e.ErrorCode(), e.EnhancedStatusCode())
	default:
		return fmt.Errorf("the mail server was lost: %s", e.Reason)
	}
	return fmt.Errorf("reach the mail server %s: %w", client.ServerAddr(), err)
}
