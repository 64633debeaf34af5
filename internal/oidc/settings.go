package oidc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Kind says how a provider differs from OpenID Connect.
type Kind string

const (
	OpenID Kind = ""       // it doesn't
	GitHub Kind = "github" // OAuth with an API of its own, and no ID tokens
	Apple  Kind = "apple"  // the client's secret is a signed token, and an answer with a name or an address comes as a form
)

// Settings say what a provider is. They are read from a JSON object with the names below; a name that isn't there is refused.
type Settings struct {
	Name string `json:"-"` // in URLs

	Kind   Kind   `json:"kind"`
	Issuer string `json:"issuer"` // exactly as in the provider's tokens; GitHub and Apple have one of their own

	ClientID         string `json:"client_id"`
	ClientSecret     string `json:"client_secret"`
	ClientSecretFile string `json:"client_secret_file"` // instead of ClientSecret

	// Instead of a client secret, for Apple.
	TeamID  string `json:"team_id"`
	KeyID   string `json:"key_id"`
	KeyFile string `json:"key_file"` // PKCS #8, as Apple gives it

	Label  string   `json:"label"`  // of the button; "": Name
	Scopes []string `json:"scopes"` // nil: openid, email and profile; for GitHub, user:email

	// SignUp says that people who have no account here get one when the provider has signed them in.
	SignUp bool `json:"signup"`

	// SecondFactor says whose second factor counts: "ours" ("") or "theirs", if amr has mfa or acr is one of ACRValues.
	SecondFactor string   `json:"second_factor"`
	ACRValues    []string `json:"acr_values"`

	// AllowedDomains are the domains of the addresses whose owners may come, if the provider has verified them; nil: any person may.
	AllowedDomains []string `json:"allowed_domains"`

	// GroupsClaim is the claim with the person's groups at the provider, and Groups has the group here for those that count. ""
	// leaves groups alone.
	GroupsClaim string            `json:"groups_claim"`
	Groups      map[string]string `json:"groups"`

	// ResponseMode is how the answer comes back: "query" ("") or [FormPost].
	ResponseMode string `json:"response_mode"`

	// Parameters are added to the address at which a browser begins, such as "prompt" and "access_type".
	Parameters map[string]string `json:"parameters"`

	// KeepTokens says that the tokens of a sign-in are kept at the server, for upstreams.
	KeepTokens bool `json:"keep_tokens"`

	// EndSession says that a sign-out here leads to the provider, to sign out there as well.
	EndSession bool `json:"end_session"`

	// UntypedLogout says that logout tokens without the type logout+jwt are accepted.
	UntypedLogout bool `json:"untyped_logout"`

	key     *ecdsa.PrivateKey
	secrets []string // the files that hold a secret
}

// SecretFiles returns the files from which a secret was read.
func (s *Settings) SecretFiles() []string { return s.secrets }

// maxSettings bounds the files of settings.
const maxSettings = 64 << 10

// ReadSettings reads the settings of the provider with this name from a file. Other files that it names are relative to it. The error
// says what to write instead.
func ReadSettings(name, file string) (Settings, error) {
	text, err := readFile(file)
	if err != nil {
		return Settings{}, err
	}
	s, err := ParseSettings(name, text)
	if err != nil {
		return Settings{}, fmt.Errorf("%s: %w", file, err)
	}
	if s.ClientSecret != "" {
		s.secrets = []string{file}
	}
	if err := s.readSecrets(filepath.Dir(file)); err != nil {
		return Settings{}, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSettings+1))
	if err == nil && len(text) > maxSettings {
		err = fmt.Errorf("%s is larger than 64 KiB", name)
	}
	return text, err
}

func (s *Settings) readSecrets(dir string) error {
	beside := func(name string) string {
		if filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(dir, name)
	}
	if s.ClientSecretFile != "" {
		s.secrets = append(s.secrets, beside(s.ClientSecretFile))
		text, err := readFile(beside(s.ClientSecretFile))
		if err != nil {
			return err
		}
		if s.ClientSecret = strings.TrimSpace(string(text)); !isText(s.ClientSecret, 4096) {
			return fmt.Errorf("client_secret_file: %s doesn't hold a secret in one line", s.ClientSecretFile)
		}
	}
	if s.KeyFile != "" {
		s.secrets = append(s.secrets, beside(s.KeyFile))
		text, err := readFile(beside(s.KeyFile))
		if err != nil {
			return err
		}
		if s.key, err = parseKey(text); err != nil {
			return fmt.Errorf("key_file: %s: %w", s.KeyFile, err)
		}
	}
	return nil
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("holds no PEM block; use the file AuthKey_….p8 that Apple gives")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || key.Curve.Params().BitSize != 256 {
		return nil, errors.New("holds no key for ES256; use the file AuthKey_….p8 that Apple gives")
	}
	return key, nil
}

