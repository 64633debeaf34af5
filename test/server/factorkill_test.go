package server_test

import (
	"encoding/base32"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/totp"
)

// TestSecondFactorsCountOnceAcrossAKill kills the server right after a code was accepted, or while several sign-ins show the same code
// at once. Over both lives of the server at most one of them is signed in, and the code that has set the app up never counts again.
func TestSecondFactorsCountOnceAcrossAKill(t *testing.T) {
	t.Attr("threat", "M07")
	t.Parallel()
	s := start(t)
	rounds := 4
	if long {
		rounds = 60
	}
	for round, u := range s.people("kim", rounds) {
		app := s.signedIn(u.Username).enrolsApp()
		code, kind := totp.Code(app.secret, totp.Step(time.Now())+1), "the code of an app"
		if round%2 > 0 {
			code, kind = app.recovery[0], "a recovery code"
		}
		midway := round%4 > 1 // the kill comes while the code is being checked
		tries := make([]*visitor, 4)
		for i := range tries {
			tries[i] = s.atSecondStep(u.Username)
		}
		var accepted atomic.Int32
		show := func(v *visitor) {
			if a, err := v.second(code); err == nil && a.status == http.StatusOK {
				accepted.Add(1)
			}
		}
		if midway {
			time.AfterFunc(rand.N(20*time.Millisecond), s.kill)
			var all sync.WaitGroup
			for _, v := range tries {
				all.Go(func() { show(v) })
			}
			all.Wait()
		} else {
			if show(tries[0]); accepted.Load() != 1 {
				t.Fatalf("%s signs no one in\n%s", kind, s.log.Tail(10))
			}
			s.kill()
		}
		<-s.done
		s.start()
		before := accepted.Load()
		for _, v := range tries {
			show(v)
		}
		if n := accepted.Load(); n > 1 {
			t.Errorf("%s signed in %d times, %d of them before the kill", kind, n, before)
		}
		if a := tries[3].must(s.atSecondStep(u.Username).second(app.spent)); a.status == http.StatusOK {
			t.Error("the code that has set the app up signs in")
		}
	}
}

// enrolledApp is an authenticator app that was just set up.
type enrolledApp struct {
	id       string // of the enrolment
	secret   []byte
	spent    string // the code that has set it up
	recovery []string
}

// enrolsApp sets up an authenticator app.
func (v *visitor) enrolsApp() enrolledApp {
	v.s.t.Helper()
	app := v.beginsApp()
	app.recovery = v.recoveryCodes(v.confirms(app))
	return app
}

func (v *visitor) beginsApp() enrolledApp {
	v.s.t.Helper()
	var begun struct{ ID, Secret string }
	v.reads(v.must(v.send("POST", "/api/auth/factors/totp", nil)), &begun)
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(begun.Secret)
	if err != nil {
		v.s.t.Fatal(err)
	}
	return enrolledApp{id: begun.ID, secret: secret, spent: totp.Code(secret, totp.Step(time.Now()))}
}

func (v *visitor) confirms(app enrolledApp) answer {
	v.s.t.Helper()
	return v.must(v.send("POST", "/api/auth/factors/totp/confirm", map[string]string{"id": app.id, "code": app.spent}))
}

// recoveryCodes returns those that came with the first factor.
func (v *visitor) recoveryCodes(added answer) []string {
	v.s.t.Helper()
	var out struct {
		Codes []string `json:"recovery_codes"`
	}
	v.reads(added, &out)
	return out.Codes
}

// reads decodes an answer of 200.
func (v *visitor) reads(a answer, into any) {
	v.s.t.Helper()
	if a.status != http.StatusOK {
		v.s.t.Fatalf("got %s", a)
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		v.s.t.Fatal(err)
	}
}

// atSecondStep returns a visitor who has shown the password, and is asked for the second step.
func (s *server) atSecondStep(name string) *visitor {
	s.t.Helper()
	v := s.visitor()
	if a := v.must(v.signIn(name, goodPassword)); a.code() != "second_factor_required" {
		s.t.Fatalf("the first step: %s", a)
	}
	return v
}

func (v *visitor) second(code string) (answer, error) {
	return v.send("POST", "/api/auth/login/second", map[string]string{"code": code})
}
