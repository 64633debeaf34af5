package account_test

import (
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// TestRefusalsTakeTheSameTime compares the times of sign-ins that can't succeed with those of a wrong password, by Welch's t
// over 2,000 interleaved samples each, without the slowest twentieth. It needs -timeout 30m and a quiet machine; the tests
// that count the work need neither.
func TestRefusalsTakeTheSameTime(t *testing.T) {
	t.Attr("threat", "G06")
	if os.Getenv("CLOAKROOM_LONG") == "" {
		t.Skip("CLOAKROOM_LONG isn't set")
	}
	s := costlyService(t, inSQLite(t))
	s.enrolTheHopeless()
	const samples = 2000
	cases := slices.DeleteFunc(slices.Clone(hopeless), func(c struct{ why, login, password string }) bool {
		return !slices.Contains([]string{
			"wrong password", "unknown name", "disabled user", "unusable hash", "weak hash, wrong password", "empty password",
			"73 bytes", "a megabyte",
		}, c.why)
	})
	times := make([][]float64, len(cases))
	for range samples {
		for i, c := range cases {
			s.Guard = &throttle.Guard{Store: inMemory().Throttles}
			began := time.Now()
			_, err := s.signIn(c.login, c.password)
			times[i] = append(times[i], time.Since(began).Seconds())
			if err != account.ErrInvalidCredentials {
				t.Fatalf("%s: %v", c.why, err)
			}
		}
	}
	reference := slices.IndexFunc(cases, func(c struct{ why, login, password string }) bool { return c.why == "wrong password" })
	for i, c := range cases {
		w := welch(times[i], times[reference])
		t.Logf("%-28s mean %.3f ms, t = %+.1f", c.why, 1000*mean(trimmed(times[i])), w)
		if math.Abs(w) > 10 {
			t.Errorf("%s can be told from a wrong password by its time", c.why)
		}
	}
}

func trimmed(x []float64) []float64 {
	x = slices.Sorted(slices.Values(x))
	return x[:len(x)*19/20]
}

// welch returns Welch's t of two samples.
func welch(x, y []float64) float64 {
	x, y = trimmed(x), trimmed(y)
	return (mean(x) - mean(y)) / math.Sqrt(variance(x)/float64(len(x))+variance(y)/float64(len(y)))
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

func variance(x []float64) float64 {
	m, sum := mean(x), 0.0
	for _, v := range x {
		sum += (v - m) * (v - m)
	}
	return sum / float64(len(x)-1)
}
