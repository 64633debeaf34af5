package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

type healthcheckCmd struct {
	URL     string        `arg:"" optional:"" name:"url" help:"Ask the server at this address instead of the one on this machine."`
	Listen  string        `default:"localhost:8000" placeholder:"HOST:PORT" help:"The address that the server on this machine listens on; the same as serve's."`
	TLSCert string        `name:"tls-cert" placeholder:"FILE" help:"The same as serve's. If it is given, the server speaks https."`
	Timeout time.Duration `default:"3s" placeholder:"TIME" help:"How long to wait for the answer."`
}

func (healthcheckCmd) Help() string {
	return `Asks /readyz whether the database can be read and written, and the server is not about to stop.
Exits with 0 if the server is ready, and with 1 if not.

Examples:
  cloakroom healthcheck
  cloakroom healthcheck https://app.example.com
  HEALTHCHECK CMD ["cloakroom", "healthcheck"]      # in a Dockerfile; CLOAKROOM_LISTEN is honoured`
}

type healthOut struct {
	Ready  bool   `json:"ready"`
	URL    string `json:"url"`
	Status int    `json:"status"` // of the answer; 0: there was none
	Error  string `json:"error"`
}

func (c *healthcheckCmd) Run(ctx context.Context, a *app) error {
	address, err := c.address()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	status, err := ask(ctx, address, c.URL == "")
	out := healthOut{Ready: err == nil, URL: address, Status: status}
	if err != nil {
		out.Error = err.Error()
	}
	if a.JSON {
		if printed := a.json(out); printed != nil || err == nil {
			return printed
		}
		return errReported
	}
	if err != nil {
		return err
	}
	a.say("ready")
	return nil
}

// address returns the URL to ask. It is not the public one, which would lead through the proxy in front of the server.
func (c *healthcheckCmd) address() (string, error) {
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return "", usageError(fmt.Sprintf("%q is not an address such as https://app.example.com", c.URL))
		}
		return u.Scheme + "://" + u.Host + "/readyz", nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "", usageError(fmt.Sprintf("--listen %q is not of the form HOST:PORT, such as localhost:8000", c.Listen))
	}
	if port == "0" {
		return "", usageError("--listen names port 0, so the port is not known: give the server's address as the argument")
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "localhost"
	}
	scheme := "http://"
	if c.TLSCert != "" {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port) + "/readyz", nil
}

// ask returns the status of the answer, and an error if the server is not ready. On this machine the certificate isn't verified:
// it is for the public name, and the request holds no secret.
func ask(ctx context.Context, address string, thisMachine bool) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	// No proxy of the environment and no redirect: another server would answer.
	client := http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true, DialContext: dialLocalhost, TLSClientConfig: &tls.Config{InsecureSkipVerify: thisMachine},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if errors.Is(err, context.DeadlineExceeded) {
		return 0, fmt.Errorf("no answer from %s in time", address)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return 0, fmt.Errorf("no server answers at %s: %w", address, e.Err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return answer.StatusCode, fmt.Errorf("not ready: %s answers %s", address, answer.Status)
	}
	return answer.StatusCode, nil
}

// dialLocalhost connects to localhost without asking a resolver, because a minimal container has no /etc/hosts.
func dialLocalhost(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	host, port, err := net.SplitHostPort(address)
	if err != nil || host != "localhost" {
		return dialer.DialContext(ctx, network, address)
	}
	conn, err := dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err == nil {
		return conn, nil
	}
	if conn, err := dialer.DialContext(ctx, network, net.JoinHostPort("::1", port)); err == nil {
		return conn, nil
	}
	return nil, err
}
