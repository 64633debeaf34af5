#!/usr/bin/env bash
# TOTP libraries, and a secret in groups of four, "JBSW Y3DP …", as services show it to people who type it in, and as people paste it.
#
# A guess: a library that doesn't drop the blanks says that this is no base32; lower case is taken by all.
# Behaviour: otplib 12 and speakeasy neither drop the blanks nor complain: each makes a code of six digits that belongs to another secret, and each
# its own. A person who moves a secret by hand sees codes that look well and never fit. otpauth and oathtool drop the blanks; otplib 13, pyotp, rotp,
# Auth::GoogleAuth and pquerna/otp refuse them. Dashes between the groups are the same, but for otpauth and oathtool, which refuse those.
# Lower case is indeed taken by all.
#
# Seen with otplib 12.0.1 and 13.5.0, otpauth 9.5.2 and speakeasy 2.0.0 on Node 20; pquerna/otp 1.5.0 on Go 1.26; pyotp 2.6.0, rotp 6.2.0,
# Auth::GoogleAuth 1.03 and oathtool 2.6.7 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund otplib@12.0.1 otplib13@npm:otplib@13.5.0 otpauth@9.5.2 speakeasy@2.0.0
apt-get download -q -o APT::Sandbox::User= python3-pyotp ruby-rotp oathtool liboath0 libpskc0 libxmlsec1 libxmlsec1-openssl libxml2 libicu72 libxslt1.1 \
  libauth-googleauth-perl libclass-accessor-perl libconvert-base32-perl libdigest-hmac-perl libmath-random-mt-perl liburi-perl libsub-name-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >codes.mjs <<'JS'
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const [secret, seconds] = [process.argv[2], Number(process.argv[3])];
const { authenticator } = require("otplib");
const { TOTP } = require("otpauth");
const ways = {
  "otplib 12": () => authenticator.clone({ epoch: seconds * 1000 }).generate(secret),
  "otplib 13": () => require("otplib13").generateSync({ secret, epoch: seconds }),
  otpauth: () => new TOTP({ secret }).generate({ timestamp: seconds * 1000 }),
  speakeasy: () => require("speakeasy").totp({ secret, encoding: "base32", time: seconds }),
};
for (const [name, way] of Object.entries(ways)) {
  let code = "an error";
  try { code = way(); } catch {}
  console.log(`${name}: ${code}`);
}
JS
cat >codes.py <<'PY'
import pyotp, sys
try:
    print("pyotp:", pyotp.TOTP(sys.argv[1]).at(int(sys.argv[2])))
except Exception:
    print("pyotp: an error")
PY
cat >codes.rb <<'RB'
require "rotp"
puts "rotp: #{ROTP::TOTP.new(ARGV[0]).at(ARGV[1].to_i) rescue "an error"}"
RB
cat >codes.pl <<'PL'
use Auth::GoogleAuth;
my $code = eval { Auth::GoogleAuth->new({ secret32 => $ARGV[0] })->code($ARGV[0], $ARGV[1]) } // "an error";
print "Auth::GoogleAuth: $code\n";
PL
cat >go.mod <<'MOD'
module finding
go 1.26
require github.com/pquerna/otp v1.5.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/pquerna/otp/totp"
)

func main() {
	seconds, _ := strconv.ParseInt(os.Args[2], 10, 64)
	code, err := totp.GenerateCode(os.Args[1], time.Unix(seconds, 0))
	if err != nil {
		code = "an error"
	}
	fmt.Println("pquerna/otp:", code)
}
GO
go mod tidy >/dev/null 2>&1
go build -o codes .
export LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu) PERL5LIB=$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*/perl5/5.36)
seconds=1800000000
right=$(root/usr/bin/oathtool --totp -b -N "@$seconds" JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP)
of() {
  echo "$1:"
  {
    env -u LD_LIBRARY_PATH node codes.mjs "$1" $seconds
    PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 codes.py "$1" $seconds
    ruby -I "$dir/root/usr/lib/ruby/vendor_ruby" codes.rb "$1" $seconds
    perl codes.pl "$1" $seconds
    ./codes "$1" $seconds
    echo "oathtool: $(root/usr/bin/oathtool --totp -b -N "@$seconds" "$1" 2>/dev/null || echo "an error")"
  } | sed "s/: $right\$/: right/; s/: \([0-9]\{6\}\)\$/: another code, \1/; s/^/  /"
}
out=$(of JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP; of jbswy3dpehpk3pxpjbswy3dpehpk3pxp
  of "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP"; of JBSW-Y3DP-EHPK-3PXP-JBSW-Y3DP-EHPK-3PXP)
echo "$out"
want='JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP:
  otplib 12: right
  otplib 13: right
  otpauth: right
  speakeasy: right
  pyotp: right
  rotp: right
  Auth::GoogleAuth: right
  pquerna/otp: right
  oathtool: right
jbswy3dpehpk3pxpjbswy3dpehpk3pxp:
  otplib 12: right
  otplib 13: right
  otpauth: right
  speakeasy: right
  pyotp: right
  rotp: right
  Auth::GoogleAuth: right
  pquerna/otp: right
  oathtool: right
JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP:
  otplib 12: another code, 253594
  otplib 13: an error
  otpauth: right
  speakeasy: another code, 838972
  pyotp: an error
  rotp: an error
  Auth::GoogleAuth: an error
  pquerna/otp: an error
  oathtool: right
JBSW-Y3DP-EHPK-3PXP-JBSW-Y3DP-EHPK-3PXP:
  otplib 12: another code, 253594
  otplib 13: an error
  otpauth: an error
  speakeasy: another code, 838972
  pyotp: an error
  rotp: an error
  Auth::GoogleAuth: an error
  pquerna/otp: an error
  oathtool: an error'
[ "$out" = "$want" ]
echo "as stated"
