package redisdb_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
)

// authority is a certificate authority for tests. Its files are in dir.
type authority struct {
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	a := &authority{dir: t.TempDir()}
	a.key, a.cert = a.issue(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue writes NAME.pem and NAME.key.
func (a *authority) issue(t *testing.T, name string, template *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	a.write(t, name+".pem", "CERTIFICATE", der)
	a.write(t, name+".key", "PRIVATE KEY", private)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return key, cert
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	must(t, os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// TestTLS: unless configured otherwise, a Redis with TLS demands certificates of its clients, too.
func TestTLS(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	a.issue(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}})
	a.issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	must(t, l.Close())
	_, port, _ := strings.Cut(addr, ":")
	server(t, "--requirepass", password, "--tls-port", port, "--tls-cert-file", a.file("server.pem"),
		"--tls-key-file", a.file("server.key"), "--tls-ca-cert-file", a.file("ca.pem"))
	whole := "cacert=" + a.file("ca.pem") + "&cert=" + a.file("client.pem") + "&key=" + a.file("client.key")
	for _, host := range []string{addr, "localhost:" + port} {
		db := open(t, "rediss://:"+password+"@"+host+"/1?"+whole)
		must(t, db.Ping(t.Context()))
		var s states
		s.listen(t, db.Feed())
		must(t, db.Feed().Send(t.Context(), "hello"))
		until1(t, &s.messages)
	}
	for options, want := range map[string]string{
		"":                                  "certificate", // of an unknown authority
		"cacert=" + stranger.file("ca.pem"): "certificate",
		"cacert=" + a.file("ca.pem"):        "", // any error of the server for a client without one
		"cacert=/no/such":                   "what cacert names: no such file",
		"cacert=" + a.file("client.key"):    "holds no certificate",
		"cert=" + a.file("client.pem"):      "what cert and key names",
		"cert=" + a.file("client.pem") + "&key=" + a.file("server.key"): "does not match",
		"insecure=1":               "not an address",
		whole + "&cacert=/another": "not an address",
	} {
		db, err := redisdb.Open(t.Context(), "rediss://:"+password+"@"+addr+"?"+options)
		switch {
		case err == nil:
			db.Close()
			t.Errorf("%q: it is open", options)
		case !strings.Contains(err.Error(), want), strings.Contains(err.Error(), password), strings.Contains(err.Error(), "/no/such"):
			t.Errorf("%q: %v, want %q", options, err, want)
		}
	}
}
