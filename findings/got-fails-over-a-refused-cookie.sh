#!/usr/bin/env bash
# npm got with a cookie jar, and axios with axios-cookiejar-support: an answer with one cookie that the jar refuses.
#
# A guess: a cookie for another domain is ignored, as browsers ignore it (RFC 6265, section 5.3), and the answer is handed over.
# Behaviour: with got the whole request fails with the jar's error, although the server has answered 200, done its work and set a good
# cookie beside. Only ignoreInvalidCookies makes it do as browsers do. The same jar under axios ignores the cookie. So a
# server with a wrong cookie domain works in every browser and breaks its Node clients, or the other way round hides there.
#
# Seen with got 14.4.7, axios 1.12.2, axios-cookiejar-support 6.0.4 and tough-cookie 6.0.0 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund got@14.4.7 axios@1.12.2 axios-cookiejar-support@6.0.4 tough-cookie@6.0.0
cat >ask.mjs <<'JS'
import { createServer } from "node:http";
import axios from "axios";
import { wrapper } from "axios-cookiejar-support";
import got from "got";
import { CookieJar } from "tough-cookie";
const server = createServer((request, response) => {
  response.setHeader("Set-Cookie", ["wide=1; Path=/; Domain=example.com", "sid=1; Path=/"]).end("ok");
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const url = `http://127.0.0.1:${server.address().port}/`;
const jars = [new CookieJar(), new CookieJar(), new CookieJar()];
const asks = {
  got: () => got(url, { cookieJar: jars[0] }),
  "got, ignoreInvalidCookies": () => got(url, { cookieJar: jars[1], ignoreInvalidCookies: true }),
  axios: () => wrapper(axios.create({ jar: jars[2] })).get(url),
};
for (const [at, [name, ask]] of Object.entries(asks).entries()) {
  const end = await ask().then((answer) => `status ${answer.statusCode ?? answer.status}`, (error) => `fails: ${error.message.split(".")[0]}`);
  console.log(`${name}: ${end}; kept: ${(await jars[at].getCookies(url)).map((cookie) => cookie.key).join() || "nothing"}`);
}
server.closeAllConnections();
server.close();
JS
out=$(timeout 60 node ask.mjs)
echo "$out"
want="got: fails: Cookie not in this host's domain; kept: sid
got, ignoreInvalidCookies: status 200; kept: sid
axios: status 200; kept: sid"
[ "$out" = "$want" ]
echo "as stated"