// ParseSettings reads the settings of the provider with this name, and reads no file that they name.
func ParseSettings(name string, text []byte) (Settings, error) {
	if !nameForm().MatchString(name) {
		return Settings{}, fmt.Errorf("the name %q of a provider must be 1 to 32 lower-case letters, digits and hyphens, and begin with a letter", name)
	}
	s := Settings{Name: name}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Settings{}, fmt.Errorf("want one JSON object of settings: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Settings{}, errors.New("want one JSON object of settings, and nothing after it")
	}
	s.setDefaults()
	for _, check := range []func() error{s.checkChoices, s.checkIssuer, s.checkClient, s.checkTexts, s.checkParameters, s.checkPeople} {
		if err := check(); err != nil {
			return Settings{}, err
		}
	}
	return s, nil
}

var nameForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
})

func (s *Settings) setDefaults() {
	if s.Label == "" {
		s.Label = s.Name
	}
	switch s.Kind {
	case GitHub:
		if s.Issuer == "" {
			s.Issuer = gitHubIssuer
		}
		if s.Scopes == nil {
			s.Scopes = []string{"user:email"}
		}
	case Apple:
		if s.Issuer == "" {
			s.Issuer = appleIssuer
		}
		if s.Scopes == nil {
			s.Scopes = []string{"openid", "email", "name"}
		}
		if len(s.Scopes) > 1 && s.ResponseMode == "" {
			s.ResponseMode = FormPost // Apple demands it where more than openid is asked for
		}
	case OpenID:
		if s.Scopes == nil {
			s.Scopes = []string{"openid", "email", "profile"}
		}
	}
}

const (
	gitHubIssuer = "https://github.com"
	appleIssuer  = "https://appleid.apple.com"

	// FormPost is the response mode in which the browser brings the answer as a form (OAuth 2.0 Form Post Response Mode).
	FormPost = "form_post"
)

func (s *Settings) checkIssuer() error {
	if s.Issuer == "" {
		return errors.New(`"issuer" is missing: write the URL that the provider calls its issuer, such as "https://accounts.google.com"; for GitHub write "kind": "github" instead`)
	}
	if strings.Contains(s.Issuer, "/.well-known/") {
		return fmt.Errorf(`"issuer": write the part of %q before /.well-known/`, s.Issuer)
	}
	if err := checkURL(s.Issuer); err != nil {
		return fmt.Errorf(`"issuer": %w`, err)
	}
	u, err := url.Parse(s.Issuer)
	if err != nil {
		return err
	}
	host := strings.ToLower(u.Hostname())
	switch tenant, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/"); {
	case host == "appleid.apple.com" && s.Kind != Apple:
		return errors.New(`"issuer": for Apple write "kind": "apple" instead`)
	case host == "github.com" && s.Kind != GitHub:
		return errors.New(`"issuer": GitHub has no OpenID Connect for sign-in; write "kind": "github" instead`)
	case isMicrosoft(host) && slices.Contains(severalTenants, strings.ToLower(tenant)):
		return fmt.Errorf(`"issuer": %s lets in the users of other tenants, whose addresses Microsoft has not verified; write the ID of your own tenant: "https://%s/TENANT-ID/v2.0"`, tenant, u.Host)
	}
	return nil
}

// severalTenants are the names under which Microsoft's service answers for the users of all tenants, or of none, whose tokens have
// another issuer each. The last is the tenant of personal accounts.
var severalTenants = []string{"common", "organizations", "consumers", "{tenantid}", "9188040d-6c67-4c5b-b112-36a304b66dad"}

