// Package jwt issues and verifies JSON Web Tokens (RFC 7519) in the form that clients of djangorestframework-simplejwt
// expect. A token is valid only as long as the sign-in or session that it was issued for.
//
// There are three kinds of token. None is accepted as another, since the kind is in the header (typ, RFC 8725 section 3.11),
// in the claim token_type, and for minted tokens in the audience.
//
//   - An access token is valid for minutes on our own routes, and can be exchanged for a session once.
//   - A refresh token is valid for a day. It can be used once, for the next pair of tokens. All pairs that descend from one
//     sign-in are a family: one row in the store, which holds no token. Deleting the row ends the whole family, its access
//     tokens included.
//   - A minted token is valid for minutes. A session gets it for another service, and it ends with the session.
//
// The header of a token is never interpreted. It is looked up in a table of the few headers that we write ourselves, one for
// each of our keys and each kind. So a header can't choose an algorithm or a key, nor a URL to fetch a key from. The JOSE
// library signs and verifies; none of its types is exported.
package jwt
