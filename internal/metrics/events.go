package metrics

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloakroom-auth/cloakroom/audit"
)

// eventMetrics count events of the audit log when they happen, also those that it has no room for.
type eventMetrics struct {
	events, signIns, mail *prometheus.CounterVec
}

func (e *eventMetrics) register(m *Metrics) {
	e.events = counters(m, "events_total", "Events of the audit log, by name.", "event")
	e.signIns = counters(m, "signins_total", "Sign-ins, by how they were tried and what came of them.", "method", "outcome")
	e.mail = counters(m, "mail_total", "Messages, by what became of them.", "outcome")
	// These are there from the start, so that alerts see the first one as a change.
	e.events.WithLabelValues(audit.SysKinds.Crash.String())
	for _, outcome := range mailOutcomes {
		e.mail.WithLabelValues(outcome)
	}
	for _, outcome := range signInOutcomes {
		e.signIns.WithLabelValues("password", outcome)
	}
}

// signInOutcomes are the events of a sign-in, and its outcome. Failures at other providers aren't among them: they are also about links,
// re-authentication and sign-outs.
var signInOutcomes = map[string]string{
	audit.SessionKinds.Created.String(): "success", audit.LoginKinds.Fail.String(): "fail", audit.LoginKinds.Lock.String(): "lock",
	audit.SecondFactorKinds.Required.String(): "second_required",
}

var mailOutcomes = map[string]string{
	audit.MailKinds.Sent.String(): "sent", audit.MailKinds.Refused.String(): "refused", audit.MailKinds.Expired.String(): "expired",
}

// Recorded counts an event. It is for audit.Log.OnRecord.
func (m *Metrics) Recorded(kind audit.Kind, attrs []slog.Attr) {
	name := kind.String()
	m.audited.events.WithLabelValues(name).Inc()
	if outcome, ok := signInOutcomes[name]; ok {
		m.audited.signIns.WithLabelValues(signInMethod(attrs), outcome).Inc()
	}
	if outcome, ok := mailOutcomes[name]; ok {
		m.audited.mail.WithLabelValues(outcome).Inc()
	}
}

// signInMethod returns how someone tried to sign in. Without a word about it, it was by password.
func signInMethod(attrs []slog.Attr) string {
	for _, a := range attrs {
		if a.Key == "method" {
			switch method := a.Value.String(); method {
			case "password", "basic", "app", "passkey", "oidc", "jwt", "setup", "signup":
				return method
			case "second factor":
				return "second_factor"
			default:
				return "other"
			}
		}
	}
	return "password"
}