func isMicrosoft(host string) bool {
	return slices.Contains([]string{"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "login.windows.net", "sts.windows.net"}, host)
}

// checkURL returns an error unless a URL is one that requests may go to: https, or http to this machine.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" || !isText(text, 2048) {
		return fmt.Errorf("%q is no URL such as https://accounts.example.com", text)
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") {
		return fmt.Errorf("%q must have no user, query or fragment", text)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return fmt.Errorf("%q must begin with https://; http:// is accepted for localhost alone", text)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func (s *Settings) checkClient() error {
	if !isText(s.ClientID, 1024) {
		return errors.New(`"client_id" is missing: write the ID that the provider has given to this installation`)
	}
	secrets := 0
	for _, one := range []string{s.ClientSecret, s.ClientSecretFile, s.KeyFile} {
		if one != "" {
			secrets++
		}
	}
	switch {
	case s.Kind == Apple && s.KeyFile != "" && (!isText(s.TeamID, 64) || !isText(s.KeyID, 64)):
		return errors.New(`"team_id" and "key_id" are missing: write those that belong to "key_file"`)
	case s.Kind != Apple && (s.KeyFile != "" || s.TeamID != "" || s.KeyID != ""):
		return errors.New(`"team_id", "key_id" and "key_file" are for "kind": "apple" only`)
	case secrets == 0 && s.Kind == Apple:
		return errors.New(`the client's key is missing: write "team_id", "key_id" and "key_file"`)
	case secrets == 0:
		return errors.New(`the client's secret is missing: write "client_secret_file", the path of a file with it, or "client_secret"`)
	case secrets > 1:
		return errors.New(`the client's secret is there twice: write "client_secret_file", "client_secret" or "key_file", and one only`)
	}
	return nil
}

func (s *Settings) checkTexts() error {
	if !isText(s.Label, 64) {
		return errors.New(`"label" must be at most 64 bytes in one line`)
	}
	for name, words := range map[string][]string{"scopes": s.Scopes, "acr_values": s.ACRValues} {
		for _, word := range words {
			if !isText(word, 256) || strings.ContainsAny(word, ` "\`) {
				return fmt.Errorf("%q: %q is no word of printable characters", name, word)
			}
		}
	}
	if s.Kind != GitHub && !slices.Contains(s.Scopes, "openid") {
		return errors.New(`"scopes" must have "openid"`)
	}
	return nil
}

// ownParameters are those that the program sets itself, and those by which an answer would come that it doesn't read.
var ownParameters = []string{
	"client_id", "client_secret", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge",
	"code_challenge_method", "acr_values", "max_age", "request", "request_uri", "claims", "id_token_hint",
}

func (s *Settings) checkParameters() error {
	for name, value := range s.Parameters {
		if !isText(name, 64) || !isText(value, 1024) {
			return fmt.Errorf(`"parameters": %q must have a name and a value of printable characters`, name)
		}
		if slices.Contains(ownParameters, name) {
			return fmt.Errorf(`"parameters": %s is set by this program; leave it out`, name)
		}
	}
	return nil
}

func (s *Settings) checkChoices() error {
	switch {
	case !slices.Contains([]Kind{OpenID, GitHub, Apple}, s.Kind):
		return fmt.Errorf(`"kind": %q is not known; write "github" or "apple", or leave it out for OpenID Connect`, s.Kind)
	case !slices.Contains([]string{"", "ours", "theirs"}, s.SecondFactor):
		return fmt.Errorf(`"second_factor": write "ours" or "theirs", not %q`, s.SecondFactor)
	case s.SecondFactor == "theirs" && s.Kind == GitHub:
		return errors.New(`"second_factor": GitHub doesn't say whether a second factor was shown; write "ours"`)
	case s.EndSession && s.Kind != OpenID:
		return errors.New(`"end_session" is for OpenID Connect only; leave it out`)
	case len(s.ACRValues) > 0 && s.SecondFactor != "theirs":
		return errors.New(`"acr_values" are for "second_factor": "theirs" only`)
	case !slices.Contains([]string{"", "query", FormPost}, s.ResponseMode):
		return fmt.Errorf(`"response_mode": write "query" or "form_post", not %q`, s.ResponseMode)
	case s.ResponseMode == FormPost && s.Kind == GitHub:
		return errors.New(`"response_mode": GitHub has none; leave it out`)
	}
	return nil
}

// isText reports whether s is printable text of 1 to limit bytes.
func isText(s string, limit int) bool {
	return s != "" && len(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// checkEndpoint is checkURL for an endpoint, which may have a query (RFC 6749 section 3.1).
func checkEndpoint(text string) error {
	address, _, _ := strings.Cut(text, "?")
	return checkURL(address)
}

// checkPeople checks who may come, and into which groups.
func (s *Settings) checkPeople() error {
	for _, domain := range s.AllowedDomains {
		if !domainForm().MatchString(domain) {
			return fmt.Errorf(`"allowed_domains": %q is no domain in lower-case letters, such as "example.com"`, domain)
		}
	}
	switch {
	case len(s.AllowedDomains) > 0 && !slices.Contains(s.Scopes, "email") && s.Kind != GitHub:
		return errors.New(`"allowed_domains" are for providers that are asked for the address: add "email" to "scopes"`)
	case s.GroupsClaim != "" && s.Kind != OpenID:
		return errors.New(`"groups_claim" is for OpenID Connect only`)
	case s.GroupsClaim != "" && !isText(s.GroupsClaim, maxText):
		return errors.New(`"groups_claim" must be at most 255 bytes in one line`)
	case (s.GroupsClaim == "") != (len(s.Groups) == 0):
		return errors.New(`"groups_claim" and "groups" belong together: write the claim, and for each group there the name of the group here`)
	}
	for there, here := range s.Groups {
		if there == "" || here == "" {
			return errors.New(`"groups": a name is empty`)
		}
	}
	return nil
}

var domainForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)
})
