package device_test

import (
	"context"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/device"
	"github.com/cloakroom-auth/cloakroom/internal/device/devicetest"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

const origin = "https://app.example.com"

// site signs people in and binds their sessions.
type site struct {
	*testing.T
	m       *session.Manager
	d       *device.Service
	secrets [][]byte
	epoch   string // of the only account
}

// Epoch implements session.Epochs.
func (s *site) Epoch(context.Context, string) (string, error) { return s.epoch, nil }

func newSite(t *testing.T) *site {
	s := &site{T: t, secrets: [][]byte{[]byte("the first key")}, epoch: "1"}
	s.m = &session.Manager{Store: memory.New().Sessions, Accounts: s}
	s.d = &device.Service{Sessions: s.m, URL: origin, Keys: func() [][]byte { return s.secrets }}
	s.m.Device = s.d
	return s
}

// browser is what a browser has of a session.
type browser struct {
	*site
	id            string
	ticket, bound string // pairs of a Cookie header; "": it hasn't got the cookie
	offer         string // the challenge of the last offer
	key           *devicetest.Key
	challenge     string // of the next proof
}

var offered = regexp.MustCompile(`^\(ES256 RS256\);path="/api/auth/device/register";challenge="([\w.-]+)"$`)

func (s *site) signIn() *browser {
	s.Helper()
	w := httptest.NewRecorder()
	signed, err := s.m.SignIn(w, httptest.NewRequest("POST", origin+"/", nil), session.SignIn{User: "ada", Epoch: s.epoch, Method: "password"})
	if err != nil {
		s.Fatal(err)
	}
	b := &browser{site: s, id: signed.ID, key: devicetest.New()}
	b.take(w)
	return b
}

// take keeps the cookie and the offer of an answer.
func (b *browser) take(w *httptest.ResponseRecorder) {
	b.Helper()
	b.ticket, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
	b.offer = ""
	if header := w.Header().Get("Secure-Session-Registration"); header != "" {
		m := offered.FindStringSubmatch(header)
		if m == nil {
			b.Fatalf("the offer is %q", header)
		}
		b.offer = m[1]
	}
}

// granted keeps what a proof has got.
func (b *browser) granted(g device.Grant, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	b.bound, b.challenge = g.Cookie.Name+"="+g.Cookie.Value, g.Challenge
}

func (b *browser) register() {
	b.Helper()
	b.granted(b.d.Register(b.Context(), b.id, b.key.Registration(b.offer).String()))
}

func (b *browser) refresh() error {
	b.Helper()
	g, err := b.d.Refresh(b.Context(), b.id, b.key.Refresh(b.challenge).String())
	if err == nil {
		b.granted(g, err)
	}
	return err
}

// ask returns what a request with these cookies is.
func (s *site) ask(cookies string, skipped ...string) string {
	s.Helper()
	r := httptest.NewRequest("GET", origin+"/", nil)
	r.Header.Set("Cookie", cookies)
	if len(skipped) > 0 {
		r.Header["Secure-Session-Skipped"] = skipped
	}
	said := ""
	s.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found, err := session.FromContext(r.Context())
		switch {
		case err != nil && len(skipped) > 0:
			said = "excused"
		case err != nil:
			s.Error(err)
		case found == nil:
			said = "nothing"
		case found.Bound:
			said = "bound"
		default:
			said = "unbound"
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	return said
}

func (s *site) want(what, cookies, want string) {
	s.Helper()
	if got := s.ask(cookies); got != want {
		s.Errorf("%s: %s, want %s", what, got, want)
	}
}

// inForce returns a browser whose session counts only there.
func (s *site) inForce() *browser {
	s.Helper()
	b := s.signIn()
	b.register()
	s.want("with the cookie", b.ticket+"; "+b.bound, "bound")
	return b
}

func (b *browser) binding() string {
	b.Helper()
	all, err := b.m.Store.List(b.Context(), session.Query{PublicID: b.id})
	if err != nil || len(all) != 1 {
		b.Fatal(len(all), err)
	}
	return all[0].Binding
}

func TestATicketAloneOpensNothingOnceTheCookieHasComeBack(t *testing.T) {
	t.Attr("threat", "DB01")
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		b := s.signIn()
		s.want("before the registration", b.ticket, "unbound")
		b.register()
		s.want("whose answer may be lost", b.ticket, "unbound")
		s.want("with the cookie", b.ticket+"; "+b.bound, "bound")
		s.want("the ticket alone", b.ticket, "nothing")
		s.want("the cookie alone", b.bound, "nothing")
		if got := s.ask(b.ticket, `unreachable;session_identifier="`+b.id+`"`); got != "excused" {
			t.Errorf("the ticket with an excuse: %s, want excused", got)
		}
		other := s.inForce()
		s.want("with the cookie of another session", b.ticket+"; "+other.bound, "nothing")
		s.want("with two cookies", b.ticket+"; "+b.bound+"; "+b.bound, "nothing")
		s.want("with an altered cookie", b.ticket+"; "+b.bound[:len(b.bound)-1]+"-", "nothing")
		s.want("with a cookie of another name", b.ticket+"; "+strings.ToUpper(b.bound[:len(device.CookieName)])+b.bound[len(device.CookieName):], "nothing")
		end, mac, _ := strings.Cut(strings.TrimPrefix(b.bound, device.CookieName+"="), ".")
		s.want("with a later end", b.ticket+"; "+device.CookieName+"="+end[:len(end)-1]+"9."+mac, "nothing")
	})
}

