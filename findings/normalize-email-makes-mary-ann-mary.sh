#!/usr/bin/env bash
# npm validator, normalizeEmail(), which express-validator has under the same name, on addresses of Yahoo.
#
# A guess: it makes one form of several spellings of the same mailbox: capitals, dots and +tags at Gmail. What people write with a hyphen is a name.
# Behaviour: at Yahoo's domains everything from the first hyphen on is a tag and is dropped, so mary-ann@yahoo.com becomes mary@yahoo.com, and Jean-Luc's mail goes
# to Jean. What is stored is the address that mail is sent to, so mary-ann's confirmation goes to a stranger. yahoo_remove_subaddress: false
# leaves it. Other domains keep hyphens; ya.ru becomes yandex.ru, and googlemail.com gmail.com.
#
# Seen with validator 13.15.35 and express-validator 7.3.1 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund validator@13.15.35 express-validator@7.3.1
cat >normalize.mjs <<'JS'
import { body } from "express-validator";
import validator from "validator";
for (const email of ["mary-ann@yahoo.com", "jean-luc@rocketmail.com", "mary-ann@gmail.com", "ada@ya.ru", "ada@googlemail.com"]) {
  const request = { body: { email } };
  await body("email").isEmail().normalizeEmail().run(request);
  console.log(`${email}: ${validator.normalizeEmail(email)}, in express-validator ${request.body.email}, told ${validator.normalizeEmail(email, { yahoo_remove_subaddress: false })}`);
}
JS
out=$(timeout -k 5 60 node normalize.mjs)
echo "$out"
want='mary-ann@yahoo.com: mary@yahoo.com, in express-validator mary@yahoo.com, told mary-ann@yahoo.com
jean-luc@rocketmail.com: jean@rocketmail.com, in express-validator jean@rocketmail.com, told jean-luc@rocketmail.com
mary-ann@gmail.com: mary-ann@gmail.com, in express-validator mary-ann@gmail.com, told mary-ann@gmail.com
ada@ya.ru: ada@yandex.ru, in express-validator ada@yandex.ru, told ada@yandex.ru
ada@googlemail.com: ada@gmail.com, in express-validator ada@gmail.com, told ada@gmail.com'
[ "$out" = "$want" ]
echo "as stated"
