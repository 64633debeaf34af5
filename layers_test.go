package cloakroom_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/cloakroom-auth/cloakroom"

// layer is what a package may import besides the standard library: packages of this module by their paths in it, and
// modules of others by their import paths or a prefix of them.
type layer struct {
	own    []string
	others []string
}

// layers is the house: arrows only go down. A new package fails the test until it has its line here.
var layers = map[string]layer{
	// The domain knows no database and no network.
	"session":             {own: []string{"internal/endreason", "internal/reqinfo", "audit", "internal/removal", "internal/resilience"}, others: []string{"golang.org/x/net/publicsuffix"}},
	"password":            {own: []string{"internal/resilience"}, others: []string{"golang.org/x/"}},
	"throttle":            {own: []string{"internal/resilience"}},
	"internal/feed":       {},
	"token":               {own: []string{"internal/removal", "audit", "internal/resilience"}},
	"internal/jwt":        {own: []string{"audit", "session", "token", "sealed", "internal/keyring"}, others: []string{"github.com/golang-jwt/jwt/v5"}},
	"csrf":                {others: []string{"golang.org/x/", "github.com/rs/cors"}},
	"account":             {own: []string{"factor", "password", "throttle", "internal/foreseen", "internal/resilience"}, others: []string{"golang.org/x/"}},
	"audit":               {own: []string{"internal/reqinfo", "internal/resilience"}},
	"internal/events":     {own: []string{"account", "auth", "internal/device", "internal/endreason", "session"}},
	"auth":                {own: []string{"internal/basicauth", "internal/endreason", "internal/reqinfo", "account", "internal/jwt", "password", "session", "token", "internal/problem", "internal/resilience"}},
	"internal/device":     {own: []string{"session"}, others: []string{"github.com/go-jose/go-jose/v4"}},
	"internal/basicauth":  {own: []string{"internal/problem"}},
	"internal/endreason":  {},
	"internal/resilience": {},
	"internal/hint":       {},
	"internal/totp":       {},
	"internal/secondstep": {own: []string{"account", "factor", "federation", "signin", "internal/resilience"}},
	"internal/passkey":    {own: []string{"factor", "internal/keyring", "signin"}, others: []string{"github.com/go-webauthn/webauthn", "golang.org/x/net/publicsuffix"}},
	"internal/oidc":       {others: []string{"github.com/coreos/go-oidc/v3/oidc", "github.com/go-jose/go-jose/v4", "golang.org/x/oauth2"}},
	"internal/grant":      {own: []string{"audit", "internal/keyring", "internal/oidc", "federation", "session"}, others: []string{"golang.org/x/sync"}},
	"internal/admin":      {own: []string{"account", "internal/endreason", "federation", "audit", "auth", "internal/secondstep", "session", "store", "token"}},
	"internal/keyring":    {own: []string{"sealed"}},
	"sealed":              {},
	"factor":              {},
	"federation":          {},
	"mail":                {},
	"internal/mailer":     {own: []string{"mail"}, others: []string{"github.com/wneessen/go-mail"}},
	"internal/texts":      {others: []string{"golang.org/x/text"}},
	"internal/letters":    {own: []string{"account", "audit", "throttle", "internal/resilience", "internal/outbox", "internal/texts", "mail"}, others: []string{"golang.org/x/net/publicsuffix"}},
	"internal/outbox":     {own: []string{"audit", "internal/keyring", "mail"}},
	"signin":              {},
	"webhook":             {own: []string{"audit"}},
	"internal/courier":    {own: []string{"audit", "webhook"}, others: []string{"golang.org/x/sync"}},
	"store":               {own: []string{"account", "audit", "factor", "federation", "mail", "sealed", "session", "signin", "throttle", "token", "webhook"}},
	"internal/reqinfo":    {},
	"internal/removal":    {},
	"internal/foreseen":   {},
	"internal/problem":    {own: []string{"account", "internal/reqinfo"}},

	"internal/authenticator": {own: []string{"account", "factor", "internal/keyring", "internal/secondstep", "internal/totp", "signin", "throttle"}},

	"internal/feed/feedtest": {own: []string{"internal/feed"}},

	"internal/oidc/oidctest": {others: []string{"github.com/go-jose/go-jose/v4"}},

	"internal/device/devicetest": {},

	"internal/passkey/passkeytest": {others: []string{"github.com/descope/virtualwebauthn"}},

	// Where things are kept.
	"internal/sqlstore": {
		own:    []string{"account", "audit", "factor", "federation", "mail", "password", "session", "signin", "throttle", "token", "sealed", "store", "webhook", "internal/hint", "internal/resilience"},
		others: []string{"github.com/pressly/goose/v3"},
	},
	"internal/nearcache/fence": {own: []string{"internal/feed"}},
	"internal/nearcache":       {own: []string{"account", "session", "store", "token", "internal/feed", "internal/nearcache/fence", "internal/foreseen", "internal/removal", "internal/resilience"}},
	"internal/walwatch":        {others: []string{"golang.org/x/sys"}},
	"internal/hooked":          {own: []string{"internal/removal", "account", "audit", "factor", "federation", "mail", "signin", "session", "throttle", "token", "sealed", "store", "webhook"}},
	"memory":                   {own: []string{"account", "audit", "factor", "federation", "mail", "signin", "session", "throttle", "token", "sealed", "store", "webhook"}},
	"sqlite": {
		own:    []string{"account", "audit", "session", "throttle", "token", "sealed", "store", "internal/sqlstore", "internal/walwatch"},
		others: []string{"modernc.org/sqlite", "modernc.org/libc", "golang.org/x/sys"},
	},
	"redis":             {own: []string{"internal/redisdb", "session", "throttle"}},
	"internal/redisdb":  {own: []string{"internal/feed", "internal/resilience", "session", "throttle"}, others: []string{"github.com/redis/rueidis"}},
	"internal/pg":       {own: []string{"internal/feed", "internal/resilience"}, others: []string{"github.com/jackc/pgx/v5", "golang.org/x/sys"}},
	"internal/peerlink": {},
	"postgres": {
		own: []string{
			"account", "audit", "session", "throttle", "token", "sealed", "store", "internal/sqlstore", "internal/pg",
		},
		others: []string{"github.com/jackc/pgx/v5"},
	},
	"django": {
		own:    []string{"account", "password", "session", "store", "token", "internal/hint", "internal/pg", "internal/removal", "internal/resilience"},
		others: []string{"modernc.org/sqlite", "github.com/jackc/pgx/v5", "golang.org/x/text"},
	},
	"storetest": {
		own:    []string{"account", "audit", "factor", "federation", "mail", "signin", "session", "throttle", "token", "sealed", "store", "webhook", "internal/hooked", "internal/removal"},
		others: []string{"github.com/anishathalye/porcupine", "pgregory.net/rapid"},
	},

	// What the network sees.
	"web/pages": {own: []string{"internal/texts"}},
	"internal/gateway": {own: []string{
		"audit", "auth", "csrf", "session", "internal/device", "internal/problem", "internal/reqinfo", "internal/resilience",
	}},
	"internal/httpapi": {own: []string{
		"internal/basicauth", "internal/device", "internal/endreason",
		"account", "audit", "auth", "csrf", "internal/jwt", "internal/events", "password", "session", "throttle", "token",
		"internal/keyring", "internal/problem", "internal/reqinfo", "internal/admin", "internal/resilience", "internal/secondstep", "signin", "internal/letters", "mail", "internal/passkey",
		"factor", "federation", "internal/authenticator", "internal/grant", "internal/oidc", "internal/texts",
	}},

	"internal/testhook": {own: []string{"internal/httpapi"}},

	// The whole.
	"": {
		own: []string{
			"factor", "account", "audit", "auth", "csrf", "django", "internal/gateway", "internal/httpapi", "internal/jwt", "internal/events", "internal/metrics", "internal/nearcache", "password", "postgres",
			"internal/peerlink", "internal/redisdb", "sealed", "session", "sqlite", "store", "throttle", "token", "web/pages",
			"internal/admin", "internal/endreason", "internal/resilience", "internal/authenticator", "internal/device", "internal/grant", "internal/keyring", "internal/oidc", "internal/pg", "internal/removal", "internal/reqinfo", "internal/secondstep",
			"internal/courier", "internal/letters", "internal/mailer", "internal/outbox", "internal/texts", "mail", "webhook", "internal/passkey", "internal/testhook",
		},
		others: []string{"golang.org/x/sync", "github.com/jackc/pgx/v5/pgxpool", "github.com/prometheus/client_golang/prometheus"},
	},
	"internal/metrics": {
		own:    []string{"internal/reqinfo", "account", "audit", "internal/courier", "internal/feed", "internal/hooked", "internal/removal", "password", "session", "store", "throttle", "token"},
		others: []string{"github.com/prometheus/client_golang/prometheus"},
	},
	"cloakroomtest":         {own: []string{"", "account", "csrf", "memory", "session"}},
	"internal/mutants":      {},
	"test/gateway":          {},
	"test/harness":          {},
	"test/server":           {},
	"internal/djangoserver": {},
	"internal/faultproxy":   {},
	"internal/redisserver":  {},
	"internal/smtpserver":   {},
	"internal/pgserver":     {others: []string{"github.com/jackc/pgx/v5"}},
	"internal/cmdline":      {others: []string{"github.com/spf13/pflag"}},
	"cmd/cloakroom": {
		own:    []string{"", "internal/texts", "factor", "account", "audit", "auth", "csrf", "postgres", "django", "password", "session", "token", "internal/cmdline", "internal/keyring", "internal/admin", "internal/mailer", "internal/peerlink"},
		others: []string{"github.com/prometheus/client_golang/prometheus", "golang.org/x/"},
	},
}

