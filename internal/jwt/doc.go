// Package jwt makes and judges JSON Web Tokens (RFC 7519) in the form that the clients of djangorestframework-simplejwt
// expect, and lets none of them outlive what it was made from.
//
// There are three kinds, and none passes for another: the kind is in the header (typ, RFC 8725 section 3.11), in the claim
// token_type, and for minted tokens in the audience.
//
//   - An access token, good for minutes, is for our own routes, and can be exchanged for a session once.
//   - A refresh token, good for a day and for one use, brings the next pair. All pairs that descend from one sign-in are a
//     family: one row in the store, which holds no token. When it goes, the whole family is dead, access tokens too.
//   - A minted token, good for minutes, is what a session gives to another service. It is dead when its session is.
//
// The header of a token is looked up, not read: only the few headers that we write ourselves, with a key that we know, are
// known. So no header can name another algorithm, key, or place to fetch one from. The JOSE library signs and verifies;
// nothing of it shows outside.
package jwt
