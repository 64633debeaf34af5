package jwt

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"
)

// assertion is a JWT by which the gateway identifies the user to an application. It isn't in kinds, so an application can't
// use it as a credential here.
var assertion = kind{typ: "cloakroom-assertion+jwt"}

// SignAssertion returns a JWT of the type cloakroom-assertion+jwt that is valid for life. claims is a JSON object with at
// least one member and without iat and exp, which SignAssertion adds. None of our routes accepts it as a credential.
func (k *Keys) SignAssertion(ctx context.Context, claims []byte, life time.Duration) (string, error) {
	now := time.Now()
	signing, err := k.signer(ctx, now)
	if err != nil {
		return "", err
	}
	payload := fmt.Appendf(nil, `{"iat":%d,"exp":%d,%s`, now.Unix(), now.Add(life).Unix(), claims[1:])
	signed := signing.header(assertion) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := signing.method.Sign(signed, signing.private)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
