package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Attempt is one visit to a provider. It is secret, and kept where only the browser that makes the visit can bring it back.
type Attempt struct {
	State    string `json:"state"` // names the attempt in the answer
	Nonce    string `json:"nonce"` // and in the ID token
	Verifier string `json:"verifier"`

	// Fresh asks the provider to authenticate the person anew, and to say when it did.
	Fresh bool `json:"fresh,omitempty"`
}

// NewAttempt returns an attempt with new secrets of at least 128 bits each.
func NewAttempt() Attempt {
	return Attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
}

// Start returns the URL at which a browser begins an attempt. ErrUnavailable.
func (p *Provider) Start(ctx context.Context, a Attempt) (location string, err error) {
	m, err := p.metadata.get(ctx, keptFor)
	if err != nil {
		return "", err
	}
	o := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(a.Verifier)}
	set := func(name, value string) { o = append(o, oauth2.SetAuthURLParam(name, value)) }
	if p.Kind != GitHub {
		set("nonce", a.Nonce)
	}
	if p.ResponseMode != "" {
		set("response_mode", p.ResponseMode)
	}
	if len(p.ACRValues) > 0 {
		set("acr_values", strings.Join(p.ACRValues, " "))
	}
	if a.Fresh && p.Kind != GitHub {
		set("max_age", "0")
	}
	for name, value := range p.Parameters {
		set(name, value)
	}
	return p.oauth(m).AuthCodeURL(a.State, o...), nil
}

// EndSessionURL returns the URL at which a browser signs out at the provider, which then sends it to back; "" if there is none, or the
// settings don't ask for it (OpenID Connect RP-Initiated Logout 2). It has no ID token, because tokens stay on the server, so the provider
// may ask the person. ErrUnavailable.
func (p *Provider) EndSessionURL(ctx context.Context, back string) (string, error) {
	if !p.EndSession {
		return "", nil
	}
	m, err := p.metadata.get(ctx, keptFor)
	if err != nil || m.EndSession == "" {
		return "", err
	}
	u, err := url.Parse(m.EndSession)
	if err != nil {
		return "", unavailable("%w", err)
	}
	q := u.Query()
	q.Set("client_id", p.ClientID)
	q.Set("post_logout_redirect_uri", back)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// oauth returns the client. How it authenticates is said from the metadata: left to find out, the library sends a code, which counts
// once, a second time.
func (p *Provider) oauth(m *metadata) *oauth2.Config {
	style := oauth2.AuthStyleInHeader // the default (OpenID Connect Discovery 3)
	if len(m.TokenAuth) > 0 && !slices.Contains(m.TokenAuth, "client_secret_basic") {
		style = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, RedirectURL: p.redirectURI, Scopes: p.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.Authorization, TokenURL: m.Token, AuthStyle: style},
	}
}

// Finish turns the answer to an attempt into what the provider says about the person. ErrUnavailable, ErrRefused, ErrMismatch.
//
// The caller must have found the attempt by the state of the answer, in the browser that has begun it at this very provider.
func (p *Provider) Finish(ctx context.Context, a Attempt, answer url.Values) (*Claims, error) {
	m, err := p.metadata.get(ctx, keptFor)
	if err != nil {
		return nil, err
	}
	code, err := p.code(m, a, answer)
	if err != nil {
		return nil, err
	}
	tokens, err := p.exchange(ctx, m, a, code)
	if err != nil {
		return nil, err
	}
	var keep *Tokens
	if p.KeepTokens {
		if keep, err = newTokens(tokens); err != nil {
			return nil, err
		}
	}
	if p.Kind == GitHub {
		c, err := p.gitHubClaims(ctx, tokens.AccessToken)
		if err == nil {
			c.Tokens = keep
		}
		return c, err
	}
	text, _ := tokens.Extra("id_token").(string)
	c, err := p.verifyID(ctx, m, a, text)
	if err != nil {
		return nil, err
	}
	if err := p.addUserInfo(ctx, m, c, tokens.AccessToken); err != nil {
		return nil, err
	}
	if c.Name == "" && p.Kind == Apple {
		c.Name = appleName(answer.Get("user"))
	}
	c.Tokens = keep
	return c, nil
}