// TestACopiedPairOfCookiesEndsWithinTenMinutes copies both cookies to another browser. The first goes on.
func TestACopiedPairOfCookiesEndsWithinTenMinutes(t *testing.T) {
	t.Attr("threat", "DB02")
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		b := s.inForce()
		copied := b.ticket + "; " + b.bound
		time.Sleep(5 * time.Minute)
		if err := b.refresh(); err != nil {
			t.Fatal(err)
		}
		s.want("the copy after five minutes", copied, "bound")
		time.Sleep(5 * time.Minute)
		s.want("the copy after ten minutes", copied, "nothing")
		s.want("the browser", b.ticket+"; "+b.bound, "bound")
	})
}

func TestUntilTheCookieComesBackAnotherRegistrationReplaces(t *testing.T) {
	t.Attr("threat", "DB03")
	s := newSite(t)
	b := s.signIn()
	b.register()
	lost := b.bound
	first := b.offer
	w := httptest.NewRecorder()
	s.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.m.Reauthenticate(w, r, session.Reauthentication{Epoch: s.epoch}); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(w, with(b.ticket))
	b.take(w)
	b.key = devicetest.New()
	b.register()
	s.want("with the cookie of the replaced registration", b.ticket+"; "+lost, "unbound")
	s.want("with the cookie", b.ticket+"; "+b.bound, "bound")
	if _, err := s.d.Register(t.Context(), b.id, devicetest.New().Registration(first).String()); !errors.Is(err, device.ErrBound) {
		t.Errorf("a registration in force, and another: %v", err)
	}
}

func with(cookies string) *http.Request {
	r := httptest.NewRequest("GET", origin+"/", nil)
	r.Header.Set("Cookie", cookies)
	return r
}

func TestABoundSessionTakesNoOtherKey(t *testing.T) {
	t.Attr("threat", "DB03")
	s := newSite(t)
	b := s.inForce()
	before := b.binding()
	if _, err := s.d.Register(t.Context(), b.id, devicetest.New().Registration(b.offer).String()); !errors.Is(err, device.ErrBound) {
		t.Errorf("another key: %v, want ErrBound", err)
	}
	if _, err := s.d.Register(t.Context(), b.id, "no proof at all"); !errors.Is(err, device.ErrBound) {
		t.Errorf("no proof: %v, want ErrBound", err)
	}
	if _, err := s.d.Register(t.Context(), b.id, b.key.Registration(b.offer).String()); !errors.Is(err, device.ErrRepeated) {
		t.Errorf("the same registration: %v, want ErrRepeated", err)
	}
	if b.binding() != before {
		t.Error("a refused registration has changed the binding")
	}
	w := httptest.NewRecorder()
	s.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.m.Reauthenticate(w, r, session.Reauthentication{Epoch: s.epoch}); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(w, with(b.ticket+"; "+b.bound))
	was := b.ticket
	b.take(w)
	if b.offer != "" {
		t.Error("a bound session is offered another registration")
	}
	s.want("after a rotation of the ticket", b.ticket+"; "+b.bound, "bound")
	s.want("after a rotation, the ticket alone", b.ticket, "nothing")
	s.want("the former ticket", was+"; "+b.bound, "nothing")
}

