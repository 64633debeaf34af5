package oidc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// Tokens are what a provider gives for its own API and for others' that trust it. They are secret. Times are Unix times in seconds.
type Tokens struct {
	Access  string
	Refresh string // with which Access is renewed; "": it can't be
	Expires int64  // when Access ends; 0: the provider doesn't say
}

// maxAccess bounds an access token, in bytes, because it must fit into a header.
const maxAccess = 16 << 10

// newTokens returns the tokens of an answer. ErrUnavailable if the access token is none that a header can carry (RFC 6750 section 2.1).
func newTokens(t *oauth2.Token) (*Tokens, error) {
	if !strings.EqualFold(t.Type(), "Bearer") {
		return nil, unavailable("its access token is none of the type Bearer")
	}
	if len(t.AccessToken) > maxAccess || t.AccessToken == "" || strings.ContainsFunc(t.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, unavailable("no header can carry its access token, which is too long or has other characters than those of RFC 6750")
	}
	kept := &Tokens{Access: t.AccessToken, Refresh: t.RefreshToken}
	if !t.Expiry.IsZero() {
		kept.Expires = t.Expiry.Unix()
	}
	return kept, nil
}

// Refresh renews tokens by a refresh token. The refresh token of the result is the one to use next. ErrEnded, ErrUnavailable; after any
// error but ErrEnded the token may have been used, or not.
func (p *Provider) Refresh(ctx context.Context, refresh string) (*Tokens, error) {
	m, err := p.metadata.get(ctx, keptFor)
	if err != nil {
		return nil, err
	}
	config, err := p.signingOauth(m)
	if err != nil {
		return nil, err
	}
	renewed, err := config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, p.client), &oauth2.Token{RefreshToken: refresh}).Token()
	var told *oauth2.RetrieveError
	switch {
	case err == nil:
		return newTokens(renewed)
	case errors.As(err, &told) && (told.ErrorCode == "invalid_grant" || told.ErrorCode == "bad_refresh_token"): // GitHub's name for it
		return nil, fmt.Errorf("%w: %w", ErrEnded, errorCode(told.ErrorCode))
	case errors.As(err, &told):
		return nil, unavailable("POST %s: it answered %d: %w", m.Token, told.Response.StatusCode, errorCode(told.ErrorCode))
	}
	return nil, unavailable("POST %s: %w", m.Token, hideToken(err))
}

// Revoke tells the provider that tokens aren't used any more (RFC 7009). It does nothing at a provider that takes no such message.
// ErrUnavailable.
func (p *Provider) Revoke(ctx context.Context, t *Tokens) error {
	m, err := p.metadata.get(ctx, keptFor)
	if err != nil {
		return err
	}
	if p.Kind == GitHub {
		return p.revokeAtGitHub(ctx, m, t)
	}
	if m.Revocation == "" {
		return nil
	}
	if t.Refresh != "" { // first: with it most providers end the others of the same grant
		if err := p.revoke(ctx, m, t.Refresh, "refresh_token"); err != nil {
			return err
		}
	}
	return p.revoke(ctx, m, t.Access, "access_token")
}

func (p *Provider) revoke(ctx context.Context, m *metadata, token, hint string) error {
	config, err := p.signingOauth(m)
	if err != nil {
		return err
	}
	form := url.Values{"token": {token}, "token_type_hint": {hint}}
	methods := m.RevokeAuth
	if len(methods) == 0 {
		methods = m.TokenAuth
	}
	inHeader := len(methods) == 0 || slices.Contains(methods, "client_secret_basic")
	if !inHeader {
		form.Set("client_id", config.ClientID)
		form.Set("client_secret", config.ClientSecret)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return unavailable("%w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if inHeader { // RFC 6749 section 2.3.1
		request.SetBasicAuth(url.QueryEscape(config.ClientID), url.QueryEscape(config.ClientSecret))
	}
	status, text, err := p.send(request)
	if err != nil || status == http.StatusOK {
		return err
	}
	var told struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(text, &told)             // without a code, the status says enough
	if told.Error == "unsupported_token_type" { // RFC 7009 section 2.2.1: such tokens can't be revoked
		return nil
	}
	return unavailable("POST %s: it answered %d: %w", m.Revocation, status, errorCode(cmp.Or(told.Error, "none")))
}

// revokeAtGitHub deletes the token by GitHub's own API. A token that GitHub doesn't know any more is 404 or 422 there.
func (p *Provider) revokeAtGitHub(ctx context.Context, m *metadata, t *Tokens) error {
	text, err := json.Marshal(map[string]string{"access_token": t.Access})
	if err != nil {
		return err
	}
	address := strings.TrimSuffix(m.UserInfo, "/user") + "/applications/" + url.PathEscape(p.ClientID) + "/token"
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, address, bytes.NewReader(text))
	if err != nil {
		return unavailable("%w", err)
	}
	request.Header.Set("Accept", "application/vnd.github+json")
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth(p.ClientID, p.ClientSecret)
	status, _, err := p.send(request)
	if err != nil || slices.Contains([]int{http.StatusNoContent, http.StatusNotFound, http.StatusUnprocessableEntity}, status) {
		return err
	}
	return unavailable("DELETE %s: it answered %d", address, status)
}

// send returns the status and the body of an answer. No error quotes what was sent.
func (p *Provider) send(request *http.Request) (status int, body []byte, err error) {
	answer, err := p.client.Do(request)
	if err != nil {
		return 0, nil, unavailable("%w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, nil, unavailable("%s %s: %w", request.Method, request.URL, err)
	}
	return answer.StatusCode, text, nil
}
