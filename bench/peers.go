package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/alexedwards/scs/redisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/golang-jwt/jwt/v5"
	"github.com/gomodule/redigo/redis"
	"github.com/gorilla/sessions"
)

// contenders are all servers of /api/me. The first determines what the others write.
var contenders = []string{
	"me/memory/strict", "me/memory/fenced",
	"me/sqlite/strict", "me/sqlite/fenced",
	"me/postgres/strict", "me/postgres/fenced",
	"me/redis/strict", "me/redis/fenced",
	"bare", "hs256", "rs256", "es256", "eddsa", "scs-memory", "scs-redis", "gorilla", "django",
}

// peers are the contenders that ours are compared with.
var peers = []string{"bare", "hs256", "rs256", "es256", "eddsa", "scs-memory", "scs-redis", "gorilla", "django"}

// build returns a contender's handler and a credential of each of its users.
func build(s spec, addr string) (http.Handler, []string, error) {
	if strings.HasPrefix(s.Name, "me/") || s.Name == "hash" || s.Name == ourGateway || s.Name == theAsked {
		return buildOurs(s, addr)
	}
	write := writer(s)
	switch s.Name {
	case "bare":
		return write, []string{"Cookie: sessionid=" + rand.Text() + rand.Text()[:17]}, nil
	case "hs256", "rs256", "es256", "eddsa":
		return buildJWT(s, write)
	case "scs-memory", "scs-redis":
		return buildSCS(s, write)
	case limitFenced:
		return buildLimitFenced(s)
	case limitSQLite:
		return buildLimitSQLite(s)
	case limitAuthRequest, limitSameHeaders:
		return buildLimitAuthRequest(s)
	case limitPostgres:
		return buildLimitPostgres(s)
	case limitRedis:
		return buildLimitRedis(s)
	case limitSignOut:
		return buildLimitSignOut(s)
	case bareProxy:
		return buildProxy(s)
	case "gorilla":
		return buildGorilla(s, write)
	}
	return nil, nil, fmt.Errorf("no contender %q", s.Name)
}

// writer writes the header and the body that all contenders write.
func writer(s spec) http.HandlerFunc {
	header := s.Header.Clone()
	header.Del("Date")
	length := strconv.Itoa(len(s.Body))
	return func(w http.ResponseWriter, r *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Length", length)
		w.Write(s.Body)
	}
}

// buildJWT verifies a bearer token with golang-jwt. It allows one algorithm and requires an expiry.
func buildJWT(s spec, next http.Handler) (http.Handler, []string, error) {
	method, private, public, err := jwtKeys(s.Name)
	if err != nil {
		return nil, nil, err
	}
	var credentials []string
	for n := range s.People {
		token, err := jwt.NewWithClaims(method, jwt.RegisteredClaims{
			Subject: strconv.Itoa(n + 1), Issuer: "http://localhost", IssuedAt: jwt.NewNumericDate(time.Now()),
			ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour)), ID: rand.Text(),
		}).SignedString(private)
		if err != nil {
			return nil, nil, err
		}
		credentials = append(credentials, "Authorization: Bearer "+token)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{method.Alg()}), jwt.WithExpirationRequired(), jwt.WithIssuer("http://localhost"))
	key := func(*jwt.Token) (any, error) { return public, nil }
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		var claims jwt.RegisteredClaims
		if _, err := parser.ParseWithClaims(text, &claims, key); err != nil || claims.Subject == "" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	}), credentials, nil
}

func jwtKeys(name string) (method jwt.SigningMethod, private, public any, err error) {
	var signer crypto.Signer
	switch name {
	case "hs256":
		secret := []byte(rand.Text() + rand.Text())
		return jwt.SigningMethodHS256, secret, secret, nil
	case "rs256":
		method = jwt.SigningMethodRS256
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	case "es256":
		method = jwt.SigningMethodES256
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "eddsa":
		method = jwt.SigningMethodEdDSA
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	return method, signer, signer.Public(), nil
}

// buildSCS reads the user from a session of scs.
func buildSCS(s spec, next http.Handler) (http.Handler, []string, error) {
	m := scs.New()
	if s.Name == "scs-redis" {
		m.Store = redisstore.New(&redis.Pool{MaxIdle: 32, Dial: func() (redis.Conn, error) { return redis.DialURL(s.Sessions) }})
	}
	var credentials []string
	for n := range s.People {
		w := httptest.NewRecorder()
		m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			m.Put(r.Context(), "user", strconv.Itoa(n+1))
		})).ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
		credentials = append(credentials, cookie(w))
	}
	return m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.GetString(r.Context(), "user") == "" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})), credentials, nil
}

// buildGorilla reads the user from a signed cookie of gorilla/sessions.
func buildGorilla(s spec, next http.Handler) (http.Handler, []string, error) {
	store := sessions.NewCookieStore([]byte(rand.Text() + rand.Text()))
	var credentials []string
	for n := range s.People {
		w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil)
		in, err := store.Get(r, "session")
		if err != nil {
			return nil, nil, err
		}
		in.Values["user"] = strconv.Itoa(n + 1)
		if err := in.Save(r, w); err != nil {
			return nil, nil, err
		}
		credentials = append(credentials, cookie(w))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := store.Get(r, "session")
		if user, ok := in.Values["user"].(string); err != nil || !ok || user == "" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	}), credentials, nil
}

// cookie returns the cookie that was set, as a header line.
func cookie(w *httptest.ResponseRecorder) string {
	c := w.Result().Cookies()[0]
	return "Cookie: " + c.Name + "=" + c.Value
}
