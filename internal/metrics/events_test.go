package metrics_test

import (
	"log/slog"
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
)

// TestWhatIsNoSignInIsNotCountedAsOne: a failure at another provider may be about a link, a re-authentication or a sign-out there.
func TestWhatIsNoSignInIsNotCountedAsOne(t *testing.T) {
	m := newMetrics(t)
	m.Recorded(audit.ProviderKinds.Fail, []slog.Attr{slog.String("provider", "acme")})
	m.Recorded(audit.ReauthenticateKinds.Fail, []slog.Attr{slog.String("method", "pwd")})
	count := func(name string) (sum float64) {
		for _, series := range scrape(t, m)[name].GetMetric() {
			sum += series.GetCounter().GetValue()
		}
		return sum
	}
	if n := count("cloakroom_signins_total"); n != 0 {
		t.Errorf("%v sign-ins are counted", n)
	}
	if n := count("cloakroom_events_total"); n != 2 {
		t.Errorf("%v events are counted, want 2", n)
	}
	m.Recorded(audit.LoginKinds.Fail, nil)
	if n := count("cloakroom_signins_total"); n != 1 {
		t.Errorf("%v sign-ins are counted, want 1", n)
	}
}
