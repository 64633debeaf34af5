package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// startNginx starts nginx with the example's configuration, without TLS as the others here, and the server that it asks. Both
// share the first processor, and the processor time of both counts.
func (b *bench) startNginx(ctx context.Context, application string) (*child, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s, err := b.spec(ctx, theAsked)
	if err != nil {
		return nil, err
	}
	s.Public = addr
	asked, err := b.start(ctx, s)
	if err != nil {
		return nil, err
	}
	c, err := b.nginxBefore(ctx, nginxAsking, addr, asked, application)
	if err != nil {
		asked.stop()
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	return c, nil
}

// nginxBefore starts nginx at addr, in front of the application at this URL. It asks a server that has been started, which ends with it.
func (b *bench) nginxBefore(ctx context.Context, name, addr string, asked *child, application string) (*child, error) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		return nil, errors.New("nginx is not installed; on Debian: apt-get install nginx-light")
	}
	dir := b.sub("nginx/" + name)
	file := filepath.Join(dir, "nginx.conf")
	config, err := nginxConfig(dir, addr, asked.served.Addr, strings.TrimPrefix(application, "http://"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	args := []string{nginx, "-c", file, "-p", dir}
	if os.Getenv(pinned) != "" {
		args = append([]string{"taskset", "-c", "0"}, args...)
	}
	c := &child{name: name, served: served{Addr: addr, Credentials: asked.served.Credentials}, command: exec.CommandContext(ctx, args[0], args[1:]...)}
	if c.stdin, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	if err := c.await(ctx, "/orders"); err != nil {
		c.stop()
		return nil, err
	}
	c.asked, c.pids = asked, append(asked.pids, c.command.Process.Pid)
	return c, nil
}

// nginxConfig returns the example's configuration with the addresses and directories of this run, for a single process.
func nginxConfig(dir, addr, asked, application string) (string, error) {
	text, err := os.ReadFile("../examples/nginx/nginx.conf")
	if err != nil {
		return "", err
	}
	config := string(text)
	for _, change := range [][2]string{
		{"127.0.0.1:8000", asked}, {"127.0.0.1:3000", application}, {"listen 443 ssl http2", "listen " + addr},
		{"ssl_certificate     /etc/ssl/certs/app.example.com.pem;", ""}, {"ssl_certificate_key /etc/ssl/private/app.example.com.key;", ""},
		{"server_name app.example.com;", "keepalive_requests 1000000000;"},
		{"events {", "pid " + dir + "/pid; daemon off; master_process off; error_log stderr warn;\nevents {"},
		{"http {", "http {\naccess_log off; client_body_temp_path " + dir + "/b; proxy_temp_path " + dir + "/p; fastcgi_temp_path " +
			dir + "/f; uwsgi_temp_path " + dir + "/u; scgi_temp_path " + dir + "/s;"},
	} {
		if !strings.Contains(config, change[0]) {
			return "", fmt.Errorf("the example's nginx.conf doesn't contain %q", change[0])
		}
		config = strings.ReplaceAll(config, change[0], change[1])
	}
	return config, nil
}

// freeAddress returns an address on which nothing listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
