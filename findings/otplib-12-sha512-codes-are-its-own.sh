#!/usr/bin/env bash
# npm otplib 12, its authenticator with SHA-256 and SHA-512, beside otpauth, speakeasy, pyotp, Ruby's rotp and oathtool.
#
# A guess: the algorithm is a parameter of the standard (RFC 6238), so with the same secret and algorithm all give the same code.
# Behaviour: with SHA-512 otplib 12 repeats a secret of fewer than 32 bytes until it has 64, so its codes are those of another
# secret, and no other program accepts them; with SHA-256 it does so below 16 bytes. SHA-1 is as elsewhere. Since it makes and checks codes the same
# way, tests with otplib on both sides pass, and the first real app fails. Its successor 13 doesn't, so to upgrade changes every code.
#
# Seen with otplib 12.0.1 and 13.5.0, otpauth 9.5.2 and speakeasy 2.0.0 on Node 20; pyotp 2.6.0, rotp 6.2.0 and oathtool 2.6.7 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund otplib@12.0.1 otplib13@npm:otplib@13.5.0 otpauth@9.5.2 speakeasy@2.0.0
apt-get download -q -o APT::Sandbox::User= python3-pyotp ruby-rotp oathtool liboath0 libpskc0 libxmlsec1 libxmlsec1-openssl libxml2 libicu72 libxslt1.1 >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >codes.mjs <<'JS'
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const [secret, algorithm, seconds] = process.argv.slice(2);
const { authenticator } = require("otplib");
const { TOTP } = require("otpauth");
const { generate } = require("otplib13");
console.log("otplib 12:", authenticator.clone({ algorithm, epoch: seconds * 1000 }).generate(secret));
if (secret.length >= 26) console.log("otplib 13:", await generate({ secret, algorithm, epoch: Number(seconds) }));
console.log("otpauth:", new TOTP({ secret, algorithm }).generate({ timestamp: seconds * 1000 }));
console.log("speakeasy:", require("speakeasy").totp({ secret, encoding: "base32", algorithm, time: Number(seconds) }));
JS
cat >codes.py <<'PY'
import hashlib, pyotp, sys
secret, algorithm, seconds = sys.argv[1:]
print("pyotp:", pyotp.TOTP(secret, digest=getattr(hashlib, algorithm)).at(int(seconds)))
PY
cat >codes.rb <<'RB'
require "rotp"
secret, algorithm, seconds = ARGV
puts "rotp: #{ROTP::TOTP.new(secret, digest: algorithm).at(seconds.to_i)}"
RB
# of BYTES ALGORITHM: the code of otplib 12, and the one of all others.
of() {
  secret=$(head -c "$1" /dev/zero | tr '\0' s | base32 -w 0 | tr -d =)
  node codes.mjs "$secret" "$2" 1800000000 >codes
  PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 codes.py "$secret" "$2" 1800000000 >>codes
  ruby -I "$dir/root/usr/share/rubygems-integration/all/gems/rotp-6.2.0/lib" -I "$dir/root/usr/lib/ruby/vendor_ruby" codes.rb "$secret" "$2" 1800000000 >>codes
  echo "oathtool: $(LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu) "$dir/root/usr/bin/oathtool" --totp="$2" -b -N @1800000000 "$secret")" >>codes
  echo "$1 bytes, $2: otplib 12 $(sed -n 's/^otplib 12: //p' codes), the others $(grep -v '^otplib 12' codes | sed 's/.*: //' | sort -u | paste -sd ' ')"
}
out=$(of 20 sha1; of 20 sha256; of 10 sha256; of 20 sha512; of 31 sha512; of 32 sha512)
echo "$out"
want='20 bytes, sha1: otplib 12 772213, the others 772213
20 bytes, sha256: otplib 12 550122, the others 550122
10 bytes, sha256: otplib 12 498780, the others 836730
20 bytes, sha512: otplib 12 007152, the others 337952
31 bytes, sha512: otplib 12 082290, the others 685515
32 bytes, sha512: otplib 12 755408, the others 755408'
[ "$out" = "$want" ]
echo "as stated"
