package redisdb

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
)

// secured reads the options of rediss://, which have the names of redis-cli's: cacert is a file of certificate authorities that
// replace the system's; cert and key are files of the client certificate.
func secured(host, query string) (*tls.Config, error) {
	options, err := url.ParseQuery(query)
	if err != nil {
		return nil, errURL
	}
	for name, values := range options {
		if name != "cacert" && name != "cert" && name != "key" || len(values) > 1 {
			return nil, errURL
		}
	}
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if path := options.Get("cacert"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, unread("cacert", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("the file of cacert holds no certificate in PEM")
		}
	}
	if cert, key := options.Get("cert"), options.Get("key"); cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, unread("cert and key", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// unread leaves the path out of the error, because the password may be in it by mistake.
func unread(name string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("what %s names: %w", name, err)
}