func TestAnOfferCountsForItsSessionOnceAndShortly(t *testing.T) {
	t.Attr("threat", "DB04")
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		b, other := s.signIn(), s.signIn()
		refused := func(what, id string, p *devicetest.Proof) {
			t.Helper()
			if _, err := s.d.Register(t.Context(), id, p.String()); !errors.Is(err, device.ErrRefused) {
				t.Errorf("%s: %v, want ErrRefused", what, err)
			}
		}
		refused("the offer of another session", b.id, b.key.Registration(other.offer))
		for _, wrong := range []string{"x", "", b.offer + "x", "x" + b.offer, strings.Replace(b.offer, ".", ".9", 1), strings.ReplaceAll(b.offer, ".", "")} {
			refused("the offer "+wrong, b.id, b.key.Registration(wrong))
		}
		b.register()
		g, err := s.d.Register(t.Context(), b.id, b.key.Registration(b.offer).String())
		if err != nil || g.Cookie.Name+"="+g.Cookie.Value != b.bound {
			t.Errorf("the same registration again: %+v %v", g, err)
		}
		refused("the same offer for another key", b.id, devicetest.New().Registration(b.offer))
		time.Sleep(2 * time.Minute)
		refused("an offer after two minutes", other.id, other.key.Registration(other.offer))
		if _, err := s.d.Register(t.Context(), "unknown", b.key.Registration(b.offer).String()); !errors.Is(err, session.ErrEnded) {
			t.Errorf("no such session: %v", err)
		}
	})
}

