#!/usr/bin/env bash
# npm otpauth, URIs of authenticator apps for an issuer whose name has a colon, such as a host with a port.
#
# A guess: a library reads back what it has written: issuer and account are percent-encoded, so a colon within the issuer is
# kept apart from the colon between the two.
# Behaviour: the parser decodes the label before it divides it at the first colon. Of an issuer "localhost:8000" the port becomes
# part of the account's name; the issuer itself comes from the parameter of that name. pyotp reads the same URI as a mismatch
# of two issuers and raises. So a server must not name itself by host and port in such a URI.
#
# Seen with otpauth 9.5.2 on Node 20, and pyotp 2.6.0 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund otpauth@9.5.2
apt-get download -q -o APT::Sandbox::User= python3-pyotp=2.6.0-3 >/dev/null
dpkg-deb -x python3-pyotp_*.deb root
cat >uri.mjs <<'JS'
import { TOTP, URI } from "otpauth";
for (const issuer of ["localhost", "localhost:8000"]) {
  const uri = new TOTP({ issuer, label: "ada", secret: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }).toString();
  const read = URI.parse(uri);
  console.log(uri);
  console.log(`otpauth: issuer ${read.issuer}, account ${read.label}`);
}
JS
cat >uri.py <<'PY'
import sys, pyotp
for uri in sys.argv[1:]:
    try:
        read = pyotp.parse_uri(uri)
        print("pyotp: issuer %s, account %s" % (read.issuer, read.name))
    except ValueError as e:
        print("pyotp:", e)
PY
out=$(node uri.mjs)
out+=$'\n'$(PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 uri.py $(grep ^otpauth:// <<<"$out"))
echo "$out"
want='otpauth: issuer localhost, account ada
otpauth: issuer localhost:8000, account 8000:ada
pyotp: issuer localhost, account ada
pyotp: If issuer is specified in both label and parameters, it should be equal.'
[ "$(grep -v '^otpauth://' <<<"$out")" = "$want" ]
echo "as stated"
