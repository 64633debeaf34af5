#!/usr/bin/env bash
# bcrypt hashes as programs write them, $2a$, $2b$ and $2y$, read by the libraries of other languages, as when accounts move.
#
# A guess: the letter tells apart old mistakes; for a password of less than 72 ASCII characters all three mean the same, and every library of today
# reads what the others write.
# Behaviour: npm bcrypt 6 answers false, without an error, to every hash that PHP's password_hash or htpasswd -B has written: $2y$. The right password is
# then a wrong one. npm bcryptjs, @node-rs/bcrypt, Go, Python, Ruby and crypt(3) read all three. Perl's Crypt::Eksblowfish reads $2a$
# alone and dies at $2b$, which most write today. With the letter exchanged in the text, the hash is read by each.
#
# Seen with npm bcrypt 6.0.0, bcryptjs 3.0.3 and @node-rs/bcrypt 1.10.7 on Node 20, golang.org/x/crypto 0.45.0 on Go 1.26, and from Debian 12: PHP 8.2,
# htpasswd 2.4, Python's bcrypt 3.2.2, Ruby's bcrypt 3.1.18, Crypt::Eksblowfish 0.009 and crypt(3) of libxcrypt 4.4.33.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund bcrypt@6.0.0 bcryptjs@3.0.3 @node-rs/bcrypt@1.10.7
apt-get download -q -o APT::Sandbox::User= php8.2-cli php8.2-common libargon2-1 libsodium23 libedit2 libbsd0 libmd0 libxml2 libicu72 libpcre2-8-0 apache2-utils libapr1 libaprutil1 \
  python3-bcrypt python3-cffi-backend python3-six ruby-bcrypt libcrypt-eksblowfish-perl libclass-mix-perl libcrypt1 >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >read.mjs <<'JS'
import bcrypt from "bcrypt";
import bcryptjs from "bcryptjs";
import rust from "@node-rs/bcrypt";
const [hash, password] = process.argv.slice(2);
const all = { "npm bcrypt": bcrypt, bcryptjs, "@node-rs/bcrypt": rust };
for (const [name, library] of Object.entries(all)) console.log(name, await library.compare(password, hash).catch(() => "an error"));
JS
cat >read.py <<'PY'
import bcrypt, ctypes, sys
digest, password = (word.encode() for word in sys.argv[1:])
print("Python", str(bcrypt.checkpw(password, digest)).lower())
crypt = ctypes.CDLL("libcrypt.so.1").crypt
crypt.restype = ctypes.c_char_p
print("crypt(3)", str(crypt(password, digest) == digest).lower())
PY
cat >read.rb <<'RB'
require "bcrypt"
puts "Ruby #{BCrypt::Password.new(ARGV[0]) == ARGV[1]}"
RB
cat >read.pl <<'PL'
use Crypt::Eksblowfish::Bcrypt "bcrypt";
my $matches = eval { bcrypt($ARGV[1], $ARGV[0]) eq $ARGV[0] ? "true" : "false" } // "an error";
print "Perl $matches\n";
PL
cat >go.mod <<'MOD'
module finding
go 1.26
require golang.org/x/crypto v0.45.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"golang.org/x/crypto/bcrypt"
)

func main() {
	fmt.Println("Go", bcrypt.CompareHashAndPassword([]byte(os.Args[1]), []byte(os.Args[2])) == nil)
}
GO
go mod tidy >/dev/null 2>&1
go build -o read .
libraries=$(echo "$dir"/root/usr/lib/*-linux-gnu)
gem=$(echo "$libraries"/rubygems-integration/*/gems/bcrypt-3.1.18/lib)
extension=$(echo "$libraries"/rubygems-integration/*/extensions/*/*/bcrypt-3.1.18)
password="correct horse"
php=$(LD_LIBRARY_PATH=$libraries root/usr/bin/php8.2 -n -r "echo password_hash('$password', PASSWORD_BCRYPT, ['cost' => 4]);")
htpasswd=$(LD_LIBRARY_PATH=$libraries root/usr/bin/htpasswd -nbBC 4 ada "$password" | cut -d: -f2 | tr -d '\n')
node=$(node -e "require('bcrypt').hash('$password', 4).then(console.log)")
read_all() {
  {
    node read.mjs "$1" "$password"
    ./read "$1" "$password"
    LD_LIBRARY_PATH=$libraries root/usr/bin/php8.2 -n -r 'echo "PHP ", json_encode(password_verify($argv[2], $argv[1])), "\n";' "$1" "$password"
    PYTHONPATH=$dir/root/usr/lib/python3/dist-packages LD_LIBRARY_PATH=$(echo "$dir"/root/lib/*-linux-gnu) /usr/bin/python3 read.py "$1" "$password"
    ruby -I "$gem" -I "$extension" read.rb "$1" "$password"
    PERL5LIB=$dir/root/usr/share/perl5:$(echo "$libraries"/perl5/5.36) perl read.pl "$1" "$password"
  } >read.out
  for answer in true false "an error"; do echo "  $answer: $(grep " $answer\$" read.out | sed "s/ $answer\$//" | paste -sd, | sed 's/,/, /g')"; done | grep -v ': $'
}
out=$(
  echo "PHP writes ${php:0:7}"; read_all "$php"
  echo "htpasswd writes ${htpasswd:0:7}"; read_all "$htpasswd"
  echo "npm bcrypt writes ${node:0:7}"; read_all "$node"
  echo "the first with \$2a\$"; read_all "\$2a${php:3}"
)
echo "$out"
want='PHP writes $2y$04$
  true: bcryptjs, @node-rs/bcrypt, Go, PHP, Python, crypt(3), Ruby
  false: npm bcrypt
  an error: Perl
htpasswd writes $2y$04$
  true: bcryptjs, @node-rs/bcrypt, Go, PHP, Python, crypt(3), Ruby
  false: npm bcrypt
  an error: Perl
npm bcrypt writes $2b$04$
  true: npm bcrypt, bcryptjs, @node-rs/bcrypt, Go, PHP, Python, crypt(3), Ruby
  an error: Perl
the first with $2a$
  true: npm bcrypt, bcryptjs, @node-rs/bcrypt, Go, PHP, Python, crypt(3), Ruby, Perl'
[ "$out" = "$want" ]
echo "as stated"
