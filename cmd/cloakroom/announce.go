package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/audit"
)

// setupLinkLife is how long the set-up link works.
const setupLinkLife = 30 * time.Minute

// startupInfo is what serve prints once it listens.
type startupInfo struct {
	URL     string     `json:"url"`
	Listen  []string   `json:"listen"`
	Data    string     `json:"data"`
	Link    string     `json:"setup_link,omitempty"`
	File    string     `json:"setup_link_file,omitempty"` // which holds the link, if Link isn't shown
	Expires *time.Time `json:"setup_link_expires_at,omitempty"`
}

func newStartupInfo(ctx context.Context, s *cloakroom.Server, c cloakroom.Config, listeners []net.Listener) (startupInfo, error) {
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return startupInfo{}, fmt.Errorf("data directory: %w", err)
	}
	w := startupInfo{URL: strings.TrimSuffix(c.URL, "/"), Data: data}
	for _, l := range listeners {
		w.Listen = append(w.Listen, l.Addr().String())
	}
	if err := s.PublishURL(ctx); err != nil {
		return startupInfo{}, err
	}
	if w.Link, err = s.SetupLink(ctx); err != nil {
		return startupInfo{}, fmt.Errorf("make set-up link: %w", err)
	}
	if w.Link != "" {
		expires := time.Now().Add(setupLinkLife).UTC().Truncate(time.Second)
		w.Expires = &expires
	}
	return w, nil
}

// announce prints the server's addresses. Anyone with the set-up link can become the administrator, so it goes to a terminal
// or into a file that only the owner can read, and never to output that is stored.
func (a *app) announce(ctx context.Context, w startupInfo, s *cloakroom.Server) error {
	_, tty := terminal(a.out)
	file := filepath.Join(w.Data, "setup-link")
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an old set-up link: %w", err)
	}
	if w.Link != "" && !tty {
		if err := writePrivate(file, w.Link+"\n"); err != nil {
			return fmt.Errorf("write set-up link: %w", err)
		}
		w.File, w.Link = file, ""
	}
	switch {
	case a.JSON:
		if err := a.json(w); err != nil {
			return err
		}
	case tty:
		a.banner(w)
	}
	s.Audit.Record(ctx, audit.SysKinds.Startup, slog.String("url", w.URL),
		slog.String("listen", strings.Join(w.Listen, " ")), slog.String("data", w.Data),
		slog.String("version", thisBuild().Version))
	if w.File != "" {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "there is no user yet; create the first administrator on the link in the file",
			slog.String("file", w.File), slog.Time("expires", *w.Expires))
	}
	return nil
}

// writePrivate writes a file atomically. Only its owner can read it.
func writePrivate(path, content string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func (a *app) banner(w startupInfo) {
	a.say("\n  Cloakroom is ready:  %s\n", w.URL)
	a.say("  Listening on   %s", strings.Join(w.Listen, ", "))
	a.say("  Data in        %s", w.Data)
	if w.Link != "" {
		a.say("\n  There is no user yet. Create the first administrator on this page; the link works once, until %s:\n\n  %s",
			w.Expires.Local().Format("15:04"), w.Link)
	}
	a.say("\n  Ctrl-C stops it.\n")
}

// printStopping says on a terminal why the prompt isn't back yet after Ctrl-C.
func (a *app) printStopping(delay time.Duration) {
	if _, tty := terminal(a.out); tty {
		a.say("\n  Stopping. Requests in flight have %d seconds; Ctrl-C again ends them at once.", (delay+stopTimeout)/time.Second)
	}
}
