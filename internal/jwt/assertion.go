package jwt

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"
)

// assertion is what a gateway tells an application of a request. It is none of the kinds that are accepted here: whoever
// got one can't come back with it.
var assertion = kind{typ: "cloakroom-assertion+jwt"}

// SignAssertion returns a JWT of the type cloakroom-assertion+jwt with these claims: a JSON object with at least one member
// and without iat and exp, which are added. No route of ours takes it for a credential.
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
