package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/courier"
	"github.com/cloakroom-auth/cloakroom/internal/metrics"
	"github.com/cloakroom-auth/cloakroom/webhook"
)

// Webhook is an address that events are sent to.
type Webhook struct {
	// URL must be https, or of this machine. No redirect is followed. The endpoint is known by it: a changed URL is a new endpoint.
	URL string

	// Secrets are what signs: texts such as whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, one a line. With several, each request has a
	// signature by each, so that a secret can be replaced.
	Secrets string
}

// checkWebhooks returns the endpoints of Config.Webhooks.
func (c *Config) checkWebhooks() ([]courier.Endpoint, error) {
	var all []courier.Endpoint
	seen := map[string]bool{}
	for _, w := range c.Webhooks {
		if err := courier.CheckURL(w.URL); err != nil {
			return nil, fmt.Errorf("Config.Webhooks %s: %w", courier.Name(w.URL), err)
		}
		keys, err := courier.ParseSecrets(w.Secrets)
		if err != nil {
			return nil, fmt.Errorf("Config.Webhooks %s: %w", courier.Name(w.URL), err)
		}
		if seen[w.URL] {
			return nil, fmt.Errorf("Config.Webhooks %s is there twice", courier.Name(w.URL))
		}
		seen[w.URL] = true
		all = append(all, courier.Endpoint{URL: w.URL, Keys: keys})
	}
	if len(all) > 0 && c.AuditRetention != 0 && c.AuditRetention < courier.Retention {
		return nil, fmt.Errorf("Config.AuditRetention is %v: events that wait for Config.Webhooks are kept in the audit log for %v", c.AuditRetention, courier.Retention)
	}
	if len(all) > 0 && c.Stores != nil && c.Stores.Webhooks == nil {
		return nil, errors.New("Config.Webhooks needs Config.Stores.Webhooks, which is nil")
	}
	return all, nil
}

// startAudit makes the audit log, and what delivers its events.
func (s *Server) startAudit(c Config, checked checkedConfig, measure *metrics.Metrics) {
	s.webhooks = courier.New(s.storage.Webhooks, checked.webhooks, nil, c.Log)
	s.Audit = &audit.Log{
		Store: s.webhooks.Audit(s.measured.Audit), Text: c.Log, Retention: c.AuditRetention, UserID: s.userIDByLogin,
	}
	if s.webhooks != nil {
		s.Audit.Kept = courier.Delivers
	}
	if measure != nil {
		s.Audit.OnRecord = measure.Recorded
	}
	if c.OnEvent != nil {
		s.Audit.Observe(c.OnEvent)
	}
	s.onClose(s.flushAudit)
}

// WebhookState is how far an endpoint has got.
type WebhookState struct {
	URL     string
	Waiting time.Time // since when its first event waits; the zero time: none does
	Tries   int       // failed attempts to deliver it
	Due     time.Time // of the next attempt; the zero time: at once
	Dropped int       // events that it has not accepted in time
}

// WebhookStates returns the state of all endpoints that the database knows, also of those that Config.Webhooks doesn't name any more.
func (s *Server) WebhookStates(ctx context.Context) ([]WebhookState, error) {
	if s.storage.Webhooks == nil {
		return nil, nil
	}
	found, err := s.storage.Webhooks.List(ctx)
	if err != nil {
		return nil, err
	}
	var all []WebhookState
	for _, e := range found {
		state := WebhookState{URL: e.URL, Tries: e.Tries, Dropped: e.Dropped}
		if state.Waiting, err = courier.Oldest(ctx, s.storage.Webhooks, e); err != nil {
			return nil, err
		}
		if e.Tries > 0 {
			state.Due = time.Unix(e.Due, 0)
		}
		all = append(all, state)
	}
	return all, nil
}

// ForgetWebhook removes an endpoint that Config.Webhooks doesn't name any more, with its position. One that it does name begins anew
// with what happens from now on. It reports whether there was one.
func (s *Server) ForgetWebhook(ctx context.Context, url string) (bool, error) {
	if s.storage.Webhooks == nil {
		return false, nil
	}
	if _, err := s.storage.Webhooks.Find(ctx, url); errors.Is(err, webhook.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, s.storage.Webhooks.Remove(ctx, url)
}