// code returns the code of an answer.
func (p *Provider) code(m *metadata, a Attempt, answer url.Values) (string, error) {
	for _, name := range []string{"state", "iss", "error", "code"} {
		if len(answer[name]) > 1 { // RFC 6749 section 3.1
			return "", mismatch("the answer has several values of %s", name)
		}
	}
	if a.State == "" || subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(a.State)) != 1 {
		return "", mismatch("the answer has another state")
	}
	switch iss := answer.Get("iss"); { // RFC 9207 section 2.4
	case iss == "" && (m.HasIss || answer.Has("iss")):
		return "", mismatch("the answer doesn't say its issuer, and the provider promises that it does")
	case iss != "" && iss != p.Issuer && !(p.Kind == GitHub && iss == p.Issuer+gitHubOAuth):
		return "", mismatch("the answer is one of another issuer, %.200q", iss)
	}
	if answer.Has("error") {
		return "", fmt.Errorf("%w: %w", ErrRefused, errorCode(answer.Get("error")))
	}
	if !isText(answer.Get("code"), 4096) {
		return "", mismatch("the answer has no code")
	}
	return answer.Get("code"), nil
}

// errorCode is the code of an error at a provider, as far as it may be one (RFC 6749 section 4.1.2.1).
func errorCode(code string) error {
	if !isText(code, 64) {
		code = "unreadable"
	}
	return errors.New("the provider's code: " + code)
}

// signingOauth returns the client with the secret that it has just now.
func (p *Provider) signingOauth(m *metadata) (*oauth2.Config, error) {
	config := p.oauth(m)
	if p.key != nil {
		secret, err := p.appleSecret(time.Now())
		if err != nil {
			return nil, unavailable("sign the client's secret: %w", err)
		}
		config.ClientSecret = secret
	}
	return config, nil
}

func (p *Provider) exchange(ctx context.Context, m *metadata, a Attempt, code string) (*oauth2.Token, error) {
	config, err := p.signingOauth(m)
	if err != nil {
		return nil, err
	}
	tokens, err := config.Exchange(context.WithValue(ctx, oauth2.HTTPClient, p.client), code, oauth2.VerifierOption(a.Verifier))
	var told *oauth2.RetrieveError
	switch {
	case err == nil:
		return tokens, nil
	case errors.As(err, &told) && told.ErrorCode == "invalid_grant",
		errors.As(err, &told) && told.ErrorCode == "bad_verification_code": // GitHub's name for it
		return nil, mismatch("it doesn't accept the code")
	case errors.As(err, &told):
		return nil, unavailable("POST %s: it answered %d: %w", m.Token, told.Response.StatusCode, errorCode(told.ErrorCode))
	}
	return nil, unavailable("POST %s: %w", m.Token, hideToken(err))
}

// hideToken returns an error without the answer that it may quote.
func hideToken(err error) error {
	var sent *url.Error
	if errors.As(err, &sent) {
		return sent.Err
	}
	return errors.New("it answered without an access token")
}

// addUserInfo asks for the address and the groups if the ID token hasn't got them (OpenID Connect Core 5.3).
func (p *Provider) addUserInfo(ctx context.Context, m *metadata, c *Claims, access string) error {
	lacksEmail := c.Email == "" && slices.Contains(p.Scopes, "email")
	lacksGroups := c.Groups == nil && p.GroupsClaim != ""
	if m.UserInfo == "" || !lacksEmail && !lacksGroups {
		return nil
	}
	var told claimSet
	if err := p.getJSON(ctx, m.UserInfo, access, &told); err != nil {
		return err
	}
	if told.text("sub") != c.Subject { // OpenID Connect Core 5.3.2
		return mismatch("UserInfo is about another subject")
	}
	if lacksEmail {
		told.describe(c)
	}
	if lacksGroups {
		c.Groups = p.groupsIn(told)
	}
	return nil
}
