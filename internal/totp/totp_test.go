package totp_test

import (
	"bytes"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	theirs "github.com/pquerna/otp/totp"

	"github.com/cloakroom-auth/cloakroom/internal/totp"
)

// rfc is the secret of the vectors of both RFCs.
var rfc = []byte("12345678901234567890")

func TestVectorsOfRFC4226(t *testing.T) {
	for step, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := totp.Code(rfc, int64(step)); got != want {
			t.Errorf("appendix D, count %d: %s; want %s", step, got, want)
		}
	}
}

// TestVectorsOfRFC6238: the RFC's codes have eight digits, of which the last six are ours.
func TestVectorsOfRFC6238(t *testing.T) {
	for seconds, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := totp.Code(rfc, totp.Step(time.Unix(seconds, 0))); got != want[2:] {
			t.Errorf("appendix B, %d seconds: %s; want %s", seconds, got, want[2:])
		}
	}
}

// TestAnotherImplementationAgrees about random secrets at random times, and about each of the times around.
func TestAnotherImplementationAgrees(t *testing.T) {
	opts := theirs.ValidateOpts{Period: 30, Skew: 1, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}
	for range 10_000 {
		secret, now := totp.NewSecret(), time.Unix(rand.Int64N(1<<35), 0)
		at := now.Add(time.Duration(rand.IntN(240)-120) * time.Second)
		code, err := theirs.GenerateCodeCustom(totp.Text(secret), at, opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := totp.Code(secret, totp.Step(at)); got != code {
			t.Fatalf("secret %x at %d: %s; theirs is %s", secret, at.Unix(), got, code)
		}
		accepted, err := theirs.ValidateCustom(code, totp.Text(secret), now, opts)
		if err != nil {
			t.Fatal(err)
		}
		if step, ok := totp.Match(secret, code, now); ok != accepted || ok && totp.Code(secret, step) != code {
			t.Fatalf("secret %x, a code of %d at %d: step %d, %t; theirs is %t", secret, at.Unix(), now.Unix(), step, ok, accepted)
		}
	}
}

func TestOneStepBeforeAndAfterCounts(t *testing.T) {
	now := time.Unix(1111111111, 0)
	for offset := int64(-3); offset <= 3; offset++ {
		step := totp.Step(now) + offset
		got, ok := totp.Match(rfc, totp.Code(rfc, step), now)
		if want := offset >= -1 && offset <= 1; ok != want || ok && got != step {
			t.Errorf("%+d: step %d, %t; want %d, %t", offset, got, ok, step, want)
		}
	}
	for _, code := range []string{"", "0", "05047", "0504711", "050471 ", "٠٥٠٤٧١", strings.Repeat("0", 1<<16)} {
		if _, ok := totp.Match(rfc, code, now); ok {
			t.Errorf("%.20q counts", code)
		}
	}
}

// TestACodeOfTwoStepsIsTheLaterOnes, so that it counts only once.
func TestACodeOfTwoStepsIsTheLaterOnes(t *testing.T) {
	step := int64(0)
	for totp.Code(rfc, step) != totp.Code(rfc, step+1) {
		step++
	}
	if got, ok := totp.Match(rfc, totp.Code(rfc, step), time.Unix(30*step, 0)); !ok || got != step+1 {
		t.Errorf("step %d, %t; want %d", got, ok, step+1)
	}
}

func TestSecretsAreRandom(t *testing.T) {
	a, b := totp.NewSecret(), totp.NewSecret()
	if len(a) != 20 || bytes.Equal(a, b) {
		t.Errorf("%x and %x", a, b)
	}
}

func TestAnotherImplementationReadsTheURI(t *testing.T) {
	for _, c := range []struct{ issuer, account, wantIssuer string }{
		{"app.example.com", "ada", "app.example.com"},
		{"app.example.com", "Ada Lovelace+x@example.com", "app.example.com"},
		{"app.example.com", "a:b/c?d&e=f#g%20", "app.example.com"},
		{"::1", "größe", "--1"},
	} {
		uri := totp.URI(c.issuer, c.account, rfc)
		key, err := otp.NewKeyFromURL(uri)
		if err != nil {
			t.Fatal(err)
		}
		if key.Type() != "totp" || key.Issuer() != c.wantIssuer || key.AccountName() != c.account || key.Secret() != totp.Text(rfc) || key.Period() != 30 || key.Digits() != otp.DigitsSix {
			t.Errorf("%s: %q, %q, %q", uri, key.Issuer(), key.AccountName(), key.Secret())
		}
		if strings.ContainsAny(uri, "+ ") || strings.Count(uri, ":") != 2 {
			t.Errorf("%s: apps may show it wrong", uri)
		}
		if _, err := url.Parse(uri); err != nil {
			t.Error(err)
		}
	}
}