// TestOnlyAValidProofRegisters tries what other implementations of JWS have accepted.
func TestOnlyAValidProofRegisters(t *testing.T) {
	t.Attr("threat", "DB05")
	s := newSite(t)
	b := s.signIn()
	change := func(f func(p *devicetest.Proof)) string {
		p := b.key.Registration(b.offer)
		f(p)
		return p.String()
	}
	jwk := func(name string, value any) string {
		return change(func(p *devicetest.Proof) {
			key := b.key.JWK()
			key[name] = value
			p.Header["jwk"] = key
		})
	}
	raw := func(r, sig *big.Int) string {
		return change(func(p *devicetest.Proof) {
			p.Sign = func([]byte) []byte { return append(r.FillBytes(make([]byte, 32)), sig.FillBytes(make([]byte, 32))...) }
		})
	}
	n := elliptic.P256().Params().N
	hs := func(secret []byte) func(p *devicetest.Proof) {
		return func(p *devicetest.Proof) {
			p.Header["alg"] = "HS256"
			p.Sign = func(text []byte) []byte {
				mac := hmac.New(sha256.New, secret)
				mac.Write(text)
				return mac.Sum(nil)
			}
		}
	}
	public, err := x509.MarshalPKIXPublicKey(b.key.Signer().Public())
	if err != nil {
		t.Fatal(err)
	}
	whole := b.key.Registration(b.offer).String()
	small, p384 := devicetest.NewRSA(1024), devicetest.NewOn(elliptic.P384())
	for what, text := range map[string]string{
		"empty":                  "",
		"a quote":                `"` + whole,
		"two dots":               "..",
		"a megabyte of dots":     strings.Repeat(".", 1<<20),
		"encrypted":              "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkExMjhHQ00ifQ.AA.AA.AA.AA",
		"without a key":          b.key.Refresh(b.offer).String(),
		"another typ":            change(func(p *devicetest.Proof) { p.Header["typ"] = "JWT" }),
		"no typ":                 change(func(p *devicetest.Proof) { delete(p.Header, "typ") }),
		"no signature":           whole[:strings.LastIndex(whole, ".")+1],
		"alg none":               change(func(p *devicetest.Proof) { p.Header["alg"] = "none"; p.Sign = func([]byte) []byte { return nil } }),
		"alg nOnE":               change(func(p *devicetest.Proof) { p.Header["alg"] = "nOnE"; p.Sign = func([]byte) []byte { return nil } }),
		"HMAC without a key":     change(hs(nil)),
		"HMAC of the public key": change(hs(public)),
		"the other algorithm":    change(func(p *devicetest.Proof) { p.Header["alg"] = "RS256" }),
		"the wrong key":          change(func(p *devicetest.Proof) { p.Header["jwk"] = devicetest.New().JWK() }),
		"a point off the curve":  jwk("y", base64.RawURLEncoding.EncodeToString(make([]byte, 32))),
		"another curve's name":   jwk("crv", "P-384"),
		"P-384":                  p384.Registration(b.offer).String(),
		"a symmetric key":        change(func(p *devicetest.Proof) { p.Header["jwk"] = map[string]any{"kty": "oct", "k": "AAAA"} }),
		"a private key":          jwk("d", base64.RawURLEncoding.EncodeToString(make([]byte, 32))),
		"a short RSA key":        small.Registration(b.offer).String(),
		"r and s are 0":          raw(big.NewInt(0), big.NewInt(0)),
		"r and s are n":          raw(n, n),
		"a critical header":      change(func(p *devicetest.Proof) { p.Header["crit"] = []string{"x"}; p.Header["x"] = true }),
		"a DER signature": change(func(p *devicetest.Proof) {
			sign := p.Sign
			p.Sign = func(text []byte) []byte {
				rs := sign(text)
				der, _ := asn1.Marshal([]*big.Int{new(big.Int).SetBytes(rs[:32]), new(big.Int).SetBytes(rs[32:])})
				return der
			}
		}),
		"no jti":            change(func(p *devicetest.Proof) { delete(p.Payload, "jti") }),
		"another jti":       change(func(p *devicetest.Proof) { p.Payload = map[string]any{"JTI": b.offer} }),
		"a list as jti":     change(func(p *devicetest.Proof) { p.Payload["jti"] = []string{b.offer} }),
		"a text as payload": change(func(p *devicetest.Proof) { p.Raw = []byte(`"` + b.offer + `"`) }),
		"another audience":  change(func(p *devicetest.Proof) { p.Payload["aud"] = "https://evil.example" + device.RegisterPath }),
		"the refresh's":     change(func(p *devicetest.Proof) { p.Payload["aud"] = origin + device.RefreshPath }),
		"a list of them":    change(func(p *devicetest.Proof) { p.Payload["aud"] = []string{origin + device.RegisterPath} }),
	} {
		if _, err := s.d.Register(t.Context(), b.id, text); !errors.Is(err, device.ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", what, err)
		}
	}
	if b.binding() != "" {
		t.Fatal("a refused proof has bound the session")
	}
	right := b.key.Registration(b.offer)
	right.Payload["aud"] = origin + device.RegisterPath
	b.granted(s.d.Register(t.Context(), b.id, `"`+right.String()+`"`))
	s.want("in quotes, with the audience", b.ticket+"; "+b.bound, "bound")
}

