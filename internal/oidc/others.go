package oidc

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// GitHub: OAuth, and an API that says who the token is for. The key of a person is the number of the account, because names are given
// to others. The address of the profile is whatever the person has written there; those of the account have been verified or not.

// gitHubOAuth is the path of GitHub's endpoints, and with the issuer before it what GitHub calls itself as an authorization server.
const gitHubOAuth = "/login/oauth"

// gitHubMetadata returns the endpoints of GitHub, or of a GitHub Enterprise Server.
func gitHubMetadata(issuer string) *metadata {
	issuer = strings.TrimSuffix(issuer, "/")
	m := &metadata{
		Issuer: issuer, Authorization: issuer + gitHubOAuth + "/authorize", Token: issuer + gitHubOAuth + "/access_token",
		UserInfo: issuer + "/api/v3/user", TokenAuth: []string{"client_secret_post"},
	}
	if issuer == gitHubIssuer {
		m.UserInfo = "https://api.github.com/user"
	}
	return m
}

func (p *Provider) gitHubClaims(ctx context.Context, access string) (*Claims, error) {
	m := gitHubMetadata(p.Issuer)
	var user struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
		Name  string `json:"name"`
	}
	if err := p.getJSON(ctx, m.UserInfo, access, &user); err != nil {
		return nil, err
	}
	if user.ID <= 0 {
		return nil, unavailable("GET %s: it answered without the number of the account", m.UserInfo)
	}
	c := &Claims{Issuer: p.Issuer, Subject: strconv.FormatInt(user.ID, 10)}
	if isText(user.Login, maxText) {
		c.Username = user.Login
	}
	if isText(user.Name, maxText) {
		c.Name = user.Name
	}
	var addresses []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	if err := p.getJSON(ctx, m.UserInfo+"/emails", access, &addresses); err != nil {
		return nil, err
	}
	for _, a := range addresses {
		if a.Primary && a.Verified && isText(a.Email, 254) && strings.Count(a.Email, "@") == 1 {
			c.Email, c.EmailVerified = a.Email, true
		}
	}
	return c, nil
}

// appleSecretLife is how long a client's secret for Apple counts. One is made for each use.
const appleSecretLife = 5 * time.Minute

// appleSecret returns the client's secret for Apple: a token that is signed with the key of the developer's team.
func (p *Provider) appleSecret(now time.Time) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: p.KeyID}}, nil)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{
		"iss": p.TeamID, "sub": p.ClientID, "aud": p.Issuer, "iat": now.Unix(), "exp": now.Add(appleSecretLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// appleName returns the name that Apple sends beside its first answer for a person. It isn't signed, so it is no more than what the
// person would like to be called.
func appleName(form string) string {
	var user struct {
		Name struct {
			First string `json:"firstName"`
			Last  string `json:"lastName"`
		} `json:"name"`
	}
	if len(form) > 4096 || json.Unmarshal([]byte(form), &user) != nil {
		return ""
	}
	name := strings.TrimSpace(user.Name.First + " " + user.Name.Last)
	if !isText(name, maxText) {
		return ""
	}
	return name
}
