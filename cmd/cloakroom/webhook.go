package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom"
)

// webhookFlag is an endpoint and the file with its secrets, as the command line has them: URL=SECRETFILE.
type webhookFlag struct {
	cloakroom.Webhook
	file string
}

// UnmarshalText reads URL=SECRETFILE. The last = separates, since a URL may have more of them.
func (w *webhookFlag) UnmarshalText(text []byte) error {
	i := strings.LastIndexByte(string(text), '=')
	if i <= 0 || i == len(text)-1 {
		return errors.New("give URL=SECRETFILE, such as https://app.example.com/hooks=hooks.secret")
	}
	w.URL, w.file = string(text[:i]), string(text[i+1:])
	secrets, err := os.ReadFile(w.file)
	w.Secrets = string(secrets)
	return err
}

func (s *settings) webhooks() (all []cloakroom.Webhook) {
	for _, w := range s.Webhook {
		all = append(all, w.Webhook)
	}
	return all
}

type webhookCmd struct {
	List   webhookList   `cmd:"" help:"List the endpoints of --webhook, and how far each has got."`
	Forget webhookForget `cmd:"" help:"Forget an endpoint that --webhook doesn't name any more."`
}

type webhookList struct{}

func (webhookList) Help() string {
	return `An endpoint gets its events one after the other. WAITING SINCE is the time of the first one that it hasn't accepted.

Example:
  cloakroom webhook list`
}

type webhookOut struct {
	URL     string     `json:"url"`
	Waiting *time.Time `json:"waiting_since"` // null: nothing waits
	Tries   int        `json:"tries"`
	Due     *time.Time `json:"next_try_at"` // null: at once
	Dropped int        `json:"dropped"`
}

func (webhookList) Run(ctx context.Context, a *app) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		states, err := s.WebhookStates(ctx)
		if err != nil {
			return err
		}
		out, rows := []webhookOut{}, [][]string{}
		for _, w := range states {
			out = append(out, webhookOut{w.URL, moment(w.Waiting), w.Tries, moment(w.Due), w.Dropped})
			row := []string{w.URL, "-", strconv.Itoa(w.Tries), "-", strconv.Itoa(w.Dropped)}
			if !w.Waiting.IsZero() {
				row[1] = when(w.Waiting)
			}
			if !w.Due.IsZero() {
				row[3] = when(w.Due)
			}
			rows = append(rows, row)
		}
		if a.JSON {
			return a.json(out)
		}
		if len(rows) == 0 {
			a.say("There are no endpoints.")
			return nil
		}
		return a.table([]string{"URL", "WAITING SINCE", "TRIES", "NEXT TRY", "DROPPED"}, rows)
	})
}

// moment returns nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

type webhookForget struct {
	URL string `arg:"" name:"url" help:"The address, as webhook list shows it."`
}

func (webhookForget) Help() string {
	return `What waits for the endpoint is never delivered. An endpoint that a server's --webhook still names begins anew: it gets what
happens from then on.

Example:
  cloakroom webhook forget https://old.example.com/hooks`
}

func (c *webhookForget) Run(ctx context.Context, a *app) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		err := a.act(ctx, s, []slog.Attr{slog.String("endpoint", logged(withoutQuery(c.URL)))}, func(ctx context.Context) error {
			found, err := s.ForgetWebhook(ctx, c.URL)
			if err == nil && !found {
				err = fmt.Errorf("there is no endpoint %s; cloakroom webhook list shows all", c.URL)
			}
			return err
		})
		if err != nil {
			return err
		}
		if a.JSON {
			return a.json(map[string]string{"forgotten": c.URL})
		}
		a.say("forgot %s", c.URL)
		return nil
	})
}

// withoutQuery leaves out the part of a URL that may hold a secret.
func withoutQuery(url string) string {
	before, _, _ := strings.Cut(url, "?")
	return before
}
