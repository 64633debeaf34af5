"""Says what djangorestframework-simplejwt and PyJWT think of tokens. Reads and writes one JSON object."""

import json
import sys

import django
import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

given = json.load(sys.stdin)
keys = {k.key_id: k for k in jwt.PyJWKSet.from_dict(given["jwks"]).keys}


def pem(key):
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


es256 = next(keys[k["kid"]].key for k in given["jwks"]["keys"] if k["alg"] == "ES256")
settings.configure(
    SECRET_KEY="x" * 50,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
    SIMPLE_JWT={
        "ALGORITHM": "ES256",
        "SIGNING_KEY": "",
        "VERIFYING_KEY": pem(es256),
        "AUDIENCE": given["issuer"],
        "ISSUER": given["issuer"],
    },
)
django.setup()

from rest_framework_simplejwt.exceptions import TokenError  # noqa: E402
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken  # noqa: E402


def judge(kind, text):
    try:
        kind(text)
        return ""
    except TokenError as e:
        return str(e)


def verify(minted):
    """What a service does that is shown a token."""
    header = jwt.get_unverified_header(minted)
    key = keys[header["kid"]]
    alg = next(k["alg"] for k in given["jwks"]["keys"] if k["kid"] == header["kid"])
    return jwt.decode(
        minted, key.key, algorithms=[alg], audience="reports", issuer=given["issuer"],
        options={"require": ["exp", "iat", "aud", "iss", "sub"]},
    )


made = RefreshToken()
made["user_id"] = "1"
json.dump(
    {
        "access": {name: judge(AccessToken, text) for name, text in given["tokens"].items()},
        "refresh": {name: judge(RefreshToken, text) for name, text in given["tokens"].items()},
        "minted": [verify(text) for text in given["minted"]],
        "order": list(made.payload),
    },
    sys.stdout,
)
