import base64, json, time
from urllib.parse import unquote
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verify(assertion, method, path, url, keys):
    head, body, signature = assertion.split(".")
    header = json.loads(decode(head))
    if header["typ"] != "cloakroom-assertion+jwt" or header["alg"] != "EdDSA":
        raise ValueError("not an assertion")
    key = next((k for k in keys if k["kid"] == header["kid"] and k["crv"] == "Ed25519"), None)
    if key is None:
        raise ValueError("not signed by Cloakroom")
    public = Ed25519PublicKey.from_public_bytes(decode(key["x"]))
    public.verify(decode(signature), f"{head}.{body}".encode())  # raises if it is wrong
    claims = json.loads(decode(body))
    if not claims["iat"] - 60 <= time.time() < claims["exp"]:
        raise ValueError("expired")
    if (claims["iss"], claims["aud"], claims["htm"], unquote(claims["path"])) != (url, url, method, path):
        raise ValueError("an assertion for another request")
    return claims