// outside are programs that use the module as anyone could, so nothing forbids them any of it, and the measurements and the
// release, which are modules of their own.
var outside = []string{"examples/", "bench/", "release/", "test/otherop/"}

func TestArrowsOnlyGoDown(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && file != ".") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
			checkFile(t, filepath.ToSlash(file), seen)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range layers {
		if !seen[name] {
			t.Errorf("the table has a line for %q, and there is no such package", name)
		}
	}
}

func checkFile(t *testing.T, file string, seen map[string]bool) {
	name := strings.TrimPrefix(path.Dir(file), ".")
	if slices.ContainsFunc(outside, func(prefix string) bool { return strings.HasPrefix(name+"/", prefix) }) {
		return
	}
	seen[name] = true
	allowed, placed := layers[name]
	if !placed {
		t.Errorf("%s: package %q has no place yet; give it a line in layers", file, name)
		return
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(file), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if !allowed.permits(imported) {
			t.Errorf("%s imports %s, which is not below it", file, imported)
		}
	}
}

func (l layer) permits(imported string) bool {
	if imported == module {
		return slices.Contains(l.own, "")
	}
	if own, ok := strings.CutPrefix(imported, module+"/"); ok {
		return slices.Contains(l.own, own)
	}
	if !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(l.others, func(prefix string) bool { return strings.HasPrefix(imported, prefix) })
}
