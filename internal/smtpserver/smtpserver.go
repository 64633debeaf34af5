// Package smtpserver runs a real mail server for tests: Debian's aiosmtpd, which parses each message strictly.
package smtpserver

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

//go:embed server.py
var program string

// patience bounds the start of the server, and the arrival of a message.
const patience = 60 * time.Second

// Config says how the server speaks. The zero Config is a server without TLS and passwords.
type Config struct {
	TLS            bool   // STARTTLS is demanded, with a certificate of our own authority for the host localhost
	User, Password string // "": no authentication
}

// Received is a message that the server has accepted.
type Received struct {
	Sender     string
	To         []string
	Headers    map[string]string
	Text, HTML string
	Raw        string
	TLS        bool
	Hello      string
	User       string
}

// Server is a mail server. Stop and Start may be called in turn.
type Server struct {
	Port int
	CA   string // the path of the authority's certificate, in PEM; "": there is no TLS

	config  Config
	dir     string
	command *exec.Cmd
	stdin   io.Closer
	log     bytes.Buffer
	port    chan int
	ended   chan struct{}

	mu       sync.Mutex
	received []Received
	arrived  chan struct{} // closed at the next message
}

// New starts a mail server, which ends with the test.
func New(t testing.TB, config Config) *Server {
	t.Helper()
	s := &Server{config: config, dir: t.TempDir(), arrived: make(chan struct{})}
	if config.TLS {
		s.makeCertificates(t)
	}
	s.Start(t)
	t.Cleanup(s.Stop)
	return s
}

// Start starts the server, on the same port as before.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	certificate, key := "", ""
	if s.config.TLS {
		certificate, key = filepath.Join(s.dir, "certificate.pem"), filepath.Join(s.dir, "key.pem")
	}
	s.command = exec.Command("/usr/bin/python3", "-c", program, certificate, key, strconv.Itoa(s.Port), s.config.User, s.config.Password)
	s.log.Reset()
	s.command.Stderr = &s.log
	stdin, err := s.command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := s.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatalf("start the mail server: %v; on Debian: apt-get install python3-aiosmtpd", err)
	}
	s.stdin, s.port, s.ended = stdin, make(chan int, 1), make(chan struct{})
	go s.read(stdout, s.command, s.ended, s.port)
	select {
	case s.Port = <-s.port:
	case <-s.ended:
		t.Fatalf("the mail server has ended; on Debian: apt-get install python3-aiosmtpd\n%s", s.log.Bytes())
	case <-time.After(patience):
		t.Fatal("the mail server doesn't start")
	}
}

// Stop kills the server.
func (s *Server) Stop() {
	_ = s.command.Process.Kill() // it may have ended
	<-s.ended
	_ = s.stdin.Close()
}

// read reads what the server prints until it ends.
func (s *Server) read(stdout io.Reader, command *exec.Cmd, ended chan struct{}, port chan int) {
	defer close(ended)
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct {
			Port int
			Received
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue
		}
		if line.Port != 0 {
			port <- line.Port
			continue
		}
		s.mu.Lock()
		s.received = append(s.received, line.Received)
		close(s.arrived)
		s.arrived = make(chan struct{})
		s.mu.Unlock()
	}
	_ = command.Wait() // the log has the reason
}

// Received returns the messages so far.
func (s *Server) Received() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Received(nil), s.received...)
}

// Wait waits until n messages have arrived, and returns all of them.
func (s *Server) Wait(t testing.TB, n int) []Received {
	t.Helper()
	timeout := time.After(patience)
	for {
		s.mu.Lock()
		got, arrived := append([]Received(nil), s.received...), s.arrived
		s.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-arrived:
		case <-timeout:
			t.Fatalf("%d messages have arrived, want %d; the server says: %s", len(got), n, s.log.Bytes())
		}
	}
}

// Address returns the address of the server in the form of --smtp. Without TLS it is an address on this machine, which needs none.
func (s *Server) Address() string {
	user, query := "", ""
	if s.config.User != "" {
		user = s.config.User + "@"
	}
	if s.config.TLS {
		query = "?tls=starttls"
	}
	return fmt.Sprintf("smtp://%slocalhost:%d%s", user, s.Port, query)
}

// makeCertificates makes an authority, and a certificate of it for localhost.
func (s *Server) makeCertificates(t testing.TB) {
	t.Helper()
	caKey, key := newKey(t), newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "The tests' authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	s.CA = filepath.Join(s.dir, "authority.pem")
	s.write(t, s.CA, "CERTIFICATE", sign(t, ca, ca, &caKey.PublicKey, caKey))
	s.write(t, filepath.Join(s.dir, "certificate.pem"), "CERTIFICATE", sign(t, leaf, ca, &key.PublicKey, caKey))
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, filepath.Join(s.dir, "key.pem"), "PRIVATE KEY", der)
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, certificate, parent *x509.Certificate, of *ecdsa.PublicKey, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, certificate, parent, of, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (s *Server) write(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