func TestAnRSAKeyBindsASession(t *testing.T) {
	s := newSite(t)
	b := s.signIn()
	b.key = devicetest.NewRSA(2048)
	b.register()
	s.want("with the cookie", b.ticket+"; "+b.bound, "bound")
	if err := b.refresh(); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheRegisteredKeyRenews(t *testing.T) {
	t.Attr("threat", "DB06")
	s := newSite(t)
	b := s.inForce()
	before := b.binding()
	thief := devicetest.New()
	for what, p := range map[string]*devicetest.Proof{
		"another key":                  thief.Refresh(b.challenge),
		"another key that it carries":  thief.Registration(b.challenge),
		"a key of the other algorithm": devicetest.NewRSA(2048).Registration(b.challenge),
		"no challenge":                 b.key.Refresh(""),
	} {
		_, err := s.d.Refresh(t.Context(), b.id, p.String())
		asked, ok := errors.AsType[*device.ChallengeError](err)
		if !ok || asked.Challenge != b.challenge || !errors.Is(err, device.ErrRefused) || asked.User != "ada" {
			t.Errorf("%s: %v, want the same challenge because it was refused", what, err)
		}
	}
	for what, text := range map[string]string{"no proof": "", "the registration's challenge": b.key.Refresh(b.offer).String()} {
		_, err := s.d.Refresh(t.Context(), b.id, text)
		if asked, ok := errors.AsType[*device.ChallengeError](err); !ok || asked.Challenge != b.challenge || asked.Why != nil {
			t.Errorf("%s: %v, want the challenge", what, err)
		}
	}
	if b.binding() != before {
		t.Error("a refused proof has changed the binding")
	}
	if err := b.refresh(); err != nil {
		t.Error(err)
	}
}

// TestAChallengeMakesOneCookie repeats proofs, as browsers do whose answer was lost, and as thieves do.
func TestAChallengeMakesOneCookie(t *testing.T) {
	t.Attr("threat", "DB07")
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		b := s.inForce()
		time.Sleep(5 * time.Minute)
		text := b.key.Refresh(b.challenge).String()
		var mu sync.Mutex
		var all sync.WaitGroup
		got := map[string]bool{}
		for range 20 {
			all.Go(func() {
				g, err := s.d.Refresh(t.Context(), b.id, text)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				got[g.Cookie.Value+" "+g.Challenge] = true
			})
		}
		all.Wait()
		if len(got) != 1 {
			t.Fatalf("twenty times the same proof: %d cookies, want 1", len(got))
		}
		time.Sleep(30 * time.Second)
		g, err := s.d.Refresh(t.Context(), b.id, text)
		if err != nil || !got[g.Cookie.Value+" "+g.Challenge] {
			t.Errorf("after half a minute: %+v %v, want the same cookie", g, err)
		}
		if want := 9 * time.Minute; time.Duration(g.Cookie.MaxAge)*time.Second != want {
			t.Errorf("its age is %d s, want what is left: %v", g.Cookie.MaxAge, want)
		}
		time.Sleep(30 * time.Second)
		_, err = s.d.Refresh(t.Context(), b.id, text)
		if asked, ok := errors.AsType[*device.ChallengeError](err); !ok || asked.Challenge != g.Challenge || asked.Why != nil {
			t.Errorf("after a minute: %v, want the next challenge", err)
		}
	})
}

// TestAnOldChallengeIsNotEnough: a proof that was made in advance and carried away.
func TestAnOldChallengeIsNotEnough(t *testing.T) {
	t.Attr("threat", "DB07")
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		b := s.inForce()
		made := b.key.Refresh(b.challenge).String()
		time.Sleep(20 * time.Minute)
		_, err := s.d.Refresh(t.Context(), b.id, made)
		asked, ok := errors.AsType[*device.ChallengeError](err)
		if !ok || asked.Challenge == b.challenge || asked.Why != nil {
			t.Fatalf("%v, want another challenge", err)
		}
		if _, err := s.d.Refresh(t.Context(), b.id, made); err == nil {
			t.Error("the old proof counts at the second try")
		}
		b.challenge = asked.Challenge
		if err := b.refresh(); err != nil {
			t.Error(err)
		}
	})
}

