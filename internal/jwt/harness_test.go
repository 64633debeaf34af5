package jwt_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

const publicURL = "https://app.example.com"

// world is a Service with stores in memory.
type world struct {
	*jwt.Service
	t        testing.TB
	db       *memory.DB
	ring     *keyring.Ring
	accounts accounts
	sessions *session.Manager
	log      *bytes.Buffer
}

// accounts maps the existing users to their present epochs.
type accounts map[string]string

func (a accounts) Epoch(_ context.Context, user string) (string, error) {
	if epoch, ok := a[user]; ok {
		return epoch, nil
	}
	return "", nil
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ring, err := keyring.Create(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: memory.New(), ring: ring, accounts: accounts{"1": "first"}, log: &bytes.Buffer{}}
	w.sessions = &session.Manager{Store: w.db.Sessions, Accounts: w.accounts}
	w.Service = w.node()
	w.Audit = &audit.Log{Text: slog.New(slog.NewJSONHandler(w.log, nil))}
	return w
}

// node returns another server on the same stores.
func (w *world) node() *jwt.Service {
	return &jwt.Service{
		Keys: &jwt.Keys{Ring: w.ring, Store: w.db.Sealed}, Store: w.db.Tokens, Accounts: w.accounts, Sessions: w.sessions,
		Issuer: publicURL, Audiences: []string{"reports", "billing"},
	}
}

// signIn returns the first pair of a family of user 1.
func (w *world) signIn() jwt.Pair {
	w.t.Helper()
	pair, err := w.Create(w.t.Context(), jwt.SignIn{User: "1", Epoch: w.accounts["1"], Address: "192.0.2.1", Agent: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	return pair
}

// session returns a live session of user 1.
func (w *world) session() *session.Session {
	w.t.Helper()
	s, err := w.sessions.SignIn(newRecorder(), newRequest(), session.SignIn{User: "1", Epoch: w.accounts["1"], Method: "password", Fresh: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// mint returns a token for an audience, from a session.
func (w *world) mint(s *session.Session, audience string) string {
	w.t.Helper()
	text, _, err := w.Mint(w.t.Context(), jwt.Mint{Session: s, Epoch: w.accounts["1"], AuthenticatedAt: s.CreatedAt, Audience: audience})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// families returns the stored families.
func (w *world) families() []*token.Record {
	w.t.Helper()
	all, err := w.db.Tokens.List(w.t.Context(), token.Query{Kind: token.Refresh})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// signer is a key of the store, opened with the server secret.
type signer struct {
	Algorithm string `json:"alg"`
	Made      int64  `json:"made"`
	Private   []byte `json:"pkcs8"`
	kid       string
	key       crypto.Signer
}

// signers returns the signing keys, the oldest first.
func (w *world) signers() []signer {
	w.t.Helper()
	sealed, err := w.db.Sealed.Sealed(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var all []signer
	for _, s := range sealed {
		plain, err := w.ring.Open(s)
		if err != nil {
			w.t.Fatal(err)
		}
		k := opened(w.t, plain)
		k.kid = w.published()[len(all)]["kid"]
		all = append(all, k)
	}
	return all
}

func opened(t testing.TB, plain []byte) signer {
	t.Helper()
	var k signer
	if err := json.Unmarshal(plain, &k); err != nil {
		t.Fatal(err)
	}
	private, err := x509.ParsePKCS8PrivateKey(k.Private)
	if err != nil {
		t.Fatal(err)
	}
	k.key = private.(crypto.Signer)
	return k
}

// published returns the public keys.
func (w *world) published() []map[string]string {
	w.t.Helper()
	return published(w.t, w.Service)
}

func published(t testing.TB, s *jwt.Service) []map[string]string {
	t.Helper()
	text, _, err := s.PublicKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	return set.Keys
}

// sign returns a token of any header and payload.
func (k signer) sign(t testing.TB, header, payload string) string {
	t.Helper()
	signed := encode([]byte(header)) + "." + encode([]byte(payload))
	return signed + "." + encode(k.signature(t, signed))
}

func (k signer) signature(t testing.TB, signed string) []byte {
	t.Helper()
	switch key := k.key.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(key, []byte(signed))
	case *ecdsa.PrivateKey:
		digest := sha256.Sum256([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	t.Fatalf("unexpected key of type %T", k.key)
	return nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// part returns the decoded n-th part of a token.
func part(t testing.TB, text string, n int) string {
	t.Helper()
	plain, err := base64.RawURLEncoding.Strict().DecodeString(strings.Split(text, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// claim returns one claim of a token.
func claim(t testing.TB, text, name string) any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(part(t, text, 1)), &all); err != nil {
		t.Fatal(err)
	}
	return all[name]
}

// seconds returns a claim that is a time.
func seconds(t testing.TB, text, name string) time.Time {
	t.Helper()
	return time.Unix(int64(claim(t, text, name).(float64)), 0)
}

// atOnce runs f n times at the same time.
func atOnce(n int, f func(int)) {
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			f(i)
		})
	}
	done.Wait()
}

// tally counts how often each error occurs.
func tally(errs []error) map[string]int {
	counts := map[string]int{}
	for _, err := range errs {
		counts[fmt.Sprint(err)]++
	}
	return counts
}

// only reports whether the counts are exactly those wanted.
func only(counts map[string]int, want map[string]int) bool {
	if len(counts) != len(want) {
		return false
	}
	for name, n := range want {
		if counts[name] != n {
			return false
		}
	}
	return true
}

func without(s []string, drop string) []string {
	return slices.DeleteFunc(slices.Clone(s), func(x string) bool { return x == drop })
}
