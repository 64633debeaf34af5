#!/usr/bin/env bash
# npm otplib and otpauth, a code that isn't six ASCII digits.
#
# A guess: the check of a code answers no for every text that isn't the right code, so one field can be tried first as a code of
# an authenticator app and then as a recovery code.
# Behaviour: otplib's verify rejects its promise for every text of another length, and for six wide digits, which some
# keyboards for East Asian languages type. otpauth's validate answers null for another length, and throws for six wide
# digits. A server that doesn't look at the text first answers 500 to a recovery code.
#
# Seen with otplib 13.5.0 and otpauth 9.5.2 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund otplib@13.5.0 otpauth@9.5.2
cat >check.mjs <<'JS'
import { TOTP } from "otpauth";
import { verify } from "otplib";
const secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const app = new TOTP({ secret });
const wide = [..."123456"].map((digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0)).join("");
const name = (error) => error.name;
for (const [what, token] of [["a recovery code", "7K2M-QX4D"], ["a code with a blank", "123 456"], ["six wide digits", wide]]) {
  const a = await verify({ secret, token }).then((answer) => JSON.stringify(answer), name);
  let b;
  try {
    b = app.validate({ token });
  } catch (error) {
    b = name(error);
  }
  console.log(`${what}: otplib ${a}, otpauth ${b}`);
}
JS
out=$(node check.mjs)
echo "$out"
want='a recovery code: otplib TokenLengthError, otpauth null
a code with a blank: otplib TokenLengthError, otpauth null
six wide digits: otplib TokenFormatError, otpauth RangeError'
[ "$out" = "$want" ]
echo "as stated"
