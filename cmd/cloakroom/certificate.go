package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is a TLS certificate that is reloaded when its files change. It is safe for concurrent use.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu        sync.Mutex
	pair      *tls.Certificate
	loaded    [2]fileVersion
	checkedAt time.Time
}

// fileVersion changes when the content of a file does, also behind the symbolic links of Kubernetes and certbot.
type fileVersion struct {
	modified time.Time
	size     int64
}

// certificateCheckInterval is the shortest time between two checks of the files.
const certificateCheckInterval = time.Second

// loadCertificate returns an error if the files don't exist or don't belong together.
func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, checkedAt: time.Now()}
	var err error
	if c.loaded, err = c.versions(); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert %s, --tls-key %s: %w", certFile, keyFile, err)
	}
	c.pair = &pair
	return c, nil
}

func (c *certificate) versions() (now [2]fileVersion, err error) {
	for i, from := range []struct{ flag, file string }{{"--tls-cert", c.certFile}, {"--tls-key", c.keyFile}} {
		info, err := os.Stat(from.file)
		if err != nil {
			return now, fmt.Errorf("%s: %w", from.flag, err)
		}
		now[i] = fileVersion{info.ModTime(), info.Size()}
	}
	return now, nil
}

// get is a tls.Config.GetCertificate. It keeps the old certificate while the new files don't belong together, as when only one
// of them has been replaced.
func (c *certificate) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checkedAt) >= certificateCheckInterval {
		c.checkedAt = time.Now()
		c.reloadIfChanged(hello.Context())
	}
	return c.pair, nil
}

func (c *certificate) reloadIfChanged(ctx context.Context) {
	now, err := c.versions()
	if err == nil && now == c.loaded {
		return
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.certFile, c.keyFile)
	}
	if err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "the new certificate can't be loaded; the previous one stays in use", slog.Any("error", err))
		return
	}
	c.pair, c.loaded = &pair, now
	c.log.LogAttrs(ctx, slog.LevelInfo, "certificate reloaded", slog.Time("expires", pair.Leaf.NotAfter))
}
