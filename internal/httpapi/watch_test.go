package httpapi_test

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// The checks that the harness makes in every test.

// watchHeaders fails the test if the handler changes the header after it was sent, because a cookie that is deleted then stays
// (A15).
func (s *server) watchHeaders(handler http.Handler, w http.ResponseWriter, r *http.Request) {
	watched := &watchedWriter{ResponseWriter: w}
	handler.ServeHTTP(watched, r)
	if watched.sent != nil && !maps.EqualFunc(watched.sent, w.Header(), slices.Equal) {
		s.t.Errorf("%s %s: the header was changed after it had been sent:\n%v\n%v", r.Method, r.URL.Path, watched.sent, w.Header())
	}
}

type watchedWriter struct {
	http.ResponseWriter
	sent http.Header
}

func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watchedWriter) WriteHeader(status int) {
	if w.sent == nil && status >= 200 {
		w.sent = w.Header().Clone()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedWriter) Write(b []byte) (int, error) {
	if w.sent == nil {
		w.sent = w.Header().Clone()
	}
	return w.ResponseWriter.Write(b)
}

// secrets are texts that must never be in a log or a body: passwords, the values of cookies, and the hashes of both. The zero
// value is ready to use. It is safe for concurrent use.
type secrets struct {
	mu     sync.Mutex
	all    map[string]bool
	ticket map[string]bool
	opens  map[string]bool // credentials, which must be in no store
}

// key adds credentials.
func (s *secrets) key(texts ...string) {
	s.add(texts...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opens == nil {
		s.opens = map[string]bool{}
	}
	for _, text := range texts {
		if len(text) >= 12 {
			s.opens[text] = true
		}
	}
}

// add adds secrets. It ignores short ones, which would be found by chance.
func (s *secrets) add(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all, s.ticket = map[string]bool{}, map[string]bool{}
	}
	for _, text := range texts {
		if len(text) >= 12 {
			s.all[text] = true
		}
	}
}

// sent adds the secrets of a JSON body.
func (s *secrets) sent(body []byte) {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return
	}
	for _, name := range []string{"password", "current_password", "new_password", "secret"} {
		if text, ok := fields[name].(string); ok {
			s.add(text)
		}
	}
}

// issued adds the tokens in the header and the body of a response.
func (s *secrets) issued(a *answer) {
	s.key(a.Header.Get("X-Session-Token"))
	var fields map[string]any
	if json.Unmarshal(a.body, &fields) != nil {
		return
	}
	for _, name := range []string{"token", "access", "refresh", "secret"} {
		if text, ok := fields[name].(string); ok {
			s.key(text)
		}
	}
	if codes, ok := fields["recovery_codes"].([]any); ok {
		for _, code := range codes {
			s.key(fmt.Sprint(code), strings.ReplaceAll(fmt.Sprint(code), "-", ""))
		}
	}
}

