#!/usr/bin/env bash
# pass-otp, pyotp and npm otpauth: an otpauth URI for an address with a plus sign, ada+work@example.com.
#
# A guess: in a URI's path a plus sign is a plus sign (RFC 3986), so it may stand there as it is; encoding it is a matter of taste.
# Behaviour: pass-otp reads the label like a form, and shows "ada work@example.com"; pyotp and otpauth keep the plus. With %2B all three
# agree. The other way round, a blank in the issuer that was written as "+" is a blank for pass-otp and a plus for otpauth. So a
# server must write %2B and %20, and no plus at all; encodeURI and Go's url.PathEscape leave it.
#
# Seen with pass-otp 1.2.0 (its file says 1.1.1) and pyotp 2.6.0 from Debian 12, and otpauth 9.5.2 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= pass-otp=1.2.0-7 python3-pyotp >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
npm init -y >/dev/null
npm install --silent --no-audit --no-fund otpauth@9.5.2
functions=$(sed -n '/^urldecode()/,/^}/p; /^otp_parse_uri()/,/^}/p' root/usr/lib/password-store/extensions/otp.bash)
pass_otp() (
  set +eu
  die() { echo "$*"; exit 1; }
  eval "$functions"
  otp_parse_uri "$1"
  echo "pass-otp: $otp_issuer, $otp_accountname"
)
out=$(for uri in 'otpauth://totp/Acme+Ltd:ada+work@example.com' 'otpauth://totp/Acme%20Ltd:ada%2Bwork%40example.com'; do
  uri+='?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
  echo "${uri%%\?*}"
  pass_otp "$uri"
  PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 -c 'import pyotp, sys; t = pyotp.parse_uri(sys.argv[1]); print(f"pyotp: {t.issuer}, {t.name}")' "$uri"
  node --input-type=module -e 'import { URI } from "otpauth"; const t = URI.parse(process.argv[1]); console.log(`otpauth: ${t.issuer}, ${t.label}`)' "$uri"
done)
echo "$out"
want='otpauth://totp/Acme+Ltd:ada+work@example.com
pass-otp: Acme Ltd, ada work@example.com
pyotp: Acme+Ltd, ada+work@example.com
otpauth: Acme+Ltd, ada+work@example.com
otpauth://totp/Acme%20Ltd:ada%2Bwork%40example.com
pass-otp: Acme Ltd, ada+work@example.com
pyotp: Acme Ltd, ada+work@example.com
otpauth: Acme Ltd, ada+work@example.com'
[ "$out" = "$want" ]
echo "as stated"
