package metrics

import "github.com/cloakroom-auth/cloakroom/internal/courier"

// WatchWebhooks shows how many events were delivered to endpoints, how many attempts failed, and how many events were dropped.
func (m *Metrics) WatchWebhooks(s *courier.Service) {
	m.counterFunc("webhook_deliveries_total", "Events that an endpoint of --webhook has accepted.", func() float64 { return float64(s.Stats().Delivered) })
	m.counterFunc("webhook_failures_total", "Attempts to deliver an event to an endpoint that failed.", func() float64 { return float64(s.Stats().Failed) })
	m.counterFunc("webhook_dropped_total", "Events that an endpoint has not accepted in three days.", func() float64 { return float64(s.Stats().Dropped) })
}
