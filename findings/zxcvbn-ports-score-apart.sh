#!/usr/bin/env bash
# zxcvbn and its ports, the meter of a page and the rule of a server: which score, 0 to 4, they give to the same password.
#
# A guess: ports of one algorithm give one score, give or take a dictionary's edition. A page may show the meter of its port and the server
# demand 3 by its own.
# Behaviour: JavaScript's zxcvbn, Python's zxcvbn and Go's trustelem/zxcvbn agree. Go's nbutton23/zxcvbn-go has other steps: what the page calls 3 is
# 0 or 1 for it, so a server with it refuses nearly all that the page calls strong. @zxcvbn-ts/core without its dictionaries, which are packages of their
# own that have to be handed over, gives 3 to password1 and 4 to P@ssw0rd2026; with them it is near the first three.
#
# Seen with zxcvbn 4.4.2, @zxcvbn-ts/core 4.2.0, language-common 4.1.3 and language-en 4.1.1 on Node 20; trustelem/zxcvbn 1.0.1 and nbutton23/zxcvbn-go
# of 2021-02-17 on Go 1.26; zxcvbn 4.4.28 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund zxcvbn@4.4.2 @zxcvbn-ts/core@4.2.0 @zxcvbn-ts/language-common@4.1.3 @zxcvbn-ts/language-en@4.1.1
apt-get download -q -o APT::Sandbox::User= python3-zxcvbn >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >score.mjs <<'JS'
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const zxcvbn = require("zxcvbn");
const { ZxcvbnFactory } = require("@zxcvbn-ts/core");
const common = require("@zxcvbn-ts/language-common");
const english = require("@zxcvbn-ts/language-en");
const bare = new ZxcvbnFactory();
const full = new ZxcvbnFactory({ dictionary: { ...common.dictionary, ...english.dictionary }, graphs: common.adjacencyGraphs, translations: english.translations });
const line = (name, score) => console.log(`${name}: ${process.argv.slice(2).map(score).join(" ")}`);
line("zxcvbn", (password) => zxcvbn(password).score);
line("zxcvbn-ts with dictionaries", (password) => full.check(password).score);
line("zxcvbn-ts without", (password) => bare.check(password).score);
JS
cat >score.py <<'PY'
import sys, zxcvbn
print("Python:", *[zxcvbn.zxcvbn(password)["score"] for password in sys.argv[1:]])
PY
cat >go.mod <<'MOD'
module finding
go 1.26
require (
	github.com/nbutton23/zxcvbn-go v0.0.0-20210217022336-fa2cb2858354
	github.com/trustelem/zxcvbn v1.0.1
)
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	nbutton "github.com/nbutton23/zxcvbn-go"
	"github.com/trustelem/zxcvbn"
)

func main() {
	var one, two []int
	for _, password := range os.Args[1:] {
		one = append(one, zxcvbn.PasswordStrength(password, nil).Score)
		two = append(two, nbutton.PasswordStrength(password, nil).Score)
	}
	fmt.Println("Go, trustelem:", fmt.Sprint(one))
	fmt.Println("Go, nbutton23:", fmt.Sprint(two))
}
GO
go mod tidy >/dev/null 2>&1
passwords=(password1 P@ssw0rd2026 Summer2026! correcthorse sunshine-monday 'myDogRex!!' correct-horse-battery)
out=$(echo "${passwords[*]}"
  node score.mjs "${passwords[@]}"
  PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 score.py "${passwords[@]}"
  go run . "${passwords[@]}" | tr -d '[]')
echo "$out"
want='password1 P@ssw0rd2026 Summer2026! correcthorse sunshine-monday myDogRex!! correct-horse-battery
zxcvbn: 0 1 2 2 3 3 4
zxcvbn-ts with dictionaries: 0 1 2 1 3 3 4
zxcvbn-ts without: 3 4 3 4 4 3 4
Python: 0 1 2 2 3 3 4
Go, trustelem: 0 1 2 2 3 3 4
Go, nbutton23: 0 0 0 0 0 1 4'
[ "$out" = "$want" ]
echo "as stated"