// seen adds the cookies that a response sets, and searches its body and its headers except Set-Cookie for tickets.
func (s *secrets) seen(t *testing.T, r *http.Request, a *answer) {
	t.Helper()
	_, basic, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	s.add(basic, r.Header.Get("X-Session-Token"))
	for _, c := range a.Cookies() {
		if c.Name == session.CookieName || c.Name == "sessionid" {
			s.key(c.Value)
		}
	}
	s.issued(a)
	for _, c := range a.Cookies() {
		s.add(c.Value)
		if c.Name == session.CookieName || c.Name == "sessionid" {
			s.mu.Lock()
			s.ticket[c.Value] = c.Value != ""
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	header := a.Header.Clone()
	header.Del("Set-Cookie")
	var rest bytes.Buffer
	_ = header.Write(&rest) // writing to a Buffer never fails
	rest.Write(a.body)
	for ticket := range s.ticket {
		if ticket != "" && bytes.Contains(rest.Bytes(), []byte(ticket)) {
			t.Errorf("%s %s: the response has a ticket outside of Set-Cookie (K04):\n%s", r.Method, r.URL.Path, rest.Bytes())
		}
	}
}

// searchLog searches the log of the test for secrets (L03), and for messages that only a defect causes.
func (s *server) searchLog() {
	log := s.log.String()
	s.secret.mu.Lock()
	defer s.secret.mu.Unlock()
	for secret := range s.secret.all {
		if i := strings.Index(log, secret); i >= 0 {
			s.t.Errorf("the log has the secret %q (L03): …%s", secret, log[max(0, i-200):i+len(secret)])
		}
	}
	if strings.Contains(log, "superfluous") {
		s.t.Errorf("a header was sent twice:\n%s", log)
	}
}

// searchStores searches the content of the stores for credentials, as text and as the bytes that the text encodes (S09).
func (s *server) searchStores() {
	dump, err := dumped(s.stores)
	if err != nil {
		return // the test made the stores fail
	}
	s.secret.mu.Lock()
	defer s.secret.mu.Unlock()
	for secret := range s.secret.opens {
		for _, form := range forms(secret) {
			if bytes.Contains(dump, form) {
				s.t.Errorf("a store has the secret %q (S09)", secret)
			}
		}
	}
}

// forms returns the texts and bytes in which a store could keep a secret.
func forms(secret string) [][]byte {
	all := [][]byte{[]byte(secret)}
	bare := strings.TrimPrefix(strings.TrimPrefix(secret, "cloak_app_"), "cloak_")
	all = append(all, []byte(bare))
	if len(bare) > 24 {
		all = append(all, []byte(bare[:24]))
	}
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.RawURLEncoding.DecodeString, base32.StdEncoding.DecodeString} {
		if raw, err := decode(bare); err == nil && len(raw) >= 12 {
			all = append(all, raw)
		}
	}
	return all
}

// dumped returns everything in the stores that can be listed.
func dumped(st stores) (all []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the stores panic: %v", v)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // for stores that a test makes hang
	defer cancel()
	var dump bytes.Buffer
	sessions, err := st.Sessions.List(ctx, session.Query{})
	if err != nil {
		return nil, err
	}
	for _, r := range sessions {
		fmt.Fprintf(&dump, "%s %s %s %s\n", r.ID[:], r.PublicID, r.Values, fmt.Sprintf("%+v", *r))
	}
	tokens, err := st.Tokens.List(ctx, token.Query{})
	if err != nil {
		return nil, err
	}
	for _, r := range tokens {
		fmt.Fprintf(&dump, "%s %s %s %s\n", r.ID[:], r.PublicID, r.Data, fmt.Sprintf("%+v", *r))
	}
	accounts, err := st.Accounts.List(ctx, account.Query{})
	if err != nil {
		return nil, err
	}
	for _, u := range accounts {
		fmt.Fprintf(&dump, "%+v\n", *u)
		if st.Factors == nil {
			continue
		}
		p, err := st.Factors.Load(ctx, u.ID)
		if err != nil {
			return nil, err
		}
		for _, f := range p.Factors {
			fmt.Fprintf(&dump, "%+v %s\n", *f, f.Data)
		}
	}
	if st.Grants != nil {
		grants, err := st.Grants.List(ctx, "", "", 1000)
		if err != nil {
			return nil, err
		}
		for _, g := range grants {
			fmt.Fprintf(&dump, "%+v %s\n", *g, g.Box)
		}
	}
	sealed, err := st.Sealed.Sealed(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range sealed {
		fmt.Fprintf(&dump, "%s %s\n", k.Name, k.Box)
	}
	events, err := st.Audit.List(ctx, audit.Query{})
	for _, e := range events {
		fmt.Fprintf(&dump, "%+v\n", *e)
	}
	return dump.Bytes(), err
}

// searchAudit searches the audit log for secrets.
func (s *server) searchAudit() {
	if s.api == nil {
		return
	}
	if err := s.api.Audit.Flush(context.Background()); err != nil {
		return // the test made the audit log fail
	}
	events, err := s.api.Audit.Store.List(context.Background(), audit.Query{})
	if err != nil {
		return
	}
	s.secret.mu.Lock()
	defer s.secret.mu.Unlock()
	for _, e := range events {
		text := fmt.Sprintf("%+v", *e)
		for secret := range s.secret.all {
			if strings.Contains(text, secret) {
				s.t.Errorf("the audit log has the secret %q (L03): %s", secret, text)
			}
		}
	}
}

// described checks a response against openapi.yaml: the route must have its status, and its headers and body must match.
func described(t *testing.T, r *http.Request, a *answer) {
	t.Helper()
	document := openAPIRouter()
	at := *r
	at.URL = &url.URL{Path: strings.TrimSuffix(r.URL.EscapedPath(), "/"), RawQuery: r.URL.RawQuery}
	if at.Method == http.MethodHead {
		return
	}
	route, params, err := document.FindRoute(&at)
	if err != nil {
		return // the document doesn't have the route or the method; other tests check the 404 or 405
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: &at, PathParams: params, Route: route},
		Status:                 a.StatusCode, Header: a.Header, Body: io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		t.Errorf("%s %s: the response doesn't match openapi.yaml: %v\n%d %s", r.Method, r.URL.Path, err, a.StatusCode, a.body)
	}
}

var openAPIRouter = sync.OnceValue(func() routers.Router {
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		panic(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		panic(err)
	}
	if err := document.Validate(context.Background()); err != nil {
		panic(err)
	}
	openapi3filter.RegisterBodyDecoder("application/problem+json", openapi3filter.JSONBodyDecoder)
	for _, kind := range []string{"text/event-stream", "text/csv", "application/x-ndjson"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.PlainBodyDecoder)
	}
	openapi3filter.RegisterBodyDecoder("application/yaml", openapi3filter.PlainBodyDecoder)
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		panic(err)
	}
	return router
})

// safeBuffer is a buffer that is safe for concurrent use.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
