#!/usr/bin/env bash
# npm argon2 0.45, and the password hashes that it writes, read by other programs, as when accounts move or two services share a table.
#
# A guess: an argon2 hash is a PHC string, $argon2id$v=19$m=…,t=…,p=…$salt$tag, the same in all languages. Such strings exist so that hashes move.
# Behaviour: npm argon2 0.45.1 writes m, p, t, in the order of the alphabet. Its own verify and @node-rs/argon2 take any order. To argon2-cffi, passlib,
# Crypt::Argon2 and Go's two libraries such a hash is an error; to PHP's password_verify and PyNaCl it is a wrong password, and so the person is
# told. PHP's password_get_info even reads 4 passes and 1 thread where it was 1 pass and 4 threads. With t and p exchanged, in the text
# alone, all of them accept it. 0.44.0 writes the usual order, so a table filled by both versions has both kinds.
#
# Seen with npm argon2 0.44.0 and 0.45.1 and @node-rs/argon2 2.2.1 on Node 20; alexedwards/argon2id 1.0.0 and matthewhartstonge/argon2 1.1.1 on Go
# 1.26; argon2-cffi 21.1.0, passlib 1.7.4, PyNaCl 1.5.0, PHP 8.2 and Perl's Crypt::Argon2 0.013 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund argon2@0.45.1 argon2044@npm:argon2@0.44.0 @node-rs/argon2@2.2.1
apt-get download -q -o APT::Sandbox::User= python3-argon2 python3-cffi-backend python3-passlib python3-nacl python3-six libargon2-1 libsodium23 php8.2-cli php8.2-common \
  libedit2 libbsd0 libmd0 libpcre2-8-0 libxml2 libicu72 libcrypt-argon2-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >go.mod <<'MOD'
module finding
go 1.26
require (
	github.com/alexedwards/argon2id v1.0.0
	github.com/matthewhartstonge/argon2 v1.1.1
)
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/alexedwards/argon2id"
	"github.com/matthewhartstonge/argon2"
)

func tell(name string, matches bool, err error) {
	if err != nil {
		fmt.Printf("%s: an error\n", name)
		return
	}
	fmt.Printf("%s: %v\n", name, matches)
}

func main() {
	matches, err := argon2id.ComparePasswordAndHash(os.Args[2], os.Args[1])
	tell("argon2id in Go", matches, err)
	matches, err = argon2.VerifyEncoded([]byte(os.Args[2]), []byte(os.Args[1]))
	tell("argon2 in Go", matches, err)
}
GO
cat >verify.mjs <<'JS'
import argon2 from "argon2";
import old from "argon2044";
import rust from "@node-rs/argon2";
const [hash, password] = process.argv.slice(2);
for (const [name, library] of Object.entries({ "npm argon2 0.45": argon2, "npm argon2 0.44": old, "@node-rs/argon2": rust }))
  console.log(`${name}:`, await library.verify(hash, password).catch(() => "an error"));
JS
cat >verify.py <<'PY'
import sys, argon2, nacl.exceptions, nacl.pwhash, passlib.hash
digest, password = sys.argv[1:]
def tell(name, verify, wrong):
    try:
        print(f"{name}:", str(verify()).lower())
    except wrong:
        print(f"{name}: false")
    except Exception:
        print(f"{name}: an error")
tell("argon2-cffi", lambda: argon2.PasswordHasher().verify(digest, password), argon2.exceptions.VerifyMismatchError)
tell("passlib", lambda: passlib.hash.argon2.verify(password, digest), ())
tell("PyNaCl", lambda: nacl.pwhash.verify(digest.encode(), password.encode()), nacl.exceptions.InvalidkeyError)
PY
cat >verify.php <<'PHP'
<?php
[, $hash, $password] = $argv;
echo "PHP: ", json_encode(password_verify($password, $hash)), "\n";
["time_cost" => $t, "threads" => $p] = password_get_info($hash)["options"];
echo "PHP reads t=$t, p=$p\n";
PHP
cat >verify.pl <<'PL'
use Crypt::Argon2 "argon2id_verify";
my $matches = eval { argon2id_verify(@ARGV) };
print "Crypt::Argon2: ", $@ ? "an error" : $matches ? "true" : "false", "\n";
PL
go mod tidy >/dev/null 2>&1
go build -o verify .
password="correct horse battery"
options='{ memoryCost: 8192, timeCost: 1, parallelism: 4 }'
hash=$(node -e "require('argon2').hash('$password', $options).then(console.log)")
earlier=$(node -e "require('argon2044').hash('$password', $options).then(console.log)")
all() {
  node verify.mjs "$1" "$password"
  PYTHONPATH=$dir/root/usr/lib/python3/dist-packages LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu) /usr/bin/python3 verify.py "$1" "$password"
  LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu) root/usr/bin/php8.2 -n verify.php "$1" "$password"
  PERL5LIB=$(echo "$dir"/root/usr/lib/*/perl5/5.36) perl verify.pl "$1" "$password"
  ./verify "$1" "$password"
}
out=$(
  echo "0.44 writes $(cut -d'$' -f2-4 <<<"$earlier")"
  echo "0.45 writes $(cut -d'$' -f2-4 <<<"$hash")"
  all "$hash"
  echo "with t before p:"
  all "${hash/p=4,t=1/t=1,p=4}"
)
echo "$out"
want='0.44 writes argon2id$v=19$m=8192,t=1,p=4
0.45 writes argon2id$v=19$m=8192,p=4,t=1
npm argon2 0.45: true
npm argon2 0.44: true
@node-rs/argon2: true
argon2-cffi: an error
passlib: an error
PyNaCl: false
PHP: false
PHP reads t=4, p=1
Crypt::Argon2: an error
argon2id in Go: an error
argon2 in Go: an error
with t before p:
npm argon2 0.45: true
npm argon2 0.44: true
@node-rs/argon2: true
argon2-cffi: true
passlib: true
PyNaCl: true
PHP: true
PHP reads t=1, p=4
Crypt::Argon2: true
argon2id in Go: true
argon2 in Go: true'
[ "$out" = "$want" ]
echo "as stated"