func TestASessionThatHasEndedIsNeverRenewed(t *testing.T) {
	t.Attr("threat", "DB08")
	for what, end := range map[string]func(b *browser) error{
		"signed out":  func(b *browser) error { return b.m.SignOut(httptest.NewRecorder(), with(b.ticket)) },
		"revoked":     func(b *browser) error { return b.m.Revoke(b.Context(), "ada", b.id) },
		"all revoked": func(b *browser) error { _, err := b.m.RevokeAll(b.Context(), "ada", nil); return err },
		"expired":     func(*browser) error { time.Sleep(15 * 24 * time.Hour); return nil },
		"epoch":       func(b *browser) error { b.epoch = "2"; return nil },
		"another sign-in": func(b *browser) error {
			_, err := b.m.SignIn(httptest.NewRecorder(), with(b.ticket), session.SignIn{User: "ada", Epoch: "1", Method: "password"})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				b := s.inForce()
				if err := b.refresh(); err != nil {
					t.Fatal(err)
				}
				used := b.key.Refresh(b.challenge).String()
				if err := end(b); err != nil {
					t.Fatal(err)
				}
				for _, text := range []string{"", used} {
					if g, err := s.d.Refresh(t.Context(), b.id, text); !errors.Is(err, session.ErrEnded) {
						t.Errorf("renewed: %+v %v", g, err)
					}
				}
				s.want("with both cookies", b.ticket+"; "+b.bound, "nothing")
			})
		})
	}
}

func TestTheServerSecretMayRotate(t *testing.T) {
	s := newSite(t)
	b := s.signIn()
	s.secrets = [][]byte{[]byte("the second key"), s.secrets[0]}
	b.register()
	s.want("with the cookie", b.ticket+"; "+b.bound, "bound")
	s.secrets = [][]byte{[]byte("the third key"), s.secrets[0]}
	(&site{T: t, m: s.m, d: s.d}).want("with a cookie of the key before", b.ticket+"; "+b.bound, "bound")
	s.d = &device.Service{Sessions: s.m, URL: origin, Keys: s.d.Keys} // has verified nothing yet
	s.m.Device = s.d
	s.want("in another process", b.ticket+"; "+b.bound, "bound")
	s.secrets = s.secrets[:1]
	s.d = &device.Service{Sessions: s.m, URL: origin, Keys: s.d.Keys}
	s.m.Device = s.d
	s.want("with a cookie of a dropped key", b.ticket+"; "+b.bound, "nothing")
	if err := b.refresh(); err != nil {
		t.Error(err)
	}
}

// TestACheckOfABoundSessionCostsOneAllocationAtMost compares a check with one of a session that isn't bound.
func TestACheckOfABoundSessionCostsOneAllocationAtMost(t *testing.T) {
	s := newSite(t)
	plain, bound := s.signIn(), s.inForce()
	request := func(cookies, want string) float64 {
		r := with(cookies)
		h := s.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if found, err := session.FromContext(r.Context()); err != nil || found == nil || found.Bound != (want == "bound") {
				t.Fatal(found, err)
			}
		}))
		w := httptest.NewRecorder()
		return testing.AllocsPerRun(200, func() { h.ServeHTTP(w, r) })
	}
	without, with := request(plain.ticket, "unbound"), request(bound.ticket+"; "+bound.bound, "bound")
	if with > without+1 {
		t.Errorf("%v allocations with a bound session, %v without", with, without)
	}
}

func FuzzProof(f *testing.F) {
	key := devicetest.New()
	f.Add(key.Registration("challenge").String())
	f.Add(key.Refresh("challenge").String())
	f.Add(`"` + key.Refresh("challenge").String() + `"`)
	f.Add("")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		s := newSite(t)
		b := s.signIn()
		if _, err := s.d.Register(t.Context(), b.id, text); !errors.Is(err, device.ErrRefused) {
			t.Fatalf("a proof without an offer registers: %v", err)
		}
		b.register()
		_, err := s.d.Refresh(t.Context(), b.id, text)
		if _, ok := errors.AsType[*device.ChallengeError](err); !ok {
			t.Fatalf("a proof that is not of this key renews: %v", err)
		}
		quoted := strings.HasPrefix(text, `"`)
		if bare := strings.Trim(text, `"`); !quoted && !strings.Contains(text, `"`) {
			_, again := s.d.Refresh(t.Context(), b.id, `"`+bare+`"`)
			if text != "" && errors.Is(err, device.ErrRefused) != errors.Is(again, device.ErrRefused) {
				t.Fatalf("in quotes the answer differs: %v, %v", err, again)
			}
		}
	})
}
